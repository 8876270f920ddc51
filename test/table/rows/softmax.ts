// Softmax and its kin.
import * as bms from '@bms/nn'
import { logSoftmax, logsumexp, type Nd, softmax } from '../../helpers/nd.js'
import { type ErrorCase, op, type Sample } from '../op.js'
import { fixed, given, real, whole } from '../values.js'

/** The same samples for softmax and its logarithm. */
function samples(name: 'softmax' | 'logSoftmax', torch: string, reference: (x: Nd, dim: number) => Nd): Sample[] {
  const along = (shape: readonly number[], dim: number): Sample => ({
    name: `[${shape}] along ${dim}`,
    inputs: [real(shape, -3, 3)],
    run: (x) => (dim === -1 ? bms[name](x!) : x![name](dim)),
    reference: (x) => reference(x!, dim),
    torch: `a.${torch}(${dim})`,
  })
  return [
    ...[[], [1], [3], [0], [5, 0], [3, 4], [1, 1], [2, 67]].map((shape) => along(shape, -1)),
    ...[
      [3, 3],
      [2, 3, 5],
      [2, 1, 3, 2, 2],
    ].map((shape) => along(shape, 0)),
    along([2, 5, 3], 1),
    {
      name: 'large values',
      inputs: [given([1000, 1001, -1000, 88, 90, 89], [2, 3])],
      run: (x) => bms[name](x!),
      reference: (x) => reference(x!, -1),
      torch: `a.${torch}(-1)`,
      skip: {
        f16: 'f16 has no exact 1001 - 1000 after rounding to 0.5',
        gradcheck: 'differences of 1/100 are lost beside 1000',
        gradgradcheck: 'as gradcheck',
      },
    },
    { name: 'integers', inputs: [whole([2, 3], -3, 4)], run: (x) => bms[name](x!, 1), reference: (x) => reference(x!, 1), torch: `a.double().${torch}(1)` },
  ]
}

const refused = (name: 'softmax' | 'logSoftmax' | 'logsumexp'): ErrorCase[] => [
  [() => bms[name](bms.zeros([2, 3]), 2), 'SHAPE', `${name}: dim 2 is out of range for a tensor of 2 dims (allowed: -2 to 1)`],
  [() => bms[name](3 as unknown as bms.Tensor), 'ARGUMENT', `${name}: the input is number, a Tensor is needed (make one with tensor(…))`],
]

const over = (shape: readonly number[], dims: number | readonly number[], keepdim = false): Sample => ({
  name: `[${shape}] over ${dims}${keepdim ? ', kept' : ''}`,
  inputs: [real(shape, -3, 3)],
  run: (x) => (typeof dims === 'number' ? x!.logsumexp(dims, keepdim) : bms.logsumexp(x!, dims, keepdim)),
  reference: (x) => logsumexp(x!, dims, keepdim),
  torch: `torch.logsumexp(a, ${JSON.stringify(dims)}, ${keepdim ? 'True' : 'False'})`,
})

export const softmaxRows = [
  op('softmax', { samples: samples('softmax', 'softmax', softmax), errors: refused('softmax') }),
  op('logSoftmax', { samples: samples('logSoftmax', 'log_softmax', logSoftmax), errors: refused('logSoftmax') }),
  op('logsumexp', {
    samples: [
      ...[[1], [3], [3, 4], [2, 67], [5, 3, 2]].map((shape) => over(shape, -1)),
      over([3, 4], 0, true),
      over([2, 3, 4], [0, 2]),
      over([2, 3, 4], [0, 1], true),
      over([2, 1, 3, 2], [-1, 0]),
      over([], -1),
      // No dims: nothing is added up (in PyTorch, everything).
      { ...over([2, 3], []), torch: undefined },
      over([0, 3], 1),
      {
        name: 'over nothing',
        inputs: [fixed(real([3, 0]))],
        run: (x) => bms.logsumexp(x!),
        reference: () => ({ shape: [3], data: [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY] }),
      },
    ],
    errors: [...refused('logsumexp'), [() => bms.logsumexp(bms.zeros([2, 3]), [0, -2]), 'SHAPE', 'logsumexp: dims [0, -2] name a dim twice']],
  }),
]
