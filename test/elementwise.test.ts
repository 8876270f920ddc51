// Every scalar op against float64 at awkward values. One table; an op without a row fails the test.
import * as bms from '@bms/tensor'
import { mapOps, type Tensor, tensor } from '@bms/tensor'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { close, ready } from './helpers/device.js'

const test = suite('elementwise')
const inf = Number.POSITIVE_INFINITY
const nan = Number.NaN
const f = Math.fround

test.before(async () => {
  await ready()
})

/** erf in float64: the series, and 1 where it is 1. */
function erf(x: number): number {
  if (!(Math.abs(x) < 6)) return Number.isNaN(x) ? nan : Math.sign(x)
  let term = x
  let sum = x
  for (let n = 1; n < 200; n++) {
    term *= (-x * x) / n
    sum += term / (2 * n + 1)
  }
  return (2 / Math.sqrt(Math.PI)) * sum
}

function evenRound(x: number): number {
  const r = Math.round(x)
  return Math.abs(x % 1) === 0.5 && r % 2 !== 0 ? r - 1 : r
}

const top = (a: number, b: number): number => (Number.isNaN(a) || Number.isNaN(b) ? nan : Math.max(a, b))
const least = (a: number, b: number): number => (Number.isNaN(a) || Number.isNaN(b) ? nan : Math.min(a, b))
/** As C and PyTorch have it: 1 to any power is 1, also to an infinite one. */
const power = (x: number, y: number): number => (x === 1 || (x === -1 && Math.abs(y) === inf) ? 1 : x ** y)
/** As Python and PyTorch have it: what is smaller than the divisor goes into it 0 times, or -1 times where the signs differ; infinity goes into nothing. */
function quotient(a: number, b: number): number {
  if (Math.abs(a) < Math.abs(b)) return a !== 0 && a < 0 !== b < 0 ? -1 : 0
  return Math.abs(a) === inf && b !== 0 ? nan : Math.floor(f(a / b))
}
const geluTanh = (x: number): number => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)))
const logistic = (x: number): number => 1 / (1 + Math.exp(-x))
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))

/** Values that break careless formulas: zeros, tiny, the edges of each approximation, huge, not finite. */
const awkward = [
  0,
  -0,
  1e-30,
  -1e-30,
  1e-6,
  -1e-4,
  0.2499,
  0.25,
  -0.25,
  0.4999,
  0.5,
  -0.5,
  1,
  -1,
  1.5,
  2.5,
  -2.5,
  3.7,
  -7,
  10,
  -10.5,
  20,
  44.5,
  -44.5,
  87,
  -87,
  1e4,
  -1e4,
  1e20,
  -1e20,
  inf,
  -inf,
  nan,
].map(f)
const finite = awkward.filter(Number.isFinite)
const moderate = finite.filter((x) => Math.abs(x) <= 100)

interface Row {
  fn: (...v: number[]) => number
  /** Values of each argument; all combinations are tried. */
  args: readonly (readonly number[])[]
  /** How the op is called where it is not the function of that name. */
  call?: (...t: Tensor[]) => Tensor
  /** Relative to max(1, |expected|); default 1e-6. */
  tolerance?: number
}

const unary = (fn: (x: number) => number, values: readonly number[] = awkward, tolerance?: number): Row => ({ fn, args: [values], tolerance })
const some = [0, 1, -1, 0.5, -2.5, 3, 1e20, -1e20, inf, -inf, nan]
const binary = (fn: (a: number, b: number) => number, a: readonly number[] = some, b: readonly number[] = some, tolerance?: number): Row => ({
  fn,
  args: [a, b],
  tolerance,
})
const truth =
  (fn: (...v: number[]) => boolean): ((...v: number[]) => number) =>
  (...v) =>
    Number(fn(...v))

const rows: Record<keyof typeof mapOps, Row> = {
  neg: unary((x) => -x),
  abs: unary(Math.abs),
  // PyTorch's sign of NaN is 0.
  sign: unary((x) => (Number.isNaN(x) ? 0 : Math.sign(x))),
  floor: unary(Math.floor),
  ceil: unary(Math.ceil),
  round: unary(evenRound),
  trunc: unary(Math.trunc),
  square: unary((x) => f(x * x)),
  // WGSL allows 3 + 2|x| units in the last place for exp: 1.1e-5 at 87.
  exp: unary((x) => f(Math.exp(x)), awkward, 1.2e-5),
  expm1: unary((x) => f(Math.expm1(x)), awkward, 1.2e-5),
  log: unary(Math.log),
  log1p: unary(Math.log1p),
  sqrt: unary(Math.sqrt),
  rsqrt: unary((x) => f(1 / Math.sqrt(x))),
  reciprocal: unary(
    (x) => f(1 / x),
    awkward.filter((x) => x === 0 || Math.abs(x) > 1e-20),
  ),
  // WGSL promises 2^-11 within [-π, π], and SwiftShader keeps to just that.
  sin: unary(Math.sin, moderate, 2 ** -11),
  cos: unary(Math.cos, moderate, 2 ** -11),
  tanh: unary(Math.tanh),
  sigmoid: unary(logistic),
  softplus: unary(softplus),
  silu: unary(
    (x) => x * logistic(x),
    awkward.filter((x) => x !== -inf),
  ),
  // 1.5e-7 absolute in erf, times x/2.
  gelu: {
    ...unary(
      (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
      awkward.filter((x) => x > -1e4),
    ),
    tolerance: 3e-6,
  },
  geluTanh: {
    ...unary(
      geluTanh,
      awkward.filter((x) => x !== -inf),
      3e-6,
    ),
    call: (x) => bms.gelu(x!, 'tanh'),
  },
  erf: unary(erf),
  relu: unary((x) => (x < 0 ? 0 : x)),
  leakyRelu: { ...unary((x) => (x < 0 ? f(0.2) * x : x)), call: (x) => bms.leakyRelu(x!, 0.2) },
  elu: { ...unary((x) => (x < 0 ? 1.5 * Math.expm1(x) : x)), call: (x) => bms.elu(x!, 1.5) },
  add: binary((a, b) => f(a + b)),
  sub: binary((a, b) => f(a - b)),
  mul: binary((a, b) => f(a * b)),
  div: binary((a, b) => f(a / b)),
  floorDivide: binary(quotient),
  remainder: binary((a, b) => a - Math.floor(a / b) * b, [0, 1, -1, 5.5, -5.5, 7, -8], [1, -1, 2.5, -2.5, 3]),
  // exp2(y·log2 x): the error grows with the exponent.
  pow: binary(
    (a, b) => f(power(a, b)),
    [0, 1, -1, 0.5, 2, -2, -8, 3.3, 10, inf, -inf, nan],
    [0, 1, 2, 3, 4, 5, -1, -2, -3, 0.5, 1 / 3, 2.5, -0.5, inf, -inf, nan],
    2e-5,
  ),
  maximum: binary(top),
  minimum: binary(least),
  clamp: { fn: (x) => (Number.isNaN(x) ? nan : Math.min(Math.max(x, -1.5), 2)), args: [awkward], call: (x) => bms.clamp(x!, -1.5, 2) },
  eq: binary(truth((a, b) => a === b)),
  ne: binary(truth((a, b) => a !== b)),
  lt: binary(truth((a, b) => a < b)),
  le: binary(truth((a, b) => a <= b)),
  gt: binary(truth((a, b) => a > b)),
  ge: binary(truth((a, b) => a >= b)),
  isnan: unary(truth((x) => Number.isNaN(x!))),
  isinf: unary(truth((x) => Math.abs(x!) === inf)),
  logicalNot: unary(truth((x) => x === 0)),
  logicalAnd: binary(truth((a, b) => a !== 0 && b !== 0)),
  logicalOr: binary(truth((a, b) => a !== 0 || b !== 0)),
  where: { fn: (c, a, b) => (c !== 0 ? a! : b!), args: [[0, 1, -2], some, some] },
  reluGrad: binary((g, y) => (y <= 0 ? 0 : g), finite, [0, 1, -1, 3]),
  leakyReluGrad: { ...binary((g, y) => f((y <= 0 ? f(0.1) : 1) * g), finite, [0, 1, -1, 3]), call: (g, y) => bms.leakyReluGrad(g!, y!, 0.1) },
  tanhGrad: binary((g, y) => f(g * f(1 - y * y)), finite, [0, 0.5, -0.75, 1]),
  sigmoidGrad: binary((g, y) => f(g * f(y * (1 - y))), finite, [0, 0.5, 0.75, 1]),
}

/** Tiny results may be flushed to zero (WGSL allows it): both sides are, below the smallest normal number. */
const flushed = (v: ArrayLike<number>): number[] => Array.from(v, (x) => (Math.abs(x) < 2 ** -126 ? 0 : f(x)))

for (const [name, row] of Object.entries(rows)) {
  test(`${name} of awkward values`, async () => {
    let lists: number[][] = [[]]
    for (const values of row.args) lists = lists.flatMap((l) => values.map((v) => [...l, f(v)]))
    const tensors = row.args.map((_, i) => tensor(lists.map((l) => l[i]!)))
    // biome-ignore lint/performance/noDynamicNamespaceImportAccess: the table names the functions
    const fn = row.call ?? (bms[name as keyof typeof bms] as (...t: Tensor[]) => Tensor)
    const actual = flushed(await fn(...tensors).data())
    const expected = flushed(lists.map((l) => row.fn(...l)))
    lists.forEach((l, i) => {
      try {
        close([actual[i]!], [expected[i]!], row.tolerance ?? 1e-6)
      } catch (error) {
        throw new Error(`${name}(${l.join(', ')}): ${(error as Error).message}`)
      }
    })
  })
}

test('the table names every op', () => assert.equal(Object.keys(rows).sort(), Object.keys(mapOps).sort()))

test('small results keep their relative precision', async () => {
  const x = [1e-7, -1e-7, 3e-4, -3e-4, 0.01, -0.2, 0.24].map(f)
  const relative = (actual: ArrayLike<number>, fn: (v: number) => number): void =>
    x.forEach((v, i) => assert.ok(Math.abs(actual[i]! / fn(v) - 1) < 1e-6, `at ${v}: ${actual[i]}, expected ${fn(v)}`))
  relative(await tensor(x).expm1().data(), Math.expm1)
  relative(await tensor(x).log1p().data(), Math.log1p)
  relative(await tensor(x).tanh().data(), Math.tanh)
  relative(await tensor(x).erf().data(), erf)
})

test.run()
