// Every scalar op in float64, and the arguments at which careless formulas break: what the rows of element-wise ops and the random programs are compared
// with. An op of the map table without an entry here does not compile.
import type { MapOpName } from '@bms/nn'
import type { Tolerance } from './compare.js'

export interface Scalar {
  /** The op of numbers, in float64. The arguments are those of the function, plain numbers (a slope, bounds) included. */
  of: (...v: number[]) => number
  /** Awkward values of each tensor argument; all combinations are to be tried. */
  awkward: readonly (readonly number[])[]
  /** The plain numbers that the awkward values are tried with. */
  numbers?: readonly number[]
  /** Of each result, relative to max(1, |expected|). */
  tolerance?: Tolerance
}

/** What a scalar op may be off by, relative to max(1, |expected|). */
export const scalarTolerance = 1e-6

const inf = Number.POSITIVE_INFINITY
const nan = Number.NaN
const f = Math.fround

/** Zeros, tiny, the edges of each approximation, whole numbers and halves, huge, not finite. */
const every = [
  ...[0, -0, 1e-30, -1e-30, 1e-6, -1e-4, 0.2499, 0.25, -0.25, 0.4999, 0.5, -0.5, 1, -1, 1.5, 2.5, -2.5, 3.7, -7, 10, -10.5, 20],
  ...[44.5, -44.5, 87, -87, 1e4, -1e4, 1e20, -1e20, inf, -inf, nan],
].map(f)
/** Beyond these f32 does not have the digits that a sine needs. */
const moderate = every.filter((x) => !(Math.abs(x) > 10000 && Math.abs(x) < inf))
const finite = every.filter(Number.isFinite)
const few = [0, 1, -1, 0.5, -2.5, 3, 1e20, -1e20, inf, -inf, nan]

const unary = (of: Scalar['of'], awkward: readonly number[] = every, tolerance?: Tolerance): Scalar => ({ of, awkward: [awkward], tolerance })
const binary = (of: Scalar['of'], a: readonly number[] = few, b: readonly number[] = few, tolerance?: Tolerance): Scalar => ({
  of,
  awkward: [a.map(f), b.map(f)],
  tolerance,
})
const truth =
  (of: (...v: number[]) => boolean): Scalar['of'] =>
  (...v) =>
    Number(of(...v))

/** The series whose terms all have one sign, so that nothing cancels; and 1 where erf is 1. */
export function erf(x: number): number {
  if (!(Math.abs(x) < 6)) return Number.isNaN(x) ? nan : Math.sign(x)
  let term = x
  let sum = x
  for (let n = 1; n < 200; n++) {
    term *= (2 * x * x) / (2 * n + 1)
    sum += term
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum
}

/** Halves to the even neighbour. */
function round(x: number): number {
  const r = Math.round(x)
  return Math.abs(x % 1) === 0.5 && r % 2 !== 0 ? r - 1 : r
}

/** As C and PyTorch have it: 1 to any power is 1, also to an infinite one. */
const pow = (x: number, y: number): number => (x === 1 || (x === -1 && Math.abs(y) === inf) ? 1 : x ** y)

/** Has the rest of a division of truncated quotient the other sign than the divisor? */
const apart = (rest: number, b: number): boolean => rest !== 0 && rest < 0 !== b < 0

function remainder(a: number, b: number): number {
  const rest = a % b
  return apart(rest, b) ? rest + b : rest
}

function floorDivide(a: number, b: number): number {
  if (b === 0) return a / b
  const rest = a % b
  return Math.round((a - rest) / b) - Number(apart(rest, b))
}

const maximum = (a: number, b: number): number => (Number.isNaN(a) || Number.isNaN(b) ? nan : Math.max(a, b))
const minimum = (a: number, b: number): number => (Number.isNaN(a) || Number.isNaN(b) ? nan : Math.min(a, b))
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))

const wideExp: Tolerance = { value: 1.2e-5, why: 'WGSL allows 3 + 2|x| units in the last place for exp: 1.1e-5 at 87' }
const wideErf: Tolerance = { value: 3e-6, why: '1.5e-7 in erf or tanh, times x/2' }
const widePow: Tolerance = { value: 2e-5, why: 'exp2(y·log2 x): the error grows with the exponent' }

export const scalar: Record<MapOpName, Scalar> = {
  neg: unary((x) => -x!),
  abs: unary((x) => Math.abs(x!)),
  // PyTorch's sign of NaN is 0.
  sign: unary((x) => Math.sign(x!) || 0),
  floor: unary((x) => Math.floor(x!)),
  ceil: unary((x) => Math.ceil(x!)),
  round: unary((x) => round(x!)),
  trunc: unary((x) => Math.trunc(x!)),
  square: unary((x) => x! * x!),
  exp: unary((x) => Math.exp(x!), every, wideExp),
  expm1: unary((x) => Math.expm1(x!), every, wideExp),
  log: unary((x) => Math.log(x!)),
  log1p: unary((x) => Math.log1p(x!)),
  sqrt: unary((x) => Math.sqrt(x!)),
  rsqrt: unary((x) => 1 / Math.sqrt(x!)),
  reciprocal: unary((x) => 1 / x!),
  sin: unary((x) => Math.sin(x!), moderate),
  cos: unary((x) => Math.cos(x!), moderate),
  tanh: unary((x) => Math.tanh(x!)),
  sigmoid: unary((x) => sigmoid(x!)),
  softplus: unary((x) => Math.max(x!, 0) + Math.log1p(Math.exp(-Math.abs(x!)))),
  silu: unary((x) => x! * sigmoid(x!)),
  gelu: unary((x) => 0.5 * x! * (1 + erf(x! / Math.SQRT2)), every, wideErf),
  geluTanh: unary((x) => 0.5 * x! * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x! + 0.044715 * x! ** 3))), every, wideErf),
  erf: unary((x) => erf(x!)),
  relu: unary((x) => (x! < 0 ? 0 : x!)),
  leakyRelu: { ...unary((x, slope) => (x! < 0 ? slope! * x! : x!)), numbers: [0.2] },
  elu: { ...unary((x, alpha) => (x! < 0 ? alpha! * Math.expm1(x!) : x!)), numbers: [1.5] },
  add: binary((a, b) => a! + b!),
  sub: binary((a, b) => a! - b!),
  mul: binary((a, b) => a! * b!),
  div: binary((a, b) => a! / b!),
  floorDivide: binary((a, b) => floorDivide(a!, b!), [...few, 5.5, -5.5, 6, -8, 7e6], [...few, 0.1, -0.7]),
  remainder: binary((a, b) => remainder(a!, b!), [...few, 5.5, -5.5, 6, -8, 7e6], [...few, 0.1, -0.7]),
  pow: binary(
    (a, b) => pow(a!, b!),
    [0, -0, 1, -1, 0.5, 2, -2, -8, 3.3, 10, inf, -inf, nan],
    [0, 1, 2, 3, 4, 5, -1, -2, -3, 0.5, 1 / 3, 2.5, -0.5, inf, -inf, nan],
    widePow,
  ),
  maximum: binary((a, b) => maximum(a!, b!)),
  minimum: binary((a, b) => minimum(a!, b!)),
  clamp: { ...unary((x, min, max) => minimum(maximum(x!, min!), max!)), numbers: [0, 2] },
  eq: binary(truth((a, b) => a === b)),
  ne: binary(truth((a, b) => a !== b)),
  lt: binary(truth((a, b) => a! < b!)),
  le: binary(truth((a, b) => a! <= b!)),
  gt: binary(truth((a, b) => a! > b!)),
  ge: binary(truth((a, b) => a! >= b!)),
  isnan: unary(truth((x) => Number.isNaN(x))),
  isinf: unary(truth((x) => Math.abs(x!) === inf)),
  logicalNot: unary(truth((x) => x === 0)),
  logicalAnd: binary(truth((a, b) => a !== 0 && b !== 0)),
  logicalOr: binary(truth((a, b) => a !== 0 || b !== 0)),
  where: { of: (c, a, b) => (c !== 0 ? a! : b!), awkward: [[0, 1, -2], few, few] },
  reluGrad: binary((g, y) => (y! <= 0 ? 0 : g!), finite, [0, 1, -1, 3]),
  leakyReluGrad: { ...binary((g, y, slope) => (y! <= 0 ? slope! * g! : g!), finite, [0, 1, -1, 3]), numbers: [0.1] },
  tanhGrad: binary((g, y) => g! * (1 - y! * y!), finite, [0, 0.5, -0.75, 1]),
  sigmoidGrad: binary((g, y) => g! * (y! * (1 - y!)), finite, [0, 0.5, 0.75, 1]),
}
