// Matrix products are most of the arithmetic of training. Every algorithm is measured, not only the one that the planner takes here, so that the
// planner's choice stays justified and the kernels for other adapters do not rot.
import { init, randn } from '@bms/tensor/node'
import { adapterName, alternate, compare, family, median, options, report, row, timed } from './support.mjs'

const TARGETS = { lavapipe: { 512: 11, 1024: 11 }, swiftshader: { 256: 2, 512: 2 } }
const PEERS = { lavapipe: { 512: 'peers 3.7-4.8', 1024: 'jax-js 4.8, tfjs 4.1' } }
/** A measurement lasts about this long, so that waiting for the device does not count. */
const MEASURE_MS = 100
/** What takes longer than this is measured once, and not at larger sizes. */
const SLOW_MS = 250

const device = await init({ adapter: options.adapter })
const kind = family(device)
const rows = []
const tooSlow = new Set()
for (const n of options.quick ? [256, 512] : [256, 512, 1024]) {
  const [a, b] = [randn([n, n]), randn([n, n])]
  const product = (algorithm, count) =>
    timed(async () => {
      for (let i = 0; i < count; i++) a.matmul(b, algorithm === 'planned' ? {} : { algorithm }).dispose()
      await device.sync()
    })
  const slow = {}
  const alternatives = {}
  for (const algorithm of ['planned', 'lanes', 'rows', 'tiles', 'dots']) {
    if (tooSlow.has(algorithm)) continue
    try {
      await product(algorithm, 1)
      const once = await product(algorithm, 1)
      const count = Math.max(1, Math.round(MEASURE_MS / once))
      if (once > SLOW_MS && algorithm !== 'planned') {
        slow[algorithm] = [once]
        tooSlow.add(algorithm)
      } else alternatives[algorithm] = async () => (await product(algorithm, count)) / count
    } catch (error) {
      rows.push(row(`matmul ${n} f32, ${algorithm}`, 'not on this adapter', { peer: error.message.slice(0, 80) }))
    }
  }
  const times = { ...(await alternate(options.quick ? 3 : 9, alternatives)), ...slow }
  for (const [algorithm, list] of Object.entries(times)) {
    const gflops = (ms) => (2 * n ** 3) / ms / 1e6
    const planned = algorithm === 'planned'
    const spread = list.length > 1 ? `${gflops(Math.max(...list)).toFixed(1)}-${gflops(Math.min(...list)).toFixed(1)} over the rounds` : 'one round'
    rows.push(
      compare(`matmul ${n} f32, ${algorithm}`, gflops(median(list)), {
        unit: 'GFLOPS',
        digits: 1,
        atLeast: planned ? TARGETS[kind]?.[n] : undefined,
        peer: [planned && PEERS[kind]?.[n], spread].filter(Boolean).join('; '),
      }),
    )
  }
  a.dispose()
  b.dispose()
}
report(rows, adapterName(device))
device.destroy()
