// Picking elements by an index tensor and adding them back: gather, indexSelect and embedding; scatterAdd and indexAdd,
// which are their gradients (and the other way round). All are deterministic. Indices are i32 or u32. A GPU cannot throw
// as PyTorch does: where something is read, an index outside of the dim (a negative one is) gives NaN, so that the mistake
// shows in whatever is computed from it; where something is added, it is ignored.
import { elementAlias, KernelCall } from '../calls/kernel.js'
import { MapCall } from '../calls/map.js'
import type { Device } from '../device/device.js'
import { isFloat } from '../dtype.js'
import { ArgumentError, DTypeError, formatShape, ShapeError } from '../errors.js'
import { gatherKernel, indexSelectKernel, scatterAddScanKernel, scatterAddSortedKernel } from '../generated/shaders.js'
import { broadcastTo, contiguous, type Layout, sizeOf } from '../layout.js'
import { input } from '../map/expr.js'
import type { Tensor } from '../tensor.js'
import { traced } from '../trace.js'
import { cast } from './copy.js'
import { arange } from './create.js'
import { eq, where } from './elementwise.js'
import { checkTensor, commonDevice, empty } from './launch.js'
import { type Rows, rowsOf, wideType, withDense } from './rows.js'
import { sortRows } from './sort-rows.js'
import { reshape, unsqueeze } from './views.js'

function checkIndex(op: string, x: Tensor, index: Tensor): Device {
  checkTensor(op, x)
  checkTensor(op, index, 'the index')
  if (index.dtype !== 'i32' && index.dtype !== 'u32')
    throw new DTypeError(op, `indices are i32 or u32, got ${index.dtype}; convert them with .int()`, { dtype: index.dtype })
  return commonDevice(op, [x, index])
}

/** `index` reaches beyond `limit` in no dim but `free`. */
function checkWithin(op: string, index: Tensor, limit: Tensor, free: number | null, what: string): void {
  const fits = index.ndim === limit.ndim && index.shape.every((s, d) => d === free || s <= limit.shape[d]!)
  if (fits) return
  const rule = free === null ? 'at most as large in each dim' : `at most as large in each dim but ${free}`
  throw new ShapeError(op, `the index ${formatShape(index.shape)} must have as many dims as ${what} ${formatShape(limit.shape)} and be ${rule}`, {
    shapes: [limit.shape, index.shape],
    dim: free,
  })
}

function checkFilled(op: string, n: number, picks: number): void {
  if (n === 0 && picks > 0) throw new ShapeError(op, `${picks} elements are picked along a dim of size 0`, { n, picks })
}

/** The corner of `x` that has `shape` (in all dims but `free`). */
function corner(x: Tensor, shape: readonly number[], free: number | null): Layout {
  return { shape: x.shape.map((s, d) => (d === free ? s : shape[d]!)), strides: x.strides, offset: x.layout.offset }
}

const differs = (a: readonly number[], b: readonly number[], free: number | null): boolean => a.some((s, d) => d !== free && s !== b[d])

/** Calls `fn` with the corner of `x` as a tensor. */
function withCorner<R>(x: Tensor, shape: readonly number[], free: number | null, fn: (part: Tensor) => R): R {
  if (!differs(x.shape, shape, free)) return fn(x)
  const part = x.view(corner(x, shape, free))
  try {
    return fn(part)
  } finally {
    part.dispose()
  }
}

/**
 * out[i][j][k] = x[index[i][j][k]][j][k] for dim 0, and so on. `index` has as many dims as `x` and may be smaller in the others;
 * the result has its shape. Any dtype. An index outside of 0 to n-1 gives NaN (see PickOptions), and no gradient
 * flows from there.
 */
export function gather(x: Tensor, dim: number, index: Tensor, options: PickOptions = {}): Tensor {
  const device = checkIndex('gather', x, index)
  const rows = rowsOf('gather', x.shape, dim)
  checkWithin('gather', index, x, rows.dim, 'the input')
  checkFilled('gather', rows.n, index.size)
  return traced('gather', [x, index], { dim: rows.dim }, () => {
    const out = empty('gather', device, index.shape, x.dtype)
    if (out.size === 0) return out
    const { n: m, inner } = rowsOf('gather', index.shape, rows.dim)
    withCorner(x, index.shape, rows.dim, (part) =>
      withDense([part, index], (from, at) =>
        device.stream.run(
          new KernelCall({
            op: 'gather',
            kernel: gatherKernel,
            buffers: { x: from, index: at, out },
            params: { count: out.size, n: rows.n, m, inner, outside: outsideBits(x, options) },
            invocations: out.size,
            aliases: { T: elementAlias(x), C: wideType(x.dtype), I: elementAlias(index) },
          }),
        ),
      ),
    )
    return out
  })
}

export interface PickOptions {
  /** What an index outside of 0 to n-1 gives, for which PyTorch raises. Default: NaN, or where there is none -2^31 (i32), 2^32-1 (u32), true. */
  outside?: number
}

const outsideOf = { f32: Number.NaN, f16: Number.NaN, i32: 2 ** 31, u32: -1, bool: 1 }

/** As the bits that the kernels take. */
const outsideBits = ({ dtype }: Tensor, { outside = outsideOf[dtype] }: PickOptions): number =>
  isFloat(dtype) ? new Uint32Array(Float32Array.of(outside).buffer)[0]! : outside >>> 0

function check1d(op: string, index: Tensor): void {
  if (index.ndim !== 1) throw new ShapeError(op, `the index has one dim, got ${formatShape(index.shape)}; flatten() it first`, { shape: index.shape })
}

/**
 * The slices index[0], index[1], … of a dim: `index` is [m], the result has m there. Any dtype. An index outside of 0 to n-1 gives a slice of
 * NaN (see PickOptions), and no gradient flows from there.
 */
export function indexSelect(x: Tensor, dim: number, index: Tensor, options: PickOptions = {}): Tensor {
  const device = checkIndex('indexSelect', x, index)
  const { dim: d, n, inner } = rowsOf('indexSelect', x.shape, dim)
  check1d('indexSelect', index)
  const m = index.size
  const shape = x.ndim === 0 ? [m] : x.shape.map((s, i) => (i === d ? m : s))
  checkFilled('indexSelect', n, sizeOf(shape))
  return traced('indexSelect', [x, index], { dim: d }, () => {
    const out = empty('indexSelect', device, shape, x.dtype)
    if (out.size === 0) return out
    withDense([x, index], (from, at) =>
      device.stream.run(
        new KernelCall({
          op: 'indexSelect',
          kernel: indexSelectKernel,
          buffers: { x: from, index: at, out },
          params: { count: out.size, n, m, inner, outside: outsideBits(x, options) },
          invocations: out.size,
          aliases: { T: elementAlias(x), C: wideType(x.dtype), I: elementAlias(index) },
        }),
      ),
    )
    return out
  })
}

/** Rows of `weight` [classes, …]: index of any shape gives [...index.shape, ...]. An index outside of the classes gives a row of NaN, see indexSelect. */
export function embedding(weight: Tensor, index: Tensor): Tensor {
  checkIndex('embedding', weight, index)
  if (weight.ndim < 1) throw new ShapeError('embedding', 'the weight has at least one dim, got a scalar')
  checkFilled('embedding', weight.shape[0]!, index.size)
  return reshape(indexSelect(weight, 0, reshape(index, [index.size])), [...index.shape, ...weight.shape.slice(1)])
}

/** Options that force an algorithm; for tests and benches. Both give the same bits. */
export interface ScatterOptions {
  algorithm?: 'scan' | 'sorted'
}

/** Looking through all m indices for each result is cheap while they are few. */
export const planScatter = (m: number): 'scan' | 'sorted' => (m <= 32 ? 'scan' : 'sorted')

/** Adds to `x` of the same other dims; `flat`: one index a slice. */
function scatterRows(op: string, x: Tensor, rows: Rows, index: Tensor, source: Tensor, flat: boolean, options: ScatterOptions): Tensor {
  const { device } = x
  const out = empty(op, device, x.shape, x.dtype)
  if (out.size === 0) return out
  const indexRows = rowsOf(op, index.shape, flat ? 0 : rows.dim)
  const algorithm = options.algorithm ?? planScatter(indexRows.n)
  withDense([x, index, source], (to, at, from) => {
    const common = {
      op,
      params: { count: out.size, n: rows.n, m: indexRows.n, inner: rows.inner },
      invocations: out.size,
      constants: { FLAT: flat },
      aliases: { T: elementAlias(x), A: wideType(x.dtype), I: elementAlias(index) },
    }
    if (algorithm === 'scan') {
      device.stream.run(new KernelCall({ ...common, kernel: scatterAddScanKernel, buffers: { x: to, index: at, source: from, out } }))
    } else {
      const [sorted, order] = sortRows(op, at, indexRows, false)
      device.stream.run(new KernelCall({ ...common, kernel: scatterAddSortedKernel, buffers: { x: to, index: sorted, order, source: from, out } }))
      sorted.dispose()
      order.dispose()
    }
  })
  return out
}

function checkSource(op: string, x: Tensor, source: Tensor): void {
  checkTensor(op, source, 'the source')
  commonDevice(op, [x, source])
  if (x.dtype === 'bool') throw new DTypeError(op, 'booleans cannot be added up; convert both with .int()', { dtype: x.dtype })
  if (source.dtype !== x.dtype)
    throw new DTypeError(op, `the source is ${source.dtype}, the input ${x.dtype}; convert one with .to('${x.dtype}')`, { dtypes: [x.dtype, source.dtype] })
}

/**
 * A copy of `x` with source[i][j][k] added at [index[i][j][k]][j][k] for dim 0, and so on; equal places add up, in the order of the
 * source. `index` has as many dims as `x` and `source`, is at most as large as `source`, and as `x` in the other dims. Where an index is
 * outside of 0 to n-1 nothing is added.
 */
export function scatterAdd(x: Tensor, dim: number, index: Tensor, source: Tensor, options: ScatterOptions = {}): Tensor {
  const device = checkIndex('scatterAdd', x, index)
  checkSource('scatterAdd', x, source)
  const rows = rowsOf('scatterAdd', x.shape, dim)
  const { dim: d } = rows
  checkWithin('scatterAdd', index, x, d, 'the input')
  checkWithin('scatterAdd', index, source, null, 'the source')
  return traced('scatterAdd', [x, index, source], { dim: d }, () => {
    if (index.size === 0) return x.compact()
    return withCorner(source, index.shape, null, (from) => {
      if (!differs(x.shape, index.shape, d)) return scatterRows('scatterAdd', x, rows, index, from, false, options)
      const out = x.compact()
      withCorner(x, index.shape, d, (part) => {
        const sum = scatterRows('scatterAdd', part, rowsOf('scatterAdd', part.shape, d), index, from, false, options)
        const target = { storage: out.storage, layout: corner(out, index.shape, d), dtype: out.dtype }
        device.stream.run(new MapCall('scatterAdd', sum.shape, [input(0, sum.dtype)], [sum], [target], true))
        sum.dispose()
      })
      return out
    })
  })
}

/** A copy of `x` with slice j of `source` added to slice index[j] of a dim, if there is one; `index` is [m], and so is that dim of `source`. */
export function indexAdd(x: Tensor, dim: number, index: Tensor, source: Tensor, options: ScatterOptions = {}): Tensor {
  checkIndex('indexAdd', x, index)
  checkSource('indexAdd', x, source)
  const rows = rowsOf('indexAdd', x.shape, dim)
  check1d('indexAdd', index)
  const wanted = x.ndim === 0 ? [index.size] : x.shape.map((s, d) => (d === rows.dim ? index.size : s))
  if (source.ndim !== wanted.length || differs(source.shape, wanted, null)) {
    throw new ShapeError(
      'indexAdd',
      `the source must be ${formatShape(wanted)} for an input ${formatShape(x.shape)} and ${index.size} indices in dim ${dim}, got ${formatShape(source.shape)}`,
      {
        shapes: [x.shape, index.shape, source.shape],
        dim,
      },
    )
  }
  return traced('indexAdd', [x, index, source], { dim: rows.dim }, () =>
    index.size === 0 ? x.compact() : scatterRows('indexAdd', x, rows, index, source, true, options),
  )
}

/** 1 at the index, 0 elsewhere along a new last dim of `classes`; i32. An index outside of 0 to classes-1 gives zeros: a row that sums to 0, not to 1. */
export function oneHot(index: Tensor, classes: number): Tensor {
  checkIndex('oneHot', index, index)
  if (!Number.isInteger(classes) || classes < 1) throw new ArgumentError('oneHot', `a number of classes ≥ 1 is needed, got ${classes}`, { classes })
  return cast(eq(unsqueeze(index, -1), arange(0, classes, 1, { dtype: index.dtype, device: index.device })), 'i32')
}

/** `value` where the mask (bool, broadcast to `x`) is true, else `x`. */
export function maskedFill(x: Tensor, mask: Tensor, value: number): Tensor {
  checkTensor('maskedFill', x)
  checkTensor('maskedFill', mask, 'the mask')
  if (mask.dtype !== 'bool')
    throw new DTypeError('maskedFill', `the mask is bool, got ${mask.dtype}; compare it with something, or convert it with .bool()`, { dtype: mask.dtype })
  broadcastTo('maskedFill', contiguous(mask.shape), x.shape)
  return where(mask, value, x)
}
