// What a run is: data set, model, length, seed and every hyper-parameter, checked once where it comes in (command line,
// library call, config.json) so that nothing behind it needs to doubt a number.
import { BmsError, show } from '@bms/tensor'
import { type MixtureName, mixture, mixtureNames } from './data/mixtures.js'
import { defaultsFor } from './defaults.js'
import { type ModelName, modelName, modelNames, models } from './models.js'
import { suggest } from './names.js'
import { describeProblem, type Field, type Fields, integer, list, number, oneOf, readFields, text } from './schema.js'

/** Numbers that shape networks, objective and optimisers. Meanings and default values: `defaults.ts`. */
export interface HyperParameters {
  /** Size of z. */
  latent: number
  /** Widths of the hidden layers of generator, encoder, data-space critic, latent critic. */
  hiddenG: number[]
  hiddenR: number[]
  hiddenD: number[]
  hiddenL: number[]
  /** The encoder's log variance is clamped to this range. */
  logVarMin: number
  logVarMax: number
  /** Factor on the critic's raw score (its Lipschitz constant, in normalised coordinates). */
  criticScale: number
  /** Factor on the critic's initial biases. */
  criticBias: number
  /** Reconstruction: 1 is the mean absolute error over coordinates, 2 the mean square. */
  recNorm: 1 | 2
  /** Weights of reconstruction, of the critic's score of reconstructions and of prior samples, and of the latent critic's KL estimate. */
  wRec: number
  wSyn: number
  wPri: number
  wKl: number
  /** KL estimate: -logit as the paper has it, or the non-saturating softplus(-logit). */
  kl: 'ratio' | 'non-saturating'
  /** Weight of the gradient penalty on real data, loss += r1/2 · mean ‖∇D‖²; 0 leaves it out. */
  r1: number
  /** Adam's step sizes: generator and encoder, data-space critic, latent critic. */
  lr: number
  lrD: number
  lrL: number
  betas: [number, number]
  /** Step sizes over the run: down to 0 in a straight line, or constant. */
  decay: 'linear' | 'constant'
  emaDecay: number
  evalSamples: number
}

/** One run, complete: equal configurations on the same adapter give the same weights. */
export interface RunConfig {
  dataset: MixtureName
  model: ModelName
  /** Draws from q(z|x) for each data point. */
  T: number
  seed: number
  steps: number
  batch: number
  /** Steps between evaluations; the last step is always one. */
  evalEvery: number
  /** Which adapter to ask for (the one used stands in result.json). */
  adapter: 'auto' | 'gpu' | 'software'
  /** The run's folder. */
  out: string
  hyper: HyperParameters
}

/** Adapters that can be asked for. */
export const adapterNames = ['auto', 'gpu', 'software'] as const

const width = integer(1, 8192)
const widths = list(width, 1, 8)
const weight = number(0, 1e6)
const rate = number(0, 10, 'low')
const beta = number(0, 1, 'high')

const hyperFields: Fields<HyperParameters> = {
  latent: width,
  hiddenG: widths,
  hiddenR: widths,
  hiddenD: widths,
  hiddenL: widths,
  logVarMin: number(-30, 30),
  logVarMax: number(-30, 30),
  criticScale: number(0, 1e6, 'low'),
  criticBias: number(0, 1e3),
  recNorm: oneOf<1 | 2>(1, 2),
  wRec: weight,
  wSyn: weight,
  wPri: weight,
  wKl: weight,
  kl: oneOf('ratio', 'non-saturating'),
  r1: weight,
  lr: rate,
  lrD: rate,
  lrL: rate,
  betas: list(beta, 2, 2) as unknown as Field<[number, number]>,
  decay: oneOf('linear', 'constant'),
  emaDecay: beta,
  evalSamples: integer(1, 1e6),
}

const runFields: Fields<Omit<RunConfig, 'hyper'>> = {
  dataset: oneOf(...mixtureNames),
  model: oneOf(...modelNames),
  T: integer(1, 1000),
  seed: integer(0),
  steps: integer(1, 1e9),
  batch: integer(1, 65536),
  evalEvery: integer(1, 1e9),
  adapter: oneOf(...adapterNames),
  out: text(),
}

const optionNames: Record<keyof typeof runFields, string> = {
  dataset: 'data set',
  model: '--model',
  T: '--T',
  seed: '--seed',
  steps: '--steps',
  batch: '--batch',
  evalEvery: '--eval-every',
  adapter: '--adapter',
  out: '--out',
}

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
  /** Hyper-parameters by name. */
  hyper?: { [K in keyof HyperParameters]?: HyperParameters[K] | string }
}

/**
 * A complete, checked configuration from what the user gave.
 * @throws BmsError `UNKNOWN_NAME` for a data set, model, option or hyper-parameter that does not exist (with the nearest one), `BAD_ARGUMENT`
 *   with fields `{ option, got, allowed }` for a value that is not allowed
 */
export function resolveConfig(options: RunOptions): RunConfig {
  const dataset = mixture(options.dataset).name
  const model = modelName(options.model ?? 'bms-vae-gan')
  const defaults = defaultsFor(dataset, model)
  const given = <K extends keyof typeof runFields>(name: K, fallback: RunConfig[K]): RunConfig[K] =>
    options[name] === undefined ? fallback : checkOption(optionNames[name], options[name], runFields[name] as Field<RunConfig[K]>)
  const hyper: HyperParameters = defaults.hyper
  for (const name of Object.keys(options.hyper ?? {})) setHyper(hyper, name, (options.hyper as Record<string, unknown>)[name])
  const config: RunConfig = {
    dataset,
    model,
    T: given('T', defaults.run.T),
    seed: given('seed', 0),
    steps: given('steps', defaults.run.steps),
    batch: given('batch', defaults.run.batch),
    evalEvery: given('evalEvery', defaults.run.evalEvery),
    adapter: given('adapter', 'auto'),
    out: given('out', `runs/${dataset}-${model}`),
    hyper,
  }
  const clash = contradiction(config)
  if (clash !== undefined) throw badArgument(clash.option, clash.got, clash.allowed)
  return config
}

/**
 * A value as the option `option` takes it.
 * @param option as users write it, for the error text
 * @throws BmsError `BAD_ARGUMENT` with fields `{ option, got, allowed }`
 */
export function checkOption<T>(option: string, value: unknown, field: Field<T>): T {
  const read = (typeof value === 'string' ? field.parse(value) : undefined) ?? field.read(value)
  if (read === undefined) throw badArgument(option, value, field.describe)
  return read
}

/**
 * The configuration that a parsed config.json holds.
 * @param source what to call it in an error text, for instance the file's path
 * @throws BmsError `BAD_CONFIG` with fields `{ source, field, got, expected }`: an unknown, missing or mistyped field
 */
export function parseConfig(value: unknown, source = 'config.json'): RunConfig {
  // The nested object first gets a stand-in field, then its own reading, so that an error names `hyper.lr` in full.
  const outer = readFields<RunConfig>(value, {
    ...runFields,
    hyper: { describe: 'an object', read: (hyper) => hyper as HyperParameters, parse: () => undefined },
  })
  if ('problem' in outer) throw badConfig(source, outer.problem)
  const inner = readFields(outer.value.hyper, hyperFields, 'hyper')
  if ('problem' in inner) throw badConfig(source, inner.problem)
  const config = { ...outer.value, hyper: inner.value }
  const clash = contradiction(config)
  if (clash !== undefined) throw badConfig(source, { kind: 'wrong', field: clash.field, got: clash.got, expected: clash.allowed })
  return config
}

function setHyper(hyper: HyperParameters, name: string, value: unknown): void {
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
  const key = name as keyof HyperParameters
  if (value !== undefined) Object.assign(hyper, { [key]: checkOption(key, value, hyperFields[key] as Field<unknown>) })
}

// What no single field can see.
function contradiction(config: RunConfig): { option: string; field: string; got: unknown; allowed: string } | undefined {
  const { hyper, model, T } = config
  if (hyper.logVarMin > hyper.logVarMax) {
    return { option: 'logVarMin', field: 'hyper.logVarMin', got: hyper.logVarMin, allowed: `at most logVarMax, ${hyper.logVarMax}` }
  }
  if (!models[model].encoder && T !== 1) return { option: '--T', field: 'T', got: T, allowed: `1, since ${model} has no encoder to draw from` }
  const { terms } = models[model]
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

function badArgument(option: string, got: unknown, allowed: string): BmsError {
  return new BmsError('BAD_ARGUMENT', `${option}: got ${show(got)}, allowed is ${allowed}`, { option, got, allowed })
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
