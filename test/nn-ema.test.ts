// What goes with optimisers: clipping of gradients against PyTorch, moving averages against float64.
import { loadSafetensors, nn, noGrad, optim, randn, saveSafetensors, tensor, zeros } from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { close, ready } from './helpers/device.js'
import { golden, type Packed, same, unpack } from './helpers/golden.js'

const test = suite('nn clip and ema')
test.before(async () => void (await ready()))

test('clipping by norm is that of PyTorch, pure and in place; by value too', async () => {
  const c = golden.clip
  for (const which of [c.clipped, c.unclipped]) {
    const { grads, norm } = optim.clipGradNorm(
      c.grads.map((g: Packed) => unpack(g)),
      which.maxNorm,
    )
    await same(norm, which.norm, 1e-5)
    for (const i of [0, 1]) await same(grads[i]!, which.grads[i], 1e-5)
    const params = c.grads.map((g: Packed) => {
      const p = nn.parameter(zeros(g.shape))
      p.grad = unpack(g)
      return p
    }) as nn.Parameter[]
    await same(optim.clipGradNorm_(params, which.maxNorm), which.norm, 1e-5)
    for (const i of [0, 1]) await same(params[i]!.grad!, which.grads[i], 1e-5)
  }
  const p = nn.parameter(zeros([3]))
  p.grad = tensor([-3, 0.5, 2])
  optim.clipGradValue_([p], 1)
  close(await p.grad.data(), [-1, 0.5, 1])
  close(await optim.clipGradValue([tensor([-3, 0.5, 2])], tensor(1.5))[0]!.data(), [-1.5, 0.5, 1.5])
})

test('clipping f16: squares are summed in f32', async () => {
  const device = await ready()
  if (!device.features.has('shader-f16')) return
  const { grads, norm } = optim.clipGradNorm([tensor([300, 400], { dtype: 'f16' })], 5)
  assert.equal([grads[0]!.dtype, norm.dtype], ['f16', 'f32'])
  close(await norm.data(), [500], 0)
  close(await grads[0]!.data(), [3, 4], 1e-3)
})

test('moving averages: warm-up, many tensors, copies, exchange and state', async () => {
  const module = new nn.Sequential(new nn.Linear(2, 3), new nn.Linear(3, 3), new nn.Linear(3, 2), new nn.Linear(2, 1))
  const twin = new nn.Sequential(new nn.Linear(2, 3), new nn.Linear(3, 3), new nn.Linear(3, 2), new nn.Linear(2, 1))
  const params = module.parameters()
  const ema = new optim.EMA(module, { decay: 0.7, warmup: true })
  const reference = await Promise.all(params.map(async (p) => Float64Array.from(await p.data())))
  for (let t = 0; t < 30; t++) {
    noGrad(() => params.forEach((p) => void p.copy_(randn(p.shape))))
    ema.update()
    const decay = Math.min(0.7, (1 + t) / (10 + t))
    for (const [i, p] of params.entries()) (await p.data()).forEach((x, j) => (reference[i]![j] = decay * reference[i]![j]! + (1 - decay) * x))
  }
  for (const [i, average] of ema.params.entries()) close(await average.data(), reference[i]!, 1e-5)
  ema.copyTo(twin)
  close(await twin.parameters()[5]!.data(), reference[5]!, 1e-5)
  const before = await params[0]!.data()
  const inside = await ema.applied(module, async () => params[0]!.data())
  close(inside, reference[0]!, 1e-5)
  assert.equal(await params[0]!.data(), before)
  const fail = () => {
    throw new Error('on purpose')
  }
  assert.throws(() => ema.applied(module, fail), /on purpose/)
  assert.equal(await params[0]!.data(), before)
  const other = new optim.EMA(twin, { decay: 0.7, warmup: true })
  other.loadStateDict(loadSafetensors(await saveSafetensors(ema.stateDict())))
  assert.is(await other.stateDict()['num_updates']!.item(), 30)
  assert.equal(await other.params[7]!.data(), await ema.params[7]!.data())
  assert.throws(() => ema.copyTo(new nn.Linear(2, 3)), /other parameters/)
  ema.decay = 1
  const same_ = await ema.params[0]!.data()
  ema.update()
  // t = 30 still warms up: (1 + 30) / (10 + 30) < 1.
  assert.not.equal(await ema.params[0]!.data(), same_)
})

test.run()
