// What a run is: data set, model, length, seed and every hyper-parameter, checked once where it comes in (command line,
// library call, config.json) so that nothing behind it needs to doubt a number.
import { BmsError, show } from '@bms/tensor'
import { type ImageConfig, imageDatasets, type ImageDataset, imageHyperFields, imageOnlyFields, imageRunFields } from './config/images.js'
import { type MixtureConfig, mixtureHyperFields, mixtureRunFields } from './config/mixtures.js'
import { badArgument, baseFields, checkOption, type RunBase } from './config/run.js'
import { type MixtureName, mixtureNames } from './data/mixtures.js'
import { defaultsFor } from './defaults.js'
import { imageModelNames, modelName, models } from './models.js'
import { suggest, unknownName } from './names.js'
import { describeProblem, type Field, type Fields, readFields } from './schema.js'

export type { Architecture, ImageConfig, ImageDataset, ImageHyper } from './config/images.js'
export { architectures, imageDatasets } from './config/images.js'
export type { MixtureConfig, MixtureHyper } from './config/mixtures.js'
export { adapterNames, checkOption, type ObjectiveHyper, type RunBase } from './config/run.js'

/** One run, complete: equal configurations on the same adapter give the same weights. */
export type RunConfig = MixtureConfig | ImageConfig

export type DatasetName = RunConfig['dataset']

/** Data sets that a run can be about. */
export const datasetNames: readonly DatasetName[] = [...mixtureNames, ...imageDatasets]

export const isImageConfig = (config: RunConfig): config is ImageConfig => (imageDatasets as readonly string[]).includes(config.dataset)

type HyperOf<C extends RunConfig> = { [K in keyof C['hyper']]?: C['hyper'][K] | string }

/** What may be given for a run: values of the right type, or the text that the command line got. What is missing takes its default. */
export interface RunOptions {
  dataset: string
  model?: string
  T?: number | string
  seed?: number | string
  steps?: number | string
  batch?: number | string
  evalEvery?: number | string
  adapter?: string
  out?: string
  /** Of images: see `ImageConfig`. */
  data?: string | null
  arch?: string
  width?: number | string
  dtype?: string
  sampleEvery?: number | string
  saveEvery?: number | string
  /** Hyper-parameters by name. */
  hyper?: HyperOf<MixtureConfig> & HyperOf<ImageConfig>
}

const optionNames: Record<Exclude<keyof RunOptions, 'hyper'>, string> = {
  dataset: 'data set',
  model: '--model',
  T: '--T',
  seed: '--seed',
  steps: '--steps',
  batch: '--batch',
  evalEvery: '--eval-every',
  adapter: '--adapter',
  out: '--out',
  data: '--data',
  arch: '--arch',
  width: '--width',
  dtype: '--dtype',
  sampleEvery: '--sample-every',
  saveEvery: '--save-every',
}

/**
 * A complete, checked configuration from what the user gave.
 * @throws BmsError `UNKNOWN_NAME` for a data set, model, option or hyper-parameter that does not exist (with the nearest one), `BAD_ARGUMENT`
 *   with fields `{ option, got, allowed }` for a value that is not allowed
 */
export function resolveConfig(options: RunOptions & { dataset: MixtureName }): MixtureConfig
export function resolveConfig(options: RunOptions & { dataset: ImageDataset }): ImageConfig
export function resolveConfig(options: RunOptions): RunConfig
export function resolveConfig(options: RunOptions): RunConfig {
  const dataset = datasetNames.find((name) => name === options.dataset)
  if (dataset === undefined) throw unknownName('data set', options.dataset, datasetNames)
  const model = modelName(options.model ?? 'bms-vae-gan')
  const given = <T>(name: keyof typeof optionNames, field: Field<T>, fallback: T): T =>
    options[name] === undefined ? fallback : checkOption(optionNames[name], options[name], field)
  const base = (run: { T: number; steps: number; batch: number; evalEvery: number }): RunBase => ({
    model,
    T: given('T', baseFields.T, run.T),
    seed: given('seed', baseFields.seed, 0),
    steps: given('steps', baseFields.steps, run.steps),
    batch: given('batch', baseFields.batch, run.batch),
    evalEvery: given('evalEvery', baseFields.evalEvery, run.evalEvery),
    adapter: given('adapter', baseFields.adapter, 'auto'),
    out: given('out', baseFields.out, `runs/${dataset}-${model}`),
  })
  let config: RunConfig
  if (isImageDataset(dataset)) {
    const arch = given('arch', imageOnlyFields.arch, 'dcgan')
    const { run, hyper } = defaultsFor(dataset, model)
    config = {
      dataset,
      data: given('data', imageOnlyFields.data, null),
      arch,
      width: given('width', imageOnlyFields.width, arch === 'dcgan' ? 128 : 64),
      dtype: given('dtype', imageOnlyFields.dtype, 'f32'),
      sampleEvery: given('sampleEvery', imageOnlyFields.sampleEvery, run.sampleEvery),
      saveEvery: given('saveEvery', imageOnlyFields.saveEvery, run.saveEvery),
      ...base(run),
      hyper,
    }
  } else {
    const stranger = (Object.keys(imageOnlyFields) as (keyof typeof imageOnlyFields)[]).find((name) => options[name] !== undefined)
    if (stranger)
      throw badArgument(optionNames[stranger], options[stranger], `nothing: the ${dataset} has no such option, only ${imageDatasets.join(', ')} has`)
    const { run, hyper } = defaultsFor(dataset, model)
    config = { dataset, ...base(run), hyper }
  }
  for (const [name, value] of Object.entries(options.hyper ?? {})) setHyper(config, name, value)
  const clash = contradiction(config)
  if (clash !== undefined) throw badArgument(clash.option, clash.got, clash.allowed)
  return config
}

const isImageDataset = (dataset: DatasetName): dataset is ImageDataset => (imageDatasets as readonly string[]).includes(dataset)

/**
 * The configuration that a parsed config.json holds.
 * @param source what to call it in an error text, for instance the file's path
 * @throws BmsError `BAD_CONFIG` with fields `{ source, field, got, expected }`: an unknown, missing or mistyped field
 */
export function parseConfig(value: unknown, source = 'config.json'): RunConfig {
  const images = typeof value === 'object' && value !== null && (imageDatasets as readonly unknown[]).includes((value as Partial<RunConfig>).dataset)
  const config = images
    ? readConfig<ImageConfig>(value, source, imageRunFields, imageHyperFields)
    : readConfig<MixtureConfig>(value, source, mixtureRunFields, mixtureHyperFields)
  const clash = contradiction(config)
  if (clash !== undefined) throw badConfig(source, { kind: 'wrong', field: clash.field, got: clash.got, expected: clash.allowed })
  return config
}

function readConfig<C extends RunConfig>(value: unknown, source: string, runFields: Fields<Omit<C, 'hyper'>>, hyperFields: Fields<C['hyper']>): C {
  // The nested object first gets a stand-in field, then its own reading, so that an error names `hyper.lr` in full.
  const hyper = { describe: 'an object', read: (given: unknown) => given as C['hyper'], parse: () => undefined }
  const outer = readFields<C>(value, { ...runFields, hyper } as unknown as Fields<C>)
  if ('problem' in outer) throw badConfig(source, outer.problem)
  const inner = readFields<C['hyper']>(outer.value.hyper, hyperFields, 'hyper')
  if ('problem' in inner) throw badConfig(source, inner.problem)
  return { ...outer.value, hyper: inner.value }
}

function setHyper(config: RunConfig, name: string, value: unknown): void {
  const hyperFields: Fields<RunConfig['hyper']> = isImageConfig(config) ? imageHyperFields : mixtureHyperFields
  if (!Object.hasOwn(hyperFields, name)) {
    const known = Object.keys(hyperFields)
    const near = suggest(name, known)
    throw new BmsError(
      'UNKNOWN_NAME',
      `unknown hyper-parameter ${show(name)}.${near === undefined ? '' : ` Did you mean ${near}?`} Known: ${known.join(', ')}.`,
      {
        kind: 'hyper-parameter',
        got: name,
        suggestion: near,
        allowed: known,
      },
    )
  }
  const key = name as keyof typeof hyperFields
  if (value !== undefined) Object.assign(config.hyper, { [key]: checkOption(key, value, hyperFields[key] as Field<unknown>) })
}

/** Rows of the largest matrix that `linalg.eigh` takes. */
const mostPoints = 768

// What no single field can see.
function contradiction(config: RunConfig): { option: string; field: string; got: unknown; allowed: string } | undefined {
  const { hyper, model, T } = config
  if (hyper.logVarMin > hyper.logVarMax) {
    return { option: 'logVarMin', field: 'hyper.logVarMin', got: hyper.logVarMin, allowed: `at most logVarMax, ${hyper.logVarMax}` }
  }
  const bound = models[model].critic === 'none' ? 'none' : hyper.lipschitz
  if (bound !== hyper.lipschitz)
    return { option: 'lipschitz', field: 'hyper.lipschitz', got: hyper.lipschitz, allowed: `none, since ${model} has no critic of the data` }
  if (bound === 'penalty' && hyper.gp === 0)
    return { option: 'gp', field: 'hyper.gp', got: 0, allowed: 'more than 0, since a penalty is to bound the critic (lipschitz)' }
  const { encoder, objective, terms } = models[model]
  if (objective !== 'many-sample') {
    if (isImageConfig(config)) return { option: '--model', field: 'model', got: model, allowed: `one of ${imageModelNames.join(', ')}; ${model} is for points` }
    if (T !== 1) return { option: '--T', field: 'T', got: T, allowed: `1, since ${model} draws once for each point` }
    for (const [name, only] of [
      ['lipschitz', 'none'],
      ['r1', 0],
      ['nCritic', 1],
    ] as const)
      if (hyper[name] !== only) return { option: name, field: `hyper.${name}`, got: hyper[name], allowed: `${only}, since ${model} has its own critic` }
  }
  if (hyper.kl === 'mmd' && !models[model].latentCritic)
    return { option: 'kl', field: 'hyper.kl', got: hyper.kl, allowed: `ratio or non-saturating, since ${model} has no such term` }
  if (hyper.kl === 'mmd' && config.batch < 2)
    return { option: '--batch', field: 'batch', got: config.batch, allowed: 'at least 2 with kl mmd, which compares pairs of codes' }
  if (objective === 'gdpp-gan' && config.batch > mostPoints)
    return { option: '--batch', field: 'batch', got: config.batch, allowed: `at most ${mostPoints}: ${model} decomposes a matrix of as many rows` }
  if (objective === 'veegan' && hyper.latent < 2)
    return { option: 'latent', field: 'hyper.latent', got: hyper.latent, allowed: 'at least 2: the last coordinate is noise' }
  if (!encoder && T !== 1) return { option: '--T', field: 'T', got: T, allowed: `1, since ${model} has no encoder to draw from` }
  if (!encoder && hyper.draws !== 'mean')
    return { option: 'draws', field: 'hyper.draws', got: hyper.draws, allowed: `mean, since ${model} has no encoder to draw from` }
  for (const [on, name] of [
    [terms.rec, 'wRec'],
    [terms.syn, 'wSyn'],
    [terms.pri, 'wPri'],
    [terms.kl, 'wKl'],
  ] as const) {
    if (!on && hyper[name] !== 0) return { option: name, field: `hyper.${name}`, got: hyper[name], allowed: `0, since ${model} has no such term` }
  }
  const { wRec, wSyn, wPri, wKl } = hyper
  if (wRec === 0 && wSyn === 0 && wPri === 0 && wKl === 0) {
    const name = terms.rec ? 'wRec' : 'wPri'
    return { option: name, field: `hyper.${name}`, got: 0, allowed: 'more than 0 for at least one term; with no term there is nothing to train' }
  }
  return undefined
}

function badConfig(source: string, problem: Parameters<typeof describeProblem>[0]): BmsError {
  const near = problem.known && suggest(problem.field.split('.').at(-1)!, problem.known)
  const hint = near === undefined ? '' : ` (did you mean ${near}?)`
  return new BmsError('BAD_CONFIG', `${source}: ${describeProblem(problem)}${hint}`, {
    source,
    field: problem.field,
    got: problem.got,
    expected: problem.expected,
  })
}
