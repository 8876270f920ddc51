// Views: the same memory under another shape. Only reshape may copy, where the strides leave no other way.
import { ArgumentError, formatShape, ShapeError } from '../errors.js'
import { broadcastTo, checkShape, normalDim, normalDims, properDim, reshapeLayout, sizeOf } from '../layout.js'
import type { Tensor } from '../tensor.js'
import { traced, tracedAll } from '../trace.js'
import { checkTensor } from './launch.js'

/** The same elements in another shape; one dim may be -1. A view where the strides allow it, else a copy. */
export function reshape(x: Tensor, shape: readonly number[]): Tensor {
  checkTensor('reshape', x)
  const known = shape.filter((d) => d !== -1)
  const unknown = shape.length - known.length
  const size = sizeOf(known)
  if (unknown > 1 || shape.some((d) => !Number.isInteger(d) || d < -1))
    throw new ShapeError('reshape', `bad shape ${formatShape(shape)}: whole numbers, at most one of them -1`, { shape })
  const full = shape.map((d) => (d === -1 ? (size === 0 ? 0 : x.size / size) : d))
  if (sizeOf(full) !== x.size || full.some((d) => !Number.isInteger(d))) {
    throw new ShapeError(
      'reshape',
      `${formatShape(x.shape)} has ${x.size} elements, ${formatShape(shape)} ${unknown ? `needs a multiple of ${size}` : `has ${size}`}`,
      { from: x.shape, to: shape },
    )
  }
  return traced('reshape', [x], { from: x.shape, to: full }, () => {
    const layout = reshapeLayout(x.layout, full)
    if (layout) return x.view(layout)
    const copy = x.compact()
    const view = copy.view(reshapeLayout(copy.layout, full)!)
    copy.dispose()
    return view
  })
}

/** Dims in another order: `permute([2, 0, 1])`. */
export function permute(x: Tensor, order: readonly number[]): Tensor {
  checkTensor('permute', x)
  const dims = order.map((d) => normalDim('permute', d, x.ndim))
  if (dims.length !== x.ndim || new Set(dims).size !== dims.length)
    throw new ShapeError('permute', `${formatShape(order)} is not an order of the ${x.ndim} dims of ${formatShape(x.shape)}`, { order, shape: x.shape })
  return traced('permute', [x], { order: dims }, () =>
    x.view({ shape: dims.map((d) => x.shape[d]!), strides: dims.map((d) => x.strides[d]!), offset: x.layout.offset }),
  )
}

/** Two dims swapped; the last two by default. */
export function transpose(x: Tensor, dim0 = -2, dim1 = -1): Tensor {
  const a = normalDim('transpose', dim0, checkTensor('transpose', x).ndim)
  const b = normalDim('transpose', dim1, x.ndim)
  const order = Array.from({ length: x.ndim }, (_, d) => (d === a ? b : d === b ? a : d))
  return permute(x, order)
}

/** Size-1 dims stretched without a copy; -1 keeps a dim. */
export function expand(x: Tensor, shape: readonly number[]): Tensor {
  const lead = shape.length - checkTensor('expand', x).ndim
  const full = checkShape(
    'expand',
    shape.map((d, i) => (d === -1 && i >= lead ? (x.shape[i - lead] ?? d) : d)),
  )
  return traced('expand', [x], { from: x.shape, to: full }, () => x.view(broadcastTo('expand', x.layout, full)))
}

/** Without the dims of size 1: all of them, or the given ones. */
export function squeeze(x: Tensor, dims?: number | readonly number[]): Tensor {
  const which = normalDims('squeeze', dims, checkTensor('squeeze', x).ndim)
  return reshape(
    x,
    x.shape.filter((size, d) => !(size === 1 && which.includes(d))),
  )
}

/** A new dim of size 1 at `dim` (-1 is after the last). */
export function unsqueeze(x: Tensor, dim: number): Tensor {
  const at = normalDim('unsqueeze', dim, checkTensor('unsqueeze', x).ndim + 1)
  return reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)])
}

/** `length` elements of a dim from `start` on; a negative start counts from the end. */
export function narrow(x: Tensor, dim: number, start: number, length: number): Tensor {
  const d = properDim('narrow', dim, checkTensor('narrow', x).shape)
  const size = x.shape[d]!
  const from = start < 0 ? start + size : start
  if (!Number.isInteger(from) || !Number.isInteger(length) || from < 0 || length < 0 || from + length > size) {
    throw new ShapeError('narrow', `elements ${start} to ${start + length} of dim ${dim} are out of range: ${formatShape(x.shape)} has ${size} there`, {
      shape: x.shape,
      dim,
      start,
      length,
    })
  }
  return traced('narrow', [x], { dim: d, start: from, length, size }, () => part(x, d, from, length))
}

function part(x: Tensor, dim: number, start: number, length: number): Tensor {
  const shape = x.shape.map((s, d) => (d === dim ? length : s))
  return x.view({ shape, strides: x.strides, offset: x.layout.offset + start * x.strides[dim]! })
}

/** One index of a dim; the dim is gone. */
export function select(x: Tensor, dim: number, index: number): Tensor {
  const d = properDim('select', dim, checkTensor('select', x).shape)
  const size = x.shape[d]!
  if (!Number.isInteger(index) || index < -size || index >= size)
    throw new ShapeError('select', `index ${index} of dim ${dim} is out of range: ${formatShape(x.shape)} has ${size} there`, { shape: x.shape, dim, index })
  return reshape(
    narrow(x, d, index, 1),
    x.shape.filter((_, i) => i !== d),
  )
}

/** Consecutive parts of a dim: of `sizes[i]` each, or of one size (the last may be smaller). */
export function split(x: Tensor, sizes: number | readonly number[], dim = 0): Tensor[] {
  const d = properDim('split', dim, checkTensor('split', x).shape)
  const total = x.shape[d]!
  let list: number[]
  if (typeof sizes === 'number') {
    if (!Number.isInteger(sizes) || sizes < 1) throw new ArgumentError('split', `a size ≥ 1 is needed, got ${sizes}`, { sizes })
    list = Array.from({ length: Math.max(1, Math.ceil(total / sizes)) }, (_, i) => Math.min(sizes, total - i * sizes))
  } else list = [...sizes]
  if (list.some((s) => !Number.isInteger(s) || s < 0) || list.reduce((a, b) => a + b, 0) !== total)
    throw new ShapeError('split', `sizes ${formatShape(list)} are not whole numbers ≥ 0 that add up to ${total}, dim ${dim} of ${formatShape(x.shape)}`, {
      sizes,
      shape: x.shape,
    })
  return tracedAll('split', [x], { dim: d, sizes: list }, () => {
    let start = 0
    return list.map((length) => {
      start += length
      return part(x, d, start - length, length)
    })
  })
}

/** `n` parts of a dim, as equal as possible with the last ones smaller. */
export function chunk(x: Tensor, n: number, dim = 0): Tensor[] {
  if (!Number.isInteger(n) || n < 1) throw new ArgumentError('chunk', `a count ≥ 1 is needed, got ${n}`, { n })
  return split(x, Math.max(1, Math.ceil(x.shape[properDim('chunk', dim, checkTensor('chunk', x).shape)]! / n)), dim)
}

/** The order of the elements of some dims reversed; a view. */
export function flip(x: Tensor, dims: number | readonly number[]): Tensor {
  const which = normalDims('flip', dims, checkTensor('flip', x).ndim)
  return traced('flip', [x], { dims: which }, () => {
    const strides = x.strides.map((s, d) => (which.includes(d) ? -s : s))
    const offset = which.reduce((o, d) => o + (x.shape[d]! - 1) * x.strides[d]!, x.layout.offset)
    return x.view({ shape: x.shape, strides, offset: x.size === 0 ? x.layout.offset : offset })
  })
}

/** All dims from `start` to `end` merged into one. */
export function flatten(x: Tensor, start = 0, end = -1): Tensor {
  if (checkTensor('flatten', x).ndim === 0) return reshape(x, [1])
  const a = normalDim('flatten', start, x.ndim)
  const b = normalDim('flatten', end, x.ndim)
  if (a > b) throw new ShapeError('flatten', `start dim ${start} comes after end dim ${end} of ${formatShape(x.shape)}`, { shape: x.shape, start, end })
  return reshape(x, [...x.shape.slice(0, a), sizeOf(x.shape.slice(a, b + 1)), ...x.shape.slice(b + 1)])
}
