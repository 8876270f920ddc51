// Arrays of float64 with shapes, in the plainest way: what the strided, broadcasting, reducing ops of the framework are compared with.
import { at, coordinates, product } from './arrays.js'

export interface Nd {
  shape: readonly number[]
  data: readonly number[]
}

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

export const permute = (x: Nd, order: readonly number[]): Nd =>
  from(
    order.map((d) => x.shape[d]!),
    (c) =>
      x.data[
        at(
          x.shape,
          x.shape.map((_, d) => c[order.indexOf(d)]!),
        )
      ]!,
  )

export const narrow = (x: Nd, dim: number, start: number, length: number): Nd =>
  from(
    x.shape.map((s, d) => (d === dim ? length : s)),
    (c) =>
      x.data[
        at(
          x.shape,
          c.map((v, d) => (d === dim ? v + start : v)),
        )
      ]!,
  )

export const flip = (x: Nd, dims: readonly number[]): Nd =>
  from(
    x.shape,
    (c) =>
      x.data[
        at(
          x.shape,
          c.map((v, d) => (dims.includes(d) ? x.shape[d]! - 1 - v : v)),
        )
      ]!,
  )

/** `fn` of the elements along `dims`, in order; the dims stay with size 1. */
export function reduce(x: Nd, dims: readonly number[], fn: (values: number[]) => number): Nd {
  const shape = x.shape.map((s, d) => (dims.includes(d) ? 1 : s))
  const lists: number[][] = Array.from({ length: product(shape) }, () => [])
  coordinates(x.shape).forEach((c, i) => {
    lists[
      at(
        shape,
        c.map((v, d) => (dims.includes(d) ? 0 : v)),
      )
    ]!.push(x.data[i]!)
  })
  return { shape, data: lists.map(fn) }
}

export function matmul(a: Nd, b: Nd): Nd {
  const [m, k] = a.shape.slice(-2) as [number, number]
  const n = b.shape[b.shape.length - 1]!
  const lead = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2))
  return from([...lead, m, n], (c) => {
    let sum = 0
    for (let i = 0; i < k; i++) sum += pick(a, [...c.slice(0, -1), i]) * pick(b, [...c.slice(0, -2), i, c[c.length - 1]!])
    return sum
  })
}
