// Spectral normalisation against PyTorch and against its twin in plain ops: training, evaluation, gradients, second
// derivatives, any dim, large weights, compiled steps.
import { manualSeed, compile, grad, gradcheck, gradgradcheck, nn, optim, randn, type Tensor, tensor } from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { close, ready } from './helpers/device.js'
import { golden, same, sameAll, unpack, unpackAll } from './helpers/golden.js'

const test = suite('nn spectral norm')
test.before(async () => void (await ready()))

for (const way of ['eager', 'compiled']) {
  test(`five training steps and evaluation are PyTorch's, ${way}`, async () => {
    const run = golden.spectral
    const module = nn.spectralNorm(new nn.Linear(7, 5))
    module.loadStateDict(unpackAll(run.state))
    const named = [...module.namedParameters()]
    const opt = new optim.SGD(module.parameters(), { lr: 0.1 })
    const plain = (x: Tensor, g: Tensor) => {
      const y = module.forward(x)
      const grads = grad(y.mul(g).sum(), opt.params)
      opt.step(grads)
      return { y, grads }
    }
    const step = way === 'eager' ? plain : compile(plain)
    for (const s of run.steps) {
      const { y, grads } = step(unpack(s.x), unpack(s.g))
      await same(y, s.y, 5e-5, 'y')
      await sameAll(Object.fromEntries(named.map(([name], i) => [name, grads[i]!])), s.grads, 1e-4)
      await sameAll(module.stateDict(), s.state, 1e-4)
    }
    module.eval()
    const x = unpack(run.evalInput)
    await same(module.forward(x), run.eval, 1e-4, 'evaluation')
    await same(module.forward(x), run.eval, 1e-4, 'evaluation again')
  })
}

test('a gradient penalty through two normalised layers has its second derivatives', async () => {
  const run = golden.spectralPenalty
  const net = new nn.Sequential(nn.spectralNorm(new nn.Linear(3, 6)), new nn.Tanh(), nn.spectralNorm(new nn.Linear(6, 1)))
  net.loadStateDict(unpackAll(run.state))
  const x = unpack(run.x)
  x.requiresGrad = true
  const gx = grad(net.forward(x).sum(), x, { createGraph: true })
  const penalty = gx.norm(1).sub(1).square().mean()
  await same(penalty, run.penalty, 1e-4, 'penalty')
  const named = [...net.namedParameters()].filter(([name]) => name in run.grads)
  const grads = grad(
    penalty,
    named.map(([, p]) => p),
  )
  await sameAll(Object.fromEntries(named.map(([name], i) => [name, grads[i]!])), run.grads, 2e-4)
})

test('the rows may be another dim, as for transposed convolutions', async () => {
  const run = golden.spectralDim1
  const module = new nn.Module() as nn.Module & { weight: Tensor }
  module.weight = nn.parameter(unpack(run.original))
  nn.spectralNorm(module, { dim: 1, nPowerIterations: 2 })
  module.loadStateDict(
    unpackAll({ 'parametrizations.weight.original': run.original, 'parametrizations.weight.0._u': run.u, 'parametrizations.weight.0._v': run.v }),
  )
  const w = module.weight
  await same(w, run.weight, 2e-5, 'weight')
  await same(grad(w.mul(unpack(run.g)).sum(), module.parameters())[0]!, run.grad, 5e-5, 'gradient')
  const state = module.stateDict()
  await same(state['parametrizations.weight.0._u']!, run.uAfter, 2e-5, 'u')
  await same(state['parametrizations.weight.0._v']!, run.vAfter, 2e-5, 'v')
})

for (const [rows, columns] of [
  [1, 1],
  [128, 2],
  [3, 300],
  [200, 150],
  [1030, 4],
  [300, 500],
] as const) {
  test(`a ${rows} x ${columns} weight: the kernels agree with plain ops, and sigma settles at the largest singular value`, async () => {
    // Its singular values lie close together; how soon the iterations settle depends on the numbers drawn.
    manualSeed(1)
    const module = nn.spectralNorm(new nn.Linear(columns, rows, { bias: false }))
    const state = module.stateDict() as Record<string, Tensor>
    const original = state['parametrizations.weight.original']!
    const [u, v] = [state['parametrizations.weight.0._u']!.clone(), state['parametrizations.weight.0._v']!.clone()]
    const twin = original.detach().clone()
    twin.requiresGrad = true
    const g = randn([rows, columns])
    for (let i = 0; i < 2; i++) {
      const w = (module as unknown as { weight: Tensor }).weight
      const p = nn.spectralNormPlain(twin, u, v)
      close(await w.data(), await p.data(), 1e-5)
      close(await grad(w.mul(g).sum(), module.parameters())[0]!.data(), await grad(p.mul(g).sum(), twin).data(), 1e-4)
    }
    close(await state['parametrizations.weight.0._u']!.data(), await u.data(), 1e-5)
    for (let i = 0; i < 60; i++) void (module as unknown as { weight: Tensor }).weight
    const w = (module as unknown as { weight: Tensor }).weight.detach()
    // The largest singular value of what comes out, by iterations of our own: 1.
    let x = randn([columns, 1])
    for (let i = 0; i < 40; i++) x = w.t().matmul(w.matmul(x)).div(x.norm())
    const top = w.matmul(x).norm().div(x.norm())
    assert.ok(Math.abs((await top.item()) - 1) < 0.02, `largest singular value ${await top.item()}`)
  })
}

test('first and second derivatives pass gradcheck', async () => {
  const u = tensor([0.6, 0.8, 0])
  const v = tensor([0.5, 0.5, 0.5, 0.5])
  const w = randn([3, 4])
  const f = (x: Tensor) => nn.spectralNormPlain(x, u, v, { iterations: 0 })
  assert.ok(await gradcheck(f, [w]))
  assert.ok(await gradgradcheck(f, [w]))
})

test('evaluation leaves u and v alone, and equal calls in a compiled step are one', async () => {
  const module = nn.spectralNorm(new nn.Linear(4, 3)).eval()
  const before = await module.stateDict()['parametrizations.weight.0._u']!.data()
  const step = compile((x: Tensor) => [module.forward(x), module.forward(x.neg())])
  step(randn([2, 4]))
  assert.equal(await module.stateDict()['parametrizations.weight.0._u']!.data(), before)
  const listing = step.toString()
  assert.is(listing.split('spectral_norm.normalise').length - 1, 1, listing)
})

test('bad uses are refused', () => {
  assert.throws(() => nn.spectralNorm(new nn.ReLU()), /ReLU has no parameter "weight"/)
  const module = nn.spectralNorm(new nn.Linear(2, 2))
  assert.throws(() => nn.spectralNorm(module), /already parametrised/)
  assert.throws(() => nn.spectralNorm(new nn.Linear(2, 2), { nPowerIterations: 0 }), /nPowerIterations must be a whole number ≥ 1, got 0/)
  assert.throws(() => nn.spectralNorm(new nn.Linear(2, 2), { dim: 2 }), /dim 2 is out of range/)
  assert.throws(() => nn.spectralNorm(new nn.LayerNorm(3)), /weight has 1 dims, at least 2 are needed/)
})

test.run()
