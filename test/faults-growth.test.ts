// 10,000 eager training steps: nothing grows, neither on the device nor on the host.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type Device, grad, nn, ones, optim, randn, type Tensor, tidy } from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ready, settle } from './helpers/device.js'
import { withDevice } from './helpers/own-device.js'

const test = suite('faults: growth')
setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

/** What the framework keeps for itself, by the names of its private parts: lists that a leak would fill. */
function kept(device: Device): Record<string, number> {
  const stream = device.stream as unknown as { readers: unknown[]; retired: unknown[]; commands: unknown[]; kept: unknown[][] }
  const pipelines = device.pipelines as unknown as { modules: Map<string, unknown> }
  const faults = device.faults as unknown as { waiting: Set<unknown>; next: unknown }
  return {
    readers: stream.readers.length,
    retired: stream.retired.length,
    commands: stream.commands.length,
    lists: stream.kept.length,
    pipelines: device.pipelines.size,
    modules: pipelines.modules.size,
    answers: faults.waiting.size,
    errors: faults.next ? 1 : 0,
    failures: device.allocator.failed.size,
  }
}

interface Sample {
  memory: ReturnType<Device['memory']>
  kept: Record<string, number>
  heap: number
}

/** Trains a small network eagerly, as a user's loop does, and looks at everything every `every` steps. */
async function train(device: Device, steps: number, every: number): Promise<Sample[]> {
  const model = new nn.Sequential(new nn.Linear(2, 4, { bias: false }), new nn.ReLU(), new nn.Linear(4, 1, { bias: false }))
  const adam = new optim.Adam(model.parameters(), { lr: 0.01 })
  const x = randn([4, 2])
  const step = (): Tensor =>
    tidy(() => {
      const loss = model
        .forward(x.add(randn([4, 2])))
        .square()
        .mean()
      adam.step(grad(loss, adam.params))
      return loss.detach()
    })
  const samples: Sample[] = []
  for (let i = 0; i <= steps; i++) {
    const loss = step()
    if (i % 100 === 0) assert.ok(Number.isFinite(await loss.item()))
    loss.dispose()
    if (i % every !== 0) continue
    await device.sync()
    await settle(device)
    gc()
    samples.push({ memory: device.memory(), kept: kept(device), heap: process.memoryUsage().heapUsed })
  }
  return samples
}

/** Bytes of heap a step: the middle one of the slopes between all samples, which the engine's own work (compiling what runs often) does not move. */
function slope(heaps: readonly number[], every: number): number {
  const slopes = heaps.flatMap((a, i) => heaps.slice(i + 1).map((b, j) => (b - a) / (j + 1) / every)).sort((a, b) => a - b)
  return slopes[slopes.length >> 1]!
}

function flat(samples: readonly Sample[], every: number): void {
  // The first is taken before everything has been made that a steady loop uses again.
  const [, first, ...rest] = samples
  for (const s of rest) {
    assert.equal(s.memory, first!.memory)
    assert.equal(s.kept, first!.kept)
  }
  const heaps = samples.slice(samples.length >> 1).map((s) => s.heap)
  const bytes = slope(heaps, every)
  // A promise, a closure or a tensor that is forgotten in each step is more.
  assert.ok(bytes < 100, `the heap grows by ${bytes.toFixed(1)} bytes a step: ${samples.map((s) => s.heap)}`)
}

test('10,000 steps on the null backend', async () => {
  await withDevice(async (device) => flat(await train(device, 10_000, 1000), 1000), { adapter: 'null' })
})

test('on the adapter of this run', async () => {
  const samples = await train(await ready(), 500, 50)
  const [, first, ...rest] = samples
  for (const s of rest) assert.equal([s.memory, s.kept], [first!.memory, first!.kept])
})

test('a loop that never waits does not hold on to what it submitted', async () => {
  await withDevice(
    async (device) => {
      const x = ones([4])
      await x.data()
      gc()
      const heap = process.memoryUsage().heapUsed
      for (let i = 0; i < 20_000; i++) tidy(() => void x.add(1))
      gc()
      const grown = (process.memoryUsage().heapUsed - heap) / 20_000
      assert.ok(grown < 100, `${grown.toFixed(0)} bytes an op are held until the loop waits`)
      await device.sync()
      assert.is(kept(device)['answers'], 0)
    },
    { adapter: 'null' },
  )
})

test.run()
