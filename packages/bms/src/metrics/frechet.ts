// The Fréchet distance between two Gaussians: with features of TensorFlow's Inception-v3 the FID (Heusel et al. 2017), with
// those of another net the same formula under another name, since the numbers have nothing to do with each other.
import { BmsError } from '@bms/tensor'
import { EigenvalueDecomposition, Matrix } from 'ml-matrix'
import type { FeatureNet } from '../features/net.js'
import type { Gaussian } from './gaussian.js'

/** 'FID' only with the Inception-v3 of the FID, else 'FD-' and the net. */
export type FrechetName = 'FID' | 'FD-squeezenet' | 'FD-mobilenet' | `FD-${string}`

/** A distance with what it is a distance of: the number alone says nothing. */
export interface FrechetScore {
  readonly name: FrechetName
  readonly value: number
  /** Images that the statistics are of. The distance falls as they grow: scores of unequal numbers do not compare. */
  readonly n: { readonly real: number; readonly generated: number }
  /** The feature net, in words. */
  readonly features: string
}

interface Eigen {
  values: number[]
  vectors: Matrix
}

/** Eigenvalues and vectors of a symmetric matrix. */
function eigen(m: Matrix): Eigen {
  const found = new EigenvalueDecomposition(m, { assumeSymmetric: true })
  return { values: found.realEigenvalues, vectors: found.eigenvectorMatrix }
}

/** What counts as zero beside the largest eigenvalue: what rounding leaves of an empty direction. */
const threshold = (values: readonly number[]): number => Math.max(0, ...values) * values.length * Number.EPSILON

const matrix = ({ covariance, dims }: Gaussian): Matrix =>
  new Matrix(Array.from({ length: dims }, (_, i) => covariance.subarray(i * dims, (i + 1) * dims)) as unknown as number[][])

/** A with A·Aᵀ = m for a positive semi-definite m, of as many columns as m has directions. */
function factor(m: Matrix): Matrix | null {
  const { values, vectors } = eigen(m)
  const least = threshold(values)
  const used = values.flatMap((v, i) => (v > least ? [i] : []))
  if (used.length === 0) return null
  const out = new Matrix(m.rows, used.length)
  used.forEach((from, to) => {
    const root = Math.sqrt(values[from]!)
    for (let i = 0; i < m.rows; i++) out.set(i, to, root * vectors.get(i, from))
  })
  return out
}

/**
 * ‖μ₁ - μ₂‖² + Tr(Σ₁ + Σ₂ - 2 (Σ₁Σ₂)^½). With Σ₁ = A·Aᵀ, the product Σ₁Σ₂ has the eigenvalues of the symmetric Aᵀ·Σ₂·A, whose roots are added:
 * no square root of a matrix that is not symmetric, nothing complex, and covariances of fewer images than dims are as good as others.
 * 2,048 dims take some minutes, in which nothing else happens on this thread.
 * @throws BmsError `BAD_ARGUMENT` where the dims differ, `NOT_FINITE` where a number is NaN or infinite
 */
export function frechetDistance(a: Gaussian, b: Gaussian): number {
  const { dims } = a
  if (b.dims !== dims)
    throw new BmsError('BAD_ARGUMENT', `Fréchet distance: one set of features has ${dims} dims, the other ${b.dims}`, { got: [dims, b.dims] })
  const [first, second] = [matrix(a), matrix(b)]
  let distance = 0
  for (let i = 0; i < dims; i++) distance += (a.mean[i]! - b.mean[i]!) ** 2
  distance += first.trace() + second.trace()
  if (!Number.isFinite(distance)) throw new BmsError('NOT_FINITE', 'Fréchet distance: a mean or a covariance is NaN or infinite')
  const root = factor(first)
  if (!root) return distance
  const product = root.transpose().mmul(second.mmul(root))
  const values = product.rows === 0 ? [] : eigen(product).values
  const least = threshold(values)
  for (const v of values) if (v > least) distance -= 2 * Math.sqrt(v)
  // Of equal sets rounding leaves a little on either side of zero.
  return Math.max(0, distance)
}

/** The distance between real and generated images under the name that the feature net gives it. */
export function frechetScore(net: Pick<FeatureNet, 'name' | 'description'>, real: Gaussian, generated: Gaussian): FrechetScore {
  return {
    name: net.name === 'inception' ? 'FID' : `FD-${net.name}`,
    value: frechetDistance(real, generated),
    n: { real: real.n, generated: generated.n },
    features: net.description,
  }
}

const whole = (n: number): string => n.toLocaleString('en-US')

/** One line: name, value, numbers of images, feature net. */
export const formatFrechet = ({ name, value, n, features }: FrechetScore): string =>
  `${name} ${value.toFixed(value < 1 ? 4 : 2)} (lower is better; n = ${whole(n.real)} real, ${whole(n.generated)} generated; features: ${features})`
