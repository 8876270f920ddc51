// The step of a small model: where frameworks lose their time in dispatches, not in arithmetic. Peers were measured with the same network and batch.
import '@bms/nn/node'
import { compile, grad, init, losses, nn, optim, randn } from '@bms/nn'
import { torch } from './beside.mjs'
import { adapterName, alternate, compare, family, median, options, report, stepsFor, timed } from './support.mjs'

const device = await init({ adapter: options.adapter })
const lavapipe = family(device) === 'lavapipe'
const model = new nn.Sequential(new nn.Linear(2, 128), new nn.ReLU(), new nn.Linear(128, 128), new nn.ReLU(), new nn.Linear(128, 1))
const adam = new optim.Adam(model.parameters(), { lr: 1e-3 })
const [x, y] = [randn([512, 2]), randn([512, 1])]
const step = compile((input, wanted) => {
  const loss = losses.mse(model.forward(input), wanted)
  adam.step(grad(loss, adam.params))
  return { loss }
})
await step.prepare(x, y)
for (let i = 0; i < 5; i++) step(x, y)
await device.sync()

const once = await timed(async () => {
  step(x, y)
  await device.sync()
})
const steps = stepsFor(once)
const peer = await torch()
const alternatives = {
  // As a training loop runs it: steps queue up, the device is waited for now and then.
  queued: async () =>
    (await timed(async () => {
      for (let i = 0; i < steps; i++) step(x, y)
      await device.sync()
    })) / steps,
  // The loss is read in every step.
  read: async () =>
    (await timed(async () => {
      for (let i = 0; i < steps; i++) await step(x, y).loss.item()
    })) / steps,
  ...(peer ? { torch: () => peer.measure('mlp', 2 * steps) } : {}),
}
const times = await alternate(options.quick ? 3 : 11, alternatives)
peer?.end()
const beside = peer ? `${peer.name} ${median(times.torch).toFixed(2)} (eager, same rounds)` : `PyTorch: skipped, no torch in ${options.torch}`
const stats = step.stats()
report(
  [
    compare('MLP step, batch 512, compiled', median(times.queued), { unit: 'ms', atMost: lavapipe ? 8 : undefined, peer: `${beside}; jax-js 22, tfjs 36` }),
    compare('MLP step, loss read each step', median(times.read), { unit: 'ms' }),
    compare('MLP step, dispatches', stats.dispatches, { digits: 0, atMost: 20, peer: 'jax-js 45, tfjs 114' }),
  ],
  adapterName(device),
)
if (options.detail) {
  console.log(step.toString())
  for (const t of await step.profile()) console.log(`${t.ms.toFixed(3)} ms  ${t.kernel}  # ${t.op}`)
}
device.destroy()
