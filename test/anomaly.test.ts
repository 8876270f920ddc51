// The search for the first NaN: what it names, forward, backward and in updates; that it ends when it should, and leaves nothing behind.
import {
  AnomalyError,
  checkpoint,
  compile,
  customFunction,
  type Device,
  detectAnomaly,
  grad,
  isAnomalyEnabled,
  nn,
  noGrad,
  optim,
  setDetectAnomaly,
  type Tensor,
  tensor,
  tidy,
  zeros,
} from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ready, settle, thrown } from './helpers/device.js'

const test = suite('anomaly')
let device: Device

test.before(async () => {
  device = await ready()
})

test.after.each(() => {
  assert.not(isAnomalyEnabled(), 'the mode is still on')
})

/** What detectAnomaly finds in `fn`. */
async function anomaly(fn: () => unknown, options?: { inf?: boolean }): Promise<AnomalyError & { fields: Record<string, any> }> {
  const error = await thrown(() => detectAnomaly(fn, options))
  assert.instance(error, AnomalyError, String(error?.stack))
  assert.is(error.code, 'ANOMALY')
  return error as AnomalyError
}

const leaf = (values: number[] | number[][]): Tensor => tensor(values).requiresGrad_()

test('forward: the op whose result holds NaN and whose inputs held none, and where it was called', async () => {
  const error = await anomaly(function here() {
    const x = leaf([1, -1, 4])
    return x.add(0).log().mul(2).sum()
  })
  assert.match(
    error.message,
    /NaN first appeared in the forward pass: the result of log, \[3\] f32 \(holds NaN\)\. It was computed from the input of log, \[3\] f32\n/,
  )
  assert.match(error.message, /log was called here:\n.*here.*anomaly\.test\.ts/)
  const { op, pass, what, from, inputs, tensor: culprit, calledAt } = error.fields
  assert.equal([op, pass, what, from], ['log', 'forward', 'NaN', 'op'])
  assert.equal(inputs, [{ role: 'input of log', shape: [3], dtype: 'f32', leaf: false, holds: 'finite' }])
  assert.equal([culprit.shape, culprit.dtype], [[3], 'f32'])
  assert.match(calledAt.split('\n')[0], /here.*anomaly\.test\.ts/)
})

test('forward: what infinities an op made NaN of', async () => {
  const error = await anomaly(() => tensor([1, 2]).div(0).mul(0))
  assert.equal([error.fields['op'], error.fields['inputs'][0].holds], ['mul', 'infinity'])
  assert.match(error.message, /the input of mul, \[2\] f32 \(holds infinity\)/)
})

test('backward: 0 · inf, named by the op of the forward pass and its place', async () => {
  const x = leaf([0, 1])
  const error = await anomaly(function careless() {
    // The slope of the root at 0 is infinite, and the mask makes 0 · inf of it.
    const loss = x
      .sqrt()
      .mul(tensor([0, 1]))
      .sum()
    return grad(loss, x)
  })
  const { op, pass, from, tensor: culprit, calledAt } = error.fields
  assert.equal([op, pass, from, culprit.role], ['sqrt', 'backward', 'op', 'gradient of the input of sqrt'])
  assert.match(
    error.message,
    /NaN first appeared in the backward pass: the gradient of the input of sqrt, \[2\] f32 \(holds NaN\)\. It was computed from the gradient of the result of sqrt/,
  )
  assert.match(calledAt.split('\n')[0], /careless.*anomaly\.test\.ts/)
})

test('infinities only where they are asked for', async () => {
  const x = leaf([0, 1])
  const root = (): Tensor => grad(x.sqrt().sum(), x)
  assert.equal(Array.from(await (await detectAnomaly(root)).data()), [Infinity, 0.5])
  const error = await anomaly(root, { inf: true })
  assert.equal([error.fields['op'], error.fields['pass'], error.fields['what']], ['sqrt', 'backward', 'infinity'])
  const masked = await anomaly(() => tensor([1, -Infinity]).exp().log(), { inf: true })
  assert.equal([masked.fields['op'], masked.fields['from']], ['log', 'op'])
})

test('a NaN that was there before is named as such: of the host, a parameter, a gradient that was given', async () => {
  const data = await anomaly(() => tensor([1, 2]).add(tensor([Number.NaN, 0])))
  assert.equal([data.fields['from'], data.fields['tensor'].role, data.fields['tensor'].leaf], ['input', 'input 2 of add', false])
  assert.match(data.message, /NaN was there before: the input 2 of add, \[2\] f32 \(holds NaN\)\. Nothing that was watched made it/)
  const layer = new nn.Linear(2, 1)
  noGrad(() => layer.weight.fill_(Number.NaN))
  const parameter = await anomaly(() => layer.forward(tensor([[1, 2]])))
  assert.equal([parameter.fields['from'], parameter.fields['tensor'].leaf, parameter.fields['tensor'].shape], ['input', true, [2, 1]])
  const x = leaf([1, 2])
  const given = await anomaly(() => grad(x.mul(2), x, { gradOutputs: tensor([Number.NaN, 1]) }))
  assert.equal([given.fields['from'], given.fields['pass'], given.fields['tensor'].role], ['input', 'backward', 'gradient of the result of mul'])
})

test('a NaN that nothing comes of is none: unread rows, masked values', async () => {
  const x = tensor([
    [1, 2],
    [Number.NaN, 4],
  ])
  const sum = await detectAnomaly(() => x.narrow(0, 0, 1).sum())
  assert.is(await sum.item(), 3)
  const filled = await detectAnomaly(() => x.isnan().where(0, x).sum())
  assert.is(await filled.item(), 7)
})

test('sums of gradients, functions of one’s own, checkpoints', async () => {
  const x = leaf([0])
  const sum = await anomaly(() => {
    const a = x.add(1)
    return grad(
      a
        .mul(Infinity)
        .add(a.mul(-Infinity))
        .detach()
        .add(a.mul(3e38).mul(3).sub(a.mul(3e38).mul(3))),
      x,
    )
  })
  assert.is(sum.fields['op'], 'add')
  const meeting = await anomaly(() => {
    const a = x.add(1)
    // 2 · 3e38 is infinite, once with each sign, where the two ways meet.
    return grad([a.mul(1), a.mul(1)], x, { gradOutputs: [tensor([Infinity]), tensor([-Infinity])] })
  })
  assert.match(meeting.message, /in the backward pass: the sum of the gradients of the result of add, \[1\] f32/)
  const own = customFunction({ name: 'careless', forward: (_, t: Tensor) => t.add(1), backward: (_, g) => [g!.mul(0).div(0)] })
  const custom = await anomaly(() => grad(own(x).sum(), x))
  assert.equal([custom.fields['op'], custom.fields['pass']], ['careless', 'backward'])
  assert.match(custom.fields['calledAt'], /anomaly\.test\.ts/)
  const inside = await anomaly(() => grad(checkpoint((t) => t.sqrt().mul(0), x).sum(), x))
  assert.equal([inside.fields['op'], inside.fields['pass']], ['sqrt', 'backward'])
})

test('updates: an optimiser by its name and the shape of the parameter, a write in place', async () => {
  for (const make of [(p: Tensor[]) => new optim.SGD(p, { lr: 1e38, momentum: 0.9 }), (p: Tensor[]) => new optim.Adam(p, { lr: 1e38 })]) {
    const p = nn.parameter(tensor([[1e38, 1, 1]]))
    const opt = make([p])
    // The step overflows, and the next takes infinity from infinity.
    const error = await anomaly(() => {
      for (const g of [-1e38, 1e38, -1e38]) opt.step([tensor([[g, g, g]])])
    })
    assert.match(error.fields['op'], /^optim\.(SGD|Adam)$/)
    assert.is(error.fields['pass'], 'update')
    assert.match(error.message, /NaN first appeared in an update: the target 1 of optim\.(SGD|Adam), \[1, 3\] f32/)
    assert.match(error.fields['calledAt'], /anomaly\.test\.ts/)
  }
  const p = nn.parameter(tensor([1, 2]))
  const opt = new optim.Adam([p])
  const gradient = await anomaly(() => opt.step([tensor([Number.NaN, 0])]))
  assert.equal([gradient.fields['from'], gradient.fields['op'], gradient.fields['tensor'].shape], ['input', 'optim.Adam', [2]])
  const target = zeros([2])
  const copied = await anomaly(() => target.copy_(tensor([-1, 1]).sqrt()))
  assert.is(copied.fields['op'], 'sqrt')
  const written = await anomaly(() => target.copy_(tensor([Number.NaN, 1])))
  assert.equal([written.fields['op'], written.fields['pass'], written.fields['from']], ['copy_', 'update', 'input'])
})

test('a compiled step runs op by op, as it would have run', async () => {
  const p = nn.parameter(tensor([4]))
  const opt = new optim.SGD([p], { lr: 1 })
  const step = compile((x: Tensor) => {
    const loss = p.log().mul(x).sum()
    opt.step(grad(loss, opt.params))
    return { loss }
  })
  const recorded = step(tensor(8))
  // 4 - 8 / 4 = 2.
  assert.equal(
    [await recorded.loss.item(), await p.item()].map((v) => Math.round(1e4 * v)),
    [Math.round(8e4 * Math.log(4)), 2e4],
  )
  const error = await anomaly(async () => {
    const { loss } = step(tensor(8))
    assert.is(Math.round(1e4 * (await loss.item())), Math.round(8e4 * Math.log(2)))
    // 2 - 8 / 2 = -2, whose logarithm is none.
    await step(tensor(8)).loss.item()
    throw new Error('the reading should have rejected')
  })
  assert.equal([error.fields['op'], error.fields['pass'], error.fields['inputs'][0].leaf], ['log', 'forward', true])
  noGrad(() => p.fill_(4))
  assert.is(Math.round(1e4 * (await step(tensor(8)).loss.item())), Math.round(8e4 * Math.log(4)))
  step.dispose()
})

test('async functions, nested ones, errors of other kinds', async () => {
  assert.is(await detectAnomaly(async () => (await tensor([1, 2]).sum().item()) + 1), 4)
  const reading = await anomaly(async () => {
    assert.ok(isAnomalyEnabled())
    const x = tensor([-1]).sqrt()
    await x.data()
    throw new Error('the reading should have rejected')
  })
  assert.is(reading.fields['op'], 'sqrt')
  let inner: unknown
  const outer = await detectAnomaly(async () => {
    inner = await detectAnomaly(() => tensor([0]).div(0)).catch((e) => e)
    assert.ok(isAnomalyEnabled())
    return 5
  })
  assert.is(outer, 5)
  assert.is((inner as AnomalyError).fields['op'], 'div')
  const other = await thrown(() => detectAnomaly(() => tensor([1, 2]).reshape(3)))
  assert.is(other.code, 'SHAPE')
  // An error that followed from a NaN comes with it.
  const followed = await anomaly(async () => {
    const x = tensor([-1]).sqrt()
    if (x.size === 1) throw new RangeError('no use')
  })
  assert.instance(followed.cause, RangeError)
})

test('set on and off: reads reject, once for each finding', async () => {
  setDetectAnomaly(true)
  try {
    assert.ok(isAnomalyEnabled())
    const bad = tensor([-1]).sqrt()
    const error = await thrown(() => bad.data())
    assert.is(error.fields['op'], 'sqrt')
    assert.ok(Number.isNaN(await bad.item()))
    const next = await thrown(() => bad.add(1).data())
    assert.equal([next.fields['op'], next.fields['from']], ['add', 'input'])
    tensor([-1]).log()
    assert.is((await thrown(() => device.sync())).code, 'ANOMALY')
  } finally {
    setDetectAnomaly(false)
  }
  assert.not(isAnomalyEnabled())
  assert.ok(Number.isNaN(await tensor([-1]).sqrt().item()))
})

test('a clean run gives what it gives without, and leaves nothing behind', async () => {
  const model = new nn.Sequential(new nn.Linear(3, 8), new nn.Tanh(), new nn.Linear(8, 1))
  const opt = new optim.Adam(model.parameters())
  const x = tensor([[1, 2, 3]])
  const once = (): Promise<number> =>
    tidy(async () => {
      const loss = model.forward(x).square().mean()
      opt.step(grad(loss, opt.params))
      return loss.item()
    })
  await once()
  await detectAnomaly(once)
  await settle(device)
  const { storages, bytes } = device.memory()
  for (let i = 0; i < 5; i++) assert.type(await detectAnomaly(once), 'number')
  // Many ops without a read.
  const many = (): void => {
    for (let i = 0; i < 600; i++) tidy(() => void x.add(i).mul(2))
  }
  await detectAnomaly(many)
  const error = await anomaly(() => {
    tidy(() => void x.neg().sqrt())
    many()
    tidy(() => void x.neg().log())
  })
  assert.is(error.fields['op'], 'sqrt')
  await settle(device)
  assert.equal(device.memory().storages, storages)
  assert.equal(device.memory().bytes, bytes)
})

test('off, it costs nothing: no dispatch more', async () => {
  const count = (): number => {
    const before = device.stream.dispatches
    tensor([1, 2]).add(1).mul(2).dispose()
    return device.stream.dispatches - before
  }
  assert.is(count(), 2)
  await detectAnomaly(() => assert.ok(count() > 2))
  assert.is(count(), 2)
})

test.run()
