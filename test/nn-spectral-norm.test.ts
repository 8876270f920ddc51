// Spectral normalisation beyond its row in the table: the kernels against their twin in plain ops for weights of all sizes; equal calls in a compiled step.
import { compile, grad, manualSeed, nn, randn, type Tensor } from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { close, ready } from './helpers/device.js'

const test = suite('nn spectral norm')
test.before(async () => void (await ready()))

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

test('in evaluation equal calls in a compiled step are one', () => {
  const module = nn.spectralNorm(new nn.Linear(4, 3)).eval()
  const step = compile((x: Tensor) => [module.forward(x), module.forward(x.neg())])
  step(randn([2, 4]))
  const listing = step.toString()
  assert.is(listing.split('spectral_norm.normalise').length - 1, 1, listing)
})

test.run()
