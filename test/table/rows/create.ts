// Making tensors from host values and from nothing.
import * as bms from '@bms/nn'
import type { DType, Tensor } from '@bms/nn'
import { from, type Nd } from '../../helpers/nd.js'
import { map } from '../elementwise.js'
import { type ErrorCase, op, type Sample } from '../op.js'
import { noTensor } from '../refusals.js'
import { real, truths, whole } from '../values.js'

const { NaN: nan, POSITIVE_INFINITY: inf } = Number
const noGradient = 'nothing goes in that has one'

/** A call without tensors. */
const made = (name: string, run: () => Tensor, shape: readonly number[], data: readonly number[], torch?: string, dtype: DType = 'f32'): Sample => ({
  name,
  inputs: [],
  run,
  reference: () => ({ shape, data }),
  torch,
  dtype,
  half: dtype === 'f16',
})

/** The new tensor and the gradient of the sum of its squares. */
const wanted = (make: () => Tensor, shape: readonly number[], data: readonly number[]): Sample => ({
  name: 'requiresGrad',
  inputs: [],
  run: () =>
    bms.enableGrad(() => {
      const x = make()
      return [x.detach(), bms.grad(x.square().sum(), x)]
    }),
  reference: () => [
    { shape, data },
    { shape, data: data.map((v) => 2 * v) },
  ],
})

const typed: readonly [bms.TypedArray, DType][] = [
  [new Float32Array([1.5, -2]), 'f32'],
  [new Float64Array([1.5, -2]), 'f32'],
  [new Int32Array([7, -2]), 'i32'],
  [new Int16Array([7, -2]), 'i32'],
  [new Int8Array([7, -2]), 'i32'],
  [new Uint32Array([7, 2 ** 32 - 1]), 'u32'],
  [new Uint16Array([7, 65535]), 'u32'],
  [new Uint8Array([7, 255]), 'u32'],
  [new Uint8ClampedArray([7, 255]), 'u32'],
]

/** A constant of every shape and dtype; `call` takes both. */
const constants = (name: string, value: number, call: (shape: readonly number[], options?: { dtype?: DType }) => Tensor, torch: string): Sample[] => {
  const all = (shape: readonly number[]): Nd => from(shape, () => value)
  return [
    ...[[], [1], [0], [7], [3, 0, 2], [2, 1, 3, 1, 2]].map((shape) =>
      made(`[${shape}]`, () => call(shape), shape, all(shape).data, `torch.${name}([${shape}]${torch})`),
    ),
    ...(['i32', 'u32', 'bool', 'f16'] as const).map((dtype) =>
      made(dtype, () => call([3], { dtype }), [3], dtype === 'bool' ? [1, 1, 1].map((v) => v * Number(value !== 0)) : all([3]).data, undefined, dtype),
    ),
  ]
}

/** Like another tensor: its shape and dtype. */
const like = (value: number, call: (x: Tensor) => Tensor, torch: string): Sample[] => [
  ...[[], [1], [0], [3, 5], [2, 1, 3, 1, 2]].map(
    (shape): Sample => ({ name: `[${shape}]`, inputs: [real(shape)], run: (x) => call(x!), reference: (x) => map(() => value, 'f32', x!), torch }),
  ),
  {
    name: 'dtypes',
    inputs: [whole([3], 0, 3), whole([3], 0, 3, 'u32'), truths([3])],
    run: (...x) => x.map(call),
    reference: (...x) => (['i32', 'u32', 'bool'] as const).map((dtype, i) => map(() => value, dtype, x[i]!)),
    dtype: ['i32', 'u32', 'bool'],
  },
]

const notShape = (name: 'zeros' | 'ones'): ErrorCase[] => [
  [() => bms[name]([2, -1]), 'SHAPE', 'full: a shape is a list of whole numbers ≥ 0, got [2,-1]'],
  [() => bms[name](3 as never), 'SHAPE', 'full: a shape is a list of whole numbers ≥ 0, got 3'],
  [() => bms[name]([2], { dtype: 'float' as DType }), 'DTYPE', 'full: unknown dtype "float"; known: f32, f16, i32, u32, bool'],
]

const identity = (n: number, m: number): Nd => from([n, m], ([i, j]) => Number(i === j))

export const createRows = [
  op('tensor', {
    covers: ['tensor', 'fromHost', 'fromBytes'],
    noGradient,
    samples: [
      made('a number', () => bms.tensor(2.5), [], [2.5], 'torch.tensor(2.5)'),
      made('a list', () => bms.tensor([1, -0.5, inf, -inf, nan]), [5], [1, -0.5, inf, -inf, nan]),
      made('an empty list', () => bms.tensor([]), [0], [], 'torch.tensor([])'),
      made('lists', () => bms.tensor([[[1, 2, 3]], [[4, 5, 6]]]), [2, 1, 3], [1, 2, 3, 4, 5, 6], 'torch.tensor([[[1., 2, 3]], [[4, 5, 6]]])'),
      made('empty lists', () => bms.tensor([[], []]), [2, 0], [], 'torch.tensor([[], []])'),
      made('truths', () => bms.tensor([[true], [false]]), [2, 1], [1, 0], 'torch.tensor([[True], [False]])', 'bool'),
      made('a list with a shape', () => bms.tensor([1, 2, 3, 4, 5, 6], { shape: [1, 3, 2, 1, 1] }), [1, 3, 2, 1, 1], [1, 2, 3, 4, 5, 6]),
      made('as whole numbers', () => bms.tensor([1.7, -1.7, 2 ** 31 - 1], { dtype: 'i32' }), [3], [1, -1, 2 ** 31 - 1], undefined, 'i32'),
      made('as truths', () => bms.tensor([0, -0, 0.5, nan], { dtype: 'bool' }), [4], [0, 0, 1, 1], 'torch.tensor([0, -0., 0.5, math.nan]).bool()', 'bool'),
      made('as half precision', () => bms.tensor([1 / 3, 65504, 65520, 6e-8], { dtype: 'f16' }), [4], [0.333251953125, 65504, inf, 2 ** -24], undefined, 'f16'),
      ...typed.map(([array, dtype]) => made(array.constructor.name, () => bms.tensor(array), [2], Array.from(array), undefined, dtype)),
      made('an array with a shape and a dtype', () => bms.tensor(new Uint8Array([1, 2]), { shape: [2, 1], dtype: 'f32' }), [2, 1], [1, 2]),
      made('numbers of an op', () => bms.fromHost('sample', bms.currentDevice(), [1.5, 2, -3], [3, 1], 'i32'), [3, 1], [1, 2, -3], undefined, 'i32'),
      made(
        'bytes',
        () => bms.fromBytes('sample', bms.currentDevice(), new Uint8Array(new Int32Array([7, -2]).buffer), [2], 'i32'),
        [2],
        [7, -2],
        undefined,
        'i32',
      ),
      made(
        'bytes that fill no word',
        () => bms.fromBytes('sample', bms.currentDevice(), Uint8Array.of(0, 0x3c, 0, 0xc0, 0, 0x38), [3], 'f16'),
        [3],
        [1, -2, 0.5],
        undefined,
        'f16',
      ),
      wanted(() => bms.tensor([1, -2], { requiresGrad: true }), [2], [1, -2]),
    ],
    errors: [
      [() => bms.tensor([[1, 2], [3]]), 'SHAPE', 'tensor: the lists are ragged: 1 elements at depth 1, 2 elsewhere'],
      [() => bms.tensor([[1, 2], 3]), 'SHAPE', 'tensor: the lists are ragged: a number stands at depth 1, where lists are 2 deep elsewhere'],
      [() => bms.tensor([1, [2]]), 'SHAPE', 'tensor: the lists are ragged: 1 elements at depth 1, a number elsewhere'],
      [() => bms.tensor([1, null as never]), 'ARGUMENT', 'tensor: the lists hold a null; numbers or booleans are needed'],
      [() => bms.tensor('1' as never), 'ARGUMENT', 'tensor: the lists hold a string; numbers or booleans are needed'],
      [() => bms.tensor([1, 2, 3], { shape: [2, 2] }), 'SHAPE', 'tensor: 3 values do not fill shape [2, 2] (4 elements)'],
      [() => bms.tensor([1], { shape: [0.5] }), 'SHAPE', 'tensor: a shape is a list of whole numbers ≥ 0, got [0.5]'],
      [() => bms.tensor([1], { dtype: 'f64' as DType }), 'DTYPE', 'tensor: unknown dtype "f64"; known: f32, f16, i32, u32, bool'],
      [() => bms.tensor([1], { dtype: 'i32', requiresGrad: true }), 'DTYPE', 'requiresGrad: only f32 and f16 tensors have gradients, this one is i32'],
    ],
  }),
  op('full', {
    covers: ['full'],
    noGradient,
    samples: [
      ...constants('full', 2, (shape, options) => bms.full(shape, 2, options), ', 2.0'),
      made('not finite', () => bms.full([2], -inf), [2], [-inf, -inf], 'torch.full([2], -math.inf)'),
      made('NaN as truth', () => bms.full([2], nan, { dtype: 'bool' }), [2], [1, 1], undefined, 'bool'),
      made('as whole numbers', () => bms.full([2], -1.7, { dtype: 'i32' }), [2], [-1, -1], undefined, 'i32'),
      wanted(() => bms.full([2], 3, { requiresGrad: true }), [2], [3, 3]),
    ],
    errors: [
      [() => bms.full([2, -1], 1), 'SHAPE', 'full: a shape is a list of whole numbers ≥ 0, got [2,-1]'],
      [() => bms.full([2], undefined as never), 'ARGUMENT', 'full: a number is needed, got undefined'],
      [() => bms.full([2], 1, { dtype: 'float' as DType }), 'DTYPE', 'full: unknown dtype "float"; known: f32, f16, i32, u32, bool'],
    ],
  }),
  op('zeros', {
    covers: ['zeros'],
    noGradient,
    samples: [...constants('zeros', 0, bms.zeros, ''), wanted(() => bms.zeros([2], { requiresGrad: true }), [2], [0, 0])],
    errors: notShape('zeros'),
  }),
  op('ones', {
    covers: ['ones'],
    noGradient,
    samples: [...constants('ones', 1, bms.ones, ''), wanted(() => bms.ones([2], { requiresGrad: true }), [2], [1, 1])],
    errors: notShape('ones'),
  }),
  op('fullLike', {
    covers: ['fullLike'],
    noGradient,
    samples: like(1, (x) => bms.fullLike(x, 1), 'torch.full_like(a, 1)'),
    errors: [
      noTensor('fullLike', (x) => bms.fullLike(x, 1)),
      [() => bms.fullLike(bms.ones([2]), '1' as never), 'ARGUMENT', 'full: a number is needed, got string'],
    ],
  }),
  op('zerosLike', {
    covers: ['zerosLike'],
    noGradient,
    samples: like(0, bms.zerosLike, 'torch.zeros_like(a)'),
    errors: [noTensor('zerosLike', bms.zerosLike)],
  }),
  op('onesLike', { covers: ['onesLike'], noGradient, samples: like(1, bms.onesLike, 'torch.ones_like(a)'), errors: [noTensor('onesLike', bms.onesLike)] }),
  op('arange', {
    covers: ['arange'],
    noGradient,
    lacks: { ranks: 'a row of numbers' },
    samples: [
      made('to 5', () => bms.arange(5), [5], [0, 1, 2, 3, 4], 'torch.arange(5.0)'),
      made('to 0', () => bms.arange(0), [0], [], 'torch.arange(0.0)'),
      made('to half', () => bms.arange(0.5), [1], [0], 'torch.arange(0.5)'),
      made('from 2 to 5', () => bms.arange(2, 5), [3], [2, 3, 4], 'torch.arange(2.0, 5.0)'),
      made('by quarters', () => bms.arange(-0.5, 0.6, 0.25), [5], [-0.5, -0.25, 0, 0.25, 0.5], 'torch.arange(-0.5, 0.6, 0.25)'),
      made('down', () => bms.arange(3, -2, -2), [3], [3, 1, -1], 'torch.arange(3.0, -2.0, -2.0)'),
      made('away', () => bms.arange(3, 5, -1), [0], []),
      made('whole', () => bms.arange(-1, 3, 1, { dtype: 'i32' }), [4], [-1, 0, 1, 2], 'torch.arange(-1, 3)', 'i32'),
      made('half precision', () => bms.arange(0, 3, 1, { dtype: 'f16' }), [3], [0, 1, 2], undefined, 'f16'),
    ],
    errors: [
      [() => bms.arange(0, 3, 0), 'ARGUMENT', 'arange: finite numbers and a step ≠ 0 are needed, got 0, 3, 0'],
      [() => bms.arange(inf), 'ARGUMENT', 'arange: finite numbers and a step ≠ 0 are needed, got 0, Infinity, 1'],
      [() => bms.arange(3, 5, 1, { dtype: 'long' as DType }), 'DTYPE', 'arange: unknown dtype "long"; known: f32, f16, i32, u32, bool'],
    ],
  }),
  op('linspace', {
    covers: ['linspace'],
    noGradient,
    lacks: { ranks: 'a row of numbers' },
    samples: [
      made('5 numbers', () => bms.linspace(-1, 1, 5), [5], [-1, -0.5, 0, 0.5, 1], 'torch.linspace(-1, 1, 5)'),
      made('down', () => bms.linspace(3, 0, 7), [7], [3, 2.5, 2, 1.5, 1, 0.5, 0], 'torch.linspace(3, 0, 7)'),
      made('one', () => bms.linspace(2, 5, 1), [1], [2], 'torch.linspace(2, 5, 1)'),
      made('none', () => bms.linspace(2, 5, 0), [0], [], 'torch.linspace(2, 5, 0)'),
      made('whole', () => bms.linspace(0, 10, 3, { dtype: 'i32' }), [3], [0, 5, 10], undefined, 'i32'),
    ],
    errors: [
      [() => bms.linspace(0, 1, -1), 'ARGUMENT', 'linspace: a count ≥ 0 is needed, got -1'],
      [() => bms.linspace(0, 1, 2.5), 'ARGUMENT', 'linspace: a count ≥ 0 is needed, got 2.5'],
    ],
  }),
  op('eye', {
    covers: ['eye'],
    noGradient,
    lacks: { ranks: 'matrices' },
    samples: [
      ...[0, 1, 3].map((n) => made(`${n}`, () => bms.eye(n), [n, n], identity(n, n).data, `torch.eye(${n})`)),
      made('wide', () => bms.eye(2, 5), [2, 5], identity(2, 5).data, 'torch.eye(2, 5)'),
      made('tall', () => bms.eye(5, 2), [5, 2], identity(5, 2).data, 'torch.eye(5, 2)'),
      made('whole', () => bms.eye(3, 3, { dtype: 'i32' }), [3, 3], identity(3, 3).data, 'torch.eye(3).int()', 'i32'),
      made('truths', () => bms.eye(2, 2, { dtype: 'bool' }), [2, 2], identity(2, 2).data, 'torch.eye(2).bool()', 'bool'),
    ],
    errors: [[() => bms.eye(2.5), 'SHAPE', 'eye: a shape is a list of whole numbers ≥ 0, got [2.5,2.5]']],
  }),
]
