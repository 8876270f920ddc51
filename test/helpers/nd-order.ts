// More of nd.ts, on the host in float64: what depends on the order of elements along a dim, and what is picked or added by indices (plain numbers in
// an array, all of them inside of the dim where something is read).
import { at, coordinates, lines } from './arrays.js'
import { dimOf, from, type Nd, reshape, select } from './nd.js'

/** Each line along a dim replaced by `fn` of it, a list of `length` elements. */
function along(x: Nd, dim: number, length: number, fn: (values: number[]) => readonly number[]): Nd {
  const which = dimOf(x, dim)
  const shape = x.shape.map((s, d) => (d === which ? length : s))
  const sources = lines(x.shape, which)
  const data: number[] = []
  lines(shape, which).forEach((line, l) => {
    const values = fn(sources[l]!.map((p) => x.data[p]!))
    line.forEach((p, i) => {
      data[p] = values[i]!
    })
  })
  return { shape, data }
}

/** NaN is the largest. */
const compare = (a: number, b: number): number => (Number.isNaN(a) ? (Number.isNaN(b) ? 0 : 1) : Number.isNaN(b) ? -1 : a - b || 0)

/** The positions of a list's elements in their order; equal ones as they stand. */
const order = (v: readonly number[], descending: boolean): number[] => v.map((_, i) => i).sort((a, b) => (descending ? -1 : 1) * compare(v[a]!, v[b]!) || a - b)

const sizeAlong = (x: Nd, dim: number): number => x.shape[dimOf(x, dim)] ?? 1

export function topk(x: Nd, k: number, dim = -1, largest = true): { values: Nd; indices: Nd } {
  return {
    values: along(x, dim, k, (v) => order(v, largest).map((i) => v[i]!)),
    indices: along(x, dim, k, (v) => order(v, largest)),
  }
}

export const sort = (x: Nd, dim = -1, descending = false): { values: Nd; indices: Nd } => topk(x, sizeAlong(x, dim), dim, descending)

export const argsort = (x: Nd, dim = -1, descending = false): Nd => sort(x, dim, descending).indices

/** Where the first of the largest or smallest stands; NaN wins. */
const extreme = (v: readonly number[], largest: boolean): number => {
  const none = v.findIndex(Number.isNaN)
  return none < 0 ? order(v, largest)[0]! : none
}

const argReduce =
  (largest: boolean) =>
  (x: Nd, dim?: number, keepdim = false): Nd => {
    if (dim === undefined) {
      const all: Nd = { shape: [], data: [extreme(x.data, largest)] }
      return keepdim
        ? reshape(
            all,
            x.shape.map(() => 1),
          )
        : all
    }
    const first = along(x, dim, 1, (v) => [extreme(v, largest)])
    return keepdim || x.shape.length === 0 ? first : select(first, dim, 0)
  }

export const argmax = argReduce(true)
export const argmin = argReduce(false)

export const cumsum = (x: Nd, dim = -1): Nd =>
  along(x, dim, sizeAlong(x, dim), (v) => {
    let sum = 0
    return v.map((e) => (sum += e))
  })

const put = (c: readonly number[], dim: number, value: number): number[] => c.map((v, d) => (d === dim ? value : v))

/** out[i][j][k] = x[index[i][j][k]][j][k] for dim 0, and so on. */
export function gather(x: Nd, dim: number, index: Nd): Nd {
  const which = dimOf(x, dim)
  return { shape: index.shape, data: coordinates(index.shape).map((c, e) => x.data[at(x.shape, put(c, which, index.data[e]!))]!) }
}

/** `x` with source[i][j][k] added at [index[i][j][k]][j][k] for dim 0, and so on; indices outside of the dim add nothing. */
export function scatterAdd(x: Nd, dim: number, index: Nd, source: Nd): Nd {
  const which = dimOf(x, dim)
  const data = [...x.data]
  coordinates(index.shape).forEach((c, e) => {
    const i = index.data[e]!
    if (i >= 0 && i < sizeAlong(x, which)) data[at(x.shape, put(c, which, i))]! += source.data[at(source.shape, c)]!
  })
  return { shape: x.shape, data }
}

/** One index for each slice of a shape along `dim`, as one for each element. */
const spread = (index: Nd, shape: readonly number[], dim: number): Nd => from(shape, (c) => index.data[c[dim] ?? 0]!)

/** The slices index[0], index[1], … of a dim. */
export function indexSelect(x: Nd, dim: number, index: Nd): Nd {
  const which = dimOf(x, dim)
  return gather(x, which, spread(index, put(x.shape, which, index.data.length), which))
}

/** `x` with slice j of `source` added to slice index[j]. */
export function indexAdd(x: Nd, dim: number, index: Nd, source: Nd): Nd {
  const which = dimOf(x, dim)
  return scatterAdd(x, which, spread(index, source.shape, which), source)
}

/** Rows of `weight`, one for each element of `index`. */
export const embedding = (weight: Nd, index: Nd): Nd => reshape(indexSelect(weight, 0, index), [...index.shape, ...weight.shape.slice(1)])
