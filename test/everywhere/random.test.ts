// Random numbers: Philox against its published vectors and a host reference, the statistics of what is made of it, and that
// eager draws continue one stream.
import {
  bernoulli,
  compile,
  dropoutMask,
  manualSeed,
  rand,
  randint,
  randLike,
  randn,
  randnLike,
  randomBits,
  randperm,
  type Tensor,
  tensor,
  zeros,
} from '@bms/tensor'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { close, ready } from '../helpers/device.js'

const test = suite('random')

/** Philox 4x32-10 in BigInt. */
function philox(counter: readonly number[], key: readonly number[]): number[] {
  const mask = 0xffffffffn
  let c = counter.map(BigInt)
  let [k0, k1] = [BigInt(key[0]!), BigInt(key[1]!)]
  for (let round = 0; round < 10; round++) {
    const a = 0xd2511f53n * c[0]!
    const b = 0xcd9e8d57n * c[2]!
    c = [(b >> 32n) ^ c[1]! ^ k0, b & mask, (a >> 32n) ^ c[3]! ^ k1, a & mask]
    k0 = (k0 + 0x9e3779b9n) & mask
    k1 = (k1 + 0xbb67ae85n) & mask
  }
  return c.map(Number)
}

/** The first n words of the stream of a seed, from a block on. */
function words(seed: number, n: number, block = 0): number[] {
  const key = [seed % 2 ** 32, Math.floor(seed / 2 ** 32)]
  const out: number[] = []
  for (let b = block; out.length < n; b++) out.push(...philox([b % 2 ** 32, Math.floor(b / 2 ** 32), 0, 0], key))
  return out.slice(0, n)
}

const mean = (x: ArrayLike<number>): number => Array.from(x).reduce((a, b) => a + b, 0) / x.length
const moment = (x: ArrayLike<number>, k: number): number => mean(Array.from(x, (v) => v ** k))

test.before(async () => {
  await ready()
})

test('the reference is Philox: known answers of Random123', () => {
  const hex = (x: number[]): string => x.map((v) => v.toString(16)).join(' ')
  assert.is(hex(philox([0, 0, 0, 0], [0, 0])), '6627e8d5 e169c58d bc57ac4c 9b00dbd8')
  const f = 0xffffffff
  assert.is(hex(philox([f, f, f, f], [f, f])), '408f276d 41c83b0e a20bc7c6 6d5451fd')
})

test('words on the device are the reference, for seeds and counters of more than 32 bits', async () => {
  const device = await ready()
  for (const seed of [0, 1, 123456789, 2 ** 32 + 5, Number.MAX_SAFE_INTEGER]) {
    manualSeed(seed)
    close(await randomBits([1003]).data(), words(seed, 1003), 0)
  }
  for (const counter of [2 ** 32 - 2, 2 ** 32 + 7, 2 ** 40 + 2 ** 32 - 1]) {
    device.random.restore({ seed: 42, counter })
    close(await randomBits([40]).data(), words(42, 40, counter), 0)
    // The same place reached by the distance of a draw instead of the counter in the buffer.
    device.random.restore({ seed: 42, counter: counter - 3 })
    randomBits([9]).dispose()
    close(await randomBits([40]).data(), words(42, 40, counter), 0)
  }
})

test('each draw takes ceil(n / 4) blocks, whatever it makes', async () => {
  const device = await ready()
  const draws: [number, () => { dispose(): void }][] = [
    [1, () => rand([1])],
    [2, () => randn([5])],
    [3, () => randint(0, 3, [3, 4])],
    [0, () => rand([0, 3])],
    [2, () => bernoulli(0.5, [7])],
    [1, () => dropoutMask([2, 2], 0.1)],
    [3, () => randperm(9)],
    [1, () => bernoulli(zeros([3]))],
  ]
  for (const [blocks, make] of draws) {
    const before = device.random.snapshot().counter
    make().dispose()
    assert.is(device.random.snapshot().counter - before, blocks)
  }
  manualSeed(7)
  const a = [await rand([6]).data(), await randn([3]).data(), await rand([2]).data()]
  manualSeed(7)
  const b = [await rand([6]).data(), await randn([3]).data(), await rand([2]).data()]
  assert.equal(a, b)
  close(
    a[2]!,
    words(7, 2, 3).map((w) => (w >>> 8) * 2 ** -24),
    0,
  )
})

test('rand: 24 bits of each word, in [0, 1)', async () => {
  manualSeed(3)
  const x = await rand([101, 997]).data()
  close(
    x,
    words(3, x.length).map((w) => (w >>> 8) * 2 ** -24),
    0,
  )
  assert.ok(Math.min(...x.slice(0, 50000)) >= 0 && Math.max(...x.slice(0, 50000)) < 1)
  close([mean(x), moment(x, 2)], [1 / 2, 1 / 3], 0.005)
  assert.equal(rand([2, 3]).shape, [2, 3])
  assert.is((await rand([]).data()).length, 1)
})

test('randn: Box-Muller of the words; mean, variance, kurtosis, tails', async () => {
  manualSeed(11)
  const n = 400_003
  const x = await randn([n]).data()
  const w = words(11, 4000)
  const expected: number[] = []
  for (let i = 0; i < w.length; i += 2) {
    const r = Math.sqrt(-2 * Math.log((w[i]! + 0.5) / 2 ** 32))
    const angle = (2 * Math.PI * w[i + 1]!) / 2 ** 32
    expected.push(r * Math.cos(angle), r * Math.sin(angle))
  }
  close(x.slice(0, w.length), expected, 3e-6)
  assert.ok(x.every(Number.isFinite))
  close([mean(x), moment(x, 2), moment(x, 3), moment(x, 4)], [0, 1, 0, 3], 0.02)
  const beyond = (s: number): number => x.filter((v) => Math.abs(v) > s).length / n
  close([beyond(1), beyond(2), beyond(3)], [0.3173, 0.0455, 0.0027], 0.003)
  assert.ok(beyond(4) > 2e-5 && beyond(4) < 1.4e-4, `beyond 4 sigma: ${beyond(4)}`)
  // Neighbours are independent.
  let product = 0
  for (let i = 0; i + 1 < n; i++) product += x[i]! * x[i + 1]!
  close([product / n], [0], 0.01)
})

test('randint: all values, equally often; bounds', async () => {
  manualSeed(5)
  const x = await randint(-3, 4, [70_001]).data()
  assert.ok(x instanceof Int32Array)
  close(
    x,
    words(5, x.length).map((w) => -3 + Math.floor((w / 2 ** 32) * 7)),
    0,
  )
  for (let v = -3; v < 4; v++) close([x.filter((y) => y === v).length / x.length], [1 / 7], 0.005)
  manualSeed(5)
  const whole = await randint(0, 2 ** 32, [9], { dtype: 'u32' }).data()
  close(whole, words(5, 9), 0)
  manualSeed(5)
  close(
    await randint(-(2 ** 31), 2 ** 31, [9]).data(),
    words(5, 9).map((w) => w - 2 ** 31),
    0,
  )
  const f = randint(10, 12, [100], { dtype: 'f32' })
  assert.is(f.dtype, 'f32')
  assert.ok((await f.data()).every((v) => v === 10 || v === 11))
  assert.throws(() => randint(3, 3, [2]), /randint: whole numbers with low < high/)
  assert.throws(() => randint(0, 2, [2], { dtype: 'bool' }), /randint: gives i32/)
})

test('randperm: permutations, all of them', async () => {
  for (const n of [0, 1, 2, 63, 257, 5000]) {
    const p = await randperm(n).data()
    close(
      Array.from(p).sort((a, b) => a - b),
      Array.from({ length: n }, (_, i) => i),
      0,
    )
  }
  const seen = new Map<string, number>()
  for (let i = 0; i < 300; i++) {
    const key = String(await randperm(3).data())
    seen.set(key, (seen.get(key) ?? 0) + 1)
  }
  assert.is(seen.size, 6)
  assert.ok([...seen.values()].every((c) => c > 25))
  manualSeed(1)
  const a = await randperm(100).data()
  manualSeed(1)
  assert.equal(await randperm(100).data(), a)
})

test('bernoulli and dropoutMask', async () => {
  manualSeed(2)
  for (const p of [0, 0.25, 0.9, 1]) {
    const x = await bernoulli(p, [20_001]).data()
    assert.ok(x.every((v) => v === 0 || v === 1))
    close([mean(x)], [p], p === 0 || p === 1 ? 0 : 0.01)
    const m = await dropoutMask([20_001], p).data()
    const keep = Math.fround(1 / (1 - p))
    assert.ok(m.every((v) => v === 0 || Math.abs(v - keep) < 1e-5))
    if (p < 1) close([mean(m)], [1], 0.05)
  }
  const probabilities = tensor([[0, 1, 0.5]])
  const x = await bernoulli(probabilities, [4000, 3]).data()
  for (let j = 0; j < 3; j++) close([mean(x.filter((_, i) => i % 3 === j))], [[0, 1, 0.5][j]!], 0.03)
  assert.equal(bernoulli(probabilities).shape, [1, 3])
  assert.throws(() => bernoulli(1.5, [2]), /bernoulli: a probability from 0 to 1/)
  assert.throws(() => dropoutMask([2], Number.NaN), /dropoutMask: a probability/)
  assert.throws(() => bernoulli(0.5), /bernoulli: a shape is needed/)
})

test('like, dtypes, errors', async () => {
  const device = await ready()
  assert.equal([randLike(zeros([2, 3])).shape, randnLike(zeros([4])).shape], [[2, 3], [4]])
  assert.is(randLike(zeros([2], { dtype: 'i32' })).dtype, 'f32')
  if (device.features.has('shader-f16')) {
    const x = await rand([4001], { dtype: 'f16' }).data()
    assert.ok(x.every((v) => v >= 0 && v < 1))
    close([mean(x)], [0.5], 0.03)
    close([moment(await randn([4001], { dtype: 'f16' }).data(), 2)], [1], 0.1)
  }
  assert.throws(() => rand([2], { dtype: 'i32' }), /rand: gives f32 or f16, not i32/)
  assert.throws(() => rand([-1]), /rand: a shape is a list of whole numbers/)
  assert.throws(() => manualSeed(-1), /manualSeed: a seed is a whole number/)
})

test('a compiled step draws the same numbers as eager calls, in every replay', async () => {
  const draws = () => [rand([10]), randn([3, 7]), randperm(70), dropoutMask([9], 0.5), randint(0, 100, [5]), bernoulli(zeros([6]).add(0.5))]
  const read = async (list: Tensor[]) => Promise.all(list.map((t) => t.data()))
  manualSeed(17)
  const eager = [await read(draws()), await read(draws()), await read([randn([4])])]
  manualSeed(17)
  const step = compile(draws)
  const compiled = [await read(await step()), await read(await step()), await read([randn([4])])]
  assert.equal(compiled, eager)
})

test.run()
