// What the study's figures need to know of one run: its samples, its learning curve, and what its encoder makes of the prior.
import { BmsError } from '@bms/tensor'
import { drawCodes, drawPrior, logPrior } from '../analysis/density.js'
import { type LatentMeasures, measureLatents } from '../analysis/latent.js'
import type { MixtureConfig } from '../config.js'
import { sampleMixture } from '../data/mixtures.js'
import { hostRandom } from '../data/random.js'
import type { LearningRun } from '../figures/learning.js'
import { type ModesAndQuality, modesAndQuality } from '../metrics/modes.js'
import type { MetricsLine } from '../run/metrics.js'
import { MixtureTraining } from '../training/mixtures.js'
import { evaluationSeed } from '../training/training.js'
import { openTraining } from './finished.js'

/** A run of the study: which data set and variant it belongs to, and its folder. */
export interface StudyRunInfo {
  dataset: 'grid' | 'ring'
  /** Names the method or ablation; runs that share it differ by their seed. */
  variant: string
  /** The variant as figures print it. */
  title: string
  seed: number
  dir: string
}

/** How much is drawn. */
export interface StudySizes {
  /** Samples of each run that figures show and HQ% is of. */
  readonly samples: number
  /** Data points whose posteriors make up q(z). */
  readonly centres: number
  /** Prior samples, and as many held-out draws. */
  readonly prior: number
  readonly floor: number
}

/** What was measured of a run. */
export interface MeasuredRun {
  readonly info: StudyRunInfo
  readonly config: MixtureConfig
  readonly samples: Float32Array
  readonly quality: ModesAndQuality
  readonly learning: LearningRun
  /** Without an encoder there is none. */
  readonly latent: (LatentMeasures & { readonly dims: number; readonly images: Float32Array }) | null
}

/** Seeds of what is drawn on the host: the same for all runs, so that they are compared on the same points and codes. */
const seeds = { centres: 1, heldOut: 2, draws: 3, prior: 4 } as const

/** The prior samples that all runs with codes of `dims` are judged by, and log p(z) of them. */
export function commonPrior(n: number, dims: number): { codes: Float32Array; density: Float64Array } {
  const codes = drawPrior(n, dims, seeds.prior)
  return { codes, density: logPrior(codes, dims) }
}

/** Codes of errors that make one run unfit, not the study. */
const unfit: readonly string[] = ['NOT_A_RUN', 'BAD_CONFIG', 'READ_FAILED', 'NO_CHECKPOINT', 'BAD_FILE', 'BAD_CHECKPOINT', 'NOT_FINITE', 'STATE_DICT']

/** Opens a run's folder and measures it. A run that cannot be measured, or has not reached its end, is answered by the reason. */
export async function measureRun(info: StudyRunInfo, sizes: StudySizes, adapter?: 'auto' | 'gpu' | 'software'): Promise<MeasuredRun | { skipped: string }> {
  try {
    const { training, folder } = await openTraining(info.dir, adapter)
    try {
      if (!(training instanceof MixtureTraining)) return { skipped: 'it is a run on images' }
      const { config, step } = training
      if (config.dataset !== info.dataset) return { skipped: `it is a run on the ${config.dataset}, not on the ${info.dataset}` }
      if (step < config.steps) return { skipped: `it is at step ${step} of ${config.steps}` }
      const samples = await training.sample(sizes.samples, evaluationSeed(config.seed))
      return {
        info,
        config,
        samples,
        quality: modesAndQuality(samples, training.mixture),
        learning: learningOf(folder.readMetrics().lines),
        latent: training.encodes ? await latentOf(training, sizes) : null,
      }
    } finally {
      training.device.destroy()
    }
  } catch (error) {
    if (error instanceof BmsError && unfit.includes(error.code)) return { skipped: error.message }
    throw error
  }
}

async function latentOf(training: MixtureTraining, { centres, prior, floor }: StudySizes): Promise<MeasuredRun['latent']> {
  const { mixture } = training
  const posterior = await training.encode(sampleMixture(mixture, centres, seeds.centres))
  const heldOut = drawCodes(await training.encode(sampleMixture(mixture, prior, seeds.heldOut)), hostRandom(seeds.draws))
  const { codes } = commonPrior(prior, posterior.dims)
  return { ...measureLatents({ posterior, heldOut, prior: codes }, floor), dims: posterior.dims, images: await training.decode(codes) }
}

/** The evaluations among a run's metrics. */
function learningOf(lines: readonly MetricsLine[]): LearningRun {
  const evaluations = lines.filter((line) => typeof line['hq'] === 'number' && typeof line['modes'] === 'number')
  return {
    steps: evaluations.map(({ step }) => step),
    hq: evaluations.map((line) => line['hq'] as number),
    modes: evaluations.map((line) => line['modes'] as number),
  }
}
