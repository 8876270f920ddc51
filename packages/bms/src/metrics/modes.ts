// The paper's measure of a 2D generator: how many modes it reaches and how many of its samples are good.
// The rest of what is reported here says *why* a number is low: mass in transit, displaced modes, uneven modes.
import { BmsError } from '@bms/tensor'
import type { Mixture } from '../data/mixtures.js'

/** A sample is good within this many σ of its nearest mean (inclusive). */
export const goodRadius = 3
/** A sample is near, so not in transit between modes, within this many σ (inclusive). */
export const nearRadius = 10

/** What the samples nearest to one mode look like. */
export interface ModeReport {
  readonly mean: readonly [number, number]
  /** Samples whose nearest mean this is. */
  readonly nearest: number
  /** Those of them within 3σ. */
  readonly good: number
  /** Those of them within 10σ. */
  readonly near: number
  /** `good` as a multiple of an even share of all good samples: 1 is uniform. 0 when no sample is good. */
  readonly mass: number
  /** Distance from this mean to the average of its near samples, in σ; NaN without near samples. */
  readonly displacement: number
  /** Standard deviation of one coordinate of its near samples about their own average, in σ (true data: 1); NaN without near samples. */
  readonly spread: number
}

/** The quality of a set of samples. Percentages run from 0 to 100. */
export interface ModesAndQuality {
  /** Number of samples looked at. */
  readonly n: number
  /** Modes that are nearest to at least one good sample. */
  readonly modes: number
  /** Percentage of good samples (≤ 3σ): the paper's "HQ". True data reach 98.89. */
  readonly hq: number
  /** Percentage of samples within 10σ; 100 - near is the mass in transit. */
  readonly near: number
  /** Samples with a NaN or infinite coordinate. They count as bad and belong to no mode. */
  readonly nonFinite: number
  readonly perMode: readonly ModeReport[]
  /** Mean and maximum of `perMode[].displacement` over the modes that have near samples; NaN if none has. */
  readonly displacement: { readonly mean: number; readonly max: number }
  /** Smallest and largest `perMode[].mass`. */
  readonly mass: { readonly min: number; readonly max: number }
}

/** Of each sample: its nearest mean (-1 where a coordinate is not finite) and its distance to it in σ. */
export interface Assignment {
  readonly mode: Int32Array
  readonly distance: Float64Array
}

/**
 * Assigns each sample to its nearest mean, by Euclidean distance; of equally near means the first one.
 * @param samples n x 2, row-major, raw coordinates
 * @throws BmsError `BAD_ARGUMENT` on an odd number of values
 */
export function assign(samples: Float32Array, mixture: Mixture): Assignment {
  if (samples.length % 2 !== 0) {
    throw new BmsError('BAD_ARGUMENT', `samples: got ${samples.length} values, which is no whole number of [x₁, x₂] pairs`, {
      option: 'samples',
      got: samples.length,
    })
  }
  const n = samples.length / 2
  const mode = new Int32Array(n).fill(-1)
  const distance = new Float64Array(n).fill(Infinity)
  for (let i = 0; i < n; i++) {
    const x = samples[2 * i]
    const y = samples[2 * i + 1]
    let best = Infinity
    for (let k = 0; k < mixture.means.length; k++) {
      const [mx, my] = mixture.means[k]
      const square = (x - mx) ** 2 + (y - my) ** 2
      if (square < best) {
        best = square
        mode[i] = k
      }
    }
    distance[i] = Math.sqrt(best) / mixture.sigma
  }
  return { mode, distance }
}

/**
 * Modes captured and share of high-quality samples, as VEEGAN counts them and the paper after it: nearest mean by Euclidean distance, good iff within
 * 3σ of it (≤, as VEEGAN's and GDPP's code has it), a mode captured iff it is nearest to at least one good sample.
 * The paper uses 2,500 samples: `modes` can only grow with their number.
 * @param samples n x 2, row-major, raw coordinates (not divided by `mixture.rms`)
 * @throws BmsError `BAD_ARGUMENT` on no samples or an odd number of values
 */
export function modesAndQuality(samples: Float32Array, mixture: Mixture): ModesAndQuality {
  if (samples.length === 0) throw new BmsError('BAD_ARGUMENT', 'samples: got none, needs at least one [x₁, x₂] pair', { option: 'samples', got: 0 })
  const { mode, distance } = assign(samples, mixture)
  const n = mode.length
  const count = mixture.means.length
  const tally = Array.from({ length: count }, () => ({ nearest: 0, good: 0, near: 0, x: 0, y: 0, square: 0 }))
  let nonFinite = 0
  for (let i = 0; i < n; i++) {
    if (mode[i] < 0) {
      nonFinite++
      continue
    }
    const entry = tally[mode[i]]
    entry.nearest++
    if (distance[i] <= goodRadius) entry.good++
    if (distance[i] > nearRadius) continue
    // Offsets from the true mean, in σ: sums of these lose nothing to cancellation, whatever the mean.
    const [mx, my] = mixture.means[mode[i]]
    const dx = (samples[2 * i] - mx) / mixture.sigma
    const dy = (samples[2 * i + 1] - my) / mixture.sigma
    entry.near++
    entry.x += dx
    entry.y += dy
    entry.square += dx * dx + dy * dy
  }
  const good = tally.reduce((sum, entry) => sum + entry.good, 0)
  const near = tally.reduce((sum, entry) => sum + entry.near, 0)
  const perMode = tally.map((entry, k): ModeReport => {
    const centre = (entry.x ** 2 + entry.y ** 2) / entry.near ** 2
    return {
      mean: mixture.means[k],
      nearest: entry.nearest,
      good: entry.good,
      near: entry.near,
      mass: good === 0 ? 0 : (entry.good * count) / good,
      displacement: Math.sqrt(centre),
      spread: Math.sqrt(Math.max(0, entry.square / entry.near - centre) / 2),
    }
  })
  const displaced = perMode.map((report) => report.displacement).filter((value) => !Number.isNaN(value))
  const masses = perMode.map((report) => report.mass)
  return {
    n,
    modes: perMode.filter((report) => report.good > 0).length,
    hq: (100 * good) / n,
    near: (100 * near) / n,
    nonFinite,
    perMode,
    displacement: {
      mean: displaced.length === 0 ? NaN : displaced.reduce((sum, value) => sum + value, 0) / displaced.length,
      max: displaced.length === 0 ? NaN : Math.max(...displaced),
    },
    mass: { min: Math.min(...masses), max: Math.max(...masses) },
  }
}
