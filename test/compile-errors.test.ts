// compile() when things go wrong, and what a program says of itself.
import { compile, currentDevice, ones, relu, type Tensor, tensor, zeros } from '@bms/tensor'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { close, ready, settle, thrown } from './helpers/device.js'

const test = suite('compile, errors and reports')

test.before(async () => {
  await ready()
})

test('what is refused, in words', async () => {
  const step = compile((x: unknown) => x as Tensor)
  assert.throws(() => step(0.5), /compile: argument 1 is a number: a compiled step would freeze it; pass a tensor \(tensor\(0.5\)\)/)
  assert.throws(() => step({ lr: [true] }), /argument 1.lr\[0\] is a boolean/)
  assert.throws(() => step(new Float32Array(1e6)), /argument 1 is a Float32Array: a compiled step would freeze it; pass a tensor so that/)
  assert.throws(() => compile(() => zeros([1])).stats(), /has not run yet/)
  const error = await thrown(() => compile(async (x: Tensor) => x.item())(ones([1])))
  assert.match(error.message, /the function is async; a step is recorded in one go/)
  assert.throws(
    () => compile((x: Tensor) => tensor([0]).copy_(x))(ones([1])),
    /copy_: writes to a tensor that was made of host values inside the compiled step/,
  )
  close(await compile((x: Tensor) => tensor([0]).clone().copy_(x))(ones([1])).data(), [1], 0)
})

test('reading inside is an error, errors inside leave everything usable', async () => {
  const device = currentDevice()
  await settle(device)
  const before = device.memory()
  let caught: Promise<unknown> | null = null
  compile((x: Tensor) => {
    caught = x.data().catch((e) => e)
    return x
  })(ones([1]))
  assert.match(((await caught) as unknown as Error).message, /values cannot be read or copied to the host inside compile\(\); return the tensor/)
  const broken = compile((x: Tensor) => x.add(1).matmul(zeros([7, 7])))
  for (let i = 0; i < 3; i++) assert.throws(() => broken(ones([2, 2])), /inner sizes differ/)
  assert.is(device.stream.recorder, null)
  close(await ones([2]).add(1).data(), [2, 2], 0)
  assert.ok(device.memory().storages <= before.storages + 8, 'inputs and constants of the failed recordings went back')
})

test('a tensor that escaped says so', async () => {
  let escaped: Tensor | null = null
  const step = compile((x: Tensor) => {
    escaped = x.exp()
    return x.add(escaped as Tensor)
  })
  step(ones([2]))
  const error = await thrown(() => escaped!.data())
  assert.is(error.code, 'DISPOSED')
  assert.match(error.message, /exists only inside the compiled step that made it; return it from the compiled function/)
  assert.is((await thrown(() => escaped!.add(1).data())).code, 'DISPOSED')
  close(await step(zeros([2])).data(), [1, 1])
})

test('a program tells what it is', async () => {
  const [w, b] = [ones([4, 3]), zeros([3])]
  const step = compile((x: Tensor) => relu(x.matmul(w).add(b)).sum())
  await step.prepare(ones([2, 4]))
  assert.is(step.stats().dispatches, 2)
  close([await step(ones([2, 4])).item()], [24])
  const stats = step.stats()
  assert.is(stats.recorded, 4)
  assert.is(stats.pipelines, 2)
  assert.ok(stats.flops >= 2 * 2 * 4 * 3)
  assert.ok(stats.arenaBytes > 0 && stats.arenaBytes <= stats.unsharedBytes)
  assert.match(step.toString(), /program: 2 dispatches \(4 recorded\).*\n.*matmul 2x4·4x3 bias·relu/)
  const times = await step.profile()
  assert.is(times.length, 2)
  assert.ok(times.every((t) => t.ms >= 0 && t.kernel.length > 0))
})

test('DEBUG=3 prints the times of the first runs, and runs them as any other', async () => {
  const device = currentDevice()
  const { error } = console
  const printed: string[] = []
  Object.assign(device, { debugLevel: 3 })
  console.error = (text: string) => void printed.push(text)
  try {
    const w = ones([2])
    const step = compile((x: Tensor) => w.copy_(w.add(x)))
    await step.prepare(ones([2]))
    for (let i = 0; i < 4; i++) step(ones([2]))
    close(await w.data(), [5, 5], 0)
    await device.sync()
    const times = printed.filter((text) => /^run \d: \d+\.\d+ ms in 1 kernels\n +\d+\.\d+ ms .* GFLOPS {2}add {2}# /.test(text))
    assert.is(times.length, device.features.has('timestamp-query') ? 2 : 0, printed.join('\n'))
  } finally {
    console.error = error
    Object.assign(device, { debugLevel: 0 })
  }
})

test.run()
