// Out of memory: the error names the op that asked, what it asked for, what the device holds and what to do; what got no memory says so, and everything
// else goes on. Dawn's null backend has 512 MiB of pretended memory and refuses more as a real device does.
import { spawnSync } from 'node:child_process'
import { compile, type Device, init, ones, tensor, type Tensor, tidy, zeros } from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { close, ready, thrown } from './helpers/device.js'
import { withDevice } from './helpers/own-device.js'
import { inject, type Injected } from './helpers/injected.js'
import { options } from './support/options.js'

const test = suite('faults: out of memory')
const MiB = 2 ** 20

test.before(async () => {
  await ready()
})

/** A tensor of so many MiB. */
const block = (mebibytes: number): Tensor => zeros([mebibytes, MiB / 4])

const onNull = (fn: (device: Device) => Promise<void>): Promise<void> => withDevice(fn, { adapter: 'null' })

/** A device of this run's adapter whose memory the test measures out. */
const onInjected = (fn: (device: Device, injected: Injected) => Promise<void>): Promise<void> =>
  withDevice(async (lower) => {
    const injected = inject(lower.gpu)
    await fn(await init({ device: injected.gpu }), injected)
  })

test('the error names op, bytes, what is held and what to do', async () => {
  await onNull(async (device) => {
    const held = [block(144), block(144)]
    await device.sync()
    block(96).dispose()
    const { reserved } = device.memory()
    const large = block(192)
    const error = await thrown(() => device.sync())
    assert.is(error.code, 'OUT_OF_MEMORY')
    assert.is(error.fields['op'], 'full')
    assert.is(error.fields['need'], 192 * MiB)
    assert.equal(error.fields['memory'], { bytes: 288 * MiB, storages: 2, reserved, buffersCreated: 4 })
    const expected = `full: the device has no memory for ${192 * MiB} bytes beside the ${reserved} that it holds: ${288 * MiB} in 2 storages, ${96 * MiB} freed and kept for reuse (given back now); use a smaller batch, or free tensors with tidy() or dispose(), and try again`
    assert.is(error.message, expected)
    // The pool's part is free again: trying again now succeeds.
    assert.is(device.memory().reserved, 288 * MiB)
    large.dispose()
    const second = block(192)
    await device.sync()
    assert.is(device.memory().reserved, 480 * MiB)
    for (const t of [second, ...held]) t.dispose()
  })
})

test('told once; the device goes on, and the tensor without memory says so in every op', async () => {
  await onNull(async (device) => {
    const held = [block(192), block(192)]
    const large = block(192)
    // Whatever follows from it in the same breath, over several submits.
    let x = large.add(1)
    for (let i = 0; i < 600; i++) {
      const next = x.mul(2)
      x.dispose()
      x = next
    }
    const first = x.narrow(0, 0, 1)
    const error = await thrown(() => first.data())
    assert.is(error.code, 'OUT_OF_MEMORY', error.message)
    assert.is(error.fields['op'], 'full')
    for (const t of [x, first]) t.dispose()
    await device.sync()
    await ones([4]).add(1).data()
    const part = large.narrow(0, 0, 1)
    const names = { add: () => part.add(1), copy_: () => part.copy_(zeros([1])), data: () => large.data() }
    for (const [op, use] of Object.entries(names)) {
      const again = await thrown(use)
      assert.is(again.code, 'OUT_OF_MEMORY', `${op}: ${again.message}`)
      assert.match(again.message, new RegExp(`^${op}: a tensor it works on got no memory \\(full: the device has no memory for ${192 * MiB} bytes`))
      assert.is(again.fields['op'], op)
    }
    await device.sync()
    for (const t of [large, part]) t.dispose()
    assert.is(device.allocator.failed.size, 0)
    held.pop()!.dispose()
    const second = block(192)
    await second.narrow(0, 0, 1).data()
  })
})

test('freed before the news: a buffer without memory is not handed out again', async () => {
  await onNull(async (device) => {
    const held = [block(192), block(192)]
    block(144).dispose()
    const before = device.memory()
    assert.is((await thrown(() => device.sync())).code, 'OUT_OF_MEMORY')
    const { reserved, bytes } = device.memory()
    assert.equal([reserved, bytes], [384 * MiB, 384 * MiB], `${before.reserved}`)
    held.pop()!.dispose()
    device.allocator.trim()
    const { buffersCreated } = device.memory()
    const next = block(144)
    await next.narrow(0, 0, 1).data()
    assert.ok(device.memory().buffersCreated > buffersCreated)
    // Over what the pool keeps: the buffer is destroyed before it is known to be none.
    tidy(() => {
      block(240)
      block(240)
    })
    assert.is((await thrown(() => device.sync())).code, 'OUT_OF_MEMORY')
    assert.is(device.memory().bytes, 336 * MiB)
    assert.ok(device.memory().reserved >= 336 * MiB, 'nothing was subtracted twice')
    assert.is(device.allocator.failed.size, 0)
  })
})

test('handed on before the news: the next owner of a buffer without memory says so', async () => {
  await onNull(async (device) => {
    const held = [block(192), block(192)]
    block(144).dispose()
    const heir = block(144)
    assert.is((await thrown(() => device.sync())).code, 'OUT_OF_MEMORY')
    assert.is((await thrown(() => heir.narrow(0, 0, 1).add(1))).code, 'OUT_OF_MEMORY')
    heir.dispose()
    held.pop()!.dispose()
    device.allocator.trim()
    await block(144).narrow(0, 0, 1).data()
    await device.sync()
  })
})

test('a compiled step that found no memory is built anew when it is called again', async () => {
  await onNull(async (device) => {
    const held = block(240)
    const step = compile((x: Tensor) => {
      const wide = x.add(1).cumsum(0)
      return wide.matmul(wide.t()).sum()
    })
    const x = zeros([40, MiB / 4])
    await device.sync()
    const more = block(176)
    const error = await thrown(() => step(x).data())
    assert.is(error.code, 'OUT_OF_MEMORY', error.message)
    assert.is(error.fields['op'], 'compile')
    assert.ok(Number(error.fields['need']) >= 40 * MiB)
    more.dispose()
    held.dispose()
    device.allocator.trim()
    await step(x).data()
    const { buffersCreated } = device.memory()
    await step(x).data()
    assert.is(device.memory().buffersCreated, buffersCreated, 'and then as it is')
    step.dispose()
  })
})

test('on the adapter of this run: what was there before is untouched, what comes after is right', async () => {
  await onInjected(async (device, injected) => {
    const w = tensor([1, 2, 3, 4])
    const y = w.mul(2)
    await y.data()
    injected.memory = 0
    const large = ones([5000])
    const sum = large.add(1)
    const both = await Promise.allSettled([sum.data(), large.data(), device.sync()])
    for (const r of both)
      assert.ok(r.status === 'rejected' && r.reason.code === 'OUT_OF_MEMORY' && r.reason.fields.op === 'full', `${r.status === 'rejected' && r.reason.stack}`)
    injected.memory = 4 * MiB
    close(await y.add(w).data(), [3, 6, 9, 12], 0)
    assert.is((await thrown(() => large.sum())).code, 'OUT_OF_MEMORY')
    const again = ones([5000]).add(1)
    close(await again.data(), new Array(5000).fill(2), 0)
    // What is uploaded, and what a step needs for itself.
    const step = compile((x: Tensor) => x.add(1).cumsum(0).sum())
    const x = ones([20_000])
    await x.data()
    for (const [op, use] of Object.entries({ tensor: () => tensor(new Float32Array(20_000)).data(), compile: () => step(x).data() })) {
      injected.memory = 0
      const error = await thrown(use)
      assert.is(error.code, 'OUT_OF_MEMORY', `${op}: ${error.message}`)
      assert.is(error.fields['op'], op)
      injected.memory = 4 * MiB
      close(await w.add(1).data(), [2, 3, 4, 5], 0)
    }
    close(await step(x).data(), [20_000 * 20_001], 1e-3)
    // What is read: in buffers of a size that no earlier read left.
    const wide = ones([100_000])
    await wide.sum().data()
    injected.refuse = GPUBufferUsage.MAP_READ
    const unread = await thrown(() => wide.data())
    assert.is(unread.code, 'OUT_OF_MEMORY', unread.message)
    assert.is(unread.fields['op'], 'data')
    injected.refuse = 0
    close(await wide.data(), new Array(100_000).fill(1), 0)
  })
})

test('answers that come late: what follows from a fault that was told is not told, and earlier reads are served', async () => {
  await onInjected(async (device, injected) => {
    const x = ones([4])
    await x.data()
    // The read's own answers are the last to come; memory runs out meanwhile.
    injected.late = [80, 80]
    const early = x.add(1).data()
    injected.memory = 0
    ones([5000])
    injected.memory = 4 * MiB
    close(await early, [2, 2, 2, 2], 0)
    assert.is((await thrown(() => device.sync())).code, 'OUT_OF_MEMORY')
    // The first cause is told by an op while the answers to what was made of it are on their way.
    injected.memory = 0
    const large = ones([20_000])
    injected.memory = 4 * MiB
    injected.late = [100]
    device.stream.flush()
    await new Promise((done) => setTimeout(done, 40))
    assert.is((await thrown(() => x.add(1))).fields['op'], 'full')
    assert.is(injected.late.length, 0)
    await device.sync()
    close(await x.add(2).data(), [3, 3, 3, 3], 0)
    large.dispose()
  })
})

test('what is given back while work on it is pending is destroyed once that was submitted', async () => {
  await onInjected(async (device, injected) => {
    injected.memory = 4 * MiB
    const x = ones([5000])
    await x.data()
    const all = injected.memory
    const y = x.add(1)
    const z = y.add(1)
    y.dispose()
    device.allocator.trim()
    assert.ok(injected.memory < all, 'not yet')
    close(await z.data(), new Array(5000).fill(3), 0)
    z.dispose()
    device.allocator.trim()
    assert.is(injected.memory, all)
  })
})

const limited = spawnSync('prlimit', ['--version']).status === 0 ? test : test.skip
limited('a real adapter that really has no more', () => {
  // SwiftShader takes its memory from the process, whose address space is limited here once it computes.
  const code = `import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { init, ones } from '@bms/nn/node'
const device = await init({ adapter: 'software' })
await ones([4]).add(1).data()
const now = 1024 * Number(/VmSize:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1])
execFileSync('prlimit', ['--pid', String(process.pid), '--as=' + (now + 1.5 * 2 ** 30)])
const held = []

for (let i = 0; i < 8; i++) {
  held.push(device.allocator.allocateNow('hoard', 2 ** 30))
  try { await device.sync() } catch (e) { console.log(e.code, e.message); break }
}
for (const s of held) s.release()
device.allocator.trim()
console.log((await ones([1000]).add(1).sum().data())[0], device.memory().reserved < 2 ** 29)
process.exit(0)`
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    cwd: options.root,
    encoding: 'utf8',
    env: { ...process.env, VK_ICD_FILENAMES: '/nowhere.json' },
  })
  const [error, after] = run.stdout.trim().split('\n')
  assert.match(error ?? run.stderr, /^OUT_OF_MEMORY hoard: the device has no memory for 1073741824 bytes beside the \d+ that it holds: /)
  assert.is(after, '2000 true')
})

test('a steady loop opens one scope a submit, and none for memory', async () => {
  await onInjected(async (device, { calls }) => {
    const w = ones([8, 8])
    const step = compile((x: Tensor) => w.copy_(w.matmul(x).tanh()))
    const x = ones([8, 8])
    const eager = (): void => tidy(() => void w.copy_(w.matmul(x).tanh().mul(0.5)))
    await step(x).data()
    for (let i = 0; i < 300; i++) eager()
    await device.sync()
    const before = { ...calls }
    const since = (name: string): number => (calls[name] ?? 0) - (before[name] ?? 0)
    for (let i = 0; i < 200; i++) eager()
    const eagerScopes = since('pushErrorScope')
    assert.ok(eagerScopes <= 1 + Math.ceil((200 * 4) / 256), `${eagerScopes} scopes in 200 eager steps of 4 dispatches`)
    for (let i = 0; i < 100; i++) step(x)
    await device.sync()
    assert.is(since('createBuffer'), 0)
    assert.is(since('pushErrorScope'), since('popErrorScope'))
    // Copying the input, and the step itself.
    assert.ok(since('pushErrorScope') - eagerScopes <= 201, `${since('pushErrorScope') - eagerScopes} scopes in 100 replays`)
  })
})

test.run()
