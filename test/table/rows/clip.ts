// Bounds on gradients: the pure forms with their gradients, and those that work on .grad, against PyTorch's.
import * as bms from '@bms/nn'
import { optim, type Tensor } from '@bms/nn'
import { op, type Sample } from '../op.js'
import { fixed, given, type Maker, real } from '../values.js'

const sets: [name: string, makers: Maker[], bound: number][] = [
  ['bounded', [real([3, 4]), real([5])], 1.5],
  ['within the bound', [real([2, 1, 3]), real([])], 100],
  ['one, and one of nothing', [real([7]), real([0, 2])], 0.5],
]

/** Parameters with these gradients. */
const withGrads = (grads: readonly Tensor[]): Tensor[] =>
  grads.map((g) => {
    const p = bms.zeros(g.shape, { dtype: g.dtype, requiresGrad: true })
    p.grad = g.detach().clone()
    return p
  })

const squares = 'torch.sqrt(a.square().sum() + b.square().sum())'

/** A sample for each set of gradients. */
const over = (make: (bound: number) => Pick<Sample, 'run' | 'torch'>): Sample[] => sets.map(([name, inputs, bound]) => ({ name, inputs, ...make(bound) }))

/** And squares of f16 would overflow: test/nn-optim.test.ts. */
const norm = { f16: 'the norm is f32' }
const inPlace = 'it works on .grad, in place'

export const clipRows = [
  op('totalNorm', {
    covers: ['optim.totalNorm'],
    skip: norm,
    samples: [
      ...over(() => ({ run: (...grads) => optim.totalNorm(grads), torch: squares })),
      { name: 'of one', inputs: [real([2, 3])], run: (a) => optim.totalNorm([a!]), torch: 'a.norm()' },
      { name: 'of none', inputs: [], run: () => optim.totalNorm([]), reference: () => ({ shape: [], data: [0] }) },
    ],
    errors: 'it takes any tensors',
  }),
  op('clipGradNorm', {
    covers: ['optim.clipGradNorm'],
    skip: norm,
    samples: [
      ...over((bound) => ({
        run: (...all) => {
          const { grads, norm } = optim.clipGradNorm(all, bound)
          return [...grads, norm]
        },
        torch: `(lambda n: [g * torch.clamp(${bound} / (n + 1e-6), max=1) for g in (a, b)] + [n])(${squares})`,
      })),
      {
        name: 'by a tensor',
        inputs: [real([4]), fixed(given([0.7], []))],
        run: (a, bound) => optim.clipGradNorm([a!], bound!).grads,
        torch: 'a * torch.clamp(b / (a.norm() + 1e-6), max=1)',
      },
    ],
    errors: [
      [() => optim.clipGradNorm([bms.zeros([2])], Number.NaN), 'ARGUMENT', 'clipGradNorm: maxNorm must be a finite number ≥ 0, got NaN'],
      [() => optim.clipGradNorm([bms.zeros([2])], -1), 'ARGUMENT', 'clipGradNorm: maxNorm must be a finite number ≥ 0, got -1'],
    ],
  }),
  op('clipGradNorm_', {
    covers: ['optim.clipGradNorm_'],
    skip: norm,
    samples: over((bound) => ({
      run: (...grads) => {
        const params = withGrads(grads)
        const norm = optim.clipGradNorm_([bms.zeros([2]), ...params], bound)
        return [...params.map((p) => p.grad!), norm]
      },
      torch: `clipped(nn.utils.clip_grad_norm_, ${bound}, a, b)`,
    })),
    noGradient: inPlace,
    errors: [
      [() => optim.clipGradNorm_(3 as never, 1), 'ARGUMENT', 'clipGradNorm_: a list of parameters is needed'],
      [() => optim.clipGradNorm_([], -1), 'ARGUMENT', 'clipGradNorm: maxNorm must be a finite number ≥ 0, got -1'],
    ],
  }),
  op('clipGradValue', {
    covers: ['optim.clipGradValue'],
    samples: [
      ...over((bound) => ({ run: (...grads) => optim.clipGradValue(grads, bound), torch: `[g.clamp(-${bound}, ${bound}) for g in (a, b)]` })),
      {
        name: 'by a tensor',
        inputs: [real([4]), fixed(given([0.7], []))],
        run: (a, bound) => optim.clipGradValue([a!], bound!),
        torch: 'torch.maximum(torch.minimum(a, b), -b)',
      },
    ],
    errors: [[() => optim.clipGradValue([], Number.POSITIVE_INFINITY), 'ARGUMENT', 'clipGradValue: clipValue must be a finite number ≥ 0, got Infinity']],
  }),
  op('clipGradValue_', {
    covers: ['optim.clipGradValue_'],
    samples: over((bound) => ({
      run: (...grads) => {
        const params = withGrads(grads)
        optim.clipGradValue_([...params, bms.zeros([2])], bound)
        return params.map((p) => p.grad!)
      },
      torch: `clipped(nn.utils.clip_grad_value_, ${bound}, a, b)`,
    })),
    noGradient: inPlace,
    errors: [[() => optim.clipGradValue_(3 as never, 1), 'ARGUMENT', 'clipGradValue_: a list of parameters is needed']],
  }),
]
