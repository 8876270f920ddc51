// Element-wise choices: where, clamp, masked values, one-hot codes.
import * as bms from '@bms/nn'
import { from, pick } from '../../helpers/nd.js'
import { awkward, describe, map, refused, sample, skipUnless, unary } from '../elementwise.js'
import { type ErrorCase, op, type Sample } from '../op.js'
import { fixed, given, real, truths, whole } from '../values.js'

const where = describe('where', 'torch.where(a, b, c)', { result: 'same', awkwardTorch: 'torch.where(a != 0, b, c)' })
const choose = (c: number, a: number, b: number): number => (c ? a : b)

/** Condition and both values. */
const chosen = (c: number[], a: number[], b: number[], i: number): Sample =>
  sample(where, `[${c}] ? [${a}] : [${b}]`, [truths(c), real(a), real(b)], i, skipUnless({ layouts: c.length > 1, differences: a.length === 2 }))

const bounded = (min: number | null | undefined, max: number | null | undefined, torch: string): Sample => ({
  name: `from ${min} to ${max}`,
  inputs: [given([0, 1, -1, 0.5, -0.5, 2])],
  run: (x) => x!.clamp(min, max),
  torch,
  skip: { gradcheck: 'kinks at the bounds', gradgradcheck: 'as gradcheck' },
})

const masked = (shape: readonly number[], mask: readonly number[], value: number): Sample => ({
  name: `[${shape}] with ${value} by [${mask}]`,
  inputs: [real(shape), truths(mask)],
  run: (x, m) => bms.maskedFill(x!, m!, value),
  reference: (x, m) => map((v, on) => choose(on, value, v), 'f32', x!, m!),
  torch: `a.masked_fill(b, ${String(value).replace('Infinity', 'math.inf')})`,
})

const codes = (shape: readonly number[], classes: number, dtype: 'i32' | 'u32' = 'i32'): Sample => ({
  name: `[${shape}] of ${dtype} in ${classes}`,
  inputs: [whole(shape, 0, classes, dtype)],
  run: (x) => bms.oneHot(x!, classes),
  reference: (x) => from([...shape, classes], (c) => Number(c[shape.length] === pick(x!, c.slice(0, -1)))),
  torch: `F.one_hot(a, ${classes})`,
  dtype: 'i32',
})

const maskErrors: ErrorCase[] = [
  [
    () => bms.maskedFill(bms.ones([2]), bms.ones([2]), 0),
    'DTYPE',
    'maskedFill: the mask is bool, got f32; compare it with something, or convert it with .bool()',
  ],
  [() => bms.maskedFill(bms.ones([2]), bms.ones([3, 2], { dtype: 'bool' }), 0), 'SHAPE', 'maskedFill: cannot expand [3, 2] to fewer dims [2]'],
  [() => bms.maskedFill(bms.ones([2]), true as never, 0), 'ARGUMENT', 'maskedFill: the mask is boolean, a Tensor is needed (make one with tensor(…))'],
]

export const selectRows = [
  op('where', {
    samples: [
      chosen([], [], [], 0),
      chosen([3], [1], [], 1),
      chosen([2, 1], [2, 3], [3], 0),
      chosen([3], [2, 1, 3], [2, 2, 1], 1),
      chosen([2, 1, 3, 1, 2], [3, 1, 2, 1], [2, 1, 1, 2, 1], 0),
      chosen([0, 3], [1], [3], 1),
      {
        name: 'numbers',
        inputs: [truths([2, 3]), real([3])],
        run: (c, x) => [c!.where(x!, 2), bms.where(c!, -0.5, x!), bms.where(c!, 1.5, 2)],
        reference: (c, x) => [
          map((t, v) => choose(t, v, 2), 'f32', c!, x!),
          map((t, v) => choose(t, -0.5, v), 'f32', c!, x!),
          map((t) => choose(t, 1.5, 2), 'f32', c!),
        ],
        torch: '(torch.where(a, b, torch.tensor(2.0).double()), torch.where(a, torch.tensor(-0.5).double(), b), torch.where(a, 1.5, 2.0))',
        skip: { f16: 'two numbers give f32' },
      },
      {
        name: 'dtypes',
        inputs: [truths([4]), whole([4], -3, 4), whole([4], 0, 5, 'u32'), truths([4]), fixed(real([4]))],
        // The condition has no say in the dtype, and stays itself where it is one of the values.
        run: (c, i, u, b, x) => [
          c!.where(i!, u!),
          c!.where(u!, b!),
          c!.where(b!, c!),
          c!.where(i!, x!),
          bms.where(x!, i!, 7),
          bms.where(i!, u!, i!),
          bms.where(c!, 1, 2),
        ],
        reference: (c, i, u, b, x) => [
          map(choose, 'i32', c!, i!, u!),
          map(choose, 'u32', c!, u!, b!),
          map(choose, 'bool', c!, b!, c!),
          map(choose, 'f32', c!, i!, x!),
          map((t, v) => choose(t, v, 7), 'i32', x!, i!),
          map(choose, 'i32', i!, u!, i!),
          map((t) => choose(t, 1, 2), 'i32', c!),
        ],
        dtype: ['i32', 'u32', 'bool', 'f32', 'i32', 'i32', 'i32'],
      },
      awkward(where),
    ],
    errors: [
      ...refused(where, 3),
      [
        () => bms.ones([2], { dtype: 'bool' }).where(bms.ones([3]), 0),
        'SHAPE',
        'where: shapes do not broadcast: [2] and [3]: dim -1 is 2 and 3 (equal sizes, or a 1, are needed)',
      ],
    ],
  }),
  unary('clamp', 'a.clamp(0, 2)', {
    result: 'same',
    reach: 4,
    more: [
      bounded(0, undefined, 'a.clamp(min=0)'),
      bounded(null, 1, 'a.clamp(max=1)'),
      bounded(-0.5, 0.5, 'a.clamp(-0.5, 0.5)'),
      bounded(1, -1, 'a.clamp(1, -1)'),
      {
        name: 'dtypes',
        inputs: [whole([5], -3, 4), whole([5], 0, 5, 'u32')],
        run: (i, u) => [i!.clamp(-1), i!.clamp(null, 1), i!.clamp(-1.5, 2), u!.clamp(1), u!.clamp(undefined, 2)],
        reference: (i, u) => [
          map((v) => Math.max(v, -1), 'i32', i!),
          map((v) => Math.min(v, 1), 'i32', i!),
          map((v) => Math.min(Math.max(v, -1.5), 2), 'f32', i!),
          map((v) => Math.max(v, 1), 'u32', u!),
          map((v) => Math.min(v, 2), 'u32', u!),
        ],
        dtype: ['i32', 'i32', 'f32', 'u32', 'u32'],
      },
    ],
    errors: [[() => bms.ones([2]).clamp(), 'ARGUMENT', 'clamp: give min, max or both']],
  }),
  op('maskedFill', {
    covers: ['maskedFill'],
    samples: [
      masked([], [], 2),
      masked([3], [1], -1.5),
      masked([2, 3], [2, 3], 7),
      masked([2, 3, 5], [3, 1], Number.NEGATIVE_INFINITY),
      masked([2, 1, 3, 2, 2], [1, 3, 1, 2], 0),
      masked([0, 3], [3], 1),
      {
        name: 'whole numbers',
        inputs: [whole([3], -3, 4), truths([3])],
        run: (x, m) => [bms.maskedFill(x!, m!, 9), bms.maskedFill(x!, m!, 0.5)],
        reference: (x, m) => [map((v, on) => choose(on, 9, v), 'i32', x!, m!), map((v, on) => choose(on, 0.5, v), 'f32', x!, m!)],
        dtype: ['i32', 'f32'],
      },
    ],
    errors: maskErrors,
  }),
  op('oneHot', {
    covers: ['oneHot'],
    noGradient: 'indices have no gradient',
    samples: [
      codes([], 3),
      codes([5], 1),
      codes([2, 3], 4),
      codes([2, 1, 3, 2], 3),
      codes([3], 5, 'u32'),
      { ...codes([0], 3), torch: undefined },
      {
        name: 'an index outside gives zeros',
        inputs: [given([-1, 3, 1], [3], 'i32')],
        run: (x) => bms.oneHot(x!, 3),
        reference: () => ({ shape: [3, 3], data: [0, 0, 0, 0, 0, 0, 0, 1, 0] }),
        dtype: 'i32',
      },
    ],
    errors: [
      [() => bms.oneHot(bms.zeros([2], { dtype: 'i32' }), 0), 'ARGUMENT', 'oneHot: a number of classes ≥ 1 is needed, got 0'],
      [() => bms.oneHot(bms.zeros([2]), 3), 'DTYPE', 'oneHot: indices are i32 or u32, got f32; convert them with .int()'],
    ],
  }),
]
