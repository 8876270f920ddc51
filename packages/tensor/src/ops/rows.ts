// What ops along one dim share: a tensor seen as [outer, n, inner] with n the dim, so that kernels need no transposed
// copies, and dense operands for kernels that do not read strides.
import { type DType, storageType } from '../dtype.js'
import { normalDim, sizeOf } from '../layout.js'
import type { Tensor } from '../tensor.js'

/** A shape as [outer, n, inner]. */
export interface Rows {
  dim: number
  outer: number
  n: number
  inner: number
}

/** `dim` in the middle. A scalar counts as one row of one element. */
export function rowsOf(op: string, shape: readonly number[], dim: number): Rows {
  const d = shape.length === 0 && dim === -1 ? 0 : normalDim(op, dim, shape.length)
  return { dim: d, outer: sizeOf(shape.slice(0, d)), n: shape[d] ?? 1, inner: sizeOf(shape.slice(d + 1)) }
}

/** Calls `fn` with row-major versions of the tensors; copies made for it are freed afterwards. */
export function withDense<R>(tensors: readonly Tensor[], fn: (...dense: Tensor[]) => R): R {
  const dense = tensors.map((t) => (t.isContiguous ? t : t.compact()))
  try {
    return fn(...dense)
  } finally {
    dense.forEach((t, i) => {
      if (t !== tensors[i]) t.dispose()
    })
  }
}

/** The 32-bit WGSL type that elements are compared and summed in. */
export const wideType = (dtype: DType): 'f32' | 'i32' | 'u32' => (dtype === 'f16' ? 'f32' : (storageType(dtype) as 'f32' | 'i32' | 'u32'))

/** How the ordering kernels turn elements into keys: 0 u32, 1 i32, 2 float. */
export const keyKind = (dtype: DType): number => ({ u32: 0, i32: 1, f32: 2 })[wideType(dtype)]
