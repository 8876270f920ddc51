// Matrix products are most of the arithmetic of training. Every algorithm is measured, not only the one that the planner takes here, so that the
// planner's choice stays justified and the kernels for other adapters do not rot.
import { init, randn } from '@bms/tensor/node'
import { adapterName, alternate, compare, family, median, options, report, row, timed } from './support.mjs'

const TARGETS = { lavapipe: { 512: 11, 1024: 11 }, swiftshader: { 256: 2, 512: 2 } }
const PEERS = { lavapipe: { 512: 'peers 3.7-4.8', 1024: 'jax-js 4.8, tfjs 4.1' } }

const device = await init({ adapter: options.adapter })
const kind = family(device)
const rows = []
for (const n of options.quick ? [256, 512] : [256, 512, 1024]) {
  const [a, b] = [randn([n, n]), randn([n, n])]
  const flops = 2 * n ** 3
  // Enough products a measurement that waiting for the device does not count.
  const inner = Math.max(1, Math.round((kind === 'gpu' ? 2e11 : 3e8) / flops))
  const run = (algorithm, count) => () =>
    timed(async () => {
      for (let i = 0; i < count; i++) a.matmul(b, algorithm ? { algorithm } : {}).dispose()
      await device.sync()
    })
  const gflops = (ms, count) => (flops * count) / ms / 1e6
  await run(null, 1)()
  const times = (await alternate(options.quick ? 3 : 7, { planned: run(null, inner) })).planned
  const best = gflops(Math.min(...times), inner)
  rows.push(
    compare(`matmul ${n} f32, planned`, gflops(median(times), inner), {
      unit: 'GFLOPS',
      atLeast: TARGETS[kind]?.[n],
      peer: [PEERS[kind]?.[n], `best round ${best.toFixed(1)}`].filter(Boolean).join('; '),
    }),
  )
  const forced = {}
  for (const algorithm of ['lanes', 'rows', 'tiles', 'dots']) {
    try {
      await run(algorithm, 1)()
      forced[algorithm] = run(algorithm, 1)
    } catch (error) {
      rows.push(row(`matmul ${n} f32, ${algorithm}`, 'not on this adapter', { peer: error.message.slice(0, 60) }))
    }
  }
  for (const [algorithm, ms] of Object.entries(await alternate(options.quick ? 2 : 5, forced))) {
    rows.push(compare(`matmul ${n} f32, ${algorithm}`, gflops(median(ms), 1), { unit: 'GFLOPS' }))
  }
  a.dispose()
  b.dispose()
}
report(rows, adapterName(device))
device.destroy()
