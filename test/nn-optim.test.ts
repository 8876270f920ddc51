// Optimisers beyond their rows in the table: long runs against float64, gradients that lie strangely, parameters that share memory, rates of groups, the
// number of dispatches; clipping in half precision.
import { loadSafetensors, nn, optim, saveSafetensors, tensor, zeros } from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { close, ready } from './helpers/device.js'

const test = suite('nn optim')
test.before(async () => void (await ready()))

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

test('clipping f16: squares are summed in f32', async () => {
  if (!zeros([1]).device.features.has('shader-f16')) return
  const { grads, norm } = optim.clipGradNorm([tensor([300, 400], { dtype: 'f16' })], 5)
  assert.equal([grads[0]!.dtype, norm.dtype], ['f16', 'f32'])
  close(await norm.data(), [500], 0)
  close(await grads[0]!.data(), [3, 4], 1e-3)
})

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

test.run()
