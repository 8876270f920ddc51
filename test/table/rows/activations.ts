// Modules without parameters: activations, dropout, changes of shape.
import * as bms from '@bms/nn'
import { nn, type Tensor } from '@bms/nn'
import { module, type ModuleSample } from '../module.js'
import { real } from '../values.js'

const shapes = [[3, 5], [1], [2, 0, 3]]

/** The module with its defaults on several shapes, with each of the other settings on one. */
const samples = (make: () => nn.Module, torch: string, ...others: [make: () => nn.Module, torch: string][]): ModuleSample[] => [
  ...shapes.map((shape) => ({ name: `[${shape}]`, make, torch, inputs: [real(shape, -3, 3)], steps: 1 })),
  ...others.map(([make, torch]) => ({ name: torch, make, torch, inputs: [real([4, 3], -3, 3)], steps: 1 })),
]

const plain = (name: 'ReLU' | 'Tanh' | 'Sigmoid' | 'SiLU') =>
  module(name, { samples: samples(() => new nn[name](), `nn.${name}()`), errors: 'it takes no arguments; what is no tensor is refused by the op' })

const along = (name: 'Softmax' | 'LogSoftmax') =>
  module(name, {
    samples: samples(() => new nn[name](), `nn.${name}(-1)`, [() => new nn[name](0), `nn.${name}(0)`], [() => new nn[name]({ dim: 1 }), `nn.${name}(1)`]),
    errors: [
      [() => new nn[name](Number.NaN), 'ARGUMENT', `${name}: dim must be a finite number, got NaN`],
      [
        () => new nn[name](2).forward(bms.zeros([3, 4])),
        'SHAPE',
        `${name === 'Softmax' ? 'softmax' : 'logSoftmax'}: dim 2 is out of range for a tensor of 2 dims (allowed: -2 to 1)`,
      ],
    ],
  })

/** Six standard deviations: a right sampler fails one such check in 500 million; the seed is fixed, so it is always the same draw. */
const SURE = 6

export const activationRows = [
  plain('ReLU'),
  plain('Tanh'),
  plain('Sigmoid'),
  plain('SiLU'),
  module('LeakyReLU', {
    samples: samples(
      () => new nn.LeakyReLU(),
      'nn.LeakyReLU()',
      [() => new nn.LeakyReLU(0.2), 'nn.LeakyReLU(0.2)'],
      [() => new nn.LeakyReLU({ negativeSlope: -0.5 }), 'nn.LeakyReLU(-0.5)'],
    ),
    errors: [
      [() => new nn.LeakyReLU(Number.NaN), 'ARGUMENT', 'LeakyReLU: negativeSlope must be a finite number, got NaN'],
      [() => new nn.LeakyReLU({ negative_slope: 0.2 } as never), 'ARGUMENT', 'LeakyReLU: unknown option "negative_slope"; it is called negativeSlope here'],
    ],
  }),
  module('ELU', {
    samples: samples(() => new nn.ELU(), 'nn.ELU()', [() => new nn.ELU(0.5), 'nn.ELU(0.5)'], [() => new nn.ELU({ alpha: 2 }), 'nn.ELU(alpha=2.0)']),
    errors: [[() => new nn.ELU(Number.POSITIVE_INFINITY), 'ARGUMENT', 'ELU: alpha must be a finite number, got Infinity']],
  }),
  module('Softplus', {
    samples: samples(() => new nn.Softplus(), 'nn.Softplus()').map((s) => ({ ...s, text: { value: 'Softplus()', why: 'beta and threshold are fixed here' } })),
    errors: 'it takes no arguments; what is no tensor is refused by the op',
  }),
  module('GELU', {
    samples: samples(() => new nn.GELU(), 'nn.GELU()', [() => new nn.GELU({ approximate: 'tanh' }), "nn.GELU(approximate='tanh')"]),
    errors: [[() => new nn.GELU({ approx: 'tanh' } as never), 'ARGUMENT', 'GELU: unknown option "approx"; known: approximate']],
  }),
  along('Softmax'),
  along('LogSoftmax'),
  module('Dropout', {
    samples: samples(() => new nn.Dropout(), 'nn.Dropout()', [() => new nn.Dropout({ p: 0.25 }), 'nn.Dropout(0.25)']).map((s) => ({
      ...s,
      steps: 0,
      text: { value: s.torch === 'nn.Dropout()' ? 'Dropout(p=0.5)' : 'Dropout(p=0.25)', why: 'there is no in-place form' },
    })),
    behaviour: {
      'in training what stays is scaled, in the right share, and the gradient with it': async () => {
        bms.manualSeed(3)
        const [n, p] = [4000, 0.25]
        const x = bms.rand([n]).add(1).detach().requiresGrad_()
        const y = new nn.Dropout(p).forward(x)
        const [a, b, g] = await Promise.all([x.data(), y.data(), bms.grad(y.sum(), x).data()])
        const kept = Array.from(b as ArrayLike<number>).filter((v) => v !== 0).length
        if (Math.abs(kept - n * (1 - p)) > SURE * Math.sqrt(n * p * (1 - p))) throw new Error(`${kept} of ${n} stay`)
        for (let i = 0; i < n; i++) {
          const factor = b[i] === 0 ? 0 : 1 / (1 - p)
          if (Math.abs(b[i]! - a[i]! * factor) > 1e-6 || Math.abs(g[i]! - factor) > 1e-6) throw new Error(`${a[i]} becomes ${b[i]}, its gradient ${g[i]}`)
        }
      },
      'with p 0 the input itself, with p 1 zeros, in half precision where the input is': async () => {
        const x = bms.ones([7])
        if (new nn.Dropout(0).forward(x) !== x) throw new Error('p 0')
        const none: ArrayLike<number> = await new nn.Dropout(1).forward(x).data()
        if (Array.from(none).some((v) => v !== 0)) throw new Error(`p 1: ${none}`)
        if (x.device.features.has('shader-f16') && new nn.Dropout().forward(x.half()).dtype !== 'f16') throw new Error('f16')
      },
      'a compiled step draws another mask each time, those of eager steps': async () => {
        const layer = new nn.Dropout()
        const draw = async (fn: (x: Tensor) => Tensor): Promise<string[]> => {
          bms.manualSeed(5)
          const masks: string[] = []
          for (let i = 0; i < 3; i++) masks.push(String(await fn(bms.ones([64])).data()))
          return masks
        }
        const eager = await draw((x) => layer.forward(x))
        const compiled = await draw(bms.compile((x: Tensor) => layer.forward(x)))
        if (eager.join() !== compiled.join() || new Set(eager).size !== 3) throw new Error('other masks')
      },
    },
    errors: [
      [() => new nn.Dropout(1.5), 'ARGUMENT', 'Dropout: p must be a finite number ≥ 0 and ≤ 1, got 1.5'],
      [() => new nn.Dropout({ p: -0.1 }), 'ARGUMENT', 'Dropout: p must be a finite number ≥ 0 and ≤ 1, got -0.1'],
    ],
  }),
  module('Flatten', {
    samples: [
      ...samples(() => new nn.Flatten(), 'nn.Flatten()').filter((s) => s.name !== '[1]'),
      { name: '[2,3,1,2]', make: () => new nn.Flatten(), torch: 'nn.Flatten()', inputs: [real([2, 3, 1, 2])] },
      { name: '0 to 1', make: () => new nn.Flatten({ startDim: 0, endDim: 1 }), torch: 'nn.Flatten(0, 1)', inputs: [real([2, 3, 1])] },
    ],
    errors: [[() => new nn.Flatten({ start_dim: 0 } as never), 'ARGUMENT', 'Flatten: unknown option "start_dim"; it is called startDim here']],
  }),
  module('Identity', { samples: samples(() => new nn.Identity(), 'nn.Identity()'), errors: 'it takes anything' }),
]
