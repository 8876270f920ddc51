// The aggregated posterior q(z) = 1/N Σ q(z|xₙ): what of the prior the encoder's codes cover. Codes on which q is low are
// codes that the generator was never trained to reconstruct from. Double precision, since densities in 32 dims are exponents of hundreds.
import { BmsError } from '@bms/tensor'
import { type HostRandom, hostRandom } from '../data/random.js'

/** Gaussians with diagonal covariance: what an encoder makes of N points. */
export interface DiagonalGaussians {
  /** [N, dims], row-major. */
  readonly mean: Float32Array
  /** Standard deviations [N, dims]. */
  readonly deviation: Float32Array
  readonly dims: number
}

/**
 * Standard deviations below this are taken for this. An encoder may know one latent dim to a thousandth; the density of N such needles is as good as 0 between
 * them, however many there are, and tells more about N than about holes. At 0.05, N = 10,000 codes along one or two such dims overlap.
 */
export const deviationFloor = 0.05

/**
 * log q(z) of the aggregated posterior, by log-sum-exp.
 * @param z codes [k, dims], row-major
 * @param posterior q(z|xₙ) of N points; z should not be drawn from one of these, whose own component would say "dense" everywhere
 * @returns k values, never NaN: -Infinity for a code that is not finite
 * @throws BmsError `BAD_ARGUMENT` where sizes do not fit, `NOT_FINITE` where a mean or a deviation is NaN, infinite or negative
 */
export function logAggregatedPosterior(z: Float32Array, posterior: DiagonalGaussians, floor = deviationFloor): Float64Array {
  const { mean, deviation, dims } = posterior
  const n = checked(posterior)
  if (z.length % dims !== 0) throw new BmsError('BAD_ARGUMENT', `z: ${z.length} values are no whole number of codes of ${dims}`, { option: 'z', got: z.length })
  if (!(floor > 0)) throw new BmsError('BAD_ARGUMENT', `floor: got ${floor}, allowed: more than 0`, { option: 'floor', got: floor })
  // z − μ over σ as z·a − b, so that the inner loop has no division.
  const a = new Float64Array(n * dims)
  const b = new Float64Array(n * dims)
  const constant = new Float64Array(n).fill(-0.5 * dims * Math.log(2 * Math.PI) - Math.log(n))
  for (let i = 0, at = 0; i < n; i++) {
    for (let d = 0; d < dims; d++, at++) {
      const sigma = Math.max(deviation[at]!, floor)
      a[at] = 1 / sigma
      b[at] = mean[at]! / sigma
      constant[i]! -= Math.log(sigma)
    }
  }
  const out = new Float64Array(z.length / dims)
  const exponents = Array.from({ length: AT_ONCE }, () => new Float64Array(n))
  for (let k = 0; k < out.length; k += AT_ONCE) {
    halfSquares(z.subarray(k * dims, (k + AT_ONCE) * dims), a, b, dims, exponents)
    for (let j = 0; j < AT_ONCE && k + j < out.length; j++) out[k + j] = logSumOfExp(constant, exponents[j]!)
  }
  return out
}

/** Codes that are compared with a component while its numbers are at hand. */
const AT_ONCE = 4

/** ½ Σ (z·a − b)² of up to four codes and all components; codes that are missing count as 0. */
function halfSquares(z: Float32Array, a: Float64Array, b: Float64Array, dims: number, out: readonly Float64Array[]): void {
  const codes = new Float64Array(AT_ONCE * dims)
  codes.set(z)
  const [z0, z1, z2, z3] = Array.from({ length: AT_ONCE }, (_, j) => codes.subarray(j * dims, (j + 1) * dims)) as Float64Array[]
  const [out0, out1, out2, out3] = out
  for (let i = 0, at = 0; i < out0!.length; i++) {
    let [s0, s1, s2, s3] = [0, 0, 0, 0]
    for (let d = 0; d < dims; d++, at++) {
      const scale = a[at]!
      const shift = b[at]!
      const u0 = z0![d]! * scale - shift
      const u1 = z1![d]! * scale - shift
      const u2 = z2![d]! * scale - shift
      const u3 = z3![d]! * scale - shift
      s0 += u0 * u0
      s1 += u1 * u1
      s2 += u2 * u2
      s3 += u3 * u3
    }
    out0![i] = 0.5 * s0
    out1![i] = 0.5 * s1
    out2![i] = 0.5 * s2
    out3![i] = 0.5 * s3
  }
}

/** log Σ exp(constant − minus); -Infinity where no term is a number above that. */
function logSumOfExp(constant: Float64Array, minus: Float64Array): number {
  let most = -Infinity
  for (let i = 0; i < minus.length; i++) most = Math.max(most, Number.isNaN(minus[i]) ? -Infinity : constant[i]! - minus[i]!)
  if (most === -Infinity) return -Infinity
  let sum = 0
  for (let i = 0; i < minus.length; i++) sum += Math.exp(constant[i]! - minus[i]! - most)
  return most + Math.log(sum)
}

/** One draw from each Gaussian: codes [N, dims]. */
export function drawCodes({ mean, deviation }: DiagonalGaussians, random: HostRandom): Float32Array {
  return mean.map((m, i) => m + deviation[i]! * random.normal())
}

/** Codes of the prior N(0, I): [n, dims]. */
export function drawPrior(n: number, dims: number, seed: number): Float32Array {
  const random = hostRandom(seed)
  return Float32Array.from({ length: n * dims }, () => random.normal())
}

/** log p(z) of the prior N(0, I): what log q(z) is where the codes of the data fill the prior. */
export function logPrior(z: Float32Array, dims: number): Float64Array {
  return Float64Array.from({ length: z.length / dims }, (_, k) => {
    const square = z.subarray(k * dims, (k + 1) * dims).reduce((sum, x) => sum + x * x, 0)
    return -0.5 * (square + dims * Math.log(2 * Math.PI))
  })
}

/** How wide an encoder's Gaussians are, and how wide all of them together. */
export interface PosteriorWidth {
  /** Standard deviation of q(z|x), averaged over points and dims. The prior's is 1. */
  readonly deviation: number
  /** The same of the dim where it is smallest: the one that the encoder knows best. */
  readonly smallest: number
  /** Variance of a dim of q(z), averaged over dims, the smallest and the largest: 1 where q(z) is the prior. */
  readonly aggregated: { readonly mean: number; readonly min: number; readonly max: number }
}

/** Widths of q(z|x) and of q(z), without a floor. Throws as `logAggregatedPosterior` does. */
export function posteriorWidth(posterior: DiagonalGaussians): PosteriorWidth {
  const { mean, deviation, dims } = posterior
  const n = checked(posterior)
  const perDim = Array.from({ length: dims }, (_, d) => {
    let [sd, centre, square] = [0, 0, 0]
    for (let at = d; at < mean.length; at += dims) {
      sd += deviation[at]!
      centre += mean[at]!
    }
    centre /= n
    for (let at = d; at < mean.length; at += dims) square += (mean[at]! - centre) ** 2 + deviation[at]! ** 2
    return { sd: sd / n, variance: square / n }
  })
  const sds = perDim.map((dim) => dim.sd)
  const variances = perDim.map((dim) => dim.variance)
  const average = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length
  return {
    deviation: average(sds),
    smallest: Math.min(...sds),
    aggregated: { mean: average(variances), min: Math.min(...variances), max: Math.max(...variances) },
  }
}

/** The number of Gaussians. */
function checked({ mean, deviation, dims }: DiagonalGaussians): number {
  const n = mean.length / dims
  if (!Number.isInteger(n) || n === 0 || deviation.length !== mean.length) {
    throw new BmsError('BAD_ARGUMENT', `posterior: ${mean.length} means and ${deviation.length} deviations are not those of codes of ${dims}`, {
      option: 'posterior',
      got: mean.length,
    })
  }
  const bad = mean.findIndex((m, i) => !Number.isFinite(m) || !(deviation[i]! >= 0 && deviation[i]! < Infinity))
  if (bad >= 0) {
    const got = `mean ${mean[bad]}, deviation ${deviation[bad]}`
    throw new BmsError('NOT_FINITE', `posterior: point ${Math.floor(bad / dims)} has ${got} in dim ${bad % dims}; the encoder has diverged`, { got })
  }
  return n
}
