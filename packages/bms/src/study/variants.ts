// The rows of the study: which model each is, and what it changes of that model's defaults. A run is known by what its configuration
// says, not by the name of its folder: `describe` finds the row of any run.
import type { MixtureConfig, MixtureHyper } from '../config/mixtures.js'
import type { MixtureName } from '../data/mixtures.js'
import { defaultsFor } from '../defaults.js'
import { type ModelName, models } from '../models.js'
import { unknownName } from '../names.js'

/** In the order of the paper's table. */
export const studySets: readonly MixtureName[] = ['grid', 'ring']

export interface StudyVariant {
  /** As typed, and as folders are named. */
  readonly name: string
  /** As printed. */
  readonly title: string
  readonly model: ModelName
  /** Draws, where not the model's own. */
  readonly T?: number
  readonly hyper?: Readonly<Partial<MixtureHyper>>
  /** The paper's table, or what we ask beyond it. */
  readonly group: 'paper' | 'ablation'
}

const paper = (model: ModelName): StudyVariant => ({ name: model, title: models[model].title, model, group: 'paper' })
const ablation = (name: string, title: string, model: ModelName, changes: Pick<StudyVariant, 'T' | 'hyper'> = {}): StudyVariant => ({
  name,
  title,
  model,
  ...changes,
  group: 'ablation',
})

/** In the order in which they are printed; that of the paper comes first. BMS-VAE-GAN has T 5, α-GAN + SN is its T 1. */
export const variants: readonly StudyVariant[] = [
  paper('veegan'),
  paper('gdpp-gan'),
  paper('sn-gan'),
  paper('md-gan'),
  paper('wae'),
  paper('alpha-gan'),
  paper('bms-vae-gan'),
  ablation('alpha-gan-sn', 'α-GAN + SN (T 1)', 'alpha-gan-sn'),
  ablation('bms-mean', 'BMS, mean of draws', 'bms-vae-gan', { hyper: { draws: 'mean' } }),
  ablation('bms-T2', 'BMS, T 2', 'bms-vae-gan', { T: 2 }),
  ablation('bms-T10', 'BMS, T 10', 'bms-vae-gan', { T: 10 }),
  ablation('bms-T30', 'BMS, T 30', 'bms-vae-gan', { T: 30 }),
  ablation('bms-no-sn', 'BMS, no SN', 'bms-vae-gan', { hyper: { lipschitz: 'none' } }),
  ablation('bms-gp', 'BMS, GP for SN', 'bms-vae-gan', { hyper: { lipschitz: 'penalty' } }),
  ablation('bms-vae', 'BMS-VAE', 'bms-vae'),
  ablation('wae-mmd', 'WAE, MMD', 'wae', { hyper: { kl: 'mmd', wKl: 100 } }),
]

const named = (group: StudyVariant['group']) => variants.filter((variant) => variant.group === group)

/** Words that stand for several variants. */
const words: Readonly<Record<string, readonly StudyVariant[]>> = { paper: named('paper'), ablations: named('ablation'), all: variants }

/**
 * The variants that a list names, in the table's order, each once.
 * @param list names separated by commas; `paper`, `ablations` and `all` stand for several
 * @throws BmsError `UNKNOWN_NAME`
 */
export function chosenVariants(list: string): StudyVariant[] {
  const chosen = new Set(
    list.split(',').flatMap((part) => {
      const name = part.trim()
      const found = Object.hasOwn(words, name) ? words[name] : variants.filter((variant) => variant.name === name)
      if (!found || found.length === 0) throw unknownName('model of the study', name, [...variants.map((variant) => variant.name), ...Object.keys(words)])
      return found
    }),
  )
  return variants.filter((variant) => chosen.has(variant))
}

/** The options that a run of the variant is started with. */
export const variantOptions = ({ model, T, hyper }: StudyVariant): { model: ModelName; T?: number; hyper?: Partial<MixtureHyper> } => ({ model, T, hyper })

/** What a run is about, whatever its seed and data set. */
export interface RunIdentity {
  /** The row of the study that it belongs to, if any. */
  readonly variant?: StudyVariant
  /** As printed: the variant's title, or model, T and what differs from the defaults; without what is in `length`. */
  readonly title: string
  /** Steps and batch that are not the defaults of its data set: { steps: 500 }. */
  readonly length: Readonly<Record<string, number>>
  /** Equal for runs that may be averaged. */
  readonly key: string
}

const textOf = (value: unknown): string => (Array.isArray(value) ? value.join('-') : String(value))

/** What differs from the defaults of the run's data set and model. */
function differences({ dataset, model, T, hyper }: Pick<MixtureConfig, 'dataset' | 'model' | 'T' | 'hyper'>): Record<string, string> {
  const usual = defaultsFor(dataset, model)
  const changed = Object.entries(hyper).filter(([name, value]) => {
    // Samples drawn at evaluations on the way leave the run as it is.
    return name !== 'evalSamples' && textOf(value) !== textOf(usual.hyper[name as keyof MixtureHyper])
  })
  return { ...(T !== usual.run.T && { T: textOf(T) }), ...Object.fromEntries(changed.map(([name, value]) => [name, textOf(value)])) }
}

const same = (a: Record<string, string>, b: Record<string, string>): boolean => {
  const names = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...names].every((name) => a[name] === b[name])
}

/** Which row a run belongs to. */
export function describe(config: MixtureConfig): RunIdentity {
  const { dataset, model, steps, batch } = config
  const own = differences(config)
  const usual = defaultsFor(dataset, model)
  const variant = variants.find((one) => one.model === model && same(own, variantDifferences(one, dataset)))
  const length = { ...(steps !== usual.run.steps && { steps }), ...(batch !== usual.run.batch && { batch }) }
  const changes = Object.entries(own).map(([name, value]) => `${name} ${value}`)
  const title = variant?.title ?? [models[model].title, ...changes].join(', ')
  return { variant, title, length, key: JSON.stringify([model, own, length]) }
}

function variantDifferences({ model, T, hyper }: StudyVariant, dataset: MixtureName): Record<string, string> {
  const usual = defaultsFor(dataset, model)
  return differences({ dataset, model, T: T ?? usual.run.T, hyper: { ...usual.hyper, ...hyper } })
}
