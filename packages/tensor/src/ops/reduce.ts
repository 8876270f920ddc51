// Reductions over any dims: sum, mean, max, min, prod, and what is built from them.
import { ReduceCall, type ReduceOp } from '../calls/reduce.js'
import { type DType, isFloat } from '../dtype.js'
import { formatShape, ShapeError } from '../errors.js'
import { normalDims, sizeOf } from '../layout.js'
import { input } from '../map/expr.js'
import { collect } from '../scope.js'
import type { Tensor } from '../tensor.js'
import { traced } from '../trace.js'
import { cast, clone } from './copy.js'
import { div, sqrt, square, sub } from './elementwise.js'
import { full } from './create.js'
import { checkTensor, empty } from './launch.js'
import { reshape } from './views.js'

/** A dim, several, or none given: all. */
export type Dims = number | readonly number[]

/** Options that force an algorithm; for tests and benches. */
export interface ReduceOptions {
  algorithm?: 'thread' | 'group'
}

/** The shape after reducing. */
export function reducedShape(shape: readonly number[], dims: readonly number[], keepdim: boolean): number[] {
  return keepdim ? shape.map((s, d) => (dims.includes(d) ? 1 : s)) : shape.filter((_, d) => !dims.includes(d))
}

function reduce(
  op: string,
  kind: ReduceOp,
  x: Tensor,
  dims: Dims | undefined,
  keepdim: boolean,
  dtype: DType,
  scale: (n: number) => number,
  options: ReduceOptions = {},
): Tensor {
  const which = normalDims(op, dims, checkTensor(op, x).ndim)
  const shape = reducedShape(x.shape, which, keepdim)
  const n = sizeOf(which.map((d) => x.shape[d]!))
  if (n === 0 && (op === 'max' || op === 'min'))
    throw new ShapeError(op, `the ${op} of no elements is undefined: shape [${x.shape.join(', ')}], dims [${which.join(', ')}]`, {
      shape: x.shape,
      dims: which,
    })
  return traced(op, [x], { dims: which, keepdim, count: n }, () => {
    if (n === 0) return full(shape, kind === 'prod' || op === 'all' ? 1 : op === 'mean' ? Number.NaN : 0, { dtype, device: x.device })
    // Nothing to combine: a copy, which compiled steps merge with what is around it.
    if (n === 1 && x.dtype === dtype && x.size > 0) return clone(reshape(x, shape))
    const out = empty(op, x.device, shape, dtype)
    if (out.size > 0) x.device.stream.run(new ReduceCall(op, kind, x.shape, which, input(0, x.dtype), [x], out, scale(n), options.algorithm))
    return out
  })
}

const one = (): number => 1
const summed = (t: DType): DType => (t === 'bool' ? 'i32' : t)

/** Sum over `dims` (all by default). f16 is summed in f32; bool counts as i32. */
export const sum = (x: Tensor, dims?: Dims, keepdim = false, options?: ReduceOptions): Tensor =>
  reduce('sum', 'sum', x, dims, keepdim, summed(x.dtype), one, options)

/** Mean over `dims`. Integers give f32; the mean of nothing is NaN. */
export const mean = (x: Tensor, dims?: Dims, keepdim = false, options?: ReduceOptions): Tensor => {
  const from = isFloat(checkTensor('mean', x).dtype) ? x : cast(x, 'f32')
  return reduce('mean', 'sum', from, dims, keepdim, from.dtype, (n) => 1 / n, options)
}

/** Largest element; NaN wins. (PyTorch's amax: equal elements share the gradient.) */
export const max = (x: Tensor, dims?: Dims, keepdim = false, options?: ReduceOptions): Tensor => reduce('max', 'max', x, dims, keepdim, x.dtype, one, options)
export const min = (x: Tensor, dims?: Dims, keepdim = false, options?: ReduceOptions): Tensor => reduce('min', 'min', x, dims, keepdim, x.dtype, one, options)
export const prod = (x: Tensor, dims?: Dims, keepdim = false, options?: ReduceOptions): Tensor =>
  reduce('prod', 'prod', x, dims, keepdim, summed(x.dtype), one, options)

/** True where all elements (any element) are ≠ 0. */
export const all = (x: Tensor, dims?: Dims, keepdim = false): Tensor => reduce('all', 'min', cast(checkTensor('all', x), 'bool'), dims, keepdim, 'bool', one)
export const any = (x: Tensor, dims?: Dims, keepdim = false): Tensor => reduce('any', 'max', cast(checkTensor('any', x), 'bool'), dims, keepdim, 'bool', one)

/** Squares leave the range of f16 from 256 on: f16 is widened before, and the result narrowed. Integers become f32. */
const wide = (x: Tensor, fn: (v: Tensor) => Tensor): Tensor => cast(fn(cast(x, 'f32')), isFloat(x.dtype) ? x.dtype : 'f32')

/** Variance over `dims`; `correction` 1 divides by n-1 (PyTorch's default), 0 by n. Two passes, so it does not cancel. f16 is computed in f32. */
export function variance(x: Tensor, dims?: Dims, keepdim = false, correction = 1): Tensor {
  const which = normalDims('var', dims, checkTensor('var', x).ndim)
  const n = Math.max(0, sizeOf(which.map((d) => x.shape[d]!)) - correction)
  return wide(x, (v) =>
    traced('var', [v], { dims: which, keepdim, n }, () => {
      const { result, made } = collect(() => div(sum(square(sub(v, mean(v, which, true))), which, keepdim), n))
      for (const t of made) if (t !== result) t.dispose()
      return result
    }),
  )
}

/** A square root of lengths: at 0, where it has no slope, PyTorch's std and norm have the gradient 0. */
const root = (x: Tensor): Tensor => traced('root', [x], {}, () => sqrt(x))

/** Standard deviation over `dims`, see variance. */
export function std(x: Tensor, dims?: Dims, keepdim = false, correction = 1): Tensor {
  const which = normalDims('std', dims, checkTensor('std', x).ndim)
  return wide(x, (v) => root(variance(v, which, keepdim, correction)))
}

/** Euclidean norm over `dims`. f16 is computed in f32. */
export function norm(x: Tensor, dims?: Dims, keepdim = false): Tensor {
  const which = normalDims('norm', dims, checkTensor('norm', x).ndim)
  return wide(x, (v) => root(sum(square(v), which, keepdim)))
}

/** Mean and biased variance over `dims`, which are kept: what normalising layers divide by. f32, also of f16, as PyTorch's layers keep them. */
export function moments(x: Tensor, dims: Dims): [Tensor, Tensor] {
  const which = normalDims('moments', dims, checkTensor('moments', x).ndim)
  const v = cast(x, 'f32')
  const m = mean(v, which, true)
  return [m, mean(square(sub(v, m)), which, true)]
}

/** Adds up what broadcasting from `shape` spread: the gradient of an expanded operand. */
export function sumTo(x: Tensor, shape: readonly number[]): Tensor {
  const lead = checkTensor('sumTo', x).ndim - shape.length
  if (lead < 0 || shape.some((s, d) => s !== 1 && s !== x.shape[d + lead]))
    throw new ShapeError('sumTo', `${formatShape(shape)} does not broadcast to ${formatShape(x.shape)}`, { from: x.shape, to: shape })
  const dims = x.shape.map((_, d) => d).filter((d) => d < lead || (shape[d - lead] === 1 && x.shape[d] !== 1))
  if (dims.length === 0) return x.ndim === shape.length ? x : reshape(x, shape)
  return reshape(sum(x, dims), shape)
}
