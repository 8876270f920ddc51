// What the table of ops does not show of random numbers: that the words are Philox's and what is made of each, by its published vectors and a host
// reference; tails; and that eager and compiled draws continue one stream.
import { bernoulli, compile, dropoutMask, manualSeed, rand, randint, randn, randomBits, randperm, type Tensor, tensor, zeros } from '@bms/tensor'
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

test('rand: 24 bits of each word', async () => {
  manualSeed(3)
  const x = await rand([101, 97]).data()
  close(
    x,
    words(3, x.length).map((w) => (w >>> 8) * 2 ** -24),
    0,
  )
})

test('randn: Box-Muller of the words, and its tails', async () => {
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
  const beyond = (s: number): number => x.filter((v) => Math.abs(v) > s).length / n
  // 10 of a right generator's standard errors.
  close([beyond(2), beyond(3)], [0.0455, 0.0027], 0.003)
  assert.ok(beyond(4) > 2e-5 && beyond(4) < 1.4e-4, `beyond 4 sigma: ${beyond(4)}`)
})

test('randint: the words scaled, up to their whole range', async () => {
  const of = async (low: number, high: number, dtype: 'i32' | 'u32' = 'i32') => {
    manualSeed(5)
    return randint(low, high, [999], { dtype }).data()
  }
  const w = words(5, 999)
  const x = await of(-3, 4)
  assert.ok(x instanceof Int32Array)
  close(
    x,
    w.map((v) => -3 + Math.floor((v / 2 ** 32) * 7)),
    0,
  )
  close(await of(0, 2 ** 32, 'u32'), w, 0)
  close(
    await of(-(2 ** 31), 2 ** 31),
    w.map((v) => v - 2 ** 31),
    0,
  )
  const f = await randint(10, 12, [100], { dtype: 'f32' }).data()
  assert.ok(f.every((v) => v === 10 || v === 11))
})

test('randperm: long ones, and all short ones', async () => {
  for (const n of [257, 5000]) {
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
})

test('bernoulli and dropoutMask: certain, impossible, and a tensor of probabilities', async () => {
  manualSeed(2)
  const all = async (t: Tensor, value: number): Promise<void> => assert.ok((await t.data()).every((v) => v === value))
  await all(bernoulli(0, [999]), 0)
  await all(bernoulli(1, [999]), 1)
  await all(dropoutMask([999], 0), 1)
  await all(dropoutMask([999], 1), 0)
  const keep = Math.fround(1 / (1 - 0.9))
  assert.ok((await dropoutMask([999], 0.9).data()).every((v) => v === 0 || Math.abs(v - keep) < 1e-5))
  const probabilities = tensor([[0, 1, 0.5]])
  const x = await bernoulli(probabilities, [4000, 3]).data()
  for (let j = 0; j < 3; j++) close([mean(x.filter((_, i) => i % 3 === j))], [[0, 1, 0.5][j]!], 0.03)
  assert.equal(bernoulli(probabilities).shape, [1, 3])
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
