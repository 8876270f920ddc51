// checkpoint(): the same numbers as without it (random ones included), less memory, eager and compiled; and what it cannot do.
import { checkpoint, compile, currentDevice, dropoutMask, grad, manualSeed, randn, type Tensor, tensor, tidy } from '@bms/autograd'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { close, ready, thrown } from './helpers/device.js'

const test = suite('checkpoint')

test.before(async () => {
  await ready()
})

type Block = (x: Tensor, w: Tensor) => Tensor
const plain: Block = (x, w) => {
  const h = x
    .matmul(w)
    .tanh()
    .mul(dropoutMask([x.shape[0]!, w.shape[1]!], 0.3))
  return h.matmul(w.t()).sigmoid().add(x)
}
const again: Block = (x, w) => checkpoint((t: Tensor) => plain(t, w), x)

/** Loss and gradients of several blocks, the parameters closed over. */
function chain(block: Block, x: Tensor, weights: readonly Tensor[]): Tensor[] {
  let h = x
  for (const w of weights) h = block(h, w)
  const loss = h.square().mean()
  return [loss, ...grad(loss, [x, ...weights])]
}

async function inputs(blocks: number, rows = 3, size = 4): Promise<{ x: Tensor; weights: Tensor[] }> {
  manualSeed(8)
  return { x: randn([rows, size], { requiresGrad: true }), weights: Array.from({ length: blocks }, () => randn([size, size], { requiresGrad: true })) }
}

const read = (list: Tensor[]): Promise<number[]> => Promise.all(list.map(async (t) => Array.from(await t.data()))).then((l) => l.flat())

test('equals the plain run, random numbers included', async () => {
  const { x, weights } = await inputs(3)
  manualSeed(1)
  const expected = await read(chain(plain, x, weights))
  manualSeed(1)
  close(await read(chain(again, x, weights)), expected, 1e-6)
  const step = compile((t: Tensor) => chain(again, t, weights))
  manualSeed(1)
  close(await read(step(x)), expected)
  const next = await read(step(x))
  manualSeed(1)
  chain(plain, x, weights)
  // The stream goes on where the forward pass left it, as without checkpoint.
  close(next, await read(chain(plain, x, weights)))
})

test('a deep compiled chain takes less memory', async () => {
  const { x, weights } = await inputs(8, 64, 32)
  const bytes = await Promise.all(
    [plain, again].map(async (block) => {
      const step = compile((t: Tensor) => chain(block, t, weights))
      await step.prepare(x)
      const { arenaBytes } = step.stats()
      step.dispose()
      return arenaBytes
    }),
  )
  assert.ok(bytes[1]! < 0.75 * bytes[0]!, `plain ${bytes[0]}, with checkpoints ${bytes[1]}`)
})

test('an eager forward pass keeps only what goes in and out', async () => {
  const { x, weights } = await inputs(1, 64, 64)
  const device = currentDevice()
  const measure = (block: Block): number =>
    tidy(() => {
      const before = device.memory().bytes
      block(x, weights[0]!)
      return device.memory().bytes - before
    })
  assert.is(measure(again), 64 * 64 * 4)
  assert.ok(measure(plain) > 3 * 64 * 64 * 4)
})

test('several inputs and results, values closed over, results nobody uses', async () => {
  const [a, b, w] = [
    [1, 2],
    [3, 4],
    [0.5, 0.25],
  ].map((v) => tensor(v, { requiresGrad: true })) as [Tensor, Tensor, Tensor]
  const run = async (wrap: boolean): Promise<number[]> => {
    const scaled = w.mul(2)
    const fn = (p: Tensor, q: Tensor): Tensor[] => [p.mul(q).mul(scaled), p.exp(), q.sin()]
    const [y, z] = (wrap ? checkpoint(fn, a, b) : fn(a, b)) as [Tensor, Tensor]
    return read(grad(y.sum().add(z.mul(scaled).sum()), [a, b, w]))
  }
  close(await run(true), await run(false), 1e-6)
  const constant = checkpoint((p: Tensor) => p.mul(2), tensor([1, 2]))
  assert.is(constant.requiresGrad, false)
  close(await checkpoint((p: Tensor) => p, a).data(), [1, 2], 0)
})

test('second derivatives are refused, not wrong', async () => {
  const x = tensor([2], { requiresGrad: true })
  const error = await thrown(() =>
    grad(
      checkpoint((t: Tensor) => t.square().mul(t), x),
      x,
      { createGraph: true },
    ),
  )
  assert.match(error.message, /checkpoint: gradients through it cannot be differentiated again/)
})

test.run()
