// Numbers against what they should be, relative to the scale of the whole array: an element near zero that comes out of large ones is allowed their rounding.
import { formatShape, type Tensor } from '@bms/nn'
import { sawError } from '../support/figures.js'

/** A tolerance that is not the default one, and why. */
export interface Tolerance {
  value: number
  why: string
  /** Relative to max(1, |expected|) of each element instead of the scale of the array: for values of every size side by side. */
  each?: boolean
}

/** Of f32 results, relative to the largest expected magnitude. */
export const defaultTolerance = { value: 1e-5 }

export interface Expected {
  shape: readonly number[]
  data: ArrayLike<number>
}

/** Throws unless the tensor has the shape and, within tolerance · scale, the values; NaN and infinities must stand where they are expected. */
export async function same(what: string, actual: Tensor, expected: Expected, tolerance: Pick<Tolerance, 'value' | 'each'> = defaultTolerance): Promise<void> {
  if (formatShape(actual.shape) !== formatShape(expected.shape))
    throw new Error(`${what}: shape ${formatShape(actual.shape)}, expected ${formatShape(expected.shape)}`)
  const values = await actual.data()
  // What overflows in f32 is infinite: float64 has the number.
  const data = values instanceof Float32Array ? Float32Array.from(expected.data) : expected.data
  let scale = 1e-3
  for (let i = 0; i < data.length; i++) if (Number.isFinite(data[i]!)) scale = Math.max(scale, Math.abs(data[i]!))
  let worst = 0
  for (let i = 0; i < data.length; i++) {
    const [a, e] = [values[i]!, data[i]!]
    if (Object.is(a, e) || a === e) continue
    const of = tolerance.each ? Math.max(1, Math.abs(e)) : scale
    const error = Math.abs(a - e) / of
    if (!(error <= tolerance.value)) {
      throw new Error(
        `${what}: element ${i} of ${formatShape(actual.shape)} is ${a}, expected ${e} (off by ${error} of the scale ${of}, allowed ${tolerance.value})`,
      )
    }
    worst = Math.max(worst, error)
  }
  // Half precision has other errors by design.
  if (tolerance.value < 1e-3) sawError(worst, what)
}
