// Rows of element-wise ops from a name and what PyTorch calls it: the shapes, dtypes, awkward values and wrong arguments that all of them share. The
// reference is the op's entry in scalar.ts, element by element; plain numbers that follow the tensors (a slope, bounds) come from there too.
import * as bms from '@bms/nn'
import type { DType, MapOpName, Tensor } from '@bms/nn'
import { type Nd, zip } from '../helpers/nd.js'
import { type ErrorCase, op, type OpRow, type OpSpec, type Sample } from './op.js'
import { scalar, scalarTolerance } from './scalar.js'
import { fixed, given, type Maker, real, truths, whole } from './values.js'

type Arg = Tensor | number
type Fn = (...args: Arg[]) => Tensor

const fn = (name: string): Fn => (bms as unknown as Record<string, Fn>)[name]!

/** The method of that name, its tensor in front. */
const method =
  (name: string): Fn =>
  (x, ...rest) =>
    (x as unknown as Record<string, Fn>)[name]!(...rest)

/** A number as a tensor of that dtype holds it: whole numbers wrap. */
const stored = (v: number, dtype: DType): number => (dtype === 'i32' ? v | 0 : dtype === 'u32' ? v >>> 0 : dtype === 'bool' ? Number(v !== 0) : v)

/** An op of numbers, element by element, broadcasting. */
export const map = (of: (...v: number[]) => number, dtype: DType, ...args: Nd[]): Nd => zip((...v) => stored(of(...v), dtype), ...args)

/** What dtype comes out. `float`: always f32; `same`: the arguments' common one, truths counting as i32; `truth`: bool. */
type Result = 'float' | 'same' | 'truth'

const order: readonly DType[] = ['bool', 'u32', 'i32', 'f32']
const common = (...dtypes: DType[]): DType => order[Math.max(...dtypes.map((d) => order.indexOf(d)))]!

function resultOf(result: Result, ...dtypes: DType[]): DType {
  if (result !== 'same') return result === 'float' ? 'f32' : 'bool'
  return common(...dtypes) === 'bool' ? 'i32' : common(...dtypes)
}

interface Options extends Partial<OpSpec> {
  /** Default 'float'. */
  result?: Result
  /** Ways to call it. Default: the function and the method of that name. */
  calls?: readonly [Fn, Fn]
  /** Makes each argument. Default: numbers of both signs. */
  values?: readonly ((shape: readonly number[]) => Maker)[]
  /** Values of each argument where PyTorch chooses between several gradients, or has an infinite one. */
  kinks?: readonly (readonly number[])[]
  /** What PyTorch calls it at awkward values, where that differs. */
  awkwardTorch?: string
  /** Samples and errors beside those that all ops share. */
  more?: readonly Sample[]
  errors?: readonly ErrorCase[]
}

/** An op with its options, and with the plain numbers behind its tensors. */
interface Op extends Options {
  name: MapOpName
  torch: string
  result: Result
  /** Of the results of floats. */
  dtype: DType
  of: (...v: number[]) => number
  calls: readonly [Fn, Fn]
}

export function describe(name: MapOpName, torch: string, options: Options): Op {
  const { result = 'float', calls = [fn(name), method(name)] } = options
  const { of, numbers = [] } = scalar[name]
  const [first, second] = calls
  return {
    ...options,
    name,
    torch,
    result,
    dtype: result === 'truth' ? 'bool' : 'f32',
    of: (...v) => of(...v, ...numbers),
    calls: [(...x) => first(...x, ...numbers), (...x) => second(...x, ...numbers)],
  }
}

/** The op of whole arrays; `way` counts through the ways to call it. */
export const sample = (o: Op, name: string, inputs: readonly Maker[], way: number, skip?: Sample['skip']): Sample => ({
  name,
  inputs,
  run: (...x) => o.calls[way % 2]!(...x),
  reference: (...x) => map(o.of, o.dtype, ...x),
  torch: o.torch,
  dtype: o.dtype,
  skip,
})

/** What does not depend on the shape is tried at one or two, for every check takes time. */
export const skipUnless = (at: { layouts?: boolean; differences?: boolean }): Sample['skip'] => ({
  ...(at.layouts ? {} : { layouts: 'a matrix and five dims come in all layouts' }),
  ...(at.differences ? {} : { gradcheck: 'PyTorch has the gradients; another shape has finite differences', gradgradcheck: 'as gradcheck' }),
})
const atKinks: Sample['skip'] = { ...skipUnless({}), gradcheck: 'kinks and poles have no finite differences' }

function kinks(o: Op, lists = o.kinks): Sample[] {
  if (!lists || o.noGradient) return []
  const inputs = lists.map((list) => given(list))
  return [sample(o, 'kinks', inputs, 0, atKinks)]
}

/** The op at the awkward arguments of its entry: they meet in a matrix (or a block), whose elements are compared one by one. */
export function awkward(o: Op): Sample {
  const { awkward: lists, tolerance } = scalar[o.name]
  const inputs = lists.map((list, i) => fixed(given(list, [list.length, ...lists.slice(i + 1).map(() => 1)])))
  return {
    ...sample(o, 'awkward values', inputs, 0, { ...skipUnless({}), f16: 'values beyond the range of f16' }),
    torch: o.awkwardTorch ?? o.torch,
    tolerance: { value: scalarTolerance, why: 'one operation', ...tolerance, each: true },
  }
}

/** All element-wise ops refuse these. */
export const refused = ({ name, calls }: Op, tensors: number): ErrorCase[] => [
  [() => calls[0](...new Array<number>(tensors).fill(2)), 'ARGUMENT', `${name}: at least one argument must be a Tensor`],
  [() => calls[0]('2' as unknown as number), 'ARGUMENT', `${name}: argument 1 is string; a Tensor or a number is needed`],
]

const ofTypes: Sample['skip'] = { layouts: 'dtypes do not depend on memory order', f16: 'some results are f32 whatever comes in' }
const wholes: readonly DType[] = ['i32', 'u32', 'bool']

const wholeNumbers = (o: Op): Sample => ({
  name: 'whole numbers and truths',
  inputs: [whole([2, 3], -3, 4), whole([2, 3], 0, 5, 'u32'), truths([2, 3])],
  run: (...x) => x.map((t) => o.calls[0](t)),
  reference: (...x) => x.map((t, i) => map(o.of, resultOf(o.result, wholes[i]!), t)),
  dtype: wholes.map((t) => resultOf(o.result, t)),
  skip: ofTypes,
})

const shapes = [[], [1], [0], [7], [3, 5], [2, 1, 3], [2, 1, 3, 1, 2]]

interface UnaryOptions extends Options {
  /** How far from 0 the matrix among the shapes goes: for what saturates. */
  reach?: number
}

/** A row of a function of one tensor. `torch` is the same of `a`. */
export function unary(name: MapOpName, torch: string, options: UnaryOptions = {}): OpRow {
  const o = describe(name, torch, options)
  const { values: [values = real] = [], reach } = options
  const maker = (shape: readonly number[]): Maker => (reach && shape.length === 2 ? real(shape, -reach, reach) : values(shape))
  return op(name, {
    ...options,
    samples: [
      ...shapes.map((shape, i) =>
        sample(o, `[${shape}]`, [maker(shape)], i, skipUnless({ layouts: [2, 5].includes(shape.length), differences: shape[0] === 7 })),
      ),
      ...kinks(o, options.kinks ?? [[0, 1, -1, 0.5, -0.5, 2]]),
      awkward(o),
      wholeNumbers(o),
      ...(options.more ?? []),
    ],
    errors: [...refused(o, 1), ...(options.errors ?? [])],
  })
}

/** Pairs of shapes that broadcast: either to the other, both to a third, none. */
const pairs: readonly string[] = ['[] [3]', '[1] [0]', '[3,1] [1,3]', '[3] [2,1,3]', '[3,5] [3,5]', '[2,1,3,1,2] [3,1,2,1]']

/** No number of these is near one of `real`. */
const beside = (shape: readonly number[]): Maker => real(shape, -1.4, 1.7)

interface BinaryOptions extends Options {
  /** The whole numbers on the right: from, to before. Default: both signs and 0. */
  right?: readonly [number, number]
  /** Try every pair of dtypes, not just some. */
  everyPair?: boolean
}

/** A row of a function of two tensors, or of a tensor and a number. `torch` is the same of `a` and `b`. */
export function binary(name: MapOpName, torch: string, options: BinaryOptions = {}): OpRow {
  const o = describe(name, torch, options)
  const [call, otherCall] = o.calls
  const { values: [left = real, right = left] = [real, beside] } = options
  const torchOf = (a: string, b: string): string => `(lambda a, b: ${torch})(${a}, ${b})`
  return op(name, {
    ...options,
    samples: [
      ...pairs.map((pair, i) => {
        const [a, b] = pair.split(' ').map((text) => JSON.parse(text) as number[])
        return sample(o, pair, [left(a!), right(b!)], i, skipUnless({ layouts: i > 3, differences: i === 2 }))
      }),
      {
        name: 'numbers on either side',
        inputs: [right([2, 3])],
        run: (x) => [call(3, x!), otherCall(x!, 2.5)],
        reference: (x) => [map((v) => o.of(3, v), o.dtype, x!), map((v) => o.of(v, 2.5), o.dtype, x!)],
        torch: `(${torchOf('torch.tensor(3.0)', 'a')}, ${torchOf('a', 'torch.tensor(2.5)')})`,
        dtype: o.dtype,
        skip: skipUnless({ differences: true }),
      },
      {
        ...sample(o, 'the same twice', [right([3])], 0, o.kinks ? atKinks : skipUnless({ differences: true })),
        run: (x) => call(x!, x!),
        reference: (x) => map((v) => o.of(v, v), o.dtype, x!),
        torch: torchOf('a', 'a'),
      },
      ...kinks(o),
      awkward(o),
      promotion(o, options),
      ...(options.more ?? []),
    ],
    errors: [
      ...refused(o, 2),
      [
        () => otherCall(bms.zeros([2, 3]), bms.zeros([2])),
        'SHAPE',
        `${name}: shapes do not broadcast: [2, 3] and [2]: dim -1 is 3 and 2 (equal sizes, or a 1, are needed)`,
      ],
      ...(options.errors ?? []),
    ],
  })
}

/** Whole numbers near the ends of their range, or of more digits than f32 has. */
export const limits = (name: MapOpName, dtype: DType, a: number[], b: number[], expected: number[], result = dtype): Sample => ({
  name: `${dtype} near the limits`,
  inputs: [given(a, [a.length], dtype), given(b, [b.length], dtype)],
  run: (x, y) => fn(name)(x!, y!),
  reference: () => ({ shape: [a.length], data: expected }),
  dtype: result,
})

/** Pairs of dtypes, and numbers beside a tensor: a number that fits has the tensor's dtype. */
function promotion(o: Op, { right: [low, high] = [-3, 4], everyPair }: BinaryOptions): Sample {
  const left = [truths([4]), whole([4], 0, 5, 'u32'), whole([4], -5, 6), fixed(real([4], -3, 3))]
  const right = [low > 0 ? whole([4], 1, 2, 'bool') : truths([4]), whole([4], Math.max(0, low), high, 'u32'), whole([4], low, high), fixed(real([4], 0.5, 3))]
  const both = left.flatMap((_, i) => right.map((__, j) => [i, j] as const)).filter(([i, j]) => everyPair || i === j || i + j === 3)
  const numbers: readonly (readonly [number, number, DType])[] = [
    [0, 2, 'i32'],
    [1, 2, 'u32'],
    [1, -1, 'i32'],
    [2, 1.5, 'f32'],
  ]
  return {
    name: 'dtypes',
    inputs: [...left, ...right],
    run: (...x) => [...both.map(([i, j]) => o.calls[0](x[i]!, x[4 + j]!)), ...numbers.map(([i, v]) => o.calls[1](x[i]!, v)), o.calls[0](7, x[6]!)],
    reference: (...x) => [
      ...both.map(([i, j]) => map(o.of, resultOf(o.result, order[i]!, order[j]!), x[i]!, x[4 + j]!)),
      ...numbers.map(([i, v, t]) => map((a) => o.of(a, v), resultOf(o.result, order[i]!, t), x[i]!)),
      map((b) => o.of(7, b), resultOf(o.result, 'i32'), x[6]!),
    ],
    dtype: [
      ...both.map(([i, j]) => resultOf(o.result, order[i]!, order[j]!)),
      ...numbers.map(([i, , t]) => resultOf(o.result, order[i]!, t)),
      resultOf(o.result, 'i32'),
    ],
    skip: ofTypes,
  }
}
