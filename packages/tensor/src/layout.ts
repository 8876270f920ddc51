// Where the elements of a tensor lie in its storage: shape, strides and offset, and the pure arithmetic of views on them.
import { formatShape, ShapeError } from './errors.js'

/** Strides and offset count elements, not bytes. Strides may be 0 (expanded) or negative (flipped). */
export interface Layout {
  readonly shape: readonly number[]
  readonly strides: readonly number[]
  readonly offset: number
}

/** The most dims a kernel's uniforms carry, after neighbouring dims were merged. */
export const MAX_RANK = 8

export const sizeOf = (shape: readonly number[]): number => {
  let n = 1
  for (const d of shape) n *= d
  return n
}

export function contiguousStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length)
  let n = 1
  for (let d = shape.length - 1; d >= 0; d--) {
    strides[d] = n
    n *= shape[d]!
  }
  return strides
}

export const contiguous = (shape: readonly number[], offset = 0): Layout => ({ shape, strides: contiguousStrides(shape), offset })

/** Row-major without gaps (the strides of size-1 dims do not matter). The offset may be anything. */
export function isContiguous(layout: Layout): boolean {
  let n = 1
  for (let d = layout.shape.length - 1; d >= 0; d--) {
    const size = layout.shape[d]!
    if (size !== 1 && layout.strides[d] !== n) return size === 0
    n *= size
  }
  return true
}

export const sameShape = (a: readonly number[], b: readonly number[]): boolean => a.length === b.length && a.every((d, i) => d === b[i])

/** A dim given as -rank…rank-1, as 0…rank-1. */
export function normalDim(op: string, dim: number, rank: number): number {
  // A scalar has no dims, but 0 and -1 are taken, as in PyTorch.
  const n = Math.max(rank, 1)
  const d = dim < 0 ? dim + n : dim
  if (Number.isInteger(dim) && d >= 0 && d < n) return d
  throw new ShapeError(op, `dim ${dim} is out of range for a tensor of ${rank} dims (allowed: ${-n} to ${n - 1})`, { dim, rank })
}

/** A dim of a tensor that has some: where a scalar makes no sense. */
export function properDim(op: string, dim: number, shape: readonly number[]): number {
  if (shape.length === 0) throw new ShapeError(op, 'a scalar has no dims to work along; reshape it to [1] first', { dim, shape })
  return normalDim(op, dim, shape.length)
}

/** One dim, several or all (undefined), as a sorted list without duplicates. */
export function normalDims(op: string, dims: number | readonly number[] | undefined, rank: number): number[] {
  if (dims === undefined) return Array.from({ length: rank }, (_, i) => i)
  const list = (typeof dims === 'number' ? [dims] : dims).map((d) => normalDim(op, d, rank))
  if (new Set(list).size !== list.length) throw new ShapeError(op, `dims ${formatShape(typeof dims === 'number' ? [dims] : dims)} name a dim twice`, { dims })
  return rank === 0 ? [] : list.sort((a, b) => a - b)
}

/** NumPy's and PyTorch's broadcasting of two shapes. */
export function broadcastShapes(op: string, a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length)
  const out = new Array<number>(rank)
  for (let i = 0; i < rank; i++) {
    const x = a[a.length - rank + i] ?? 1
    const y = b[b.length - rank + i] ?? 1
    if (x !== y && x !== 1 && y !== 1) {
      throw new ShapeError(
        op,
        `shapes do not broadcast: ${formatShape(a)} and ${formatShape(b)}: dim ${i - rank} is ${x} and ${y} (equal sizes, or a 1, are needed)`,
        { shapes: [a, b] },
      )
    }
    out[i] = x === 1 ? y : x
  }
  return out
}

/** The layout read as if it had `shape`: new and size-1 dims get stride 0. */
export function broadcastTo(op: string, layout: Layout, shape: readonly number[]): Layout {
  const lead = shape.length - layout.shape.length
  const strides = shape.map((size, d) => {
    const own = layout.shape[d - lead]
    if (own === undefined || (own === 1 && size !== 1)) return 0
    if (own !== size)
      throw new ShapeError(op, `cannot expand ${formatShape(layout.shape)} to ${formatShape(shape)}: dim ${d} is ${own}, not 1 or ${size}`, {
        from: layout.shape,
        to: shape,
      })
    return layout.strides[d - lead]!
  })
  if (lead < 0) throw new ShapeError(op, `cannot expand ${formatShape(layout.shape)} to fewer dims ${formatShape(shape)}`, { from: layout.shape, to: shape })
  return { shape, strides, offset: layout.offset }
}

/** The same elements in the same order under another shape, without moving them; null where that takes a copy. */
export function reshapeLayout(layout: Layout, shape: readonly number[]): Layout | null {
  if (isContiguous(layout)) return contiguous(shape, layout.offset)
  const strides = new Array<number>(shape.length).fill(1)
  const old = layout.shape.map((size, d) => ({ size, stride: layout.strides[d]! })).filter((o) => o.size !== 1)
  let d = shape.length - 1
  for (let i = old.length - 1; i >= 0; i--) {
    let { size } = old[i]!
    let stride = old[i]!.stride
    const base = stride
    while (i > 0 && old[i - 1]!.stride === base * size) size *= old[--i]!.size
    let left = size
    while (d >= 0 && left > 1) {
      const n = shape[d]!
      if (n !== 1 && left % n !== 0) return null
      strides[d--] = stride
      stride *= n
      left /= n
    }
    if (left !== 1) return null
  }
  return { shape, strides, offset: layout.offset }
}

/** Neighbouring dims that every operand walks through evenly, merged; size-1 dims dropped. Kernels then divide by fewer sizes. */
export function coalesce(shape: readonly number[], operands: readonly (readonly number[])[]): { shape: number[]; strides: number[][] } {
  const outShape: number[] = []
  const out: number[][] = operands.map(() => [])
  for (let d = 0; d < shape.length; d++) {
    const size = shape[d]!
    if (size === 1) continue
    const last = outShape.length - 1
    if (last >= 0 && operands.every((strides, k) => out[k]![last] === strides[d]! * size)) {
      outShape[last]! *= size
      operands.forEach((strides, k) => {
        out[k]![last] = strides[d]!
      })
    } else {
      outShape.push(size)
      operands.forEach((strides, k) => out[k]!.push(strides[d]!))
    }
  }
  return { shape: outShape, strides: out }
}

/** Throws unless `shape` is a list of whole numbers ≥ 0. */
export function checkShape(op: string, shape: readonly number[]): number[] {
  if (!Array.isArray(shape) || shape.some((d) => !Number.isInteger(d) || d < 0))
    throw new ShapeError(op, `a shape is a list of whole numbers ≥ 0, got ${JSON.stringify(shape)}`, { shape })
  return [...shape]
}
