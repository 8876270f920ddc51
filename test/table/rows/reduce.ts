// Reductions over any dims.
import * as bms from '@bms/nn'
import * as nd from '../../helpers/nd.js'
import type { Nd } from '../../helpers/nd.js'
import { type ErrorCase, op, type Sample } from '../op.js'
import { noDim, noTensor } from '../refusals.js'
import { fixed, given, type Maker, real, truths, whole } from '../values.js'

type Dims = bms.Dims | undefined

const [inf, nan] = [Number.POSITIVE_INFINITY, Number.NaN]
const python = (keepdim: boolean): string => (keepdim ? 'True' : 'False')
const list = (dims: Dims): string => (dims === undefined ? 'None' : JSON.stringify(dims))

/** How one of the reductions is called, here, on the host and in PyTorch. */
interface Kind {
  run: (x: bms.Tensor, dims: Dims, keepdim: boolean) => bms.Tensor
  reference: (x: Nd, dims: Dims, keepdim: boolean) => Nd
  /** Null where PyTorch has no such call. */
  torch: (dims: Dims, keepdim: boolean) => string | null
}

/** The function where dims are kept, else the method. */
const kind = (name: 'sum' | 'mean' | 'max' | 'min' | 'prod' | 'all' | 'any' | 'std' | 'norm', torch: Kind['torch']): Kind => ({
  run: (x, dims, keepdim) => (keepdim ? bms[name](x, dims, true) : x[name](dims)),
  reference: nd[name],
  torch,
})

/** Not as much below 0 as above: sums are not rounding errors alone. */
const uneven = (shape: readonly number[]): Maker => real(shape, -1, 2)

const over =
  ({ run, reference, torch }: Kind, input: (shape: readonly number[]) => Maker = uneven) =>
  (shape: readonly number[], dims?: Dims, keepdim = false, more: Partial<Sample> = {}): Sample => {
    const text = torch(dims, keepdim)
    return {
      name: `[${shape}]${dims === undefined ? '' : ` over ${list(dims)}`}${keepdim ? ', kept' : ''}`,
      inputs: [input(shape)],
      run: (x) => run(x!, dims, keepdim),
      reference: (x) => reference(x!, dims, keepdim),
      ...(text === null ? {} : { torch: text }),
      ...more,
    }
  }

/** What each reduction goes through. */
function common(of: Kind, input?: (shape: readonly number[]) => Maker): Sample[] {
  const sample = over(of, input)
  return [sample([]), sample([2, 3], undefined, true), sample([4, 3], -1), sample([2, 1, 5], [0, -1], true), sample([0, 3], 1)]
}

/** More: once for each algorithm behind them. */
function more(of: Kind, input?: (shape: readonly number[]) => Maker): Sample[] {
  const sample = over(of, input)
  return [
    sample([1]),
    sample([3, 3]),
    sample([5, 2], 0, true),
    sample([3, 1], 1),
    // No dims: nothing is reduced (in PyTorch, everything).
    { ...sample([2, 3], []), torch: undefined },
    sample([2, 3, 1, 2, 5], [1, 3]),
    sample([2, 67], 1),
  ]
}

/** Over no elements, where that is defined. */
const nothing = (of: Kind): Sample[] => [over(of)([0, 3], 0), over(of)([2, 0])]

/** Other inputs than floats from -1.5 to 1.5, none of which wants a gradient. */
const also = (of: Kind, name: string, input: Maker, dtype: bms.DType, torch?: string): Sample => ({
  ...over(of)([], 1),
  name,
  inputs: [fixed(input)],
  dtype,
  torch,
})

const special = given([1, nan, 3, inf, 2, 3, -inf, inf, 0, nan, nan, nan, -inf, -inf, -inf], [5, 3])

const refused = (name: 'sum' | 'mean' | 'max' | 'min' | 'prod' | 'all' | 'any' | 'std' | 'norm'): ErrorCase[] => [
  ...noDim(name, (x, dim) => bms[name](x, dim)),
  [() => bms[name](bms.zeros([2, 3]), [0, -2]), 'SHAPE', `${name}: dims [0, -2] name a dim twice`],
  noTensor(name, (x) => bms[name](x)),
]

const method =
  (torch: string): Kind['torch'] =>
  (dims, keepdim) =>
    `a.${torch}(${dims === undefined && !keepdim ? '' : `${list(dims)}, ${python(keepdim)}`})`
const sum = kind('sum', method('sum'))
const mean = kind('mean', method('mean'))
const amax =
  (torch: string): Kind['torch'] =>
  (dims, keepdim) =>
    `a.${torch}(${dims === undefined ? '()' : list(dims)}, ${python(keepdim)})`
const max = kind('max', amax('amax'))
const min = kind('min', amax('amin'))
// PyTorch takes one dim.
const single =
  (torch: string): Kind['torch'] =>
  (dims, keepdim) =>
    typeof dims === 'number' ? `${torch}(${dims}, ${python(keepdim)})` : dims || keepdim ? null : `${torch}()`
/** Many of these still have a product that f16 holds. */
const near1 = (shape: readonly number[]): Maker => real(shape, 0.5, 1.5)
const prod = kind('prod', single('a.prod'))
const all = kind('all', single('(a != 0).all'))
const any = kind('any', single('(a != 0).any'))
const vectorNorm: Kind['torch'] = (dims, keepdim) => `torch.linalg.vector_norm(a, 2, ${list(dims)}, ${python(keepdim)})`
const norm = kind('norm', vectorNorm)

const extreme = (of: Kind, torch: string): Sample[] => [
  ...common(of),
  ...(torch === 'amax' ? more(of) : []),
  {
    ...over(of)([2, 3], 1),
    name: 'equal extremes share the gradient',
    inputs: [given([2, -1, 2, -1, -1, -1, 2, 2, -1], [3, 3])],
    skip: { gradcheck: 'not differentiable there', gradgradcheck: 'as gradcheck' },
  },
  also(of, 'NaN and infinities', special, 'f32', `a.${torch}(1)`),
  also(of, 'integers', whole([3, 4], -(2 ** 24), 2 ** 24), 'i32', `a.${torch}(1)`),
  also(of, 'u32', given([3, 4e9, 5, 7, 6, 8], [2, 3], 'u32'), 'u32'),
  also(of, 'booleans', truths([4, 2]), 'bool', `a.${torch}(1)`),
]

const noMost = (name: 'max' | 'min'): ErrorCase[] => [
  ...refused(name),
  [() => bms[name](bms.zeros([0, 3]), 0), 'SHAPE', `${name}: the ${name} of no elements is undefined: shape [0, 3], dims [0]`],
  [() => bms.zeros([2, 0])[name](), 'SHAPE', `${name}: the ${name} of no elements is undefined: shape [2, 0], dims [0, 1]`],
]

/** Variance and standard deviation, which have a correction. */
function corrected(run: (correction: number) => Kind['run'], reference: typeof nd.std, torch: 'var' | 'std'): Sample[] {
  const of = (correction: number): Kind => ({
    run: run(correction),
    reference: (x, dims, keepdim) => reference(x, dims, keepdim, correction),
    torch: (dims, keepdim) => `torch.${torch}(a, ${list(dims)}, correction=${correction}, keepdim=${python(keepdim)})`,
  })
  const sample = over(of(1))
  return [
    sample([7]),
    sample([3, 4], 1),
    sample([3, 3], 0, true),
    sample([2, 3, 2], [0, 2]),
    sample([2, 1, 3, 2, 5], [1, -1], true),
    sample([0, 3], 1),
    { ...over(of(0))([4, 3], 1, true), name: 'by n' },
    { ...over(of(2))([2, 5], 1), name: 'by n - 2' },
    { ...over(of(0))([3, 1], 1), name: 'of one element by n', ...(torch === 'std' ? atZero : {}) },
    { ...sample([2, 1], 1), name: 'of one element is NaN', inputs: [fixed(real([2, 1]))] },
    { ...sample([2, 0], 1), name: 'of nothing is NaN' },
    { ...sample([3, 5], 1), name: 'far from 0', inputs: [real([3, 5], 100, 104)], skip: { f16: 'f16 rounds the differences of numbers near 100 away' } },
    also(of(1), 'integers', whole([2, 5], -3, 4), 'f32', `a.double().${torch}(1)`),
  ]
}

const atZero: Partial<Sample> = {
  skip: { gradcheck: 'the slope jumps there; PyTorch’s is 0', gradgradcheck: 'as gradcheck' },
}

export const reduceRows = [
  op('sum', {
    samples: [
      ...common(sum),
      ...more(sum),
      ...nothing(sum),
      also(sum, 'NaN and infinities', special, 'f32', 'a.sum(1)'),
      also(sum, 'integers', whole([3, 4], -1000, 1000), 'i32', 'a.sum(1)'),
      also(sum, 'booleans are counted', truths([3, 5]), 'i32', 'a.sum(1)'),
      also(sum, 'u32', whole([2, 3], 0, 9, 'u32'), 'u32', 'a.sum(1)'),
    ],
    errors: refused('sum'),
  }),
  op('mean', {
    samples: [
      ...common(mean),
      ...nothing(mean),
      also(mean, 'NaN and infinities', special, 'f32', 'a.mean(1)'),
      also(mean, 'integers', whole([3, 4], -1000, 1000), 'f32', 'a.double().mean(1)'),
      also(mean, 'booleans', truths([3, 5]), 'f32', 'a.double().mean(1)'),
    ],
    errors: refused('mean'),
  }),
  op('max', { samples: extreme(max, 'amax'), errors: noMost('max') }),
  op('min', { samples: extreme(min, 'amin'), errors: noMost('min') }),
  op('prod', {
    samples: [
      ...common(prod, near1),
      ...more(prod, near1),
      ...nothing(prod),
      also(prod, 'NaN and infinities', special, 'f32', 'a.prod(1)'),
      also(prod, 'integers', whole([3, 4], -9, 9), 'i32', 'a.prod(1)'),
      also(prod, 'booleans', truths([5, 2]), 'i32', 'a.prod(1)'),
    ],
    errors: refused('prod'),
  }),
  ...(
    [
      ['all', all],
      ['any', any],
    ] as const
  ).map(([name, of]) =>
    op(name, {
      samples: [...common(of), ...nothing(of)]
        .map((s) => ({ ...s, dtype: 'bool' as const }))
        .concat([
          { ...also(of, 'zeros among floats', given([1, 0, 2, 0, -0, 0, 0.5, nan, inf, -1, 0, nan], [4, 3]), 'bool', `(a != 0).${name}(1)`), dtype: 'bool' },
          { ...also(of, 'integers', whole([5, 2], 0, 2), 'bool', `(a != 0).${name}(1)`), dtype: 'bool' },
          { ...also(of, 'booleans', truths([5, 2]), 'bool', `a.${name}(1)`), dtype: 'bool' },
        ]),
      noGradient: 'booleans have none',
      errors: refused(name),
    }),
  ),
  op('variance', {
    covers: ['variance', 'Tensor.var'],
    samples: corrected(
      (correction) => (x, dims, keepdim) => (keepdim ? bms.variance(x, dims, true, correction) : x.var(dims, false, correction)),
      nd.variance,
      'var',
    ),
    errors: [...noDim('var', (x, dim) => x.var(dim)), noTensor('var', (x) => bms.variance(x))],
  }),
  op('std', {
    samples: corrected((correction) => (x, dims, keepdim) => (keepdim ? bms.std(x, dims, true, correction) : x.std(dims, false, correction)), nd.std, 'std'),
    errors: refused('std'),
  }),
  op('norm', {
    samples: [
      ...common(norm),
      ...nothing(norm),
      { ...over(norm)([2, 3], 1), name: 'of zeros', inputs: [given([0, 0, 0, 3, 0, 4], [2, 3])], ...atZero },
      also(norm, 'NaN and infinities', special, 'f32', 'a.norm(dim=1)'),
      also(norm, 'integers', whole([3, 4], -9, 9), 'f32', 'a.double().norm(dim=1)'),
    ],
    errors: refused('norm'),
  }),
  op('moments', {
    covers: ['moments'],
    samples: (
      [
        [[7], 0],
        [[3, 4], 1],
        [
          [2, 3, 2],
          [0, 2],
        ],
        [
          [2, 3, 1, 5, 2],
          [0, 2, 3, 4],
        ],
        [[0, 3], 1],
        [[3, 1], -1],
      ] as const
    ).map(([shape, dims]) => ({
      name: `[${shape}] over ${list(dims)}`,
      inputs: [real(shape)],
      run: (x) => bms.moments(x!, dims),
      reference: (x) => [nd.mean(x!, dims, true), nd.variance(x!, dims, true, 0)],
      torch: `(a.mean(${list(dims)}, True), torch.var(a, ${list(dims)}, correction=0, keepdim=True))`,
    })),
    errors: [[() => bms.moments(bms.zeros([2]), 1), 'SHAPE', 'mean: dim 1 is out of range for a tensor of 1 dims (allowed: -1 to 0)']],
  }),
  op('sumTo', {
    covers: ['sumTo'],
    samples: (
      [
        [[3], [3]],
        [[2, 3], []],
        [[2, 3], [3]],
        [
          [4, 3],
          [4, 1],
        ],
        [
          [2, 1, 3],
          [1, 3],
        ],
        [
          [2, 3, 2, 1, 5],
          [3, 1, 1, 5],
        ],
        [
          [0, 3],
          [1, 3],
        ],
      ] as const
    ).map(([shape, to]) => ({
      name: `[${shape}] to [${to}]`,
      inputs: [real(shape)],
      run: (x) => bms.sumTo(x!, to),
      reference: (x) => nd.sumTo(x!, to),
      torch: `a.sum_to_size(${JSON.stringify(to)})`,
    })),
    errors: [
      [() => bms.sumTo(bms.zeros([2, 3]), [2]), 'SHAPE', 'sumTo: [2] does not broadcast to [2, 3]'],
      [() => bms.sumTo(bms.zeros([6]), [2, 3]), 'SHAPE', 'sumTo: [2, 3] does not broadcast to [6]'],
    ],
  }),
]
