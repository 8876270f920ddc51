// What depends on the order of elements along a dim. test/order.test.ts goes through the algorithms and long rows.
import * as bms from '@bms/nn'
import * as order from '../../helpers/nd-order.js'
import { type OneLiner, oneLiners, op, type Sample } from '../op.js'
import { noDim, noTensor } from '../refusals.js'
import { fixed, given, truths, whole } from '../values.js'

const [inf, nan] = [Number.POSITIVE_INFINITY, Number.NaN]
/** Rows with NaN, infinities, zeros of either sign and equal elements. */
const awkward = fixed(given([3, nan, -inf, 3, inf, 0, -0, nan, 0, -1, inf, inf, -2, -2, -inf], [3, 5]))
const python = (truth: boolean): string => (truth ? 'True' : 'False')
const pair = ({ values, indices }: bms.Sorted): bms.Tensor[] => [values, indices]
/** Values and places. */
const both = { dtype: ['f32', 'i32'] } as const

/** The function where dims are kept, else the method. */
const placed =
  (name: 'argmax' | 'argmin') =>
  (shape: readonly number[], dim?: number, keepdim = false): OneLiner => [
    shape,
    `a.${name}(${dim === undefined ? '' : `${dim}, ${python(keepdim)}`})${dim === undefined && keepdim ? `.reshape(${JSON.stringify(shape.map(() => 1))})` : ''}`,
    (x) => (keepdim ? bms[name](x, dim, true) : x[name](dim)),
    (x) => order[name](x, dim, keepdim),
    { dtype: 'i32' },
  ]

const places = (name: 'argmax' | 'argmin') => {
  const place = placed(name)
  const also = (title: string, input: Sample['inputs'][number]): Sample => ({
    ...oneLiners([place([3, 5], 1)])[0]!,
    name: title,
    inputs: [input],
    torch: undefined,
  })
  return op(name, {
    samples: [
      ...oneLiners([
        place([]),
        place([], 0),
        place([1, 3], undefined, true),
        place([7], -1),
        place([3, 4]),
        place([3, 4], 0),
        place([2, 5, 3], 1, true),
        place([2, 1, 3, 2, 5], 2),
        place([0, 3], 1),
        place([2, 67], -1),
      ]),
      also('NaN, infinities and equal elements', awkward),
      also('integers', whole([3, 5], -(2 ** 31), 2 ** 31)),
      also('u32', given([3, 4e9, 5, 4e9, 0], [1, 5], 'u32')),
      also('booleans', truths([3, 5])),
    ],
    noGradient: 'places have none',
    errors: [
      [() => bms.zeros([0])[name](), 'SHAPE', `${name}: the ${name} of no elements is undefined: shape [0]`],
      [() => bms.zeros([2, 0])[name](1), 'SHAPE', `${name}: the ${name} of no elements is undefined: shape [2, 0], dim 1`],
      ...noDim(name, (x, dim) => x[name](dim)),
      noTensor(name, (x) => bms[name](x)),
    ],
  })
}

const sorted = (shape: readonly number[], dim = -1, descending = false): OneLiner => [
  shape,
  `a.sort(${dim}, ${python(descending)})`,
  (x) => pair(descending ? bms.sort(x, dim, true) : x.sort(dim)),
  (x) => Object.values(order.sort(x, dim, descending)),
  both,
]

const argsorted = (shape: readonly number[], dim = -1, descending = false): OneLiner => [
  shape,
  `a.argsort(${dim}, ${python(descending)})`,
  (x) => (descending ? bms.argsort(x, dim, true) : x.argsort(dim)),
  (x) => order.argsort(x, dim, descending),
  { dtype: 'i32' },
]

const top = (shape: readonly number[], k: number, dim = -1, largest = true): OneLiner => [
  shape,
  `a.topk(${k}, ${dim}, ${python(largest)})`,
  (x) => pair(largest ? x.topk(k, dim) : bms.topk(x, k, dim, false)),
  (x) => Object.values(order.topk(x, k, dim, largest)),
  both,
]

const summed = (shape: readonly number[], dim = -1): OneLiner => [
  shape,
  `a.cumsum(${dim})`,
  (x) => (dim < 0 ? bms.cumsum(x, dim) : x.cumsum(dim)),
  (x) => order.cumsum(x, dim),
]

/** A sample with another input. PyTorch says nothing of equal elements. */
const on = (line: OneLiner, name: string, input: Sample['inputs'][number], more: Partial<Sample> = {}): Sample => ({
  ...oneLiners([line])[0]!,
  name,
  inputs: [input],
  torch: undefined,
  ...more,
})

const equal = 'equal elements, NaN and infinities'

export const orderRows = [
  places('argmax'),
  places('argmin'),
  op('sort', {
    samples: [
      ...oneLiners([
        sorted([]),
        sorted([1]),
        sorted([7]),
        sorted([3, 4], 1, true),
        sorted([4, 3], 0),
        sorted([2, 5, 3], -2, true),
        sorted([2, 1, 3, 2, 5], 2),
        sorted([3, 0]),
        sorted([0, 3], 1, true),
        sorted([2, 67]),
      ]),
      on(sorted([3, 5]), equal, awkward),
      on(sorted([3, 5], 1, true), `${equal}, descending`, awkward),
      on(sorted([3, 5]), 'integers', whole([3, 5], -9, 9), { dtype: 'i32' }),
      on(sorted([3, 5], 0), 'booleans', truths([3, 5]), { dtype: ['bool', 'i32'] }),
    ],
    errors: [...noDim('sort', (x, dim) => x.sort(dim)), noTensor('sort', (x) => bms.sort(x))],
  }),
  op('argsort', {
    samples: [
      ...oneLiners([argsorted([]), argsorted([5]), argsorted([3, 4], 0, true), argsorted([2, 1, 3, 2, 5], 4), argsorted([3, 0])]),
      on(argsorted([3, 5]), equal, awkward),
    ],
    noGradient: 'places have none',
    errors: [...noDim('argsort', (x, dim) => x.argsort(dim)), noTensor('argsort', (x) => bms.argsort(x))],
  }),
  op('topk', {
    samples: [
      ...oneLiners([
        top([], 1),
        top([7], 3),
        top([3, 4], 2, 1, false),
        top([4, 3], 1, 0),
        top([2, 5, 3], 5, -2),
        top([2, 1, 3, 2, 5], 2, 2, false),
        top([3, 4], 0),
        top([0, 3], 2),
        top([2, 67], 5),
      ]),
      on(top([3, 5], 3), equal, awkward),
      on(top([3, 5], 2, 1, false), `${equal}, smallest`, awkward),
      on(top([3, 5], 2), 'integers', whole([3, 5], -9, 9), { dtype: 'i32' }),
    ],
    errors: [
      [() => bms.zeros([2, 3]).topk(4), 'ARGUMENT', 'topk: k is a whole number from 0 to the 3 elements along dim -1 of [2, 3], got 4'],
      [() => bms.zeros([2, 3]).topk(-1, 0), 'ARGUMENT', 'topk: k is a whole number from 0 to the 2 elements along dim 0 of [2, 3], got -1'],
      ...noDim('topk', (x, dim) => x.topk(1, dim)),
      noTensor('topk', (x) => bms.topk(x, 1)),
    ],
  }),
  op('cumsum', {
    samples: [
      ...oneLiners([
        summed([]),
        summed([1]),
        summed([7]),
        summed([3, 4], 1),
        summed([4, 3], 0),
        summed([2, 5, 3], -2),
        summed([2, 1, 3, 2, 5], 2),
        summed([2, 0, 3], 1),
        summed([2, 67]),
      ]),
      on(summed([3, 5]), 'NaN and infinities', awkward),
      on(summed([3, 5]), 'integers', whole([3, 5], -9, 9), { dtype: 'i32' }),
      on(summed([3, 5]), 'booleans are counted', truths([3, 5]), { dtype: 'i32' }),
    ],
    errors: [...noDim('cumsum', (x, dim) => x.cumsum(dim)), noTensor('cumsum', (x) => bms.cumsum(x))],
  }),
]
