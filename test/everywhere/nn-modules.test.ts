// Modules against PyTorch: values, gradients, running statistics, names, text, and a whole training run.
import { compile, grad, losses, manualSeed, nn, noGrad, optim, rand, type Tensor, tensor, tidy, zeros } from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ready } from '../helpers/device.js'
import { golden, type Packed, same, sameAll, unpack, unpackAll } from '../helpers/golden.js'

const test = suite('nn modules')
test.before(async () => void (await ready()))

interface Step {
  x: Packed
  g: Packed
  y: Packed
  dx: Packed
  grads: Record<string, Packed>
  state: Record<string, Packed>
}

const layers: Record<string, () => nn.Module> = {
  linear: () => new nn.Linear(5, 3),
  linear3d: () => new nn.Linear(5, 3, { bias: false }),
  batchNorm: () => new nn.BatchNorm1d(3),
  batchNorm3d: () => new nn.BatchNorm1d(3, { momentum: null }),
  layerNorm: () => new nn.LayerNorm([3, 4]),
}

for (const [name, make] of Object.entries(layers)) {
  test(`${name} computes what PyTorch computes, forward, backward and in evaluation`, async () => {
    const module = make()
    module.loadStateDict(unpackAll(golden[name].state))
    const params = Object.fromEntries(module.namedParameters())
    for (const step of golden[name].steps as Step[]) {
      const x = unpack(step.x)
      x.requiresGrad = true
      const y = module.forward(x) as Tensor
      await same(y, step.y, 2e-5, 'y')
      const gradients = grad(y.mul(unpack(step.g)).sum(), [x, ...Object.values(params)])
      await same(gradients[0]!, step.dx, 1e-4, 'dx')
      await sameAll(Object.fromEntries(Object.keys(params).map((p, i) => [p, gradients[i + 1]!])), step.grads, 1e-4)
      await sameAll(module.stateDict(), step.state)
    }
    module.eval()
    await same(module.forward(unpack(golden[name].evalInput)) as Tensor, golden[name].eval, 2e-5, 'evaluation')
  })
}

function classifier(): nn.Sequential {
  return new nn.Sequential(
    new nn.Linear(2, 16, { bias: false }),
    new nn.BatchNorm1d(16),
    new nn.LeakyReLU(0.2),
    new nn.Linear(16, 16),
    new nn.LayerNorm(16),
    new nn.ELU(),
    new nn.Linear(16, 3),
  )
}

for (const way of ['eager', 'compiled']) {
  test(`ten losses of a training run are PyTorch's, ${way}`, async () => {
    const run = golden.training
    const model = classifier()
    model.loadStateDict(unpackAll(run.state))
    const opt = new optim.AdamW(model.parameters(), { lr: 0.02, betas: [0.8, 0.95] })
    const x = unpack(run.x)
    const y = unpack(run.y, 'i32')
    const step = (input: Tensor): Tensor => {
      const loss = losses.crossEntropy(model.forward(input), y)
      opt.step(grad(loss, opt.params))
      return loss
    }
    const go = way === 'eager' ? (input: Tensor) => tidy(() => step(input)) : compile(step)
    for (const [i, expected] of run.losses.entries()) {
      const loss = await go(x).item()
      assert.ok(Math.abs(loss - expected) < 2e-4 * Math.max(1, expected), `loss ${i}: ${loss}, expected ${expected}`)
    }
    await sameAll(model.stateDict(), run.after, 2e-3)
  })
}

test('prints itself as PyTorch does', () => {
  assert.is(classifier().toString(), golden.training.text)
  assert.is(new nn.Embedding(4, 3, { paddingIdx: -1 }).toString(), 'Embedding(4, 3, padding_idx=3)')
  assert.is(
    new nn.Sequential({ a: new nn.Sequential(new nn.ReLU()), b: new nn.Dropout(0.25) }).toString(),
    'Sequential(\n  (a): Sequential(\n    (0): ReLU()\n  )\n  (b): Dropout(p=0.25)\n)',
  )
})

test('names parameters, buffers and modules as PyTorch does, shared ones once', () => {
  class Net extends nn.Module {
    scale = nn.parameter(zeros([2]))
    first = new nn.Linear(2, 2)
    blocks = [new nn.Linear(2, 2, { bias: false }), new nn.BatchNorm1d(2)]
    list = new nn.ModuleList([this.first, new nn.Identity()])
    constructor() {
      super()
      this.registerBuffer('mask', zeros([2]), false)
      this.registerBuffer('seen', zeros([2]))
    }
  }
  const net = new Net()
  assert.equal(
    [...net.namedParameters()].map(([n]) => n),
    ['scale', 'first.weight', 'first.bias', 'blocks.0.weight', 'blocks.1.weight', 'blocks.1.bias'],
  )
  assert.equal(Object.keys(net.stateDict()), [
    'scale',
    'seen',
    'first.weight',
    'first.bias',
    'blocks.0.weight',
    'blocks.1.weight',
    'blocks.1.bias',
    'blocks.1.running_mean',
    'blocks.1.running_var',
    'blocks.1.num_batches_tracked',
    'list.0.weight',
    'list.0.bias',
  ])
  assert.equal(
    [...net.namedModules()].map(([n]) => n),
    ['', 'first', 'blocks.0', 'blocks.1', 'list', 'list.1'],
  )
  assert.equal(
    [...net.namedBuffers()].map(([n]) => n),
    ['mask', 'seen', 'blocks.1.running_mean', 'blocks.1.running_var', 'blocks.1.num_batches_tracked'],
  )
  net.eval()
  assert.ok(net.modules().every((m) => !m.training))
  net.train().requiresGrad_(false)
  assert.ok(net.parameters().length === 6 && net.parameters().every((p) => !p.requiresGrad))
  const visited: string[] = []
  net.apply((m) => void visited.push(m.constructor.name))
  assert.is(visited.at(-1), 'Net')
})

test('a linear layer starts within 1/√fanIn, and a seed repeats it', async () => {
  manualSeed(3)
  const a = new nn.Linear(64, 32)
  manualSeed(3)
  const b = new nn.Linear(64, 32)
  const w = (await a.weight.data()) as Float32Array
  assert.equal(await b.weight.data(), w)
  assert.ok(Math.max(...w) <= 0.125 && Math.max(...w) > 0.12 && Math.min(...w) >= -0.125)
  assert.ok((await a.bias!.data()).every((x) => Math.abs(x) <= 0.125))
})

test('an embedding picks rows; the padding row gets no gradient', async () => {
  const module = new nn.Embedding(4, 2, { paddingIdx: 1 })
  const index = tensor(
    [
      [0, 1, 3],
      [3, 1, 1],
    ],
    { dtype: 'i32' },
  )
  const y = module.forward(index)
  assert.equal(y.shape, [2, 3, 2])
  const w = (await module.weight.toArray()) as number[][]
  assert.equal(w[1], [0, 0])
  assert.equal(await y.toArray(), [
    [w[0], w[1], w[3]],
    [w[3], w[1], w[1]],
  ] as never)
  assert.equal(await grad(y.sum(), module.weight).toArray(), [
    [1, 1],
    [0, 0],
    [0, 0],
    [2, 2],
  ])
})

test('dropout scales what it keeps, and does nothing in evaluation', async () => {
  const module = new nn.Dropout(0.25)
  const x = rand([4000]).add(1)
  x.requiresGrad = true
  const y = module.forward(x)
  const [a, b, g] = await Promise.all([x.data(), y.data(), grad(y.sum(), x).data()])
  const kept = b.filter((v: number) => v !== 0).length
  assert.ok(Math.abs(kept / 4000 - 0.75) < 0.03, `${kept} of 4000 kept`)
  for (let i = 0; i < 4000; i++) {
    assert.ok(b[i] === 0 || Math.abs(b[i]! - a[i]! / 0.75) < 1e-5)
    assert.ok(Math.abs(g[i]! - (b[i] === 0 ? 0 : 1 / 0.75)) < 1e-6)
  }
  module.eval()
  assert.is(module.forward(x), x)
})

test('compiled batch norm moves its statistics in every step and counts batches', async () => {
  const [a, b] = [new nn.BatchNorm1d(3), new nn.BatchNorm1d(3)]
  const step = compile((x: Tensor) => a.forward(x))
  for (let i = 0; i < 3; i++) {
    const x = rand([5, 3])
    const y = b.forward(x)
    await same(step(x), { shape: [5, 3], data: Array.from(await noGrad(() => y).data()) })
  }
  const stats = b.stateDict()
  for (const [name, t] of Object.entries(a.stateDict())) await same(t, { shape: [...t.shape], data: Array.from(await stats[name]!.data()) }, 1e-6, name)
  assert.is(await a.num_batches_tracked!.item(), 3)
})

test('normalising layers take f16 beyond where its squares end, and give f16', async () => {
  const device = await ready()
  if (!device.features.has('shader-f16')) return
  const x = tensor([-300, 300, 300, -300], { dtype: 'f16', shape: [2, 2] })
  for (const module of [new nn.BatchNorm1d(2), new nn.LayerNorm(2)]) {
    const y = module.forward(x) as Tensor
    assert.is(y.dtype, 'f16')
    assert.equal(Array.from(await y.data()), [-1, 1, 1, -1])
  }
})

test('modules refuse bad arguments', () => {
  assert.throws(() => new nn.Linear(0, 3), /Linear: inFeatures must be a whole number ≥ 1, got 0/)
  assert.throws(() => new nn.Linear(2, 3, { bais: true } as never), /unknown option "bais"; known: bias/)
  assert.throws(() => new nn.Dropout(1.5), /Dropout: p must be a finite number ≥ 0 and ≤ 1, got 1.5/)
  assert.throws(() => new nn.BatchNorm1d(4, { track_running_stats: false } as never), /it is called trackRunningStats here/)
  assert.throws(() => new nn.BatchNorm1d(4).forward(zeros([3, 5])), /\[N, 4\] or \[N, 4, L\], got \[3, 5\]/)
  assert.throws(() => new nn.BatchNorm1d(4).forward(zeros([1, 4])), /more than one value a channel/)
  assert.throws(() => new nn.Linear(4, 2).forward(zeros([3, 5])), /last dim of the input must be 4 \(inFeatures\), got \[3, 5\]/)
  assert.throws(() => new nn.LayerNorm(4).forward(zeros([3, 5])), /last dims of the input must be \[4\], got \[3, 5\]/)
  assert.throws(() => new nn.Sequential(new nn.ReLU(), null as never), /module 1 is null, a Module is needed/)
  assert.throws(() => new nn.LeakyReLU(Number.NaN), /negativeSlope must be a finite number, got NaN/)
})

test.run()
