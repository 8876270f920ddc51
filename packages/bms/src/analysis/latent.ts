// The paper's look into the latent space: prior samples on which the aggregated posterior is low are flagged, by one threshold for all methods of a data
// set, and the images of flagged and unflagged samples are judged apart. Host code on numbers; what makes codes and images is the caller's.
import { BmsError } from '@bms/tensor'
import type { Mixture } from '../data/mixtures.js'
import { assign, goodRadius } from '../metrics/modes.js'
import { type DiagonalGaussians, deviationFloor, logAggregatedPosterior, type PosteriorWidth, posteriorWidth } from './density.js'

/** What is known of one trained model. */
export interface LatentModel {
  /** q(z|x) of N data points: the centres. */
  readonly posterior: DiagonalGaussians
  /** Draws ẑ ~ q(z|x) of other data points, [m, dims]. */
  readonly heldOut: Float32Array
  /** Prior samples [k, dims]. */
  readonly prior: Float32Array
}

/** What is measured of it: log q(z) of its prior samples and of its held-out draws, and widths. */
export interface LatentMeasures {
  readonly prior: Float64Array
  readonly heldOut: Float64Array
  readonly width: PosteriorWidth
}

/** How good images are: HQ% in percent, null where there is none to judge. */
export interface ImageQuality {
  readonly n: number
  readonly hq: number | null
}

/** What a threshold says of a model. */
export interface LatentReport {
  /** 1 for each prior sample below the threshold. */
  readonly flagged: Uint8Array
  /** Share of them, 0 to 1. */
  readonly fraction: number
  /** Images of all prior samples, of flagged and of unflagged ones. */
  readonly images: { readonly all: ImageQuality; readonly flagged: ImageQuality; readonly unflagged: ImageQuality }
}

/** Densities and widths of a model. Takes about two seconds for 10,000 centres, 2,000 + 2,000 codes and 32 dims. Throws as `logAggregatedPosterior` does. */
export function measureLatents({ posterior, heldOut, prior }: LatentModel, floor = deviationFloor): LatentMeasures {
  return {
    prior: logAggregatedPosterior(prior, posterior, floor),
    heldOut: logAggregatedPosterior(heldOut, posterior, floor),
    width: posteriorWidth(posterior),
  }
}

/**
 * Which densities set the threshold of a data set.
 *
 * - `prior`: log p(z) of the prior samples themselves. An encoder whose codes fill the prior has 5 % flagged, whatever it is compared with.
 * - `reference`: log q(ẑ) of held-out draws of one method, BMS-VAE-GAN's where there is one.
 * - `pooled`: log q(ẑ) of all methods.
 *
 * The last two move with the methods that there are. On the ring (3,000 steps) BMS-VAE-GAN's codes nearly fill the prior, and the first two agree: -52.7 and -52.1.
 * On the grid (5,000 steps) they do not, and crowd: the reference is -48.3. Pooling punishes wide encoders for narrow ones: on the ring, WAE's codes lie where their
 * q is high (median log q(ẑ) -29 against BMS's -45), lift the threshold to -49.7, and take what is flagged of BMS from 7 to 18 %, where nothing has changed. So
 * `prior` is the default.
 */
export type ThresholdRule = 'prior' | 'reference' | 'pooled'

/**
 * The `percent`-th percentile of log densities, linear between ranks.
 * @param densities those of one or more sets of codes; they are pooled
 * @throws BmsError `BAD_ARGUMENT` for none, or a percentile outside of 0 … 100
 */
export function densityThreshold(densities: readonly Float64Array[], percent = 5): number {
  if (!(percent >= 0 && percent <= 100)) throw new BmsError('BAD_ARGUMENT', `percent: got ${percent}, allowed: 0 to 100`, { option: 'percent', got: percent })
  const sorted = new Float64Array(densities.reduce((sum, values) => sum + values.length, 0))
  let filled = 0
  for (const values of densities) {
    sorted.set(values, filled)
    filled += values.length
  }
  if (filled === 0) throw new BmsError('BAD_ARGUMENT', 'densities: got none, a threshold needs at least one', { option: 'densities', got: 0 })
  sorted.sort()
  const rank = (percent / 100) * (filled - 1)
  const [low, high] = [sorted[Math.floor(rank)]!, sorted[Math.ceil(rank)]!]
  return low === high ? low : low + (rank - Math.floor(rank)) * (high - low)
}

/** Share of densities below a threshold, 0 to 1; 0 of none. */
export function shareBelow(densities: Float64Array, threshold: number): number {
  return densities.length === 0 ? 0 : densities.filter((value) => value < threshold).length / densities.length
}

/**
 * Flags prior samples with log q(z) below `threshold` and judges their images.
 * @param density log q(z) of k prior samples
 * @param images their G(z), k x 2, raw coordinates; may hold NaN, which counts as bad
 * @throws BmsError `BAD_ARGUMENT` where numbers of densities and images differ
 */
export function latentReport(density: Float64Array, images: Float32Array, threshold: number, mixture: Mixture): LatentReport {
  const k = density.length
  if (images.length !== 2 * k) throw new BmsError('BAD_ARGUMENT', `images: got ${images.length / 2} of ${k} codes`, { option: 'images', got: images.length })
  const flagged = Uint8Array.from(density, (value) => (value < threshold ? 1 : 0))
  const { distance } = assign(images, mixture)
  const quality = (wanted: (i: number) => boolean): ImageQuality => {
    const chosen = distance.filter((_, i) => wanted(i))
    return { n: chosen.length, hq: chosen.length === 0 ? null : (100 * chosen.filter((d) => d <= goodRadius).length) / chosen.length }
  }
  const parts = { all: quality(() => true), flagged: quality((i) => flagged[i] === 1), unflagged: quality((i) => flagged[i] === 0) }
  return { flagged, fraction: shareBelow(density, threshold), images: parts }
}
