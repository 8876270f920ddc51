// Element-wise functions of two tensors, of a tensor and a number.
import * as bms from '@bms/nn'
import type { Tensor } from '@bms/nn'
import { binary, limits, map } from '../elementwise.js'
import type { Sample } from '../op.js'
import { positive, real } from '../values.js'

type Shape = readonly number[]

/** Quotients of these lie between 2 and 3, and away from both. */
const quotients = {
  values: [(shape: Shape) => real(shape, 5.2, 5.8), (shape: Shape) => real(shape, 2.05, 2.5)],
  right: [1, 4],
} as const

const anySign = (run: (a: Tensor, b: Tensor) => Tensor, torch: string): Sample => ({
  name: 'quotients of any sign and size',
  inputs: [real([5, 7], -40, 40), real([7], -4, 4)],
  run: (a, b) => run(a!, b!),
  torch,
})

const ties = {
  kinks: [
    [0, 1, 1, -2],
    [0, 1, 2, -2],
  ],
}

const ofNumber = (run: (x: Tensor) => Tensor, name: string, torch: string, maker = real([7])): Sample => ({ name, inputs: [maker], run: (x) => run(x!), torch })

/** Gradients of activations by their outputs: functions only. */
const activation = (name: 'reluGrad' | 'leakyReluGrad' | 'tanhGrad' | 'sigmoidGrad') => {
  const call = (bms as unknown as Record<string, (...args: (Tensor | number)[]) => Tensor>)[name]!
  return { covers: [name], calls: [call, call] } as const
}

export const binaryRows = [
  binary('add', 'a + b', {
    result: 'same',
    everyPair: true,
    covers: ['add', 'Tensor.add', 'mapOp'],
    more: [
      limits('add', 'i32', [2 ** 31 - 1, -(2 ** 31)], [1, -1], [-(2 ** 31), 2 ** 31 - 1]),
      { name: 'by its name', inputs: [real([2, 3]), real([3])], run: (x, y) => bms.mapOp('add', [x!, y!]), torch: 'a + b' },
    ],
  }),
  binary('sub', 'a - b', { result: 'same', more: [limits('sub', 'u32', [0, 5], [1, 7], [2 ** 32 - 1, 2 ** 32 - 2])] }),
  binary('mul', 'a * b', { result: 'same', more: [limits('mul', 'i32', [2 ** 16, -3], [2 ** 16, 2 ** 30], [0, 2 ** 30])] }),
  binary('div', 'a / b', { values: [positive], right: [1, 4] }),
  binary('floorDivide', "torch.div(a, b, rounding_mode='floor')", {
    ...quotients,
    result: 'same',
    more: [
      anySign((a, b) => a.floorDivide(b), "torch.div(a, b, rounding_mode='floor')"),
      limits('floorDivide', 'i32', [7, -7, 7, -7, 6, -(2 ** 31), 2 ** 31 - 1], [2, 2, -2, -2, 3, 3, -2], [3, -4, -4, 3, 2, -715827883, -1073741824]),
      limits('floorDivide', 'u32', [4e9, 7], [3, 4e9], [1333333333, 0]),
    ],
  }),
  binary('remainder', 'torch.remainder(a, b)', {
    ...quotients,
    result: 'same',
    more: [
      anySign((a, b) => a.remainder(b), 'torch.remainder(a, b)'),
      limits('remainder', 'i32', [7, -7, 7, -7, 6, -(2 ** 31)], [3, 3, -3, -3, 3, 3], [1, 2, -2, -1, 0, 1]),
      limits('remainder', 'u32', [4e9, 7], [7, 4e9], [3, 7]),
    ],
  }),
  binary('pow', 'torch.pow(a, b)', {
    values: [positive],
    kinks: [
      [0, 0, 0, 1, 2],
      [0, 1, 2, 0, 3],
    ],
    more: [
      ...[3, 2, 1, 0].map((n) => ofNumber((x) => x.pow(n), `to the power of ${n}`, `a ** ${n}`)),
      ...[-1, -1.5, 0.5].map((n) => ofNumber((x) => x.pow(n), `to the power of ${n}`, `a ** ${n}`, positive([7]))),
      ofNumber((x) => bms.pow(1.7, x), 'of 1.7', '1.7 ** a'),
      // PyTorch's second gradient is NaN.
      { name: 'of 0', inputs: [positive([7])], run: (x) => bms.pow(0, x!), reference: (x) => map(() => 0, 'f32', x!) },
    ],
  }),
  binary('maximum', 'torch.maximum(a, b)', { ...ties, result: 'same', more: [limits('maximum', 'u32', [3, 0], [2, 4e9], [3, 4e9])] }),
  binary('minimum', 'torch.minimum(a, b)', { ...ties, result: 'same', more: [limits('minimum', 'u32', [3, 0], [2, 4e9], [2, 0])] }),
  binary('reluGrad', 'torch.where(b <= 0, a * 0, a)', activation('reluGrad')),
  binary('leakyReluGrad', 'a * torch.where(b <= 0, 0.1, 1.0)', activation('leakyReluGrad')),
  binary('tanhGrad', 'a * (1 - b * b)', activation('tanhGrad')),
  binary('sigmoidGrad', 'a * (b * (1 - b))', activation('sigmoidGrad')),
]
