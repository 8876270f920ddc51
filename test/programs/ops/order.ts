// Sorting and indexing of random programs. Indices come out of the program itself: whole numbers are brought into a dim by `remainder`.
import { embedding, indexAdd, oneHot, type Tensor } from '@bms/nn'
import * as nd from '../../helpers/nd.js'
import type { Nd } from '../../helpers/nd.js'
import { each } from '../../helpers/nd-more.js'
import * as order from '../../helpers/nd-order.js'
import { scalar } from '../../table/scalar.js'
import { any, type Args, both, filled, index, LARGEST, type Meta, number, type ProgramOp, rank, sameRank, sameType } from '../op.js'
import { product } from '../../helpers/arrays.js'
import { dimOf } from './reduce.js'

const absolute = (x: Nd): Nd => each(Math.abs, x)
const inside = (i: Nd, n: number): Nd => each((v) => scalar.remainder.of(v, n), i)

/** The corner of a value that has so many elements in each dim. */
const corner = (x: Tensor, sizes: readonly number[]): Tensor => sizes.reduce((t, s, d) => t.narrow(d, 0, s), x)
const cornerNd = (x: Nd, sizes: readonly number[]): Nd => sizes.reduce((t, s, d) => nd.narrow(t, d, 0, s), x)

/** The first elements as a list. */
const list = (i: Tensor, m: number): Tensor => i.flatten().narrow(0, 0, m)
const listNd = (i: Nd, m: number): Nd => ({ shape: [m], data: i.data.slice(0, m) })
/** Enough of them for a few slices. */
const few = (i: Meta): number => Math.min(5, product(i.shape))

/** The sizes that all have, but in `free` those of the last. */
const common = (dim: number, ...x: readonly Meta[]): number[] => x[x.length - 1]!.shape.map((s, d) => (d === dim ? s : Math.min(...x.map((m) => m.shape[d]!))))

/** A dim that has elements, from 0 on, or null. */
function filledDim(x: Meta, pick: (n: number) => number): number | null {
  const dims = x.shape.flatMap((s, d) => (s > 0 ? [d] : []))
  return dims.length > 0 ? dims[pick(dims.length)]! : null
}

const argReduce = (name: string, reference: (x: Nd, dim?: number, keepdim?: boolean) => Nd): ProgramOp => ({
  name,
  takes: [filled],
  args: ([x], pick) => [pick(3) === 0 ? undefined : dimOf(x!, pick), pick(2) === 1],
  reference: ([x], [dim, keepdim]) => reference(x!, dim, keepdim),
  dtype: () => 'i32',
  noGradient: 'a whole number',
})

const listed = ({ values, indices }: { values: Tensor; indices: Tensor }): Tensor[] => [values, indices]
const listedNd = ({ values, indices }: { values: Nd; indices: Nd }): Nd[] => [values, indices]
const withPlaces = ([x]: readonly Meta[]) => [x!.dtype, 'i32'] as const

/** Adds at indices: in the corner that index, source and target have in common. */
function scatterArgs([x, i, source]: readonly Meta[], pick: (n: number) => number): Args | null {
  const dim = filledDim(x!, pick)
  if (dim === null) return null
  const sizes = common(dim, x!, i!).map((s, d) => Math.min(s, source!.shape[d]!))
  return [dim, x!.shape[dim]!, sizes]
}

export const orderOps: readonly ProgramOp[] = [
  argReduce('argmax', order.argmax),
  argReduce('argmin', order.argmin),
  {
    name: 'sort',
    takes: [any],
    args: ([x], pick) => [dimOf(x!, pick), pick(2) === 1],
    run: ([x], [dim, descending]) => listed(x!.sort(dim, descending)),
    reference: ([x], [dim, descending]) => listedNd(order.sort(x!, dim, descending)),
    dtype: withPlaces,
    exact: true,
  },
  {
    name: 'argsort',
    takes: [any],
    args: ([x], pick) => [dimOf(x!, pick), pick(2) === 1],
    reference: ([x], [dim, descending]) => order.argsort(x!, dim, descending),
    dtype: () => 'i32',
  },
  {
    name: 'topk',
    takes: [rank(1)],
    args: ([x], pick) => {
      const dim = dimOf(x!, pick)
      return [pick(x!.shape.at(dim)! + 1), dim, pick(2) === 1]
    },
    run: ([x], [k, dim, largest]) => listed(x!.topk(k, dim, largest)),
    reference: ([x], [k, dim, largest]) => listedNd(order.topk(x!, k, dim, largest)),
    dtype: withPlaces,
    exact: true,
  },
  {
    name: '$0.gather(dim, corner($1).remainder(n))',
    takes: [rank(1), both(index, sameRank)],
    args: ([x, i], pick) => {
      const dim = filledDim(x!, pick)
      return dim === null ? null : [dim, x!.shape[dim]!, common(dim, x!, i!)]
    },
    run: ([x, i], [dim, n, sizes]) => x!.gather(dim, corner(i!, sizes).remainder(n)),
    reference: ([x, i], [dim, n, sizes]) => order.gather(x!, dim, inside(cornerNd(i!, sizes), n)),
    exact: true,
  },
  {
    name: '$0.indexSelect(dim, list($1).remainder(n))',
    takes: [rank(1), index],
    args: ([x, i], pick) => {
      const dim = filledDim(x!, pick)
      return dim === null ? null : [dim, x!.shape[dim]!, few(i!)]
    },
    run: ([x, i], [dim, n, m]) => x!.indexSelect(dim, list(i!, m).remainder(n)),
    reference: ([x, i], [dim, n, m]) => order.indexSelect(x!, dim, inside(listNd(i!, m), n)),
    exact: true,
  },
  {
    name: 'embedding($0, list($1).remainder(n))',
    takes: [both(rank(1), filled), index],
    args: ([x, i]) => [x!.shape[0]!, few(i!)],
    run: ([x, i], [n, m]) => embedding(x!, list(i!, m).remainder(n)),
    reference: ([x, i], [n, m]) => order.embedding(x!, inside(listNd(i!, m), n)),
    exact: true,
  },
  {
    name: '$0.scatterAdd(dim, corner($1).remainder(n), corner($2))',
    takes: [both(number, rank(1)), both(index, sameRank), both(sameRank, sameType)],
    args: scatterArgs,
    run: ([x, i, source], [dim, n, sizes]) => x!.scatterAdd(dim, corner(i!, sizes).remainder(n), corner(source!, sizes)),
    reference: ([x, i, source], [dim, n, sizes]) => order.scatterAdd(x!, dim, inside(cornerNd(i!, sizes), n), source!),
    magnitude: ([x, i, source], _, [dim, n, sizes]) => order.scatterAdd(absolute(x!), dim, inside(cornerNd(i!, sizes), n), absolute(source!)).data,
  },
  {
    name: '$0.scatterAdd(dim, corner($1).remainder(n), $2)',
    takes: [both(number, rank(1)), both(index, sameRank), both(sameRank, sameType)],
    args: scatterArgs,
    run: ([x, i, source], [dim, n, sizes]) => x!.scatterAdd(dim, corner(i!, sizes).remainder(n), source!),
    reference: ([x, i, source], [dim, n, sizes]) => order.scatterAdd(x!, dim, inside(cornerNd(i!, sizes), n), source!),
    magnitude: ([x, i, source], _, [dim, n, sizes]) => order.scatterAdd(absolute(x!), dim, inside(cornerNd(i!, sizes), n), absolute(source!)).data,
    noGradient: 'its own samples show that the rest of the source gets none',
  },
  {
    name: 'indexAdd($0, dim, list($1).remainder(n), $2.narrow(dim, 0, m))',
    takes: [both(number, rank(1)), index, both(sameRank, sameType)],
    args: ([x, i, source], pick) => {
      const dim = filledDim(x!, pick)
      const fits = dim !== null && source!.shape.every((s, d) => d === dim || s === x!.shape[d])
      return fits ? [dim, x!.shape[dim]!, Math.min(few(i!), source!.shape[dim]!)] : null
    },
    run: ([x, i, source], [dim, n, m]) => indexAdd(x!, dim, list(i!, m).remainder(n), source!.narrow(dim, 0, m)),
    reference: ([x, i, source], [dim, n, m]) => order.indexAdd(x!, dim, inside(listNd(i!, m), n), nd.narrow(source!, dim, 0, m)),
    magnitude: ([x, i, source], _, [dim, n, m]) => order.indexAdd(absolute(x!), dim, inside(listNd(i!, m), n), absolute(nd.narrow(source!, dim, 0, m))).data,
  },
  {
    name: 'oneHot($0, 3)',
    takes: [(x) => x.dtype === 'i32' && 3 * product(x.shape) <= LARGEST],
    run: ([i]) => oneHot(i!, 3),
    reference: ([i]) => nd.from([...i!.shape, 3], (c) => Number(nd.pick(i!, c.slice(0, -1)) === c.at(-1))),
    dtype: () => 'i32',
    noGradient: 'whole numbers',
  },
]
