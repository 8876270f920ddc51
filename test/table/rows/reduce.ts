// Reductions over any dims. test/reduce.test.ts goes through the algorithms and long sums.
import * as bms from '@bms/nn'
import * as nd from '../../helpers/nd.js'
import { type ErrorCase, type OneLiner, oneLiners, op, type Sample } from '../op.js'
import { noDim, noTensor } from '../refusals.js'
import { fixed, given, type Maker, real, truths, whole } from '../values.js'

type Dims = bms.Dims | undefined
type Reduction = 'sum' | 'mean' | 'max' | 'min' | 'prod' | 'all' | 'any' | 'norm'

const [inf, nan] = [Number.POSITIVE_INFINITY, Number.NaN]
const python = (keepdim: boolean): string => (keepdim ? 'True' : 'False')
const list = (dims: Dims): string => (dims === undefined ? 'None' : JSON.stringify(dims))

/** What PyTorch calls it, one dim after the other: not all of these take several. */
const words =
  (call: string) =>
  (dims: Dims, keepdim: boolean): string =>
    dims === undefined
      ? `a.${call}()`
      : `a${[dims]
          .flat()
          .map((d) => `.${call}(${d}, ${python(keepdim)})`)
          .join('')}`

const torch: Record<Reduction, (dims: Dims, keepdim: boolean) => string> = {
  sum: words('sum'),
  mean: words('mean'),
  max: words('amax'),
  min: words('amin'),
  prod: words('prod'),
  all: words('all'),
  any: words('any'),
  norm: (dims, keepdim) => `torch.linalg.vector_norm(a, 2, ${list(dims)}, ${python(keepdim)})`,
}

/** Not as much below 0 as above: sums are not rounding errors alone. */
const uneven = (shape: readonly number[]): Maker => real(shape, -1, 2)
/** The product of many of these is one that f16 holds. */
const factors = (shape: readonly number[]): Maker => real(shape, 0.5, 1.5)

/** The function where dims are kept, else the method. */
const over =
  (name: Reduction) =>
  (shape: readonly number[], dims?: Dims, keepdim = false, more: Partial<Sample> = {}): OneLiner => [
    shape,
    torch[name](dims, keepdim),
    (x) => (keepdim ? bms[name](x, dims, true) : x[name](dims)),
    (x) => nd[name](x, dims, keepdim),
    { inputs: [(name === 'prod' ? factors : uneven)(shape)], dtype: name === 'all' || name === 'any' ? 'bool' : 'f32', ...more },
  ]

/** What each reduction goes through. */
function common(name: Reduction): Sample[] {
  const x = over(name)
  return oneLiners([x([]), x([2, 3]), x([4, 3], -1), x([2, 1, 5], [0, -1], true), x([0, 3], 1)])
}

/** More, of those that a kernel computes. */
function more(name: Reduction): Sample[] {
  const x = over(name)
  return oneLiners([
    x([1]),
    x([], -1),
    x([5, 2], 0, true),
    x([3, 1], 1),
    x([2, 3], [], false, { name: 'over no dims' }),
    x([2, 3, 2], undefined, true, { name: 'over all dims, kept', torch: undefined }),
    x([2, 3, 2], [2, 0]),
    x([2, 3, 1, 2, 5], [1, 3], true),
    x([2, 67], 1),
  ])
}

/** Over no elements, where that is defined. */
const nothing = (name: Reduction): Sample[] => oneLiners([over(name)([0, 3], 0), over(name)([2, 0])])

/** Along the last of two dims of other inputs, which have no gradient. */
const also = (name: Reduction, title: string, input: Maker, dtype: bms.DType, text = torch[name](1, false)): Sample => ({
  name: title,
  inputs: [fixed(input)],
  run: (x) => x![name](1),
  reference: (x) => nd[name](x!, 1),
  torch: text,
  dtype,
})

const special = given([1, nan, 3, inf, 2, 3, -inf, inf, 0, nan, nan, nan, -inf, -inf, -inf], [5, 3])

const refused = (name: Reduction | 'std'): ErrorCase[] => [
  ...noDim(name, (x, dim) => bms[name](x, dim)),
  [() => bms[name](bms.zeros([2, 3]), [0, -2]), 'SHAPE', `${name}: dims [0, -2] name a dim twice`],
  noTensor(name, (x) => bms[name](x)),
]

const extreme = (name: 'max' | 'min'): Sample[] => [
  ...common(name),
  {
    name: 'equal extremes share the gradient',
    inputs: [given([2, -1, 2, -1, -1, -1, 2, 2, -1], [3, 3])],
    run: (x) => x![name](1),
    reference: (x) => nd[name](x!, 1),
    torch: torch[name](1, false),
    skip: { gradcheck: 'not differentiable there', gradgradcheck: 'as gradcheck' },
  },
  also(name, 'NaN and infinities', special, 'f32'),
  also(name, 'integers', whole([3, 4], -(2 ** 24), 2 ** 24), 'i32'),
  { ...also(name, 'u32', given([3, 4e9, 5, 7, 6, 8], [2, 3], 'u32'), 'u32'), torch: undefined },
  also(name, 'booleans', truths([4, 2]), 'bool'),
]

const noExtreme = (name: 'max' | 'min'): ErrorCase[] => [
  [() => bms[name](bms.zeros([0, 3]), 0), 'SHAPE', `${name}: the ${name} of no elements is undefined: shape [0, 3], dims [0]`],
  [() => bms.zeros([2, 0])[name](), 'SHAPE', `${name}: the ${name} of no elements is undefined: shape [2, 0], dims [0, 1]`],
]

const truth = (name: 'all' | 'any') =>
  op(name, {
    samples: [
      ...common(name),
      ...nothing(name),
      also(name, 'zeros among floats', given([1, 0, 2, 0, -0, 0, 0.5, nan, inf, -1, 0, nan], [4, 3]), 'bool'),
      also(name, 'integers', whole([5, 2], 0, 2), 'bool'),
      also(name, 'booleans', truths([5, 2]), 'bool'),
    ],
    noGradient: 'booleans have none',
    errors: refused(name),
  })

const atZero: Partial<Sample> = { skip: { gradcheck: 'the slope jumps there; PyTorch’s is 0', gradgradcheck: 'as gradcheck' } }

/** Variance and standard deviation: the function where dims are kept, else the method. */
function deviations(name: 'variance' | 'std'): Sample[] {
  const short = name === 'variance' ? 'var' : 'std'
  const x = (shape: readonly number[], dims?: Dims, keepdim = false, correction = 1, extra: Partial<Sample> = {}): OneLiner => [
    shape,
    `torch.${short}(a, ${list(dims)}, correction=${correction}, keepdim=${python(keepdim)})`,
    (t) => (keepdim ? bms[name](t, dims, true, correction) : t[short](dims, false, correction)),
    (t) => nd[name](t, dims, keepdim, correction),
    extra,
  ]
  return oneLiners([
    x([7]),
    x([3, 4], 1),
    x([3, 3], 0, true),
    x([2, 3, 2], [0, 2]),
    x([2, 1, 3, 2, 5], [1, -1], true),
    x([0, 3], 1),
    x([4, 3], 1, true, 0),
    x([2, 5], 1, false, 2),
    x([3, 1], 1, false, 0, { name: 'of one element by n', ...(name === 'std' ? atZero : {}) }),
    x([2, 1], 1, false, 1, { name: 'of one element is NaN', inputs: [fixed(real([2, 1]))] }),
    x([2, 0], 1, false, 1, { name: 'of nothing is NaN' }),
    x([3, 5], 1, false, 1, { name: 'far from 0', inputs: [real([3, 5], 100, 104)], skip: { f16: 'it rounds the differences of numbers near 100 away' } }),
    x([2, 5], 1, false, 1, { name: 'integers', inputs: [whole([2, 5], -3, 4)], torch: `a.double().${short}(1)` }),
  ])
}

const momentsOf = (shape: readonly number[], dims: bms.Dims): OneLiner => [
  shape,
  `(a.mean(${list(dims)}, True), torch.var(a, ${list(dims)}, correction=0, keepdim=True))`,
  // They are f32 also of f16.
  (x) => bms.moments(x, dims).map((t) => t.to(x.dtype)),
  (x) => [nd.mean(x, dims, true), nd.variance(x, dims, true, 0)],
]

const summedTo = (shape: readonly number[], to: readonly number[]): OneLiner => [
  shape,
  `a.sum_to_size(${JSON.stringify(to)})`,
  (x) => bms.sumTo(x, to),
  (x) => nd.sumTo(x, to),
]

export const reduceRows = [
  op('sum', {
    samples: [
      ...common('sum'),
      ...more('sum'),
      ...nothing('sum'),
      also('sum', 'NaN and infinities', special, 'f32'),
      also('sum', 'integers', whole([3, 4], -1000, 1000), 'i32'),
      also('sum', 'u32', whole([2, 3], 0, 9, 'u32'), 'u32'),
      also('sum', 'booleans are counted', truths([3, 5]), 'i32'),
    ],
    errors: refused('sum'),
  }),
  op('mean', {
    samples: [
      ...common('mean'),
      ...nothing('mean'),
      also('mean', 'NaN and infinities', special, 'f32'),
      also('mean', 'integers', whole([3, 4], -1000, 1000), 'f32', 'a.double().mean(1)'),
      also('mean', 'booleans', truths([3, 5]), 'f32', 'a.double().mean(1)'),
    ],
    errors: refused('mean'),
  }),
  op('max', { samples: [...extreme('max'), ...more('max')], errors: [...refused('max'), ...noExtreme('max')] }),
  op('min', { samples: extreme('min'), errors: [...refused('min'), ...noExtreme('min')] }),
  op('prod', {
    samples: [
      ...common('prod'),
      ...more('prod'),
      ...nothing('prod'),
      ...oneLiners([over('prod')([3, 3], 1, false, { name: 'one zero, two and none', inputs: [given([0, 2, 3, 0, 0, 2, 1, 2, 3], [3, 3])] })]),
      also('prod', 'NaN and infinities', special, 'f32'),
      also('prod', 'integers', whole([3, 4], -9, 9), 'i32'),
      also('prod', 'booleans', truths([5, 2]), 'i32'),
    ],
    errors: refused('prod'),
  }),
  truth('all'),
  truth('any'),
  op('variance', {
    covers: ['variance', 'Tensor.var'],
    samples: deviations('variance'),
    errors: [...noDim('var', (x, dim) => x.var(dim)), noTensor('var', (x) => bms.variance(x))],
  }),
  op('std', { samples: deviations('std'), errors: refused('std') }),
  op('norm', {
    samples: [
      ...common('norm'),
      ...nothing('norm'),
      ...oneLiners([over('norm')([2, 3], 1, false, { name: 'of zeros', inputs: [given([0, 0, 0, 3, 0, 4], [2, 3])], ...atZero })]),
      also('norm', 'NaN and infinities', special, 'f32'),
      also('norm', 'integers', whole([3, 4], -9, 9), 'f32', 'a.double().norm(dim=1)'),
    ],
    errors: refused('norm'),
  }),
  op('moments', {
    covers: ['moments'],
    samples: oneLiners([
      momentsOf([7], 0),
      momentsOf([3, 4], 1),
      momentsOf([2, 3, 2], [0, 2]),
      momentsOf([2, 3, 1, 5, 2], [0, 2, 3, 4]),
      momentsOf([0, 3], 1),
      momentsOf([3, 1], -1),
    ]),
    errors: [...noDim('moments', (x, dim) => bms.moments(x, dim)), noTensor('moments', (x) => bms.moments(x, 0))],
  }),
  op('sumTo', {
    covers: ['sumTo'],
    samples: oneLiners([
      summedTo([3], [3]),
      summedTo([2, 3], []),
      summedTo([2, 3], [3]),
      summedTo([4, 3], [4, 1]),
      summedTo([2, 1, 3], [1, 3]),
      summedTo([2, 3, 2, 1, 5], [3, 1, 1, 5]),
      summedTo([0, 3], [1, 3]),
    ]),
    errors: [
      [() => bms.sumTo(bms.zeros([2, 3]), [2]), 'SHAPE', 'sumTo: [2] does not broadcast to [2, 3]'],
      [() => bms.sumTo(bms.zeros([6]), [2, 3]), 'SHAPE', 'sumTo: [2, 3] does not broadcast to [6]'],
    ],
  }),
]
