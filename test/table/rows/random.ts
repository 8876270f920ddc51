// Random numbers and their laws.
import * as bms from '@bms/nn'
import type { ErrorCase } from '../op.js'
import { independent, type Law, permutation, randomOp } from '../random-op.js'
import { noTensor } from '../refusals.js'

/** Multiples of 1 / n from 0 to 1 - 1 / n, all as likely. */
function uniform(n: number): Law {
  const variance = (1 - 1 / n ** 2) / 12
  return independent({ low: 0, high: 1, mean: (1 - 1 / n) / 2, variance, fourth: 1 / 80, below: (x) => x + 1 / n })
}

/** The normal distribution function: Abramowitz and Stegun 7.1.26, off by less than 1e-7. */
function normalBelow(x: number): number {
  const z = Math.abs(x) / Math.SQRT2
  const t = 1 / (1 + 0.3275911 * z)
  const tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))) * Math.exp(-z * z)
  return x < 0 ? tail / 2 : 1 - tail / 2
}
// Box-Muller of the least word is √(2 ln 2^33) = 6.764 long.
const normal = independent({ low: -6.77, high: 6.77, mean: 0, variance: 1, fourth: 3, below: normalBelow })

/** Whole numbers from `low` to `high` - 1. */
function integers(low: number, high: number): Law {
  const n = high - low
  const law = independent({
    low,
    high: high - 1,
    mean: (low + high - 1) / 2,
    variance: (n ** 2 - 1) / 12,
    fourth: ((n ** 2 - 1) * (3 * n ** 2 - 7)) / 240,
    below: (x) => (x - low + 1) / n,
  })
  return (values, rounding) => {
    for (const v of values) if (!Number.isInteger(v)) throw new Error(`${v} is not a whole number`)
    law(values, rounding)
  }
}

/** `value` with probability p, else 0. */
function either(p: number, value: number): Law {
  const law = independent({
    low: 0,
    high: value,
    mean: p * value,
    variance: p * (1 - p) * value ** 2,
    fourth: p * (1 - p) * (1 - 3 * p * (1 - p)) * value ** 4,
    below: (x) => (x < value ? 1 - p : 1),
  })
  return (values, rounding) => {
    for (const v of values) if (v !== 0 && v !== value) throw new Error(`${v} is neither 0 nor ${value}`)
    law(values, rounding)
  }
}

/** Each bit of a word is set in half of them. (32 bounds more: of a right generator they fail for one seed in 50,000.) */
const words: Law = (values, rounding) => {
  integers(0, 2 ** 32)(values, rounding)
  for (let bit = 0; bit < 32; bit++) {
    const share = values.filter((v) => (v >>> bit) & 1).length / values.length
    if (Math.abs(share - 0.5) > 2.5 / Math.sqrt(values.length)) throw new Error(`bit ${bit} is set in ${share} of the words`)
  }
}

const badShape = (name: string, call: (shape: number[]) => unknown): ErrorCase[] => [
  [() => call([-1]), 'SHAPE', `${name}: a shape is a list of whole numbers ≥ 0, got [-1]`],
  [() => call([1.5]), 'SHAPE', `${name}: a shape is a list of whole numbers ≥ 0, got [1.5]`],
]
const noFloat = (name: string, call: (options: bms.CreateOptions) => unknown): ErrorCase => [
  () => call({ dtype: 'i32' }),
  'DTYPE',
  `${name}: gives f32 or f16, not i32; for whole numbers use randint`,
]
const noProbability = (name: string, call: (p: number) => unknown): ErrorCase[] =>
  [1.5, -0.1, Number.NaN].map((p) => [() => call(p), 'ARGUMENT', `${name}: a probability from 0 to 1 is needed, got ${p}`])

export const randomRows = [
  randomOp('rand', {
    covers: ['rand', 'manualSeed'],
    draws: [{ name: 'numbers', draw: bms.rand, law: uniform(2 ** 24) }],
    errors: [
      ...badShape('rand', bms.rand),
      noFloat('rand', (o) => bms.rand([2], o)),
      [() => bms.manualSeed(-1), 'ARGUMENT', 'manualSeed: a seed is a whole number from 0 to 2^53-1, got -1'],
      [() => bms.manualSeed(0.5), 'ARGUMENT', 'manualSeed: a seed is a whole number from 0 to 2^53-1, got 0.5'],
      [() => bms.manualSeed(2 ** 53), 'ARGUMENT', 'manualSeed: a seed is a whole number from 0 to 2^53-1, got 9007199254740992'],
    ],
  }),
  randomOp('randn', {
    draws: [{ name: 'numbers', draw: bms.randn, law: normal }],
    errors: [...badShape('randn', bms.randn), noFloat('randn', (o) => bms.randn([2], o))],
  }),
  randomOp('randLike', {
    draws: [{ name: 'of floats', draw: (shape, options) => bms.randLike(bms.zeros(shape, options)), law: uniform(2 ** 24) }],
    errors: [noTensor('randLike', bms.randLike)],
  }),
  randomOp('randnLike', {
    draws: [
      { name: 'of floats', draw: (shape, options) => bms.randnLike(bms.zeros(shape, options)), law: normal },
      { name: 'of integers', draw: (shape) => bms.randnLike(bms.zeros(shape, { dtype: 'i32' })), law: normal, noHalf: 'integers give f32' },
    ],
    errors: [noTensor('randnLike', bms.randnLike)],
  }),
  randomOp('randint', {
    draws: [
      { name: 'i32', draw: (shape, options) => bms.randint(-3, 4, shape, options), dtype: 'i32', law: integers(-3, 4) },
      {
        name: 'u32',
        draw: (shape) => bms.randint(0, 2 ** 32, shape, { dtype: 'u32' }),
        dtype: 'u32',
        law: integers(0, 2 ** 32),
        noHalf: 'numbers beyond its range',
      },
    ],
    errors: [
      ...badShape('randint', (shape) => bms.randint(0, 2, shape)),
      [() => bms.randint(3, 3, [2]), 'ARGUMENT', 'randint: whole numbers with low < high from -2147483648 to 2147483648 (for i32) are needed, got 3 and 3'],
      [
        () => bms.randint(-1, 3, [2], { dtype: 'u32' }),
        'ARGUMENT',
        'randint: whole numbers with low < high from 0 to 4294967296 (for u32) are needed, got -1 and 3',
      ],
      [() => bms.randint(0, 2, [2], { dtype: 'bool' }), 'DTYPE', 'randint: gives i32, u32, f32 or f16; for booleans compare rand with a probability'],
    ],
  }),
  randomOp('randomBits', {
    draws: [{ name: 'words', draw: (shape) => bms.randomBits(shape), dtype: 'u32', law: words, noHalf: 'words have 32 bits' }],
    errors: badShape('randomBits', bms.randomBits),
  }),
  randomOp('randperm', {
    draws: [
      {
        name: 'orders',
        draw: ([n]) => bms.randperm(n!),
        dtype: 'i32',
        law: permutation,
        count: 1001,
        shapes: [[0], [1], [2], [77]],
        noHalf: 'whole numbers',
      },
    ],
    errors: [
      [() => bms.randperm(-1), 'ARGUMENT', 'randperm: a whole number ≥ 0 is needed, got -1'],
      [() => bms.randperm(1.5), 'ARGUMENT', 'randperm: a whole number ≥ 0 is needed, got 1.5'],
    ],
  }),
  randomOp('bernoulli', {
    draws: [
      { name: 'of a number', draw: (shape, options) => bms.bernoulli(0.25, shape, options), law: either(0.25, 1) },
      { name: 'of a tensor', draw: (shape, options) => bms.bernoulli(bms.full([], 0.625).requiresGrad_(), shape, options), law: either(0.625, 1) },
    ],
    errors: [
      ...badShape('bernoulli', (shape) => bms.bernoulli(0.5, shape)),
      ...noProbability('bernoulli', (p) => bms.bernoulli(p, [2])),
      [() => bms.bernoulli(0.5), 'ARGUMENT', 'bernoulli: a shape is needed beside a number: bernoulli(0.5, [2, 3])'],
      noFloat('bernoulli', (o) => bms.bernoulli(0.5, [2], o)),
    ],
  }),
  randomOp('dropoutMask', {
    draws: [{ name: 'numbers', draw: (shape, options) => bms.dropoutMask(shape, 0.75, options), law: either(0.25, 4) }],
    errors: [
      ...badShape('dropoutMask', (shape) => bms.dropoutMask(shape, 0.5)),
      ...noProbability('dropoutMask', (p) => bms.dropoutMask([2], p)),
      noFloat('dropoutMask', (o) => bms.dropoutMask([2], 0.5, o)),
    ],
  }),
]
