// Matrix products. test/matmul.test.ts goes through the algorithms and their tiles.
import * as bms from '@bms/nn'
import * as nd from '../../helpers/nd.js'
import { op, type Sample } from '../op.js'
import { noTensor } from '../refusals.js'
import { real } from '../values.js'

/** Not as much below 0 as above: no element of a product is rounding errors alone. */
const operand = (shape: readonly number[]) => real(shape, -1, 1.5)

const product = (a: readonly number[], b: readonly number[], more: Partial<Sample> = {}): Sample => ({
  name: `[${a}] · [${b}]`,
  inputs: [operand(a), operand(b)],
  run: (x, y) => x!.matmul(y!),
  reference: (x, y) => nd.matmul(x!, y!),
  torch: 'a @ b',
  ...more,
})

const forced = (algorithm: bms.MatmulAlgorithm): Sample => ({
  ...product([2, 5, 9], [9, 3]),
  name: `by ${algorithm}`,
  run: (x, y) => bms.matmul(x!, y!, { algorithm }),
})

export const matmulRows = [
  op('matmul', {
    samples: [
      product([2, 3], [3, 2]),
      product([1, 1], [1, 1]),
      product([3], [3]),
      product([2, 3], [3]),
      product([3], [2, 3, 1]),
      product([2, 1, 3], [3]),
      product([2, 2, 3], [3, 2]),
      product([2, 3], [2, 3, 1]),
      product([3, 2, 5], [3, 5, 2]),
      product([2, 1, 2, 3], [3, 3, 1]),
      product([2, 1, 1, 2, 3], [1, 2, 3, 5]),
      product([17, 33], [33, 9]),
      product([0, 3], [3, 2]),
      product([2, 0, 3], [3, 2]),
      product([2, 0], [0, 3]),
      {
        ...product([2, 3], [2, 3]),
        name: 'by a transpose',
        run: (x, y) => x!.matmul(y!.t()),
        reference: (x, y) => nd.matmul(x!, nd.transpose(y!)),
        torch: 'a @ b.t()',
      },
      {
        ...product([3, 2], [2, 1, 2, 3]),
        name: 'of transposes',
        run: (x, y) => x!.t().matmul(y!.transpose()),
        reference: (x, y) => nd.matmul(nd.transpose(x!), nd.transpose(y!)),
        torch: 'a.t() @ b.transpose(-1, -2)',
      },
      forced('rows'),
      forced('tiles'),
      forced('dots'),
    ],
    errors: [
      [() => bms.zeros([32, 128]).matmul(bms.zeros([127, 10])), 'SHAPE', 'matmul: inner sizes differ: [32, 128] · [127, 10]: 128 ≠ 127'],
      [() => bms.zeros([3]).matmul(bms.zeros([4])), 'SHAPE', 'matmul: inner sizes differ: [3] · [4]: 3 ≠ 4'],
      [() => bms.zeros([3]).matmul(bms.zeros([2, 3])), 'SHAPE', 'matmul: inner sizes differ: [3] · [2, 3]: 3 ≠ 2'],
      [
        () => bms.zeros([2, 3, 4]).matmul(bms.zeros([3, 4, 5])),
        'SHAPE',
        'matmul: shapes do not broadcast: [2] and [3]: dim -1 is 2 and 3 (equal sizes, or a 1, are needed)',
      ],
      [() => bms.zeros([]).matmul(bms.zeros([2, 2])), 'SHAPE', 'matmul: needs at least one dim on each side, got [] · [2, 2]'],
      [() => bms.zeros([2, 2], { dtype: 'i32' }).matmul(bms.zeros([2, 2])), 'DTYPE', "matmul: needs f32 or f16, got i32 · f32; convert with .to('f32')"],
      [
        () => bms.matmul(bms.zeros([2, 2]), bms.zeros([2, 2]), { algorithm: 'slow' as bms.MatmulAlgorithm }),
        'ARGUMENT',
        'matmul: unknown algorithm "slow"; known: lanes, rows, tiles, dots',
      ],
      noTensor('matmul', (x) => bms.matmul(x, bms.zeros([2, 2]))),
      noTensor('matmul', (x) => bms.zeros([2, 2]).matmul(x), 'the second operand'),
    ],
  }),
  op('outer', {
    covers: ['outer'],
    samples: (
      [
        [3, 4],
        [1, 5],
        [0, 3],
      ] as const
    ).map(
      ([n, m]): Sample => ({
        name: `[${n}], [${m}]`,
        inputs: [operand([n]), operand([m])],
        run: (x, y) => bms.outer(x!, y!),
        reference: (x, y) => nd.outer(x!, y!),
        torch: 'torch.outer(a, b)',
      }),
    ),
    errors: [
      [() => bms.outer(bms.zeros([2, 3]), bms.zeros([4])), 'SHAPE', 'outer: two vectors are needed, got [2, 3] and [4]'],
      [() => bms.outer(bms.zeros([2], { dtype: 'i32' }), bms.zeros([2])), 'DTYPE', "matmul: needs f32 or f16, got i32 · f32; convert with .to('f32')"],
      noTensor('outer', (x) => bms.outer(x, bms.zeros([2]))),
      noTensor('outer', (x) => bms.outer(bms.zeros([2]), x), 'the second operand'),
    ],
    lacks: { ranks: 'it takes vectors' },
  }),
]
