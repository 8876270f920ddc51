// What depends on the order of elements along a dim: argmax, argmin, sort, topk, cumsum. All are deterministic.
import { splitGroups } from '../calls/call.js'
import { elementAlias, KernelCall } from '../calls/kernel.js'
import { planReduce } from '../calls/reduce.js'
import type { DType } from '../dtype.js'
import { ArgumentError, formatShape, ShapeError } from '../errors.js'
import { argreduceGroupKernel, argreduceThreadKernel, cumsumAddKernel, cumsumChunkKernel, cumsumRowKernel } from '../generated/shaders.js'
import type { Tensor } from '../tensor.js'
import { traced, tracedAll } from '../trace.js'
import { cast } from './copy.js'
import { checkTensor, empty } from './launch.js'
import { reducedShape } from './reduce.js'
import { keyKind, type Rows, rowsOf, wideType, withDense } from './rows.js'
import { type SortOptions, sortRows } from './sort-rows.js'
import { narrow } from './views.js'

/** Options that force an algorithm; for tests and benches. */
export interface ArgReduceOptions {
  algorithm?: 'thread' | 'group'
}

function argReduce(op: string, x: Tensor, flip: number, dim: number | undefined, keepdim: boolean, options: ArgReduceOptions): Tensor {
  checkTensor(op, x)
  const rows: Rows = dim === undefined ? { dim: 0, outer: 1, n: x.size, inner: 1 } : rowsOf(op, x.shape, dim)
  if (rows.n === 0)
    throw new ShapeError(op, `the ${op} of no elements is undefined: shape ${formatShape(x.shape)}${dim === undefined ? '' : `, dim ${dim}`}`, {
      shape: x.shape,
      dim,
    })
  const which = dim === undefined ? x.shape.map((_, d) => d) : x.ndim === 0 ? [] : [rows.dim]
  const attrs = { dim: dim === undefined ? null : rows.dim, keepdim }
  return traced(op, [x], attrs, () => {
    const { device } = x
    const out = empty(op, device, reducedShape(x.shape, which, keepdim), 'i32')
    if (out.size === 0) return out
    const algorithm = options.algorithm ?? planReduce(out.size, rows.n, device.adapter.kind)
    withDense([x], (dense) => {
      device.stream.run(
        new KernelCall({
          op,
          kernel: algorithm === 'thread' ? argreduceThreadKernel : argreduceGroupKernel,
          buffers: { x: dense, indices: out },
          params: { count: out.size, n: rows.n, inner: rows.inner, flip },
          constants: { KIND: keyKind(x.dtype), WG: algorithm === 'thread' ? 64 : 256 },
          aliases: { T: elementAlias(x), C: wideType(x.dtype) },
          ...(algorithm === 'thread' ? { invocations: out.size } : { grid: splitGroups(device.limits.maxComputeWorkgroupsPerDimension, op, out.size) }),
        }),
      )
    })
    return out
  })
}

/** Where the largest element stands, i32: along `dim`, or in the flattened tensor. The first of equal ones; NaN wins. */
export const argmax = (x: Tensor, dim?: number, keepdim = false, options: ArgReduceOptions = {}): Tensor => argReduce('argmax', x, 0, dim, keepdim, options)

/** Where the smallest element stands, i32: along `dim`, or in the flattened tensor. The first of equal ones; NaN wins. */
export const argmin = (x: Tensor, dim?: number, keepdim = false, options: ArgReduceOptions = {}): Tensor =>
  argReduce('argmin', x, 0xffffffff, dim, keepdim, options)

export type { SortOptions } from './sort-rows.js'

/** What `sort` and `topk` give: the elements in order, and where along the dim each came from (i32). */
export interface Sorted {
  values: Tensor
  indices: Tensor
}

/** Sorted along a dim: { values, indices }. Stable; NaN counts as the largest. Any dtype. */
export function sort(x: Tensor, dim = -1, descending = false, options: SortOptions = {}): Sorted {
  const rows = rowsOf('sort', checkTensor('sort', x).shape, dim)
  const [values, indices] = tracedAll('sort', [x], { dim: rows.dim, descending }, () => sortRows('sort', x, rows, descending, options))
  return { values: values!, indices: indices! }
}

/** The indices that sort a dim, i32. Stable; NaN counts as the largest. */
export function argsort(x: Tensor, dim = -1, descending = false, options: SortOptions = {}): Tensor {
  const rows = rowsOf('argsort', checkTensor('argsort', x).shape, dim)
  return traced('argsort', [x], { dim: rows.dim, descending }, () => {
    const [values, indices] = sortRows('argsort', x, rows, descending, options)
    values.dispose()
    return indices
  })
}

/** The `k` largest (or smallest) elements along a dim in order: { values, indices }. Of equal ones the first; NaN counts as the largest. */
export function topk(x: Tensor, k: number, dim = -1, largest = true): Sorted {
  const rows = rowsOf('topk', checkTensor('topk', x).shape, dim)
  if (!Number.isInteger(k) || k < 0 || k > rows.n)
    throw new ArgumentError('topk', `k is a whole number from 0 to the ${rows.n} elements along dim ${dim} of ${formatShape(x.shape)}, got ${k}`, {
      k,
      shape: x.shape,
      dim,
    })
  const [values, indices] = tracedAll('topk', [x], { dim: rows.dim, k, largest }, () => {
    const sorted = sortRows('topk', x, rows, largest)
    if (k === rows.n || x.ndim === 0) return sorted
    return sorted.map((t) => {
      const part = narrow(t, rows.dim, 0, k)
      const copy = part.compact()
      part.dispose()
      t.dispose()
      return copy
    })
  })
  return { values: values!, indices: indices! }
}

/** Elements that one workgroup sums, CHUNK of cumsum.wgsl. */
const SUM_CHUNK = 1024

/** Options that force an algorithm; for tests and benches. `row`: one invocation a row; `chunk`: workgroups on parts of rows. */
export interface CumsumOptions {
  algorithm?: 'row' | 'chunk'
}

function cumsumRows(x: Tensor, shape: readonly number[], rows: Rows, dtype: DType, options: CumsumOptions): Tensor {
  const { device } = x
  const { n, inner } = rows
  const out = empty('cumsum', device, shape, dtype)
  if (out.size === 0) return out
  const count = rows.outer * inner
  const aliases = { T: elementAlias(out), A: wideType(dtype) }
  const chunks = Math.ceil(n / SUM_CHUNK)
  const params = { n, inner, chunks }
  const algorithm = options.algorithm ?? (planReduce(count, n, device.adapter.kind) === 'thread' ? 'row' : 'chunk')
  if (algorithm === 'row') {
    device.stream.run(
      new KernelCall({
        op: 'cumsum',
        kernel: cumsumRowKernel,
        buffers: { x, out },
        params: { ...params, count },
        invocations: count,
        constants: { WG: 64 },
        aliases,
      }),
    )
    return out
  }
  const wide = wideType(dtype)
  const totals = empty('cumsum', device, [count, chunks], wide)
  const grid = splitGroups(device.limits.maxComputeWorkgroupsPerDimension, 'cumsum', count * chunks)
  device.stream.run(
    new KernelCall({ op: 'cumsum', kernel: cumsumChunkKernel, buffers: { x, out, totals }, params: { ...params, count: count * chunks }, grid, aliases }),
  )
  if (chunks > 1) {
    const sums = cumsumRows(totals, [count, chunks], { dim: 1, outer: count, n: chunks, inner: 1 }, wide, {})
    device.stream.run(
      new KernelCall({
        op: 'cumsum',
        kernel: cumsumAddKernel,
        buffers: { out, sums },
        params: { ...params, count: out.size },
        invocations: out.size,
        aliases,
        updates: ['out'],
      }),
    )
    sums.dispose()
  }
  totals.dispose()
  return out
}

/** Running sums along a dim. f16 is summed in f32; bool counts as i32; integers wrap around. */
export function cumsum(x: Tensor, dim = -1, options: CumsumOptions = {}): Tensor {
  const rows = rowsOf('cumsum', checkTensor('cumsum', x).shape, dim)
  const from = x.dtype === 'bool' ? cast(x, 'i32') : x
  return traced('cumsum', [from], { dim: rows.dim }, () => withDense([from], (dense) => cumsumRows(dense, x.shape, rows, from.dtype, options)))
}
