// compile(): what its words promise. Compiled equals eager for the hazards one can name, errors leave everything usable, replays allocate nothing.
import { cat, compile, currentDevice, LimitError, manualSeed, ones, rand, randn, type Rewrites, type Tensor, tensor, tidy, zeros } from '@bms/tensor'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { close, ready, settle } from '../helpers/device.js'

const test = suite('compile')

test.before(async () => {
  await ready()
})

const off: Rewrites = { dead: false, equal: false, epilogues: false, maps: false, reductions: false, copies: false }

test('values, not their history: the same work before and after an update', async () => {
  for (const rewrites of [{}, off]) {
    const w = tensor([1, 2, 3])
    const step = compile(
      (x: Tensor) => {
        const before = w.mul(x)
        w.copy_(w.add(1))
        const after = w.mul(x)
        w.narrow(0, 0, 1).fill_(10)
        return { before, after, last: w.mul(x), sum: w.sum() }
      },
      { rewrites },
    )
    const r = step(tensor([1, 1, 1]))
    close(await r.before.data(), [1, 2, 3], 0)
    close(await r.after.data(), [2, 3, 4], 0)
    close(await r.last.data(), [10, 3, 4], 0)
    close(await r.sum.data(), [17], 0)
    assert.is(step(tensor([2, 2, 2])), r, 'the results are the step’s own')
    close(await r.before.data(), [20, 6, 8], 0)
    close(await w.data(), [10, 4, 5], 0)
  }
})

test('an update from itself in another order', async () => {
  for (const rewrites of [{}, off]) {
    const n = 2000
    const w = tensor(Array.from({ length: n }, (_, k) => k))
    const step = compile(() => void w.copy_(w.flip(0).mul(2)), { rewrites })
    step()
    const values = await w.data()
    for (let k = 0; k < n; k++) if (values[k] !== 2 * (n - 1 - k)) throw new Error(`element ${k} is ${values[k]}`)
  }
})

test('NaN comes through what is folded into a product', async () => {
  const w = ones([3, 5])
  const step = compile((x: Tensor) => {
    const y = x.matmul(w)
    return [
      x.matmul(w).relu(),
      x.matmul(w).leakyRelu(0.1),
      y.tanh(),
      x.matmul(w).sigmoid(),
      x
        .matmul(w)
        .add(tensor([1, 2, 3, 4, 5]))
        .relu(),
    ]
  })
  for (const t of step(
    tensor([
      [Number.NaN, 1, 1],
      [1, -9, 1],
    ]),
  )) {
    const values = await t.data()
    assert.ok(
      Array.from<number>(values).every((v, k) => Number.isNaN(v) === k < 5),
      `${t}: ${values}`,
    )
  }
})

test('equal work is done once, unlike work is not', async () => {
  const x = tensor([1, 2, 3])
  const step = compile((t: Tensor) => [t.exp().add(1), t.exp().add(1), t.exp().add(2), rand([3]).mul(1), rand([3]).mul(1)])
  const [a, b, c, r, s] = step(x) as [Tensor, Tensor, Tensor, Tensor, Tensor]
  close(await a.data(), await b.data(), 0)
  close(
    await c.data(),
    Array.from(await a.data(), (v) => v + 1),
  )
  assert.not.equal(await r.data(), await s.data())
  assert.is(a.storage, b.storage)
})

test('dead work is dropped, but not what outside sees', async () => {
  const counter = zeros([1])
  const step = compile((x: Tensor) => {
    x.matmul(x).exp()
    counter.copy_(counter.add(1))
    return x.add(1)
  })
  step(ones([2, 2]))
  step(ones([2, 2]))
  assert.is(step.stats().dispatches, 2)
  assert.is(step.stats().recorded, 5)
  close(await counter.data(), [2], 0)
})

test('results that are inputs, views, each other, or come from outside', async () => {
  const outside = tensor([5, 6])
  const step = compile((x: Tensor, y: Tensor) => {
    const z = x.add(y)
    return { x, view: z.reshape(2, 1), turned: z.flip(0), z, again: z, outside, part: cat([x, y]).narrow(0, 1, 2), none: null, list: [y] }
  })
  const r = step(tensor([1, 2]), tensor([10, 20]))
  close(await r.x.data(), [1, 2], 0)
  assert.equal(r.view.shape, [2, 1])
  close(await r.view.data(), [11, 22], 0)
  close(await r.turned.data(), [22, 11], 0)
  close(await r.again.data(), [11, 22], 0)
  assert.is(r.z.storage, r.again.storage)
  assert.is(r.outside.storage, outside.storage)
  close(await r.part.data(), [2, 10], 0)
  assert.is(r.none, null)
  // The step's own inputs, given back to it the other way round.
  const swapped = step(r.list[0]!, r.x)
  close(await swapped.x.data(), [10, 20], 0)
  close(await swapped.list[0]!.data(), [1, 2], 0)
  close(await step(r.x, r.x).z.data(), [20, 40], 0)
  close(await step(r.x.flip(0), r.turned).z.data(), [60, 30], 0)
})

test('a result fed back is the next input', async () => {
  const step = compile((x: Tensor) => x.mul(2).add(1))
  let y = step(tensor([0, 1]))
  for (let i = 0; i < 4; i++) y = step(y)
  close(await y.data(), [31, 63], 0)
})

test('inputs in any memory order', async () => {
  const step = compile((x: Tensor) => x.mul(10))
  close(
    await step(
      tensor([
        [1, 2],
        [3, 4],
      ]),
    ).data(),
    [10, 20, 30, 40],
    0,
  )
  close(
    await step(
      tensor([
        [1, 2],
        [3, 4],
      ]).transpose(),
    ).data(),
    [10, 30, 20, 40],
    0,
  )
  close(await step(tensor([1, 2]).expand([2, 2])).data(), [10, 20, 10, 20], 0)
  close(await step(tensor([9, 9, 1, 2, 3, 4]).narrow(0, 2, 4).reshape(2, 2)).data(), [10, 20, 30, 40], 0)
})

test('another shape or dtype is another program; the oldest goes', async () => {
  let runs = 0
  const step = compile(
    (x: Tensor) => {
      runs++
      return x.add(1)
    },
    { maxPrograms: 2 },
  )
  for (const n of [1, 2, 1, 2]) close(await step(ones([n])).data(), new Array(n).fill(2), 0)
  assert.is(runs, 2)
  assert.is(step(ones([2], { dtype: 'i32' })).dtype, 'i32')
  assert.is(runs, 3)
  step(ones([2]))
  assert.is(runs, 3)
  step(ones([1]))
  assert.is(runs, 4)
})

test('constants made inside, and sizes that are nothing', async () => {
  const step = compile((x: Tensor) => ({ y: x.add(tensor([1, 2])).add(tidy(() => tensor([10, 20]).mul(2))), empty: zeros([0, 3]), sum: zeros([0]).sum() }))
  for (let i = 0; i < 3; i++) {
    const r = step(tensor([i, i]))
    close(await r.y.data(), [21 + i, 42 + i], 0)
    assert.is((await r.empty.data()).length, 0)
    close(await r.sum.data(), [0], 0)
  }
})

test('random numbers: one stream, eager and compiled', async () => {
  const draw = (): Tensor[] => [randn([5]), rand([3]), randn([2, 2])]
  const read = async (list: Tensor[]): Promise<number[]> => (await Promise.all(list.map(async (t) => Array.from(await t.data())))).flat()
  manualSeed(4)
  const eager = [await read(draw()), await read(draw()), await read(draw()), await read(draw())]
  manualSeed(4)
  const step = compile(draw)
  const mixed = [await read(step()), await read(step()), await read(draw()), await read(step())]
  assert.equal(mixed, eager)
  manualSeed(4)
  assert.equal(await read(step()), eager[0])
  const snapshot = currentDevice().random.snapshot()
  const next = await read(step())
  currentDevice().random.restore(snapshot)
  assert.equal(await read(step()), next)
})

test('compiled functions inside compiled functions', async () => {
  const inner = compile((x: Tensor) => x.mul(3))
  const outer = compile((x: Tensor) => inner(x).add(inner(x)))
  close(await outer(tensor([1, 2])).data(), [6, 12], 0)
  assert.is(outer.stats().dispatches, 1)
  close(await inner(tensor([5])).data(), [15], 0)
})

test('1,000 replays allocate nothing; dispose gives all back', async () => {
  const device = currentDevice()
  const [w, state] = [randn([16, 16]), zeros([16, 16])]
  const step = compile((x: Tensor) => {
    const y = x
      .matmul(w)
      .tanh()
      .add(rand([16, 16]))
    state.copy_(state.mul(0.9).add(y))
    return y.mean()
  })
  const x = randn([16, 16])
  await settle(device)
  const start = device.memory()
  await step(x).item()
  const before = device.memory()
  for (let i = 0; i < 1000; i++) step(x)
  assert.equal(device.memory(), before)
  assert.ok(Number.isFinite(await step(x).item()))
  step.dispose()
  assert.is(device.memory().bytes, start.bytes)
  assert.ok(Number.isFinite(await step(x).item()), 'it can be used again')
  step.dispose()
})

test('plan: what a step holds and does, with nothing run and no pipeline made', async () => {
  const device = currentDevice()
  const w = tensor([1, 2, 3, 4])
  const step = compile((x: Tensor) => {
    w.copy_(w.add(x))
    return { y: w.tanh().exp().sum(), z: randn([4]) }
  })
  const { pipelines } = device
  const own = { get: pipelines.get, prepare: pipelines.prepare }
  const refuse = (): never => {
    throw new Error('a pipeline is made')
  }
  const x = tensor([1, 1, 1, 1])
  const before = device.random.snapshot()
  Object.assign(pipelines, { get: refuse, prepare: refuse })
  let planned: ReturnType<typeof step.plan>
  try {
    planned = step.plan(x)
  } finally {
    Object.assign(pipelines, own)
  }
  assert.ok(planned.dispatches > 0 && planned.pipelines > 0 && planned.flops > 0 && planned.arenaBytes <= planned.unsharedBytes)
  assert.ok(planned.resultBytes >= 16 + 4 + 16, 'an input and two results')
  assert.equal(device.random.snapshot(), before)
  close(await w.data(), [1, 2, 3, 4], 0)
  assert.equal(step.stats(), planned)
  // It is the program that then runs.
  step(x)
  assert.equal(step.stats(), planned)
  close(await w.data(), [2, 3, 4, 5], 0)
})

test('plan: what does not fit is refused, and nothing is left of it; nor is a step planned inside another', async () => {
  const device = currentDevice()
  const inner = compile((x: Tensor) => x.mul(2))
  const outer = compile((x: Tensor) => {
    inner.plan(x)
    return x
  })
  const x = ones([1024])
  assert.throws(() => outer.plan(x), /cannot be planned while another one is recorded/)
  const rows = Math.ceil(device.limits.maxStorageBufferBindingSize / 4096) + 1
  const large = compile((t: Tensor) => t.expand([rows, 1024]).cumsum(0))
  await settle(device)
  const before = device.memory()
  assert.throws(
    () => large.plan(x),
    (error: unknown) => error instanceof LimitError,
  )
  await settle(device)
  assert.is(device.memory().bytes, before.bytes)
  close(await inner(x).sum().data(), [2048], 0)
})

test.run()
