// What goes wrong says so: bad arguments in words and fields, limits, devices that do not meet, no adapter with a remedy. (What a GPU does wrong: faults-*.test.ts.)
import { spawnSync } from 'node:child_process'
import * as bms from '@bms/tensor'
import { BmsError, currentDevice, gatherKernel, init, KernelCall, ones, type Tensor, tensor, zeros } from '@bms/tensor/node'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ready, thrown } from './helpers/device.js'
import { withDevice } from './helpers/own-device.js'
import { options } from './support/options.js'

const test = suite('errors')

test.before(async () => {
  await ready()
})

test('shapes, dtypes and arguments: code, text and fields', async () => {
  const x = zeros([2, 3])
  const cases: [() => unknown, string, string][] = [
    [() => zeros([32, 128]).matmul(zeros([127, 10])), 'SHAPE', 'matmul: inner sizes differ: [32, 128] · [127, 10]: 128 ≠ 127'],
    [() => x.add(zeros([4])), 'SHAPE', 'add: shapes do not broadcast: [2, 3] and [4]: dim -1 is 3 and 4 (equal sizes, or a 1, are needed)'],
    [() => x.where(x, zeros([2])), 'SHAPE', 'where: shapes do not broadcast: [2, 3] and [2]: dim -1 is 3 and 2 (equal sizes, or a 1, are needed)'],
    [() => tensor([[1, 2], [3]]), 'SHAPE', 'tensor: the lists are ragged: 1 elements at depth 1, 2 elsewhere'],
    [() => tensor([1, [2]]), 'SHAPE', 'tensor: the lists are ragged: 1 elements at depth 1, a number elsewhere'],
    [() => tensor([[1], 2]), 'SHAPE', 'tensor: the lists are ragged: a number stands at depth 1, where lists are 2 deep elsewhere'],
    [() => tensor(['a'] as unknown as number[]), 'ARGUMENT', 'tensor: the lists hold a string; numbers or booleans are needed'],
    [() => tensor([1, 2, 3], { shape: [2, 2] }), 'SHAPE', 'tensor: 3 values do not fill shape [2, 2] (4 elements)'],
    [() => zeros([2, 1.5]), 'SHAPE', 'full: a shape is a list of whole numbers ≥ 0, got [2,1.5]'],
    [() => zeros([2], { dtype: 'f64' as 'f32' }), 'DTYPE', 'full: unknown dtype "f64"; known: f32, f16, i32, u32, bool'],
    [() => x.to('int' as 'i32'), 'DTYPE', 'cast: unknown dtype "int"; known: f32, f16, i32, u32, bool'],
    [() => x.clamp(), 'ARGUMENT', 'clamp: give min, max or both'],
    [() => x.copy_(3 as unknown as Tensor), 'ARGUMENT', 'copy_: the source is number, a Tensor is needed (make one with tensor(…))'],
    [() => bms.arange(0, 5, 0), 'ARGUMENT', 'arange: finite numbers and a step ≠ 0 are needed, got 0, 5, 0'],
    [() => bms.linspace(0, 1, -1), 'ARGUMENT', 'linspace: a count ≥ 0 is needed, got -1'],
    [() => bms.manualSeed(-1), 'ARGUMENT', 'manualSeed: a seed is a whole number from 0 to 2^53-1, got -1'],
    [() => x.item(), 'SHAPE', 'item: needs a tensor with one element, got [2, 3]'],
    [() => init({ adapter: 'fast' as 'gpu' }), 'ARGUMENT', 'init: unknown adapter "fast"; known: auto, gpu, software'],
  ]
  for (const [fn, code, message] of cases) {
    const error = await thrown(fn)
    assert.ok(error instanceof BmsError, `${error}`)
    assert.is(error.message, message)
    assert.is(error.code, code)
    assert.is(error.fields['op'], message.split(':')[0])
  }
  assert.equal((await thrown(() => x.add(zeros([4])))).fields['shapes'], [[2, 3], [4]])
  assert.is((await thrown(() => x.narrow(1, 2, 2))).fields['start'], 2)
})

test('limits name the limit and the need', async () => {
  const limit = currentDevice().limits.maxBufferSize
  const error = await thrown(() => zeros([Math.ceil(limit / 4) + 1024]))
  assert.is(error.code, 'LIMIT')
  assert.match(error.message, /full: needs a buffer of \d+ bytes, the adapter's maxBufferSize is \d+; use a smaller batch, or split the tensor/)
  assert.is(error.fields['limit'], limit)
})

test('tensors of two devices do not meet', async () => {
  const here = ones([2])
  await withDevice(async () => {
    const names = String.raw`\[2\] is on device \d+ \(.+\), \[2\] on device \d+ \(.+\)`
    assert.throws(() => ones([2]).add(here), new RegExp(`add: the tensors are on different devices; make them all on one: ${names}`))
    assert.throws(() => ones([2]).copy_(here), /copy_: the tensors are on different devices/)
  })
})

test('a kernel called wrongly is a programming error', () => {
  const x = ones([4])
  assert.throws(() => new KernelCall({ op: 't', kernel: gatherKernel, buffers: { x } as never, params: {} as never }), /kernel gather needs the buffer "index"/)
})

test('no adapter: what to install', () => {
  const code = `import { init } from '@bms/tensor/node'
for (const adapter of ['gpu', 'software']) await init({ adapter }).then((d) => { console.log(adapter, d.adapter.kind, d.adapter.source); d.destroy() }, (e) => console.log(adapter, e.code, e.message))
process.exit(0)`
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    cwd: options.root,
    encoding: 'utf8',
    env: { ...process.env, VK_ICD_FILENAMES: '/nowhere.json' },
  })
  const [gpu, software] = run.stdout.trim().split('\n') as [string, string]
  assert.match(
    gpu,
    /^gpu NO_ADAPTER no GPU was found\. Install a GPU driver with Vulkan support, or Mesa's software driver .*, or the npm package "@sparticuz\/chromium"/,
  )
  assert.match(software, /^software software bundled SwiftShader/)
})

test('before init()', () => {
  const code = `import { zeros } from '@bms/tensor'
try { zeros([1]) } catch (e) { console.log(e.code, e.message) }`
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', code], { cwd: options.root, encoding: 'utf8' })
  assert.is(run.stdout.trim(), "NOT_INITIALISED no device yet: call `await init()` first (in Node also import '@bms/nn/node' before)")
})

test.run()
