// Who frees what: tidy, using, dispose, views, keep, the garbage collector; and that loops are flat.
import { type Device, keep, ones, randn, type Tensor, tensor, tidy, zeros } from '@bms/tensor'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { close, ready, settle, thrown } from './helpers/device.js'

const test = suite('memory')
let device: Device

test.before(async () => {
  device = await ready()
})

/** Storages that `fn` leaves alive. */
async function left(fn: () => unknown): Promise<number> {
  await settle(device)
  const before = device.memory().storages
  await fn()
  return device.memory().storages - before
}

test('tidy frees what was made inside and not returned', async () => {
  let kept: unknown
  const trees: [() => unknown, number][] = [
    [() => ones([2]).add(1).sum(), 1],
    [() => [ones([2]).add(1), { deep: [ones([1])], text: 'x', none: null }], 2],
    [() => new Map([['a', ones([1])]]), 1],
    [() => ones([2]).sum().shape, 0],
    [() => tidy(() => ones([2]).mul(2)).add(1), 1],
    [() => ones([4, 4]).narrow(0, 1, 1).transpose(), 1],
    [() => undefined, 0],
  ]
  for (const [fn, alive] of trees) assert.is(await left(() => void (kept = tidy(fn))), alive, fn.toString())
  assert.ok(kept === undefined)
})

test('tidy of an async function', async () => {
  const out: Tensor[] = []
  assert.is(
    await left(async () => {
      out.push(
        await tidy(async () => {
          const a = ones([2]).add(1)
          await a.data()
          return a.mul(3).add(a)
        }),
      )
    }),
    1,
  )
  close(await out[0]!.data(), [8, 8], 0)
})

test('tidy when something throws', async () => {
  const fail = (): never => {
    ones([3]).exp()
    throw new Error('inside')
  }
  assert.is(await left(() => assert.throws(() => tidy(fail), /inside/)), 0)
  assert.is(await left(async () => assert.match((await thrown(() => tidy(async () => fail()))).message, /inside/)), 0)
  // What comes after is not caught in a scope that was left open.
  const after = ones([1]).add(1)
  assert.is(after.disposed, false)
})

test('inner results belong to the outer tidy', async () => {
  let inner: Tensor | null = null
  tidy(() => {
    const made = tidy(() => ones([2]).mul(2))
    assert.is(made.disposed, false)
    inner = made
  })
  assert.is((inner as Tensor | null)?.disposed, true)
})

test('keep takes a tensor out', async () => {
  const state = tidy(() => tidy(() => keep(ones([2]).mul(5))))
  tidy(() => void keep(state))
  close(await state.data(), [5, 5], 0)
})

test('using', async () => {
  assert.is(
    await left(() => {
      using a = ones([2])
      using b = a.add(1)
      assert.is(b.disposed, false)
    }),
    0,
  )
})

test('use after dispose, in words', async () => {
  const x = ones([2, 3])
  x.dispose()
  x.dispose()
  assert.is(x.toString(), 'Tensor([2, 3], f32, disposed)')
  for (const use of [
    () => x.add(1),
    () => x.data(),
    () => x.reshape(6),
    () => ones([2, 3]).matmul(x.transpose()),
    () => zeros([2, 3]).copy_(x),
    () => x.sum(),
  ]) {
    const error = await thrown(use)
    assert.is(error.code, 'DISPOSED')
    assert.match(error.message, /tensor: this tensor \[2, 3\] was disposed \(by dispose\(\), or at the end of the tidy\(\) that made it\)/)
    assert.equal(error.fields['shape'], [2, 3])
  }
})

test('views share one storage, which goes with the last of them', async () => {
  assert.is(
    await left(() => {
      const x = zeros([4, 4])
      const views = [x.transpose(), x.narrow(0, 0, 1), x.reshape(16), x.detach()]
      assert.is(new Set([x, ...views].map((t) => t.storage)).size, 1)
      x.dispose()
      for (const v of views) assert.is(v.storage.alive, true)
      for (const v of views) v.dispose()
    }),
    0,
  )
})

test('what JavaScript forgot is freed by its collector', async () => {
  await settle(device)
  const before = device.memory().bytes
  ;(() => {
    for (let i = 0; i < 50; i++) ones([10000]).add(i)
  })()
  assert.ok(device.memory().bytes > before + 50 * 40000)
  await settle(device)
  assert.ok(device.memory().bytes <= before, `${device.memory().bytes - before} bytes are left`)
})

test('1,000 steps in a tidy are flat: no byte, no buffer', async () => {
  const w = randn([32, 32])
  const x = randn([16, 32])
  const step = (): void =>
    tidy(() => {
      const g = x.t().matmul(x.matmul(w).tanh()).mul(0.01)
      w.copy_(w.sub(g))
    })
  for (let i = 0; i < 3; i++) step()
  await device.sync()
  await settle(device)
  const before = device.memory()
  for (let i = 0; i < 1000; i++) step()
  assert.equal(device.memory(), before)
  assert.ok(Number.isFinite(await w.sum().item()))
})

test('the pool reuses buffers, also while work on them is pending', async () => {
  const created = (): number => device.memory().buffersCreated
  const first = ones([5000]).mul(3)
  const sums: Tensor[] = []
  let x = first
  const start = created()
  for (let i = 0; i < 50; i++) {
    const y = x.add(1)
    sums.push(y.narrow(0, 0, 1).contiguous())
    x.dispose()
    x = y
  }
  assert.ok(created() - start <= 52, 'two large buffers take turns; the rest are the 50 results')
  for (const [i, s] of sums.entries()) close(await s.data(), [4 + i], 0)
  // Host data must not overtake the work that still reads the old content.
  const a = tensor(new Float32Array(1000).fill(1))
  const b = a.mul(2)
  a.dispose()
  const c = tensor(new Float32Array(1000).fill(7))
  close([(await b.data())[0]!, (await c.data())[999]!], [2, 7], 0)
})

test('memory() counts bytes and storages', async () => {
  await settle(device)
  const before = device.memory()
  const x = zeros([1024])
  assert.is(device.memory().bytes - before.bytes, 4096)
  assert.is(device.memory().storages - before.storages, 1)
  x.dispose()
  assert.is(device.memory().bytes, before.bytes)
  device.allocator.trim()
  assert.is(device.memory().reserved, device.memory().bytes)
  close(await ones([2]).data(), [1, 1], 0)
})

test.run()
