// Every scalar op against float64: awkward values, broadcasting, memory orders, dtypes. One table; an op without a row fails the test.
import * as bms from '@bms/tensor'
import { type DType, type Device, mapOps, type Tensor, tensor } from '@bms/tensor'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { product, seeded } from './helpers/arrays.js'
import { close, ready } from './helpers/device.js'
import { from, type Nd, zip } from './helpers/nd.js'

const test = suite('elementwise')
const inf = Number.POSITIVE_INFINITY
const nan = Number.NaN
const f = Math.fround
let device: Device
const random = seeded(11)

test.before(async () => {
  device = await ready()
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
/** As C and PyTorch have it: 1 to any power is 1, also to an infinite one; a broken power of -inf is NaN (PyTorch takes the square root). */
function power(x: number, y: number): number {
  if (x === 1 || (x === -1 && Math.abs(y) === inf)) return 1
  return x === -inf && Number.isFinite(y) && !Number.isInteger(y) ? nan : x ** y
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
  sign: unary(Math.sign),
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
  floorDivide: binary((a, b) => Math.floor(f(a / b))),
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

/** Another memory order of the same values. */
const layouts: Record<string, (t: Tensor) => Tensor> = {
  dense: (t) => t,
  transposed: (t) => (t.ndim < 2 ? t : t.transpose(0, -1).contiguous().transpose(0, -1)),
  narrowed: (t) => (t.ndim === 0 ? t : bms.pad(t, [1, 2], 9).narrow(-1, 1, t.shape[t.ndim - 1]!)),
  flipped: (t) => (t.ndim === 0 ? t : t.flip(0).contiguous().flip(0)),
}

test('broadcasting from 0 to 5 dims in all memory orders', async () => {
  const shapes: [number[], number[]][] = [
    [[], []],
    [[], [3]],
    [[1], [4]],
    [
      [3, 1],
      [1, 4],
    ],
    [[2, 3], [3]],
    [
      [2, 1, 4],
      [3, 1],
    ],
    [
      [2, 3, 4],
      [2, 3, 4],
    ],
    [
      [2, 1, 2, 3],
      [4, 1, 1],
    ],
    [
      [2, 1, 3, 1, 2],
      [4, 1, 5, 1],
    ],
    [[0, 3], [3]],
    [
      [2, 0],
      [2, 1],
    ],
    [[1], [0]],
  ]
  for (const [sa, sb] of shapes) {
    const a: Nd = from(sa, () => f(random() - 0.5))
    const b: Nd = from(sb, () => f(random() - 0.5))
    const expected = zip((x, y) => f(x - y), a, b)
    for (const [la, first] of Object.entries(layouts)) {
      for (const [lb, second] of Object.entries(layouts)) {
        const out = first(tensor(a.data as number[], { dtype: 'f32' }).reshape(sa)).sub(second(tensor(b.data as number[], { dtype: 'f32' }).reshape(sb)))
        assert.equal(out.shape, expected.shape, `${la} [${sa}] - ${lb} [${sb}]`)
        close(await out.data(), expected.data, 0)
      }
    }
  }
})

test('expanded operands, and more dims than a kernel carries', async () => {
  const row = tensor([1, 2, 3]).expand([4, 3])
  close(await row.mul(row).data(), [1, 4, 9, 1, 4, 9, 1, 4, 9, 1, 4, 9], 0)
  const many = tensor(Array.from({ length: 512 }, (_, i) => i)).reshape(new Array(9).fill(2))
  const reversed = many.permute([8, 7, 6, 5, 4, 3, 2, 1, 0])
  assert.throws(() => reversed.add(many), /needs 9 dims after merging, 8 are supported; call contiguous\(\) first/)
  const merged = many.transpose(0, 8).add(1)
  close(await merged.narrow(0, 1, 1).flatten().narrow(0, 0, 2).data(), [2, 258], 0)
})

test('numbers on both sides', async () => {
  const x = tensor([1, 2, 4])
  close(await bms.sub(10, x).data(), [9, 8, 6], 0)
  close(await bms.div(8, x).data(), [8, 4, 2], 0)
  close(await bms.pow(2, x).data(), [2, 4, 16])
  close(await bms.maximum(2, x).data(), [2, 2, 4], 0)
  close(await x.mul(-0.5).data(), [-0.5, -1, -2], 0)
  close(await x.add(inf).data(), [inf, inf, inf], 0)
  close(await x.where(x, nan).data(), [1, 2, 4], 0)
  assert.throws(() => bms.add(1, 2), /at least one argument must be a Tensor/)
  assert.throws(() => x.add('1' as unknown as number), /argument 2 is string; a Tensor or a number is needed/)
})

test('dtypes promote as in PyTorch', () => {
  const of = (d: DType): Tensor => bms.ones([1], { dtype: d })
  const kinds: DType[] = ['f32', 'i32', 'u32', 'bool']
  for (const a of kinds) {
    for (const b of kinds) {
      const common = bms.promote(a, b)
      assert.is(of(a).add(of(b)).dtype, common === 'bool' ? 'i32' : common)
      assert.is(of(a).lt(of(b)).dtype, 'bool')
      assert.is(of(a).div(of(b)).dtype, 'f32')
      assert.is(of('bool').where(of(a), of(b)).dtype, common)
    }
    assert.is(of(a).add(1.5).dtype, 'f32')
    assert.is(of(a).exp().dtype, 'f32')
  }
  assert.is(of('i32').add(1).dtype, 'i32')
  assert.is(of('u32').add(1).dtype, 'u32')
  assert.is(of('u32').add(-1).dtype, 'i32')
  assert.is(of('f32').where(of('i32'), 1).dtype, 'i32', 'the condition has no say')
})

test('whole numbers: wrapping, division, remainders, bounds', async () => {
  const i = (v: number[]): Tensor => tensor(v, { dtype: 'i32' })
  const u = (v: number[]): Tensor => tensor(v, { dtype: 'u32' })
  close(
    await i([2 ** 31 - 1, -(2 ** 31)])
      .add(i([1, -1]))
      .data(),
    [-(2 ** 31), 2 ** 31 - 1],
    0,
  )
  close(
    await u([0])
      .sub(u([1]))
      .data(),
    [2 ** 32 - 1],
    0,
  )
  close(
    await i([7, -7, 7, -7, 6])
      .floorDivide(i([2, 2, -2, -2, 3]))
      .data(),
    [3, -4, -4, 3, 2],
    0,
  )
  close(
    await i([7, -7, 7, -7, 6])
      .remainder(i([3, 3, -3, -3, 3]))
      .data(),
    [1, 2, -2, -1, 0],
    0,
  )
  close(
    await u([4e9])
      .floorDivide(u([3]))
      .data(),
    [Math.floor(4e9 / 3)],
    0,
  )
  close(
    await i([16777217, 5])
      .eq(i([16777216, 5]))
      .data(),
    [0, 1],
    0,
  )
  close(await i([-3, 5]).clamp(-1, 2).data(), [-1, 2], 0)
  close(await i([-3, 0, 5]).sign().data(), [-1, 0, 1], 0)
  close(await i([-3, 5]).relu().data(), [0, 5], 0)
  close(await i([-3, 5]).abs().data(), [3, 5], 0)
  close(
    await u([3, 0])
      .maximum(u([2, 4e9]))
      .data(),
    [3, 4e9],
    0,
  )
})

test('casts', async () => {
  const x = tensor([-1.7, 0, 0.4, 1.7, nan])
  close(await x.narrow(0, 0, 4).int().data(), [-1, 0, 0, 1], 0)
  close(await x.bool().data(), [1, 0, 1, 1, 1], 0)
  close(await tensor([nan, 0, -0], { dtype: 'bool' }).data(), [1, 0, 0], 0)
  close(await x.bool().float().data(), [1, 0, 1, 1, 1], 0)
  close(await tensor([-1, 5], { dtype: 'i32' }).to('u32').data(), [2 ** 32 - 1, 5], 0)
  close(
    await tensor([2 ** 31, 5], { dtype: 'u32' })
      .float()
      .data(),
    [2 ** 31, 5],
    0,
  )
  close(
    await tensor([true, false])
      .add(tensor([true, true]))
      .data(),
    [2, 1],
    0,
  )
  assert.equal(await tensor([[true, false]]).toArray(), [[true, false]])
})

test('f16: rounding, range, odd sizes', async () => {
  if (!device.features.has('shader-f16')) {
    const error = assert.throws(() => tensor([1], { dtype: 'f16' }), /no f16 \(WebGPU feature shader-f16\); use f32/)
    return error
  }
  const values = [0, 1 / 3, 65504, -6e-8, 6.1e-5, 2049, nan, inf, -inf]
  const half = values.map((v) => bms.halfToFloat(bms.floatToHalf(v)))
  const x = tensor(values, { dtype: 'f16' })
  close(await x.data(), half, 0)
  close(
    await tensor(values.map(f)).half().data(),
    half.map((v) => (Math.abs(v) < 2 ** -14 ? 0 : v)),
    2 ** -14,
  )
  close(await x.narrow(0, 1, 1).data(), [half[1]!], 0)
  assert.is(x.add(1).dtype, 'f16')
  assert.is(x.add(tensor([1])).dtype, 'f32')
  assert.is(x.add(tensor([1], { dtype: 'i32' })).dtype, 'f16')
  close(await x.narrow(0, 0, 2).mul(3).data(), [0, 1], 2 ** -11)
  close(await x.float().data(), half, 0)
  for (let n = 1; n < 8; n++)
    close(
      await bms.arange(0, n, 1, { dtype: 'f16' }).add(1).flip(0).data(),
      Array.from({ length: n }, (_, i) => n - i),
      0,
    )
})

test('sizes around the workgroup', async () => {
  for (const n of [0, 1, 255, 256, 257, 70000]) {
    const out = await bms.arange(n).mul(2).add(1).data()
    assert.is(out.length, n)
    for (let i = 0; i < n; i++) if (out[i] !== 2 * i + 1) throw new Error(`of ${n}: element ${i} is ${out[i]}`)
  }
  assert.is(product(bms.zeros([3, 0, 2]).exp().shape), 0)
})

test.run()
