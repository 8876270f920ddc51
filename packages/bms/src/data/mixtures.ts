// The paper's two synthetic data sets, as numbers only: where the modes are, how wide they are, and what to divide by.
// Training (on the device), metrics and figures (on the host) all read the same definition.
import { unknownName } from '../names.js'
import { type HostRandom, hostRandom } from './random.js'

/** A mixture of equally likely, isotropic 2D Gaussians, in raw coordinates. */
export interface Mixture {
  readonly name: MixtureName
  /** Centres of the modes, one [x₁, x₂] a mode. */
  readonly means: readonly (readonly [number, number])[]
  /** Standard deviation of every mode along each axis. */
  readonly sigma: number
  /** Root mean square of one coordinate over the whole mixture, √(mean of the means' squares + σ²): networks see raw / rms. Ring 0.70718, grid 2.82887. */
  readonly rms: number
}

export type MixtureName = 'ring' | 'grid'

/** Names that `mixture` accepts. */
export const mixtureNames: readonly MixtureName[] = ['ring', 'grid']

/** The share of true samples within 3σ of their own mean, in percent: 100 · (1 - e^(-9/2)) = 98.889. A model above it is tighter than the data. */
export const trueHq = 100 * (1 - Math.exp(-4.5))

/**
 * Eight modes on the unit circle, at angles 2πk/8 for k = 0 … 7, σ = 0.01.
 * The angle 2π itself is left out: including both ends, as some published code does, leaves seven distinct modes.
 */
export function ring(): Mixture {
  const means = Array.from({ length: 8 }, (_, k): [number, number] => [Math.cos((2 * Math.PI * k) / 8), Math.sin((2 * Math.PI * k) / 8)])
  return define('ring', means, 0.01)
}

/** Twenty-five modes on {-4, -2, 0, 2, 4}², σ = 0.05. Ordered by x₁, then x₂. */
export function grid(): Mixture {
  const axis = [-4, -2, 0, 2, 4]
  return define(
    'grid',
    axis.flatMap((x) => axis.map((y): [number, number] => [x, y])),
    0.05,
  )
}

/**
 * The mixture of that name.
 * @throws BmsError `UNKNOWN_NAME`, with the nearest known name
 */
export function mixture(name: string): Mixture {
  if (name === 'ring') return ring()
  if (name === 'grid') return grid()
  throw unknownName('data set', name, mixtureNames)
}

/**
 * Draws from the mixture on the host, for figures and tests.
 * @param n number of samples
 * @param random a seed (0 … 2⁵³ - 1) or a stream to go on drawing from
 * @returns n x 2, row-major, raw coordinates
 */
export function sampleMixture(source: Mixture, n: number, random: number | HostRandom): Float32Array {
  const stream = typeof random === 'number' ? hostRandom(random) : random
  const samples = new Float32Array(2 * n)
  for (let i = 0; i < n; i++) {
    const mean = source.means[stream.below(source.means.length)]
    samples[2 * i] = mean[0] + source.sigma * stream.normal()
    samples[2 * i + 1] = mean[1] + source.sigma * stream.normal()
  }
  return samples
}

function define(name: MixtureName, means: readonly (readonly [number, number])[], sigma: number): Mixture {
  const square = means.reduce((sum, [x, y]) => sum + x * x + y * y, 0) / (2 * means.length)
  return { name, means, sigma, rms: Math.sqrt(square + sigma * sigma) }
}
