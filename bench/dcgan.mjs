// A training step of a DCGAN on images of 32x32, one step of the critic and one of the generator, beside the same step of peers; and the memory that the
// compiled step takes.
import '@bms/nn/node'
import { compile, grad, init, nn, noGrad, optim, rand, randn } from '@bms/nn'
import { beside, withPeers } from './beside.mjs'
import { adapterName, alternate, compare, median, options, report, skipped, timed } from './support.mjs'

const BATCH = 16
const device = await init({ adapter: options.adapter })

const down = (from, to) => [new nn.Conv2d(from, to, 4, { stride: 2, padding: 1 }), new nn.LeakyReLU(0.2)]
const up = (from, to) => [new nn.ConvTranspose2d(from, to, 4, { stride: 2, padding: 1 }), new nn.BatchNorm2d(to), new nn.ReLU()]
const G = new nn.Sequential(
  new nn.Linear(100, 256 * 4 * 4),
  new nn.Unflatten(1, [256, 4, 4]),
  new nn.BatchNorm2d(256),
  new nn.ReLU(),
  ...up(256, 128),
  ...up(128, 64),
  new nn.ConvTranspose2d(64, 3, 4, { stride: 2, padding: 1 }),
  new nn.Tanh(),
)
const D = new nn.Sequential(...down(3, 64), ...down(64, 128), ...down(128, 256), new nn.Conv2d(256, 1, 4))
const settings = { lr: 2e-4, betas: [0.5, 0.9] }
const [forG, forD] = [new optim.Adam(G.parameters(), settings), new optim.Adam(D.parameters(), settings)]

const step = compile((x) => {
  const fake = noGrad(() => G.forward(randn([BATCH, 100])))
  const critic = D.forward(x).neg().add(1).relu().mean().add(D.forward(fake).add(1).relu().mean())
  forD.step(grad(critic, forD.params))
  const generator = D.forward(G.forward(randn([BATCH, 100])))
    .mean()
    .neg()
  forG.step(grad(generator, forG.params))
  return { critic, generator }
})
const x = rand([BATCH, 3, 32, 32]).mul(2).sub(1)
const run = () =>
  timed(async () => {
    step(x)
    await device.sync()
  })
const first = await timed(async () => {
  await step.prepare(x)
  await run()
})
await run()

const others = await beside()
const alternatives = { ours: run }
const failed = await withPeers(others, 'dcgan', alternatives)
const { ours, ...times } = await alternate(options.quick ? 3 : 7, alternatives)
others.end()
const reached = Object.entries(times).map(([name, list]) => ({ name, ms: median(list) }))
const peers = reached.filter(({ name }) => !name.startsWith('torch'))

const stats = step.stats()
const MB = (bytes) => bytes / 1e6
const replays = options.quick || median(ours) > 2000 ? 50 : 500
const before = device.memory()
for (let i = 1; i <= replays; i++) {
  step(x)
  if (i % 10 === 0) await device.sync()
}
await device.sync()
const after = device.memory()
report(
  [
    compare(`DCGAN step, batch ${BATCH}`, median(ours), {
      unit: 'ms',
      digits: 0,
      atMost: peers.length > 0 ? Math.round(Math.min(...peers.map((p) => p.ms)) / 3) : undefined,
      peer: [
        `${(stats.flops / median(ours) / 1e6).toFixed(1)} GFLOPS of ${(stats.flops / 1e9).toFixed(1)} GFLOP`,
        `first step ${first.toFixed(0)}`,
        ...reached.map(({ name, ms }) => `${name} ${ms.toFixed(0)}`),
        ...failed,
      ].join('; '),
    }),
    compare('DCGAN step, dispatches', stats.dispatches, { digits: 0, peer: `${stats.recorded} recorded, ${stats.pipelines} pipelines` }),
    compare('DCGAN step, memory of intermediates', MB(stats.arenaBytes), {
      unit: 'MB',
      digits: 1,
      peer: `${MB(stats.unsharedBytes).toFixed(1)} if none shared memory: ${((100 * stats.arenaBytes) / stats.unsharedBytes).toFixed(0)} %`,
    }),
    compare(`bytes allocated by ${replays} DCGAN steps`, after.reserved - before.reserved + (after.bytes - before.bytes), { digits: 0, atMost: 0 }),
    ...(others.note ? [skipped('peers of the DCGAN step', others.note)] : []),
  ],
  adapterName(device),
)
if (options.detail) {
  console.log(step.toString())
  for (const t of await step.profile()) console.log(`${t.ms.toFixed(3)} ms ${t.gflops.toFixed(1)} GFLOPS  ${t.kernel}  # ${t.op}`)
}
device.destroy()
