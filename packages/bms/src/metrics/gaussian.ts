// Mean and covariance of many vectors, added up as they come: in double precision, around the running mean, so that neither
// their number nor an offset costs digits.
import { BmsError } from '@bms/tensor'

/** A mean [dims] and a covariance [dims, dims], and how many vectors they are of. */
export interface Gaussian {
  readonly n: number
  readonly dims: number
  readonly mean: Float64Array
  readonly covariance: Float64Array
}

export class GaussianStatistics implements Gaussian {
  /** Vectors so far. */
  n = 0
  /** Their mean. */
  readonly mean: Float64Array
  /** Upper triangle of Σ (x - mean)(x - mean)ᵀ. */
  private readonly scatter: Float64Array

  constructor(readonly dims: number) {
    this.mean = new Float64Array(dims)
    this.scatter = new Float64Array(dims * dims)
  }

  /**
   * Adds vectors, [k, dims] row by row.
   * @throws BmsError `BAD_ARGUMENT` for part of a row, `NOT_FINITE` where a number is NaN or infinite; nothing was added then
   */
  add(rows: Float32Array | Float64Array): this {
    const { dims, mean, scatter } = this
    const k = rows.length / dims
    if (!Number.isInteger(k))
      throw new BmsError('BAD_ARGUMENT', `features: ${rows.length} numbers are no whole number of rows of ${dims}`, { got: rows.length })
    const bad = rows.findIndex((x) => !Number.isFinite(x))
    if (bad >= 0) {
      const image = this.n + Math.floor(bad / dims)
      throw new BmsError('NOT_FINITE', `features: image ${image} has a feature that is ${rows[bad]}; was a NaN generated?`, { image })
    }
    if (k === 0) return this
    const centre = new Float64Array(dims)
    for (let r = 0, at = 0; r < k; r++) for (let i = 0; i < dims; i++) centre[i]! += rows[at++]!
    for (let i = 0; i < dims; i++) centre[i]! /= k
    const centred = Array.from({ length: 4 * Math.ceil(k / 4) }, (_, r) => {
      const row = new Float64Array(dims)
      if (r < k) for (let i = 0; i < dims; i++) row[i] = rows[r * dims + i]! - centre[i]!
      return row
    })
    addProducts(scatter, dims, centred)
    // The parts around their own means, and how far these are apart (Chan, Golub & LeVeque 1979).
    const weight = (this.n * k) / (this.n + k)
    const apart = centre.map((c, i) => c - mean[i]!)
    for (let i = 0; i < dims; i++) {
      const w = weight * apart[i]!
      for (let j = i; j < dims; j++) scatter[i * dims + j]! += w * apart[j]!
      mean[i]! += (apart[i]! * k) / (this.n + k)
    }
    this.n += k
    return this
  }

  /** The unbiased covariance (n - 1), all of it. Throws a BmsError `BAD_ARGUMENT` with fewer than two vectors. */
  get covariance(): Float64Array {
    const { n, dims, scatter } = this
    if (n < 2) throw new BmsError('BAD_ARGUMENT', `a covariance needs at least two images, got ${n}`, { got: n })
    const out = new Float64Array(dims * dims)
    for (let i = 0; i < dims; i++) for (let j = i; j < dims; j++) out[i * dims + j] = out[j * dims + i] = scatter[i * dims + j]! / (n - 1)
    return out
  }
}

/** Adds the outer products of rows with themselves to an upper triangle: line by line of it, since it is what does not fit the caches, and four rows at once. */
function addProducts(to: Float64Array, dims: number, rows: readonly Float64Array[]): void {
  for (let i = 0; i < dims; i++) {
    const line = to.subarray(i * dims, (i + 1) * dims)
    for (let r = 0; r < rows.length; r += 4) {
      const [a, b, c, d] = [rows[r]!, rows[r + 1]!, rows[r + 2]!, rows[r + 3]!]
      const [ai, bi, ci, di] = [a[i]!, b[i]!, c[i]!, d[i]!]
      for (let j = i; j < dims; j++) line[j]! += ai * a[j]! + bi * b[j]! + ci * c[j]! + di * d[j]!
    }
  }
}
