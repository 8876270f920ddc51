// Picking elements by indices and adding them back.
import * as bms from '@bms/nn'
import * as order from '../../helpers/nd-order.js'
import { type ErrorCase, op, type Sample } from '../op.js'
import { noDim, noTensor } from '../refusals.js'
import { given, real, truths, whole } from '../values.js'

const index = (...shape: number[]): bms.Tensor => bms.zeros(shape, { dtype: 'i32' })

/** What all of them want of an index. */
const refused = (name: string, call: (x: bms.Tensor, index: bms.Tensor) => unknown): ErrorCase[] => [
  [() => call(bms.zeros([2, 3]), bms.zeros([2, 3])), 'DTYPE', `${name}: indices are i32 or u32, got f32; convert them with .int()`],
  noTensor(name, (x) => call(x, index(2))),
  noTensor(name, (x) => call(bms.zeros([2, 3]), x), 'the index'),
]

const picked = (shape: readonly number[], dim: number, by: readonly number[]): Sample => ({
  name: `[${shape}] along ${dim} by [${by}]`,
  inputs: [real(shape), whole(by, 0, shape.at(dim) ?? 1)],
  run: (x, i) => (dim < 0 ? bms.gather(x!, dim, i!) : x!.gather(dim, i!)),
  reference: (x, i) => order.gather(x!, dim, i!),
  torch: `a.gather(${dim}, b)`,
})

const selected = (shape: readonly number[], dim: number, count: number): Sample => ({
  name: `[${shape}] along ${dim}, ${count}`,
  inputs: [real(shape), whole([count], 0, shape.at(dim)!)],
  run: (x, i) => (dim < 0 ? bms.indexSelect(x!, dim, i!) : x!.indexSelect(dim, i!)),
  reference: (x, i) => order.indexSelect(x!, dim, i!),
  torch: `a.index_select(${dim}, b)`,
})

const scattered = (shape: readonly number[], dim: number, by: readonly number[]): Sample => ({
  name: `[${by}] to [${shape}] along ${dim}`,
  inputs: [real(shape), whole(by, 0, shape.at(dim)!), real(by)],
  run: (x, i, s) => (dim < 0 ? bms.scatterAdd(x!, dim, i!, s!) : x!.scatterAdd(dim, i!, s!)),
  reference: (x, i, s) => order.scatterAdd(x!, dim, i!, s!),
  torch: `a.scatter_add(${dim}, b, c)`,
})

const added = (shape: readonly number[], dim: number, count: number): Sample => ({
  name: `${count} to [${shape}] along ${dim}`,
  inputs: [real(shape), whole([count], 0, shape.at(dim)!), real(shape.map((s, d) => (d === (dim + shape.length) % shape.length ? count : s)))],
  run: (x, i, s) => bms.indexAdd(x!, dim, i!, s!),
  reference: (x, i, s) => order.indexAdd(x!, dim, i!, s!),
  torch: `a.index_add(${dim}, b, c)`,
})

const embedded = (weight: readonly number[], by: readonly number[]): Sample => ({
  name: `[${weight}] by [${by}]`,
  inputs: [real(weight), whole(by, 0, weight[0]!)],
  run: (w, i) => bms.embedding(w!, i!),
  reference: (w, i) => order.embedding(w!, i!),
  torch: 'a[b]',
})

export const indexingRows = [
  op('gather', {
    samples: [
      picked([], 0, []),
      picked([5], 0, [7]),
      picked([3, 4], 1, [3, 1]),
      picked([3, 4], -2, [2, 3]),
      picked([2, 3, 5], 1, [2, 4, 3]),
      picked([2, 1, 3, 2, 2], 2, [2, 1, 5, 2, 1]),
      picked([4, 3], 0, [0, 3]),
      picked([6, 70], 1, [6, 90]),
      { ...picked([4, 3], 1, [4, 2]), name: 'u32 indices', inputs: [real([4, 3]), whole([4, 2], 0, 3, 'u32')] },
      { ...picked([3, 4], 0, [2, 4]), name: 'booleans', inputs: [truths([3, 4]), whole([2, 4], 0, 3)], dtype: 'bool' },
      { ...picked([3, 4], 0, [2, 4]), name: 'integers', inputs: [whole([3, 4], -9, 9), whole([2, 4], 0, 3)], dtype: 'i32' },
    ],
    errors: [
      ...refused('gather', (x, i) => bms.gather(x, 0, i)),
      ...noDim('gather', (x, dim) => x.gather(dim, index(2, 3))),
      [
        () => bms.zeros([2, 3]).gather(0, index(2, 4)),
        'SHAPE',
        'gather: the index [2, 4] must have as many dims as the input [2, 3] and be at most as large in each dim but 0',
      ],
      [
        () => bms.zeros([2, 3]).gather(0, index(2)),
        'SHAPE',
        'gather: the index [2] must have as many dims as the input [2, 3] and be at most as large in each dim but 0',
      ],
      [() => bms.zeros([0, 3]).gather(0, index(2, 3)), 'SHAPE', 'gather: 6 elements are picked along a dim of size 0'],
    ],
  }),
  op('indexSelect', {
    samples: [
      selected([4], 0, 3),
      selected([4, 3], 1, 5),
      selected([3, 2], -2, 1),
      selected([2, 5, 3], 1, 4),
      selected([2, 1, 3, 2, 2], 2, 7),
      selected([3, 4], 0, 0),
      { ...selected([3, 4], 0, 2), name: 'integers', inputs: [whole([3, 4], -9, 9), whole([2], 0, 3, 'u32')], dtype: 'i32' },
    ],
    errors: [
      ...refused('indexSelect', (x, i) => bms.indexSelect(x, 0, i)),
      ...noDim('indexSelect', (x, dim) => x.indexSelect(dim, index(2))),
      [() => bms.zeros([2, 3]).indexSelect(0, index(2, 3)), 'SHAPE', 'indexSelect: the index has one dim, got [2, 3]; flatten() it first'],
      [() => bms.zeros([2, 0]).indexSelect(1, index(3)), 'SHAPE', 'indexSelect: 6 elements are picked along a dim of size 0'],
    ],
  }),
  op('embedding', {
    covers: ['embedding'],
    samples: [
      embedded([3, 4], [5]),
      embedded([3, 3], []),
      embedded([5], [2, 2]),
      embedded([10, 33], [2, 3]),
      embedded([5, 2, 3], [1, 3]),
      embedded([3, 2], [0, 4]),
    ],
    errors: [
      ...refused('embedding', bms.embedding),
      [() => bms.embedding(bms.zeros([]), index(2)), 'SHAPE', 'embedding: the weight has at least one dim, got a scalar'],
      [() => bms.embedding(bms.zeros([0, 3]), index(2)), 'SHAPE', 'embedding: 2 elements are picked along a dim of size 0'],
    ],
  }),
  op('scatterAdd', {
    samples: [
      scattered([3], 0, [5]),
      scattered([2, 3], 1, [2, 2]),
      scattered([3, 2], -2, [3, 1]),
      scattered([2, 5, 3], 1, [2, 4, 2]),
      scattered([2, 1, 3, 2, 2], 2, [2, 1, 5, 2, 1]),
      scattered([3, 4], 0, [0, 4]),
      // More than are looked through one by one.
      scattered([4, 2], 0, [50, 2]),
      // PyTorch refuses indices beyond, and has no gradient for a source that is larger than the index.
      { ...scattered([4], 0, [8]), name: 'some beyond', inputs: [real([4]), whole([8], -1, 5), real([8])], torch: undefined },
      {
        ...scattered([2, 3], 1, [2, 1]),
        name: 'a source larger than the index',
        inputs: [real([2, 3]), whole([2, 1], 0, 3), real([2, 3])],
        torch: undefined,
      },
      { ...scattered([3], 0, [5]), name: 'integers', inputs: [whole([3], -9, 9), whole([5], 0, 3, 'u32'), whole([5], -9, 9)], dtype: 'i32' },
    ],
    errors: [
      ...refused('scatterAdd', (x, i) => bms.scatterAdd(x, 0, i, bms.zeros([2, 3]))),
      ...noDim('scatterAdd', (x, dim) => x.scatterAdd(dim, index(2, 3), bms.zeros([2, 3]))),
      noTensor('scatterAdd', (x) => bms.zeros([2]).scatterAdd(0, index(2), x), 'the source'),
      [
        () => bms.zeros([2, 3]).scatterAdd(0, index(2, 4), bms.zeros([2, 4])),
        'SHAPE',
        'scatterAdd: the index [2, 4] must have as many dims as the input [2, 3] and be at most as large in each dim but 0',
      ],
      [
        () => bms.zeros([2, 3]).scatterAdd(0, index(2, 3), bms.zeros([1, 3])),
        'SHAPE',
        'scatterAdd: the index [2, 3] must have as many dims as the source [1, 3] and be at most as large in each dim',
      ],
      [() => bms.zeros([2]).scatterAdd(0, index(2), index(2)), 'DTYPE', "scatterAdd: the source is i32, the input f32; convert one with .to('f32')"],
      [
        () => bms.zeros([2], { dtype: 'bool' }).scatterAdd(0, index(2), bms.zeros([2])),
        'DTYPE',
        'scatterAdd: booleans cannot be added up; convert both with .int()',
      ],
    ],
  }),
  op('indexAdd', {
    covers: ['indexAdd'],
    samples: [
      added([3], 0, 5),
      added([2, 3], 1, 2),
      added([3, 2], -2, 3),
      added([2, 5, 3], 1, 4),
      added([2, 1, 3, 2, 2], 2, 5),
      added([3, 4], 0, 0),
      added([4, 2], 0, 50),
      { ...added([3], 0, 5), name: 'some beyond', inputs: [real([3]), given([-1, 2, 3, 0, 2], [5], 'i32'), real([5])], torch: undefined },
      { ...added([3], 0, 5), name: 'integers', inputs: [whole([3], -9, 9), whole([5], 0, 3, 'u32'), whole([5], -9, 9)], dtype: 'i32' },
    ],
    errors: [
      ...refused('indexAdd', (x, i) => bms.indexAdd(x, 0, i, bms.zeros([2, 3]))),
      ...noDim('indexAdd', (x, dim) => bms.indexAdd(x, dim, index(2), bms.zeros([2, 3]))),
      noTensor('indexAdd', (x) => bms.indexAdd(bms.zeros([2]), 0, index(2), x), 'the source'),
      [() => bms.indexAdd(bms.zeros([2]), 0, index(2, 1), bms.zeros([2])), 'SHAPE', 'indexAdd: the index has one dim, got [2, 1]; flatten() it first'],
      [
        () => bms.indexAdd(bms.zeros([2, 3]), 0, index(4), bms.zeros([3, 3])),
        'SHAPE',
        'indexAdd: the source must be [4, 3] for an input [2, 3] and 4 indices in dim 0, got [3, 3]',
      ],
      [() => bms.indexAdd(bms.zeros([2]), 0, index(2), index(2)), 'DTYPE', "indexAdd: the source is i32, the input f32; convert one with .to('f32')"],
    ],
  }),
]
