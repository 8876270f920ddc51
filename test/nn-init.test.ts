// Initialisers: their distributions, and that a seed repeats them.
import { manualSeed, nn, type Tensor, zeros } from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ready } from './helpers/device.js'
import { same } from './helpers/golden.js'

const test = suite('nn init')
test.before(async () => void (await ready()))

test('initialisers have their distributions', async () => {
  manualSeed(1)
  const stats = async (t: Tensor) => {
    const v = Array.from(await t.data())
    const mean = v.reduce((a, b) => a + b, 0) / v.length
    return { mean, std: Math.sqrt(v.reduce((a, b) => a + (b - mean) ** 2, 0) / v.length), max: Math.max(...v.map(Math.abs)) }
  }
  const w = zeros([100, 200])
  const near = (a: number, b: number) => assert.ok(Math.abs(a - b) < 0.03 * b, `${a}, expected about ${b}`)
  near((await stats(nn.init.xavierUniform_(w, 2))).max, 2 * Math.sqrt(6 / 300))
  near((await stats(nn.init.xavierNormal_(w))).std, Math.sqrt(2 / 300))
  near((await stats(nn.init.kaimingUniform_(w, { nonlinearity: 'relu' }))).max, Math.sqrt(6 / 200))
  near((await stats(nn.init.kaimingNormal_(w, { a: 1, mode: 'fan_out' }))).std, Math.sqrt(1 / 100))
  near((await stats(nn.init.normal_(w, 3, 0.5))).std, 0.5)
  assert.equal(await nn.init.eye_(zeros([2, 3])).toArray(), [
    [1, 0, 0],
    [0, 1, 0],
  ])
  for (const shape of [
    [5, 9],
    [9, 5],
    [4, 2, 3],
  ]) {
    const q = nn.init.orthogonal_(zeros(shape), 2).reshape([shape[0]!, -1])
    const gram = q.shape[0]! <= q.shape[1]! ? q.matmul(q.t()) : q.t().matmul(q)
    const n = gram.shape[0]!
    await same(gram, { shape: [n, n], data: Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 4 : 0)) }, 1e-5)
  }
  manualSeed(9)
  const a = await nn.init.orthogonal_(zeros([4, 4])).data()
  manualSeed(9)
  assert.equal(await nn.init.orthogonal_(zeros([4, 4])).data(), a)
})

test.run()
