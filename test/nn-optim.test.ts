// Optimisers against PyTorch and a float64 reference; hyper-parameters as data in compiled steps; checkpoints bit for bit;
// bad hyper-parameters.
import { compile, grad, loadSafetensors, manualSeed, nn, noGrad, optim, randn, saveSafetensors, type Tensor, tensor, tidy, zeros } from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { close, ready } from './helpers/device.js'
import { golden, type Packed, same, unpack } from './helpers/golden.js'

const test = suite('nn optim')
test.before(async () => void (await ready()))

type Make = (params: Tensor[], options: Record<string, unknown>) => optim.Optimizer<{ lr: number }>
const make: Record<string, Make> = {
  SGD: (p, o) => new optim.SGD(p, o) as never,
  Adam: (p, o) => new optim.Adam(p, o) as never,
  AdamW: (p, o) => new optim.AdamW(p, o) as never,
  RMSprop: (p, o) => new optim.RMSprop(p, o) as never,
}

interface Case {
  name: string
  options: Record<string, unknown>
  sparse: boolean
  after: Packed[][]
}

const start = (): Tensor[] => (golden.optim.start as Packed[]).map((p) => nn.parameter(unpack(p)))

for (const c of golden.optim.cases as Case[]) {
  test(`${c.name} ${JSON.stringify(c.options)} takes PyTorch's steps${c.sparse ? ', skipping parameters without gradients' : ''}`, async () => {
    const params = start()
    const targets = (golden.optim.target as Packed[]).map((p) => unpack(p))
    const opt = make[c.name]!(params, c.options)
    for (let step = 0, next = 0; step < 20; step++) {
      tidy(() => {
        const grads = noGrad(() => params.map((p, i) => (c.sparse && (step + i) % 3 === 0 ? null : p.sub(targets[i]!).mul(0.5 + 0.25 * i))))
        opt.step(grads)
      })
      if (step !== 0 && step !== 1 && step !== 19) continue
      for (const [i, p] of params.entries()) await same(p, c.after[next]![i]!, 3e-5, `parameter ${i} after step ${step + 1}`)
      next++
    }
  })
}

test('Adam over 2000 steps stays with a float64 reference', async () => {
  const p = nn.parameter(tensor([1, -2, 0.5]))
  const opt = new optim.Adam([p], { lr: 1e-3, betas: [0.9, 0.999] })
  const g = [0.3, -1e-3, 5]
  const [m, v, x] = [
    [0, 0, 0],
    [0, 0, 0],
    [1, -2, 0.5],
  ]
  const given = tensor(g)
  for (let t = 1; t <= 2000; t++) {
    opt.step([given])
    for (let i = 0; i < 3; i++) {
      m[i] = 0.9 * m[i]! + 0.1 * g[i]!
      v[i] = 0.999 * v[i]! + 0.001 * g[i]! * g[i]!
      x[i]! -= ((1e-3 / (1 - 0.9 ** t)) * m[i]!) / (Math.sqrt(v[i]! / (1 - 0.999 ** t)) + 1e-8)
    }
    if ([1, 2, 10, 100, 693, 1000, 2000].includes(t)) close(await p.data(), x, 1e-4)
  }
  assert.is(await opt.stateDict()['state.0.step']!.item(), 2000)
})

test('gradients are taken transposed as they lie, from views, and from .grad', async () => {
  const p = nn.parameter(zeros([2, 3]))
  const q = nn.parameter(zeros([2]))
  const opt = new optim.SGD([p, q], { lr: 1 })
  const g = tensor([
    [1, 2],
    [3, 4],
    [5, 6],
  ])
  opt.step([g.t(), tensor([9, 7, 8, 9]).narrow(0, 1, 2)])
  close(await p.data(), [-1, -3, -5, -2, -4, -6])
  close(await q.data(), [-7, -8])
  opt.step([tensor([1, 2]).unsqueeze(1).expand([2, 3]), null])
  close(await p.data(), [-2, -4, -6, -4, -6, -8])
  p.mul(2).sum().backward()
  opt.step()
  close(await p.data(), [-4, -6, -8, -6, -8, -10])
  close(await q.data(), [-7, -8])
  opt.zeroGrad()
  assert.is(p.grad, null)
  opt.step([p, null])
  close(await p.data(), [0, 0, 0, 0, 0, 0])
})

test('parameters that are views of one memory, and many parameters', async () => {
  const memory = zeros([40])
  const params = Array.from({ length: 8 }, (_, i) => nn.parameter(memory.narrow(0, 5 * i, i === 3 ? 1 : 5)))
  const opt = new optim.Adam(params, { lr: 0.5 })
  opt.step(params.map((p, i) => tensor(new Float32Array(p.size).fill(i % 2 ? 1 : -1))))
  const expected = Array.from({ length: 40 }, (_, j) => (j > 15 && j < 20 ? 0 : Math.floor(j / 5) % 2 ? -0.5 : 0.5))
  close(await memory.data(), expected)
})

test('groups have their own hyper-parameters, like those of PyTorch', async () => {
  const [a, b] = [nn.parameter(zeros([2])), nn.parameter(zeros([3]))]
  const opt = new optim.SGD([{ params: [a] }, { params: [b], lr: 2 }], { lr: 1 })
  assert.equal(
    opt.groups.map((g) => g.lr),
    [1, 2],
  )
  opt.step([tensor([1, 1]), tensor([1, 1, 1])])
  close(await a.data(), [-1, -1])
  close(await b.data(), [-2, -2, -2])
  opt.lr = 0.5
  assert.equal(
    opt.groups.map((g) => g.lr),
    [0.5, 0.5],
  )
  opt.groups[1]!.lr = 4
  opt.step([tensor([1, 1]), tensor([1, 1, 1])])
  close(await a.data(), [-1.5, -1.5])
  close(await b.data(), [-6, -6, -6])
})

test('a compiled step sees another learning rate, and counts steps as the eager one does', async () => {
  const run = (p: nn.Parameter, opt: optim.Adam, ema: optim.EMA) => (x: Tensor) => {
    const loss = p.sub(x).square().sum()
    opt.step(grad(loss, opt.params))
    ema.update()
    return loss
  }
  const both = [0, 1].map(() => {
    const p = nn.parameter(tensor([1, 2, 3]))
    const opt = new optim.Adam([p], { lr: 0.1 })
    const ema = new optim.EMA([p], { decay: 0.9, warmup: true })
    return { p, opt, ema, step: run(p, opt, ema) }
  })
  const compiled = compile(both[1]!.step)
  const scheduler = both.map(({ opt }) => new optim.StepLR(opt, 2, { gamma: 0.5 }))
  for (let i = 0; i < 6; i++) {
    const x = tensor([i, -i, 1])
    if (i === 4) for (const b of both) b.opt.groups[0]!.set({ betas: [0.5, 0.9], weightDecay: 0.1 })
    const [a, b] = [both[0]!.step(x), compiled(x)]
    close(await b.data(), await a.data(), 1e-6)
    for (const s of scheduler) s.step()
  }
  close(await both[1]!.p.data(), await both[0]!.p.data(), 1e-6)
  close(await both[1]!.ema.params[0]!.data(), await both[0]!.ema.params[0]!.data(), 1e-6)
  assert.throws(
    () =>
      compile(() => {
        both[0]!.opt.lr = 1
        return both[0]!.p.add(1)
      })(),
    /inside compile\(\) this would happen once/,
  )
})

test('a model of 6 parameters takes 3 dispatches a step and no memory', () => {
  const model = new nn.Sequential(new nn.Linear(2, 8), new nn.Linear(8, 8), new nn.Linear(8, 1))
  const opt = new optim.Adam(model.parameters())
  const { stream } = opt.params[0]!.device
  const grads = opt.params.map((p) => zeros(p.shape))
  const before = stream.dispatches
  opt.step(grads)
  assert.is(stream.dispatches - before, 3)
  const { device } = opt.params[0]!
  const { storages, buffersCreated } = device.memory()
  for (let i = 0; i < 200; i++) opt.step(grads)
  assert.is(device.memory().storages, storages)
  assert.is(device.memory().buffersCreated, buffersCreated)
})

for (const name of Object.keys(make)) {
  test(`${name} continues from a file bit for bit, hyper-parameters included`, async () => {
    manualSeed(5)
    const first = [nn.parameter(randn([3, 2])), nn.parameter(randn([4]))]
    const options = name === 'SGD' ? { lr: 0.3, momentum: 0.9, dampening: 0.1 } : name === 'RMSprop' ? { lr: 0.3, momentum: 0.9, centered: true } : { lr: 0.3 }
    const a = make[name]!(first, options)
    const grads = Array.from({ length: 6 }, () => [randn([3, 2]), randn([4])])
    for (const g of grads.slice(0, 3)) a.step(g)
    a.lr = 0.0123
    const second = first.map((p) => nn.parameter(p.detach().clone()))
    const bytes = await saveSafetensors(a.stateDict())
    const b = make[name]!(second, { ...options, lr: 1 })
    const dict = loadSafetensors(bytes)
    const loaded = b.loadStateDict(dict)
    for (const t of Object.values(dict)) t.dispose()
    for (const g of grads.slice(3)) {
      a.step(g)
      b.step(g)
    }
    for (const i of [0, 1]) assert.equal(await second[i]!.data(), await first[i]!.data())
    await loaded
    assert.is(b.lr, 0.0123)
    const c = make[name]!([second[0]!], options)
    assert.throws(
      () => c.loadStateDict(a.stateDict()),
      (e: { code?: string; message: string }) => e.code === 'STATE_DICT' && /unexpected: state\.1/.test(e.message),
    )
  })
}

test('hyper-parameters with more digits than a file keeps stay what they are', async () => {
  const options = { lr: 0.1, betas: [0.512345678912, 0.987654321987] as const }
  const [p, q] = [nn.parameter(tensor([1, 2, 3])), nn.parameter(tensor([1, 2, 3]))]
  const [a, b] = [new optim.Adam([p], options), new optim.Adam([q], { ...options, lr: 1 })]
  await b.loadStateDict(loadSafetensors(await saveSafetensors(a.stateDict())))
  assert.equal(b.groups[0]!.options.betas, options.betas)
  for (const opt of [a, b]) {
    opt.lr = 0.05
    opt.step([tensor([0.3, -0.2, 0.1])])
    opt.step([tensor([0.1, 0.7, -0.9])])
  }
  assert.equal(await q.data(), await p.data())
})

test('bad hyper-parameters and parameters are refused with their names', () => {
  const p = nn.parameter(zeros([2]))
  const bad: [() => unknown, RegExp][] = [
    [() => new optim.Adam([p], { lr: Number.NaN }), /optim\.Adam: lr must be a finite number ≥ 0, got NaN/],
    [() => new optim.SGD([p], { lr: -1 }), /optim\.SGD: lr must be a finite number ≥ 0, got -1/],
    [() => new optim.AdamW([p], { betas: [0.9, 1] }), /optim\.AdamW: betas\[1\] must be a finite number ≥ 0 and < 1, got 1/],
    [() => new optim.AdamW([p], { betas: 0.9 as never }), /betas must be two numbers/],
    [() => new optim.RMSprop([p], { eps: Number.POSITIVE_INFINITY }), /eps must be a finite number ≥ 0, got Infinity/],
    [() => new optim.SGD([p], { nesterov: true }), /nesterov needs momentum > 0 and dampening 0/],
    [() => new optim.SGD([p], { weight_decay: 0.1 } as never), /unknown option "weight_decay"; it is called weightDecay here/],
    [() => new optim.SGD([p], { lr: '0.1' as never }), /lr must be a finite number ≥ 0, got "0.1"/],
    [() => new optim.SGD([]), /the list of parameters is empty/],
    [() => new optim.SGD([p, p]), /listed twice/],
    [() => new optim.SGD([zeros([2], { dtype: 'i32' })]), /parameter 0 is i32/],
    [() => new optim.SGD([p.mul(2)]), /computed by an op/],
    [() => new optim.SGD([{ params: [p], lr: -2 }]), /lr must be a finite number ≥ 0, got -2/],
    [() => new optim.SGD([p]).step([]), /got 0 gradients for 1 parameters/],
    [() => new optim.SGD([p]).step([zeros([3])]), /gradient of parameter 0 has shape \[3\], the parameter \[2\]/],
    [() => (new optim.SGD([p]).lr = Number.NaN), /lr must be/],
    [() => new optim.SGD([p]).groups[0]!.set({ momentum: 0.9 }), /fixed when the optimiser is made/],
    [() => new optim.EMA([p], { decay: 1.1 }), /EMA: decay must be a finite number ≥ 0 and ≤ 1, got 1.1/],
    [() => optim.clipGradNorm([p], Number.NaN), /maxNorm must be a finite number ≥ 0, got NaN/],
  ]
  for (const [fn, text] of bad) assert.throws(fn, text)
})

test.run()
