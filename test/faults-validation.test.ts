// A command that the GPU refuses: the error names the op that asked for it, among others submitted with it or in a compiled step, and no op before or
// after it is blamed. The faults are calls made wrongly on purpose, which no public op can make.
import { compile, type Device, gatherKernel, init, KernelCall, MapCall, ones, Storage, type Tensor, tensor, tidy } from '@bms/tensor'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { close, ready, thrown } from './helpers/device.js'
import { withDevice } from './helpers/own-device.js'
import { inject } from './helpers/injected.js'

const test = suite('faults: refused commands')
let device: Device

test.before(async () => {
  device = await ready()
})

/** A call that reads and writes one buffer through two bindings: found when the commands are encoded. */
function conflict(op: string, x: Tensor, index: Tensor): void {
  device.stream.run(
    new KernelCall({
      op,
      kernel: gatherKernel,
      buffers: { x, index, out: x },
      params: { count: x.size, n: x.size, m: x.size, inner: 1, outside: 0 },
      invocations: x.size,
      aliases: { T: 'f32', I: 'i32' },
    }),
  )
}

/** A call on a buffer that may not be bound: found when the bind group is made. */
function unbindable(op: string, x: Tensor): void {
  const buffer = device.gpu.createBuffer({ size: 256, usage: GPUBufferUsage.COPY_DST })
  const out = { storage: new Storage(device, 256, buffer), layout: x.layout, dtype: x.dtype }
  device.stream.run(new MapCall(op, x.shape, [{ kind: 'input', index: 0, dtype: 'f32' }], [x], [out]))
}

const faults: Record<string, (op: string, x: Tensor, index: Tensor) => void> = {
  'a call that reads what it writes': conflict,
  'a call on a buffer that cannot be bound': unbindable,
  'a copy beyond the end': (op, x, index) => device.stream.copy(op, x.storage, 0, index.storage, 1 << 20, 16),
}

for (const [what, fault] of Object.entries(faults)) {
  test(`${what}: its op is named, and what comes after works`, async () => {
    const x = tensor([1, 2, 3, 4])
    const index = tensor([3, 2, 1, 0], { dtype: 'i32' })
    await x.data()
    const before = x.add(1)
    fault('culprit', x, index)
    const after = before.mul(x)
    const error = await thrown(() => after.data())
    assert.is(error.code, 'VALIDATION')
    assert.is(error.fields['op'], 'culprit')
    assert.equal(error.fields['ops'], ['add', 'culprit', 'mul', 'data'])
    assert.is(error.fields['command'], 1)
    assert.match(error.message, /^culprit: the GPU refused it, command 2 of 4; none of those submitted with it ran, their results hold nothing: \S/)
    close(await x.add(1).mul(x).data(), [2, 6, 12, 20], 0)
    await device.sync()
  })
}

test('far from the read: named across many submits, once', async () => {
  const x = ones([4])
  const index = tensor([3, 2, 1, 0], { dtype: 'i32' })
  let y = x
  const more = (n: number): void => {
    for (let i = 0; i < n; i++) y = tidy(() => y.add(1))
  }
  more(700)
  conflict('culprit', x, index)
  more(700)
  const error = await thrown(() => device.sync())
  assert.is(error.fields['op'], 'culprit', error.message)
  await device.sync()
  close(await ones([2]).add(1).data(), [2, 2], 0)
  // So far that the commands are forgotten: the op is not known then, and nobody else is named for it.
  conflict('culprit', x, index)
  more(256 * 12)
  const late = await thrown(() => device.sync())
  assert.is(late.code, 'VALIDATION')
  assert.match(late.message, /^an op of some time ago: the GPU refused it; none of those submitted with it ran/)
  assert.is(late.fields['op'], undefined)
  await device.sync()
})

test('reads: the one before is served, all after are refused', async () => {
  const x = ones([4])
  const index = tensor([3, 2, 1, 0], { dtype: 'i32' })
  const before = x.add(1).data()
  conflict('culprit', x, index)
  const after = Promise.allSettled([x.add(2).data(), x.add(3).data(), device.sync()])
  close(await before, [2, 2, 2, 2], 0)
  for (const r of await after) assert.ok(r.status === 'rejected' && r.reason.fields.op === 'culprit', JSON.stringify(r))
  close(await x.add(3).data(), [4, 4, 4, 4], 0)
})

test('the next op tells it too, where nothing is read', async () => {
  const x = ones([4])
  unbindable('culprit', x)
  device.stream.flush()
  await device.gpu.queue.onSubmittedWorkDone()
  await new Promise((done) => setTimeout(done, 20))
  const { version } = x.storage
  const error = await thrown(() => x.fill_(5))
  assert.is(error.fields['op'], 'culprit')
  assert.is(x.storage.version, version, 'the op that told it did nothing')
  x.fill_(5)
  close(await x.data(), [5, 5, 5, 5], 0)
})

test('an upload', async () => {
  const x = ones([4])
  const storage = device.allocator.allocateNow('culprit', 16)
  device.stream.upload('culprit', storage, new Uint8Array(16), 1 << 20)
  const error = await thrown(() => x.add(1).data())
  assert.is(error.code, 'VALIDATION')
  assert.is(error.fields['op'], 'culprit')
  assert.match(error.message, /^culprit: the GPU refused it; its result holds nothing: /)
  storage.release()
  close(await x.add(1).data(), [2, 2, 2, 2], 0)
})

test('what only a submit finds: a buffer that was destroyed', async () => {
  const x = ones([4])
  await x.data()
  x.storage.buffer!.destroy()
  const y = x.add(1).mul(2)
  const error = await thrown(() => y.data())
  assert.is(error.code, 'VALIDATION')
  assert.match(error.message, /^add, mul or data: the GPU refused it; none of those submitted with it ran/)
  assert.is(error.fields['op'], undefined)
  assert.equal(error.fields['ops'], ['add', 'mul', 'data'])
  // The buffer goes back to the pool with its storage; it is to be found by no later test.
  x.dispose()
  device.allocator.trim()
  await device.sync()
})

test('in a compiled step: the op, its place, and the step, at every run', async () => {
  const x = ones([4])
  const index = tensor([3, 2, 1, 0], { dtype: 'i32' })
  const state = tensor([1, 2, 3, 4])
  const step = compile(function wrongStep(a: Tensor) {
    const b = a.cumsum(0)
    conflict('culprit', state, index)
    return b.cumsum(0)
  })
  for (let run = 0; run < 3; run++) {
    const before = x.add(run)
    const result = step(x)
    const after = x.mul(2)
    const error = await thrown(() => result.data())
    assert.is(error.code, 'VALIDATION')
    assert.is(error.fields['op'], 'culprit', error.message)
    assert.is(error.fields['step'], 'the compiled step "wrongStep"')
    assert.match(error.message, /^culprit: the GPU refused it, command \d of 3 of the compiled step "wrongStep"; none of those submitted with it ran, /)
    assert.is(step.toString().split('\n')[1 + Number(error.fields['command'])]!.split('# ')[1], 'culprit')
    // Ops outside of the step were submitted apart from it, and ran.
    close(await before.data(), new Array(4).fill(1 + run), 0)
    close(await after.data(), [2, 2, 2, 2], 0)
    close(await state.data(), [1, 2, 3, 4], 0)
  }
  assert.is((await thrown(() => step.profile())).fields['op'], 'culprit')
  step.dispose()
  const right = compile((a: Tensor) => a.cumsum(0).cumsum(0))
  close(await right(x).data(), [1, 3, 6, 10], 0)
  right.dispose()
})

test('error scopes of the device’s owner stay in order', async () => {
  const { gpu } = device
  gpu.pushErrorScope('validation')
  const x = ones([4])
  unbindable('culprit', x)
  const read = thrown(() => x.add(1).data())
  gpu.createBindGroup({ layout: gpu.createBindGroupLayout({ entries: [] }), entries: [{ binding: 7, resource: { buffer: x.storage.buffer! } }] })
  const own = await gpu.popErrorScope()
  assert.match(own?.message ?? 'none', /bind/i)
  assert.is((await read).fields['op'], 'culprit')
  await assert.ok(await thrown(() => gpu.popErrorScope()), 'no scope is left open')
  await device.sync()
})

test('an error that no op caused is told as such, after what the ops have to answer for', async () => {
  await withDevice(async (lower) => {
    const injected = inject(lower.gpu)
    const own = await init({ device: injected.gpu })
    const x = ones([4])
    await x.data()
    injected.report({ message: 'somebody else did it', constructor: { name: 'GPUValidationError' } })
    const error = await thrown(() => x.add(1).data())
    assert.is(error.code, 'VALIDATION')
    assert.is(error.message, 'the GPU refused a command that came from no op: somebody else did it')
    injected.report({ message: 'no memory', constructor: { name: 'GPUOutOfMemoryError' } })
    assert.is((await thrown(() => own.sync())).code, 'OUT_OF_MEMORY')
    injected.refuse = GPUBufferUsage.STORAGE
    const large = ones([10_000])
    injected.report({ message: 'a consequence', constructor: { name: 'GPUValidationError' } })
    const first = await thrown(() => large.data())
    assert.is(first.fields['op'], 'full', first.message)
    await own.sync()
  })
})

test.run()
