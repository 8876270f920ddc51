// Views, copies and joins of random programs.
import { cat, chunk, split, stack } from '@bms/nn'
import { product } from '../../helpers/arrays.js'
import * as nd from '../../helpers/nd.js'
import { any, both, LARGEST, number, type ProgramOp, promoted, rank, sameRank, sameShape } from '../op.js'
import { dimOf } from './reduce.js'

/** A view of one operand. */
const view = (
  name: string,
  least: number,
  args: ProgramOp['args'],
  reference: (x: nd.Nd, ...args: any[]) => nd.Nd,
  more: Partial<ProgramOp> = {},
): ProgramOp => ({
  name,
  takes: [rank(least)],
  args,
  reference: ([x], a) => reference(x!, ...a),
  view: 'always',
  ...more,
})

const without = (shape: readonly number[], dim: number): number[] => shape.filter((_, d) => d !== dim)

/** Dims that operands may be joined along. */
const joints = (shapes: readonly (readonly number[])[]): number[] =>
  shapes[0]!.flatMap((_, d) => (shapes.every((s) => without(s, d).join() === without(shapes[0]!, d).join()) ? [d] : []))

const join = (n: number): ProgramOp => ({
  name: 'cat',
  takes: [rank(1), ...Array.from({ length: n - 1 }, () => sameRank)],
  args: (x, pick) => {
    const dims = joints(x.map((m) => m.shape))
    const total = x.reduce((sum, m) => sum + product(m.shape), 0)
    return dims.length > 0 && total <= LARGEST ? [dims[pick(dims.length)]!] : null
  },
  run: (x, [dim]) => cat(x, dim),
  reference: (x, [dim]) => nd.cat(x, dim),
  dtype: promoted,
  exact: true,
})

/** Sizes with one of them in two, or two of them in one. */
function otherShape(shape: readonly number[], pick: (n: number) => number): number[] {
  const d = shape.length > 0 ? pick(shape.length) : 0
  if (shape.length > 1 && d > 0 && pick(2) === 0) return [...shape.slice(0, d - 1), shape[d - 1]! * shape[d]!, ...shape.slice(d + 1)]
  const size = shape[d] ?? 1
  const factor = [2, 3, 5, 1].find((f) => size % f === 0)!
  return [...shape.slice(0, d), size / factor, factor, ...shape.slice(d + 1)]
}

export const viewOps: readonly ProgramOp[] = [
  view('transpose', 2, ([x], pick) => [dimOf(x!, pick), dimOf(x!, pick)], nd.transpose),
  view(
    'permute',
    1,
    ([x], pick) => {
      const rest = x!.shape.map((_, d) => d)
      return [x!.shape.map(() => rest.splice(pick(rest.length), 1)[0]!)]
    },
    nd.permute,
  ),
  ...[0, 1].map(() =>
    view(
      'narrow',
      1,
      ([x], pick) => {
        const dim = dimOf(x!, pick)
        const size = x!.shape.at(dim)!
        const length = pick(8) === 0 ? pick(size + 1) : size - pick(Math.ceil(size / 2) + 1)
        return [dim, pick(size - length + 1), length]
      },
      nd.narrow,
    ),
  ),
  view(
    'select',
    1,
    ([x], pick) => {
      const dim = dimOf(x!, pick)
      const size = x!.shape.at(dim)!
      return size > 0 ? [dim, pick(2 * size) - size] : null
    },
    nd.select,
  ),
  view('flip', 1, ([x], pick) => [pick(2) ? dimOf(x!, pick) : x!.shape.map((_, d) => d)], nd.flip),
  view(
    'expand',
    0,
    ([x], pick) => {
      const shape = [...(pick(2) && x!.shape.length < 5 ? [1] : []), ...x!.shape].map((s) => (s === 1 ? 1 + pick(4) : s))
      return product(shape) <= LARGEST ? [shape] : null
    },
    nd.expand,
  ),
  view(
    'unsqueeze',
    0,
    ([x], pick) => (x!.shape.length < 5 ? [pick(x!.shape.length + 1)] : null),
    (x, dim) => nd.reshape(x, [...x.shape.slice(0, dim), 1, ...x.shape.slice(dim)]),
  ),
  view(
    'squeeze',
    1,
    () => [],
    (x) =>
      nd.reshape(
        x,
        x.shape.filter((s) => s !== 1),
      ),
  ),
  view(
    'split',
    1,
    ([x], pick) => {
      const first = pick(x!.shape[0]! + 1)
      return [[first, x!.shape[0]! - first], 0]
    },
    nd.split as never,
    { run: ([x], [sizes, dim]) => split(x!, sizes, dim), reference: ([x], [sizes, dim]) => nd.split(x!, sizes, dim) },
  ),
  {
    name: 'chunk',
    takes: [rank(1)],
    args: ([x]) => (x!.shape.at(-1)! > 0 ? [2, -1] : null),
    run: ([x], [n, dim]) => chunk(x!, n, dim),
    reference: ([x], [, dim]) => {
      const size = x!.shape.at(dim)!
      const first = Math.ceil(size / 2)
      return nd.split(x!, size > first ? [first, size - first] : [first], dim)
    },
    view: 'always',
  },
  view('reshape', 0, ([x], pick) => [otherShape(x!.shape, pick)], nd.reshape, { view: 'perhaps' }),
  view(
    'flatten',
    1,
    () => [],
    (x) => nd.reshape(x, [x.data.length]),
    { view: 'perhaps' },
  ),
  view(
    'contiguous',
    0,
    () => [],
    (x) => x,
    { view: 'perhaps' },
  ),
  { name: 'clone', takes: [any], reference: ([x]) => x!, exact: true },
  join(2),
  join(3),
  {
    name: 'stack',
    takes: [(x) => x.shape.length < 5 && 2 * product(x.shape) <= LARGEST, sameShape],
    args: ([x], pick) => [pick(x!.shape.length + 1)],
    run: (x, [dim]) => stack(x, dim),
    reference: (x, [dim]) => nd.stack(x, dim),
    dtype: promoted,
    exact: true,
  },
  {
    name: 'pad',
    takes: [both(rank(1), number)],
    args: ([x], pick) => {
      const dims = Math.min(2, x!.shape.length)
      const padding = Array.from({ length: 2 * dims }, () => pick(4) - 1)
      const shape = x!.shape.map((s, d) => s + (padding[2 * (x!.shape.length - 1 - d)] ?? 0) + (padding[2 * (x!.shape.length - 1 - d) + 1] ?? 0))
      return shape.every((s) => s >= 0) && product(shape) <= LARGEST ? [padding, pick(2)] : null
    },
    reference: ([x], [padding, value]) => nd.pad(x!, padding, value),
    exact: true,
  },
]
