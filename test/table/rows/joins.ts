// Joining tensors and setting them into larger ones.
import * as bms from '@bms/nn'
import * as nd from '../../helpers/nd.js'
import { type OneLiner, oneLiners, op, type Sample } from '../op.js'
import { noDim, noTensor, scalar } from '../refusals.js'
import { real, truths, whole } from '../values.js'

/** Padding as PyTorch's. */
const padded = (shape: readonly number[], padding: readonly number[], value?: number): OneLiner => [
  shape,
  `F.pad(a, ${JSON.stringify(padding)}, value=${value ?? 0})`,
  (x) => (value === undefined ? bms.pad(x, padding) : x.pad(padding, value)),
  (x) => nd.pad(x, padding, value),
]

export const joinRows = [
  op('cat', {
    samples: [
      {
        name: 'three along 1',
        inputs: [real([2, 2]), real([2, 1])],
        run: (a, b) => bms.cat([a!, b!, a!], 1),
        reference: (a, b) => nd.cat([a!, b!, a!], 1),
        torch: 'torch.cat([a, b, a], 1)',
      },
      { name: 'one', inputs: [real([3])], run: (a) => bms.cat([a!]), reference: (a) => a!, torch: 'torch.cat([a])' },
      {
        name: 'with nothing',
        inputs: [real([2, 3, 0]), real([2, 3, 2])],
        run: (a, b) => a!.cat([b!], -1),
        reference: (a, b) => nd.cat([a!, b!], 2),
        torch: 'torch.cat([a, b], -1)',
      },
      {
        name: '5 dims',
        inputs: [real([2, 1, 1, 3, 2]), real([2, 3, 1, 3, 2]), real([2, 2, 1, 3, 2])],
        run: (a, b, c) => a!.cat([b!, c!], 1),
        reference: (a, b, c) => nd.cat([a!, b!, c!], 1),
        torch: 'torch.cat([a, b, c], 1)',
      },
      {
        name: 'floats and integers',
        inputs: [real([3, 2]), whole([1, 2], -9, 9)],
        run: (a, b) => bms.cat([a!, b!]),
        reference: (a, b) => nd.cat([a!, b!]),
        torch: 'torch.cat([a, b])',
      },
      {
        name: 'booleans and integers',
        inputs: [truths([2, 2]), whole([3, 2], -9, 9)],
        run: (a, b) => bms.cat([a!, b!]),
        reference: (a, b) => nd.cat([a!, b!]),
        torch: 'torch.cat([a, b])',
        dtype: 'i32',
      },
    ],
    errors: [
      [() => bms.cat([]), 'ARGUMENT', 'cat: at least one tensor is needed'],
      [() => bms.cat([bms.zeros([2, 3]), bms.zeros([2, 4])]), 'SHAPE', 'cat: shapes [2, 3], [2, 4] differ in another dim than 0'],
      [() => bms.cat([bms.zeros([2]), bms.zeros([2, 1])]), 'SHAPE', 'cat: shapes [2], [2, 1] differ in another dim than 0'],
      ...noDim('cat', (x, dim) => bms.cat([x], dim)),
      scalar('cat', (x) => bms.cat([x, x])),
      noTensor('cat', (x) => bms.cat([bms.zeros([2]), x])),
    ],
  }),
  op('stack', {
    covers: ['stack'],
    samples: [
      {
        name: 'scalars',
        inputs: [real([]), real([])],
        run: (a, b) => bms.stack([a!, b!]),
        reference: (a, b) => nd.stack([a!, b!]),
        torch: 'torch.stack([a, b])',
      },
      ...(
        [
          [[3], -1],
          [[2, 3], 1],
          [[2, 3, 1, 2], -4],
          [[0, 3], 2],
        ] as const
      ).map(
        ([shape, dim]): Sample => ({
          name: `[${shape}] along ${dim}`,
          inputs: [real(shape), real(shape)],
          run: (a, b) => bms.stack([a!, b!, a!], dim),
          reference: (a, b) => nd.stack([a!, b!, a!], dim),
          torch: `torch.stack([a, b, a], ${dim})`,
        }),
      ),
      {
        name: 'floats and integers',
        inputs: [real([3]), whole([3], -9, 9)],
        run: (a, b) => bms.stack([a!, b!], 1),
        reference: (a, b) => nd.stack([a!, b!], 1),
        torch: 'torch.stack([a, b.double()], 1)',
      },
    ],
    errors: [
      [() => bms.stack([]), 'ARGUMENT', 'stack: at least one tensor is needed'],
      [() => bms.stack([bms.zeros([2, 3]), bms.zeros([3, 2])]), 'SHAPE', 'stack: tensors of one shape are needed, got [2, 3], [3, 2]'],
      [() => bms.stack([bms.zeros([2])], 2), 'SHAPE', 'stack: dim 2 is out of range for a tensor of 2 dims (allowed: -2 to 1)'],
      noTensor('stack', (x) => bms.stack([x])),
    ],
  }),
  op('pad', {
    samples: [
      ...oneLiners([
        padded([3], [1, 2]),
        padded([2, 3], [1, 2, 0, 1], 5),
        padded([3, 4], [-1, 1], -7),
        padded([3, 4], [-1, -2, -1, 1]),
        padded([1, 2, 3], [0, 0, 2, 0, 0, 1]),
        padded([2, 1, 3, 1, 2], [1, 0, 0, 2], 0.5),
        padded([0, 3], [1, 1, 2, 0], 1),
        padded([2, 3], [0, -3]),
      ]),
      { name: 'not at all', inputs: [real([])], run: (x) => x!.pad([]), reference: (x) => x!, torch: 'a.clone()' },
      {
        name: 'integers',
        inputs: [whole([2, 3], -9, 9)],
        run: (x) => x!.pad([1, 1], -4),
        reference: (x) => nd.pad(x!, [1, 1], -4),
        torch: 'F.pad(a, [1, 1], value=-4)',
        dtype: 'i32',
      },
    ],
    errors: [
      [() => bms.zeros([2]).pad([1]), 'ARGUMENT', 'pad: padding is pairs of whole numbers for the last dims of [2], got [1]'],
      [() => bms.zeros([2]).pad([1, 0, 1, 0]), 'ARGUMENT', 'pad: padding is pairs of whole numbers for the last dims of [2], got [1, 0, 1, 0]'],
      [() => bms.zeros([2]).pad([0.5, 0]), 'ARGUMENT', 'pad: padding is pairs of whole numbers for the last dims of [2], got [0.5, 0]'],
      [() => bms.zeros([2]).pad([-3, 0]), 'SHAPE', 'pad: padding [-3, 0] cuts more than [2] has'],
      noTensor('pad', (x) => bms.pad(x, [])),
    ],
  }),
]
