// What every run is told, whatever its data: model, length, seed, objective and optimisers. What may stand in each
// field is described once, for the command line, library calls and config.json alike.
import { BmsError, show } from '@bms/tensor'
import { type Draws, type Lipschitz, type ModelName, modelNames } from '../models.js'
import { type Field, type Fields, integer, list, number, oneOf, text } from '../schema.js'

/** Numbers that shape objective and optimisers. Meanings and default values: `defaults.ts`. */
export interface ObjectiveHyper {
  /** Size of z. */
  latent: number
  /** Widths of the hidden layers of the latent critic. */
  hiddenL: number[]
  /** The encoder's log variance is clamped to this range. */
  logVarMin: number
  logVarMax: number
  /** Factor on the critic's raw score (its Lipschitz constant, in normalised coordinates). */
  criticScale: number
  /** What is made of the draws for each point: best and worst, or their mean. */
  draws: Draws
  /** What bounds the critic's slope. */
  lipschitz: Lipschitz
  /** Weight of WGAN-GP's penalty on the slope of the raw score, where that is what bounds it. */
  gp: number
  /** Weight of the gradient penalty on real data, loss += r1/2 · mean ‖∇D‖²; 0 leaves it out. */
  r1: number
  /** Steps of the data-space critic for each step of the generator. */
  nCritic: number
  /** Reconstruction: 1 is the mean absolute error over coordinates, 2 the mean square. */
  recNorm: 1 | 2
  /** Weights of reconstruction, of the critic's score of reconstructions and of prior samples, and of the latent critic's KL estimate. */
  wRec: number
  wSyn: number
  wPri: number
  wKl: number
  /** KL estimate: -logit of the latent critic as the paper has it, the non-saturating softplus(-logit), or in its place MMD, without a latent critic (WAE-MMD). */
  kl: 'ratio' | 'non-saturating' | 'mmd'
  /** Adam's step sizes: generator and encoder, data-space critic ("TTUR" where they differ), latent critic. */
  lr: number
  lrD: number
  lrL: number
  betas: [number, number]
  /** Step sizes over the run: down to 0 in a straight line, or constant. */
  decay: 'linear' | 'constant'
  /** Samples come from an average of G's weights; 0: from the weights themselves. */
  emaDecay: number
}

/** What all runs have. Equal configurations on the same adapter give the same weights. */
export interface RunBase {
  model: ModelName
  /** Draws from q(z|x) for each data point. */
  T: number
  seed: number
  steps: number
  batch: number
  /** Steps between evaluations (of images: between lines of metrics.jsonl); the last step is always one. */
  evalEvery: number
  /** Which adapter to ask for (the one used stands in result.json). */
  adapter: 'auto' | 'gpu' | 'software'
  /** The run's folder. */
  out: string
}

/** Adapters that can be asked for. */
export const adapterNames = ['auto', 'gpu', 'software'] as const

export const width = integer(1, 8192)
export const widths = list(width, 1, 8)
const weight = number(0, 1e6)
const rate = number(0, 10, 'low')
export const beta = number(0, 1, 'high')

export const objectiveFields: Fields<ObjectiveHyper> = {
  latent: width,
  hiddenL: widths,
  logVarMin: number(-30, 30),
  logVarMax: number(-30, 30),
  criticScale: number(0, 1e6, 'low'),
  draws: oneOf('best-worst', 'mean'),
  lipschitz: oneOf('spectral', 'penalty', 'none'),
  gp: weight,
  r1: weight,
  nCritic: integer(1, 100),
  recNorm: oneOf<1 | 2>(1, 2),
  wRec: weight,
  wSyn: weight,
  wPri: weight,
  wKl: weight,
  kl: oneOf('ratio', 'non-saturating', 'mmd'),
  lr: rate,
  lrD: rate,
  lrL: rate,
  betas: list(beta, 2, 2) as unknown as Field<[number, number]>,
  decay: oneOf('linear', 'constant'),
  emaDecay: beta,
}

export const baseFields: Fields<RunBase> = {
  model: oneOf(...modelNames),
  T: integer(1, 1000),
  seed: integer(0),
  steps: integer(1, 1e9),
  batch: integer(1, 65536),
  evalEvery: integer(1, 1e9),
  adapter: oneOf(...adapterNames),
  out: text(),
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

export function badArgument(option: string, got: unknown, allowed: string): BmsError {
  return new BmsError('BAD_ARGUMENT', `${option}: got ${show(got)}, allowed is ${allowed}`, { option, got, allowed })
}
