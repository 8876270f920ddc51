// Arrays of float64 with shapes, in the plainest way: what the strided, broadcasting, reducing ops of the framework are compared with. Arguments and
// results are those of the ops: negative dims count from the end. What depends on the order of elements, or on indices, is in nd-order.ts.
import { at, coordinates, product } from './arrays.js'

export interface Nd {
  shape: readonly number[]
  data: readonly number[]
}

/** A dim, several, or none given: all. */
export type Dims = number | readonly number[]

/** A dim counted from the end where it is negative. A scalar has a dim 0 = -1. */
export const dimOf = (x: Nd, dim: number): number => (dim < 0 ? dim + Math.max(1, x.shape.length) : dim)

const dimsOf = (x: Nd, dims: Dims = x.shape.map((_, d) => d)): number[] =>
  x.shape.length === 0 ? [] : (typeof dims === 'number' ? [dims] : dims).map((d) => dimOf(x, d))

/** An array from a function of the coordinates. */
export const from = (shape: readonly number[], value: (c: number[]) => number): Nd => ({ shape, data: coordinates(shape).map(value) })

/** 0, 1, 2, … */
export const iota = (shape: readonly number[]): Nd => ({ shape, data: Array.from({ length: product(shape) }, (_, i) => i) })

/** The element at coordinates, size-1 and missing leading dims counting as repeated. */
export const pick = (x: Nd, c: readonly number[]): number =>
  x.data[
    at(
      x.shape,
      x.shape.map((s, d) => (s === 1 ? 0 : c[d + c.length - x.shape.length]!)),
    )
  ]!

/** The shape that several broadcast to. */
export function broadcast(...shapes: (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((s) => s.length))
  return Array.from({ length: rank }, (_, d) => shapes.reduce((n, s) => ((s[d - rank + s.length] ?? 1) === 1 ? n : s[d - rank + s.length]!), 1))
}

export const zip = (fn: (...v: number[]) => number, ...args: Nd[]): Nd =>
  from(broadcast(...args.map((a) => a.shape)), (c) => fn(...args.map((a) => pick(a, c))))

/** The same elements in the same order. */
export const reshape = (x: Nd, shape: readonly number[]): Nd => ({ shape, data: x.data })

export const expand = (x: Nd, shape: readonly number[]): Nd => from(shape, (c) => pick(x, c))

/** An array whose element at c is that of `x` at `source(c)`. */
const moved = (x: Nd, shape: readonly number[], source: (c: number[]) => number[]): Nd => from(shape, (c) => x.data[at(x.shape, source(c))]!)

export function permute(x: Nd, order: readonly number[]): Nd {
  const dims = order.map((d) => dimOf(x, d))
  return moved(
    x,
    dims.map((d) => x.shape[d]!),
    (c) => dims.map((_, d) => c[dims.indexOf(d)]!),
  )
}

export function transpose(x: Nd, dim0 = -2, dim1 = -1): Nd {
  const [a, b] = [dimOf(x, dim0), dimOf(x, dim1)]
  return permute(
    x,
    x.shape.map((_, d) => (d === a ? b : d === b ? a : d)),
  )
}

export function narrow(x: Nd, dim: number, start: number, length: number): Nd {
  const which = dimOf(x, dim)
  const first = start < 0 ? start + x.shape[which]! : start
  return moved(
    x,
    x.shape.map((s, d) => (d === which ? length : s)),
    (c) => c.map((v, d) => (d === which ? v + first : v)),
  )
}

/** One index of a dim; the dim is gone. */
export function select(x: Nd, dim: number, index: number): Nd {
  const which = dimOf(x, dim)
  return reshape(
    narrow(x, which, index, 1),
    x.shape.filter((_, d) => d !== which),
  )
}

/** Parts of the given sizes. */
export const split = (x: Nd, sizes: readonly number[], dim = 0): Nd[] =>
  sizes.map((length, i) =>
    narrow(
      x,
      dim,
      sizes.slice(0, i).reduce((a, b) => a + b, 0),
      length,
    ),
  )

export function flip(x: Nd, dims: Dims): Nd {
  const which = dimsOf(x, dims)
  return moved(x, x.shape, (c) => c.map((v, d) => (which.includes(d) ? x.shape[d]! - 1 - v : v)))
}

export function cat(list: readonly Nd[], dim = 0): Nd {
  const which = dimOf(list[0]!, dim)
  const owner = list.flatMap((x, k) => Array.from({ length: x.shape[which]! }, (_, i) => [k, i] as const))
  const shape = list[0]!.shape.map((s, d) => (d === which ? owner.length : s))
  return from(shape, (c) => {
    const [k, i] = owner[c[which]!]!
    const x = list[k]!
    return x.data[
      at(
        x.shape,
        c.map((v, d) => (d === which ? i : v)),
      )
    ]!
  })
}

export function stack(list: readonly Nd[], dim = 0): Nd {
  const which = dim < 0 ? dim + list[0]!.shape.length + 1 : dim
  const parts = list.map((x) => reshape(x, [...x.shape.slice(0, which), 1, ...x.shape.slice(which)]))
  return cat(parts, which)
}

/** Pairs (before, after) from the last dim backwards; negative amounts cut. */
export function pad(x: Nd, padding: readonly number[], value = 0): Nd {
  const amounts = x.shape.map((_, d) => [0, 1].map((k) => padding[2 * (x.shape.length - 1 - d) + k] ?? 0) as [number, number])
  const shape = x.shape.map((s, d) => s + amounts[d]![0] + amounts[d]![1])
  return from(shape, (c) => {
    const source = c.map((v, d) => v - amounts[d]![0])
    return source.every((v, d) => v >= 0 && v < x.shape[d]!) ? x.data[at(x.shape, source)]! : value
  })
}

/** `fn` of the elements along `dims`, in order; the dims stay with size 1. */
export function reduce(x: Nd, dims: Dims | undefined, fn: (values: number[]) => number): Nd {
  const which = dimsOf(x, dims)
  const shape = x.shape.map((s, d) => (which.includes(d) ? 1 : s))
  const lists: number[][] = Array.from({ length: product(shape) }, () => [])
  coordinates(x.shape).forEach((c, i) => {
    lists[
      at(
        shape,
        c.map((v, d) => (which.includes(d) ? 0 : v)),
      )
    ]!.push(x.data[i]!)
  })
  return { shape, data: lists.map(fn) }
}

/** A reduction as the ops have them: over `dims` (all by default), which go unless kept. */
const reduction =
  (fn: (values: number[]) => number) =>
  (x: Nd, dims?: Dims, keepdim = false): Nd => {
    const which = dimsOf(x, dims)
    const kept = reduce(x, which, fn)
    return keepdim
      ? kept
      : reshape(
          kept,
          x.shape.filter((_, d) => !which.includes(d)),
        )
  }

const total = (v: readonly number[]): number => v.reduce((a, b) => a + b, 0)
/** NaN wins. */
const most = (v: readonly number[]): number => v.reduce((a, b) => (Number.isNaN(a) || a > b ? a : b), Number.NEGATIVE_INFINITY)
const deviation = (v: readonly number[], correction: number): number => {
  const mean = total(v) / v.length
  return total(v.map((e) => (e - mean) ** 2)) / Math.max(0, v.length - correction)
}

export const sum = reduction(total)
export const mean = reduction((v) => total(v) / v.length)
export const prod = reduction((v) => v.reduce((a, b) => a * b, 1))
export const max = reduction(most)
export const min = reduction((v) => -most(v.map((e) => -e)))
export const all = reduction((v) => Number(v.every((e) => e !== 0)))
export const any = reduction((v) => Number(v.some((e) => e !== 0)))
export const norm = reduction((v) => Math.hypot(...v))
export const variance = (x: Nd, dims?: Dims, keepdim = false, correction = 1): Nd => reduction((v) => deviation(v, correction))(x, dims, keepdim)
export const std = (x: Nd, dims?: Dims, keepdim = false, correction = 1): Nd => reduction((v) => Math.sqrt(deviation(v, correction)))(x, dims, keepdim)

const logSumExp = reduction((v) => {
  const top = most(v)
  return Number.isFinite(top) ? top + Math.log(total(v.map((e) => Math.exp(e - top)))) : top
})
export const logsumexp = (x: Nd, dims: Dims = -1, keepdim = false): Nd => logSumExp(x, dims, keepdim)
/** NaN where the sum is infinite, as in PyTorch. */
export const logSoftmax = (x: Nd, dim = -1): Nd => zip((v, s) => (Number.isFinite(s) ? v - s : Number.NaN), x, logsumexp(x, dim, true))
export const softmax = (x: Nd, dim = -1): Nd => zip(Math.exp, logSoftmax(x, dim))

/** What broadcasting from `shape` repeated, added up. */
export function sumTo(x: Nd, shape: readonly number[]): Nd {
  const lead = x.shape.length - shape.length
  const dims = x.shape.map((_, d) => d).filter((d) => d < lead || (shape[d - lead] === 1 && x.shape[d] !== 1))
  return reshape(sum(x, dims), shape)
}

/** The product of matrices; a vector counts as a row on the left, as a column on the right, and its dim goes. */
export function matmul(a: Nd, b: Nd): Nd {
  if (a.shape.length === 1) return select(matmul(reshape(a, [1, ...a.shape]), b), b.shape.length === 1 ? 0 : -2, 0)
  if (b.shape.length === 1) return select(matmul(a, reshape(b, [...b.shape, 1])), -1, 0)
  const [m, k] = a.shape.slice(-2) as [number, number]
  const n = b.shape[b.shape.length - 1]!
  const lead = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2))
  return from([...lead, m, n], (c) => {
    let sum = 0
    for (let i = 0; i < k; i++) sum += pick(a, [...c.slice(0, -1), i]) * pick(b, [...c.slice(0, -2), i, c[c.length - 1]!])
    return sum
  })
}

export const outer = (a: Nd, b: Nd): Nd => from([...a.shape, ...b.shape], ([i, j]) => a.data[i!]! * b.data[j!]!)
