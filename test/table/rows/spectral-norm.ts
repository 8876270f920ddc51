// Spectral normalisation: of layers, of any dim, several times, and its formula in plain ops.
import * as bms from '@bms/nn'
import { nn, type Tensor } from '@bms/nn'
import { module } from '../module.js'
import { op } from '../op.js'
import { fixed, given, positive, real } from '../values.js'

/** A weight of its own, with the rows in its second dim as a transposed convolution has them. */
class Transposed extends nn.Module {
  weight: Tensor = nn.parameter(bms.randn([3, 5, 2]))

  override forward(x: Tensor): Tensor {
    return this.weight.mul(x)
  }
}

const transposed = `
class Transposed(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 5, 2))

    def forward(self, x):
        return self.weight * x

module = spectral_norm(Transposed(), dim=1, n_power_iterations=2)
`

const parametrised = 'the class of the layer stays as it is, PyTorch makes a new one; the names of the inner modules are those of here'

const text = (layer: string, indent = ''): string =>
  `${layer}\n  (parametrizations): Parametrizations(\n    (weight): ParametrizationList(\n      (0): SpectralNorm()\n    )\n  )\n)`.replaceAll(
    '\n',
    `\n${indent}`,
  )

const linear = (inputs: number, outputs: number, indent = ''): string => text(`Linear(\n  in_features=${inputs}, out_features=${outputs}, bias=True`, indent)

export const spectralNormRows = [
  module('spectralNorm', {
    covers: ['nn.spectralNorm', 'nn.SpectralNorm'],
    samples: [
      {
        name: 'a linear layer, five steps',
        make: () => nn.spectralNorm(new nn.Linear(7, 5)),
        torch: 'spectral_norm(nn.Linear(7, 5))',
        inputs: [real([4, 7])],
        steps: 5,
        text: { value: linear(7, 5), why: parametrised },
      },
      {
        name: 'a critic',
        make: () => new nn.Sequential(nn.spectralNorm(new nn.Linear(2, 6)), new nn.Tanh(), nn.spectralNorm(new nn.Linear(6, 1), { eps: 1e-6 })),
        torch: 'nn.Sequential(spectral_norm(nn.Linear(2, 6)), nn.Tanh(), spectral_norm(nn.Linear(6, 1), eps=1e-6))',
        inputs: [real([3, 1, 2])],
        text: { value: `Sequential(\n  (0): ${linear(2, 6, '  ')}\n  (1): Tanh()\n  (2): ${linear(6, 1, '  ')}\n)`, why: parametrised },
      },
      {
        name: 'another dim, two iterations a step',
        make: () => nn.spectralNorm(new Transposed(), { dim: 1, nPowerIterations: 2 }),
        torch: transposed,
        inputs: [real([3, 1, 2])],
        promotes: true,
        text: { value: text('Transposed('), why: parametrised },
        skip: { 'module memory': 'its parameter shares memory with a tensor that is left to the garbage collector' },
      },
      {
        name: 'a batch of nothing',
        make: () => nn.spectralNorm(new nn.Linear(3, 2)),
        torch: 'spectral_norm(nn.Linear(3, 2))',
        inputs: [real([0, 3])],
        steps: 1,
        text: { value: linear(3, 2), why: parametrised },
      },
    ],
    lacks: { ranks: 'the layer’s inputs are none of its business' },
    behaviour: {
      'the parametrisation by itself: unit vectors from fifteen iterations, the largest singular value 1': async () => {
        bms.manualSeed(1)
        const weight = bms.randn([6, 4])
        const step = new nn.SpectralNorm(weight, 1, 1e-12, 0)
        const norms: number[] = await Promise.all([step._u, step._v].map((t) => t.norm().item()))
        if (norms.some((n) => Math.abs(n - 1) > 1e-5)) throw new Error(`norms ${norms}`)
        let x = bms.ones([4, 1])
        const w = step.forward(weight)
        for (let i = 0; i < 60; i++) x = w.t().matmul(w.matmul(x)).div(x.norm())
        const top = await w.matmul(x).norm().div(x.norm()).item()
        if (Math.abs(top - 1) > 0.02) throw new Error(`the largest singular value is ${top}`)
      },
    },
    errors: [
      [() => nn.spectralNorm(new nn.ReLU()), 'ARGUMENT', 'spectralNorm: ReLU has no parameter "weight"'],
      [() => nn.spectralNorm(nn.spectralNorm(new nn.Linear(2, 2))), 'ARGUMENT', 'spectralNorm: Linear.weight is already parametrised'],
      [() => nn.spectralNorm(new nn.Linear(2, 2), { nPowerIterations: 0 }), 'ARGUMENT', 'spectralNorm: nPowerIterations must be a whole number ≥ 1, got 0'],
      [() => nn.spectralNorm(new nn.Linear(2, 2), { dim: 2 }), 'SHAPE', 'spectralNorm: dim 2 is out of range for a tensor of 2 dims (allowed: -2 to 1)'],
      [() => nn.spectralNorm(new nn.LayerNorm(3)), 'ARGUMENT', 'spectralNorm: weight has 1 dims, at least 2 are needed'],
      [() => nn.spectralNorm(new nn.Linear(2, 2), { eps: -1 }), 'ARGUMENT', 'spectralNorm: eps must be a finite number ≥ 0, got -1'],
    ],
  }),
  op('spectralNormPlain', {
    covers: ['nn.spectralNormPlain'],
    samples: [
      {
        name: 'a matrix',
        inputs: [positive([3, 4]), fixed(given([0.6, 0.8, 0])), fixed(given([0.5, 0.5, 0.5, 0.5]))],
        run: (w, u, v) => nn.spectralNormPlain(w!, u!, v!, { iterations: 0 }),
        torch: 'a / (b @ (a @ c))',
      },
      {
        name: 'rows in the second dim',
        inputs: [positive([2, 3, 1]), fixed(given([0.6, 0.8, 0.1])), fixed(given([0.5, 0.7]))],
        run: (w, u, v) => nn.spectralNormPlain(w!, u!, v!, { iterations: 0, dim: 1 }),
        torch: 'a / (b @ (a.permute(1, 0, 2).reshape(3, 2) @ c))',
      },
    ],
    lacks: { empty: 'a weight of nothing has no norm' },
    errors: 'it is given what spectralNorm checked',
  }),
]
