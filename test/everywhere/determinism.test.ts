// The same seed gives the same numbers, twice on one adapter, bit for bit: sums, products, gradients, random numbers, eager and compiled, on a fresh device.
import { compile, grad, manualSeed, rand, randn, randperm, type Tensor, useDevice } from '@bms/autograd'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ready } from '../helpers/device.js'
import { openDevice } from '../helpers/host.js'

const test = suite('determinism')

/** A little training run: all numbers that it ends with. */
async function run(compiled: boolean): Promise<number[]> {
  manualSeed(123)
  const [w, v] = [randn([20, 50], { requiresGrad: true }), randn([50, 3], { requiresGrad: true })]
  const losses: Tensor[] = []
  const train = (x: Tensor): Tensor => {
    const loss = x
      .matmul(w)
      .tanh()
      .mul(rand([64, 50]).lt(0.8).float())
      .matmul(v)
      .logSoftmax(1)
      .narrow(1, 0, 1)
      .mean()
      .neg()
    const [gw, gv] = grad(loss, [w, v]) as [Tensor, Tensor]
    w.copy_(w.detach().sub(gw.mul(0.1)))
    v.copy_(v.detach().sub(gv.mul(0.1)))
    return loss
  }
  const step = compiled ? compile(train) : train
  for (let i = 0; i < 10; i++) losses.push(step(randn([64, 20])).clone())
  const all = [...losses, w, v, randperm(100), w.sum(), w.sort().values]
  return (await Promise.all(all.map(async (t) => Array.from<number>(await t.data())))).flat()
}

test('the same run twice, eager and compiled', async () => {
  await ready()
  for (const compiled of [false, true]) {
    const first = await run(compiled)
    assert.ok(first.every(Number.isFinite))
    assert.equal(await run(compiled), first)
  }
})

test('and on a device made anew', async () => {
  const shared = await ready()
  const first = await run(true)
  const other = await openDevice()
  try {
    assert.equal(await run(true), first)
  } finally {
    other.destroy()
    useDevice(shared)
  }
})

test.run()
