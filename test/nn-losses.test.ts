// Losses against PyTorch, values and gradients; refusals of what broadcasts silently elsewhere; schedules of learning rates.
import { grad, losses, nn, optim, type Tensor, tensor, zeros } from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { close, ready } from './helpers/device.js'
import { golden, type Packed, same, unpack } from './helpers/golden.js'

const test = suite('nn losses')
test.before(async () => void (await ready()))

type Loss = (...inputs: Tensor[]) => Tensor
/** Our call for each of PyTorch's; the number says how many of the inputs are floats, class indices come after. */
const calls: Record<string, [Loss, number?]> = {
  'mse.mean': [(x, y) => losses.mse(x!, y!)],
  'mse.sum': [(x, y) => losses.mse(x!, y!, { reduction: 'sum' })],
  'mse.none': [(x, y) => losses.mse(x!, y!, { reduction: 'none' })],
  l1: [(x, y) => losses.l1(x!, y!)],
  smoothL1: [(x, y) => losses.smoothL1(x!, y!, { beta: 0.7 })],
  bceWithLogits: [(x, y) => losses.bceWithLogits(x!, y!)],
  bce: [(x, y) => losses.bce(x!, y!)],
  crossEntropy: [(x, t) => losses.crossEntropy(x!, t!), 1],
  'crossEntropy.none': [(x, t) => losses.crossEntropy(x!, t!, { reduction: 'none' }), 1],
  'crossEntropy.smooth': [(x, t) => losses.crossEntropy(x!, t!, { labelSmoothing: 0.2 }), 1],
  'crossEntropy.ignore': [(x, t) => losses.crossEntropy(x!, t!, { ignoreIndex: -100 }), 1],
  'crossEntropy.probabilities': [(x, t) => losses.crossEntropy(x!, t!, { labelSmoothing: 0.1 })],
  'crossEntropy.image': [(x, t) => losses.crossEntropy(x!, t!), 1],
  nll: [(x, t) => losses.nll(x!, t!), 1],
  gaussianNll: [(x, y, v) => losses.gaussianNll(x!, y!, v!)],
  'gaussianNll.full': [(x, y, v) => losses.gaussianNll(x!, y!, v!, { full: true, reduction: 'sum' })],
  klNormal: [(m, s) => losses.klNormal(m!, s!)],
  klDiv: [(x, t) => losses.klDiv(x!, t!, { reduction: 'batchmean' })],
  'klDiv.log': [(x, t) => losses.klDiv(x!, t!, { logTarget: true, reduction: 'sum' })],
}

test('every loss in the file is tested', () => {
  assert.equal(Object.keys(golden.losses).sort(), Object.keys(calls).sort())
})

for (const [name, [loss, floats]] of Object.entries(calls)) {
  test(`${name} is PyTorch's, and so are its gradients`, async () => {
    const c = golden.losses[name] as { inputs: Packed[]; value: Packed; g: Packed; grads: (Packed | null)[] }
    const inputs = c.inputs.map((p, i) => unpack(p, floats === undefined || i < floats ? 'f32' : 'i32'))
    const leaves = inputs.slice(0, floats)
    for (const t of leaves) t.requiresGrad = true
    const value = loss(...inputs)
    await same(value, c.value, 2e-5, 'value')
    const gradients = grad(value.mul(unpack(c.g)).sum(), leaves, { allowUnused: true })
    for (const [i, expected] of c.grads.entries()) if (expected) await same(gradients[i]!, expected, 5e-5, `gradient ${i}`)
  })
}

test('hinge losses and a Gaussian with a fixed variance are their formulas', async () => {
  const x = tensor([-2, -0.5, 0.5, 2])
  close(await losses.hinge(x, tensor([1, 1, -1, 1]), { reduction: 'none' }).data(), [3, 1.5, 1.5, 0])
  close(await losses.hingeCritic(x, tensor([-3, 0])).data(), [(3 + 1.5 + 0.5 + 0) / 4 + (0 + 1) / 2])
  close(await losses.hingeGenerator(x).data(), [0])
  close(
    await losses.gaussianNll(x, zeros([4]), 4, { reduction: 'none' }).data(),
    [2, 0.5, 0.5, 2].map((s) => 0.5 * Math.log(4) + (s === 2 ? 4 : 0.25) / 8),
  )
  close(await losses.klNormal(zeros([3, 2]), zeros([3, 2]), { reduction: 'none' }).data(), [0, 0, 0])
})

test('binary cross-entropy keeps small losses and has its gradient at 0', async () => {
  const x = tensor([0, 20, -20, 200])
  x.requiresGrad = true
  const each = losses.bceWithLogits(x, tensor([1, 1, 0, 0]), { reduction: 'none' })
  const [a, b, c, d] = await each.data()
  close([a!, d!], [Math.LN2, 200])
  close([b! * 1e9, c! * 1e9], [2.0611536, 2.0611536], 1e-3)
  close(await grad(each.sum(), x).data(), [-0.5, -2.06e-9, 2.06e-9, 1], 1e-6)
})

test('shapes, dtypes and options that do not fit are refused', () => {
  const bad: [() => unknown, RegExp][] = [
    [() => losses.mse(zeros([4, 1]), zeros([4])), /mse: input \[4, 1\] and target \[4\] must have one shape/],
    [() => losses.bceWithLogits(zeros([4]), zeros([])), /must have one shape/],
    [() => losses.crossEntropy(zeros([4, 3]), zeros([4, 1], { dtype: 'i32' })), /the class indices must be \[4\], got \[4, 1\]/],
    [() => losses.crossEntropy(zeros([4, 3]), zeros([4])), /must have one shape/],
    [() => losses.nll(zeros([4, 3]), zeros([4])), /class indices are i32 or u32, got f32/],
    [() => losses.mse(zeros([2]), zeros([2]), { reduction: 'avg' as never }), /unknown reduction "avg"; known: mean, sum, none/],
    [() => losses.crossEntropy(zeros([4, 3]), zeros([4], { dtype: 'i32' }), { label_smoothing: 0.1 } as never), /it is called labelSmoothing here/],
    [() => losses.smoothL1(zeros([2]), zeros([2]), { beta: -1 }), /beta must be a finite number ≥ 0, got -1/],
    [() => losses.gaussianNll(zeros([4, 3]), zeros([4, 3]), zeros([3])), /variance \[3\] must have the input's shape/],
    [() => losses.mse(zeros([2]), 3 as never), /input and target must be tensors/],
  ]
  for (const [fn, text] of bad) assert.throws(fn, text)
})

const schedulers: Record<string, (o: optim.Schedulable) => optim.LRScheduler> = {
  LambdaLR: (o) => new optim.LambdaLR(o, (t) => 1 / (1 + t)),
  StepLR: (o) => new optim.StepLR(o, 3, { gamma: 0.5 }),
  MultiStepLR: (o) => new optim.MultiStepLR(o, [2, 5, 5, 8]),
  ExponentialLR: (o) => new optim.ExponentialLR(o, 0.9),
  CosineAnnealingLR: (o) => new optim.CosineAnnealingLR(o, 8, { etaMin: 0.001 }),
  LinearLR: (o) => new optim.LinearLR(o, { startFactor: 0.25, totalIters: 6 }),
  OneCycleLR: (o) => new optim.OneCycleLR(o, 0.2, { totalSteps: 12 }),
}

for (const [name, make] of Object.entries(schedulers)) {
  test(`${name} gives PyTorch's learning rates, also when continued`, () => {
    const optimizer = () =>
      new optim.SGD([
        { params: [nn.parameter(zeros([1]))], lr: 0.1 },
        { params: [nn.parameter(zeros([1]))], lr: 0.02 },
      ])
    let scheduler = make(optimizer())
    for (const [t, expected] of (golden.schedulers[name] as number[][]).entries()) {
      if (t > 0) scheduler.step()
      if (t === 5) {
        const next = make(optimizer())
        next.loadStateDict(JSON.parse(JSON.stringify(scheduler.stateDict())))
        scheduler = next
      }
      close(scheduler.getLastLr(), expected, 1e-12)
      close(
        scheduler.optimizer.groups.map((g) => g.lr),
        expected,
        1e-12,
      )
    }
  })
}

test('schedulers refuse bad arguments', () => {
  const opt = new optim.SGD([nn.parameter(zeros([1]))])
  assert.throws(() => new optim.StepLR(opt, 0), /StepLR: stepSize must be a whole number ≥ 1, got 0/)
  assert.throws(() => new optim.ExponentialLR(opt, Number.NaN), /gamma must be a finite number ≥ 0, got NaN/)
  assert.throws(() => new optim.LambdaLR(opt, [() => 1, () => 2]), /2 functions for 1 groups/)
  assert.throws(() => new optim.StepLR({} as never, 2), /must be an optimiser/)
  assert.throws(() => new optim.StepLR(opt, 2).loadStateDict({ lastEpoch: -1, baseLrs: [1] }), /\{ lastEpoch, baseLrs \} with 1 rates is needed/)
})

test.run()
