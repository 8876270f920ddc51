// Convolutions as a DCGAN has them, each of the three passes: its strided 4x4, and a 3x3 of many channels. Peers and a matrix product of as many
// operations are measured in the same rounds.
import { readFileSync } from 'node:fs'
import { conv2dForward, conv2dInput, conv2dWeight, init, randn } from '@bms/tensor/node'
import { beside, withPeers } from './beside.mjs'
import { adapterName, alternate, compare, family, median, options, report, row, skipped, timed } from './support.mjs'

const TARGETS = { lavapipe: 8 }
/** A measurement lasts about this long, so that waiting for the device does not count. */
const MEASURE_MS = 200

const device = await init({ adapter: options.adapter })
const sizes = JSON.parse(readFileSync(new URL('conv-sizes.json', import.meta.url), 'utf8'))
const others = await beside()
const rows = []
for (const [i, { name, batch, from, to, side, kernel, stride }] of sizes.entries()) {
  const out = side / stride
  const flops = 2 * batch * out ** 2 * to * from * kernel ** 2
  const n = Math.round(Math.cbrt(flops / 2) / 16) * 16
  const x = randn([batch, from, side, side])
  const w = randn([to, from, kernel, kernel])
  const g = randn([batch, to, out, out])
  const [a, b] = [randn([n, n]), randn([n, n])]
  const sides = (size) => [size, size]
  const attrs = { stride: sides(stride), padding: [1, 1], dilation: [1, 1], groups: 1 }
  const passes = (algorithm) => ({
    forward: () => conv2dForward(x, w, sides(out), { ...attrs, algorithm }),
    'input gradient': () => conv2dInput(g, w, sides(side), { ...attrs, algorithm }),
    'weight gradient': () => conv2dWeight(x, g, sides(kernel), { ...attrs, algorithm }),
  })
  const gflops = (ms) => flops / ms / 1e6
  for (const [pass, run] of Object.entries(passes())) {
    const runs = { ours: run, matmul: () => a.matmul(b) }
    if (options.detail) for (const algorithm of ['lanes', 'rows', 'tiles']) runs[algorithm] = passes(algorithm)[pass]
    const alternatives = {}
    for (const [what, fn] of Object.entries(runs)) {
      const several = (count) =>
        timed(async () => {
          for (let k = 0; k < count; k++) fn().dispose()
          await device.sync()
        })
      try {
        await several(1)
        const count = Math.max(1, Math.round(MEASURE_MS / (await several(1))))
        alternatives[what] = async () => (await several(count)) / count
      } catch (error) {
        rows.push(row(`conv ${name}, ${pass}, ${what}`, 'not on this adapter', { peer: error.message.slice(0, 80) }))
      }
    }
    const failed = await withPeers(others, `${pass} ${i}`, alternatives)
    const { ours, matmul, ...times } = await alternate(options.quick ? 3 : 7, alternatives)
    const reached = Object.entries(times).map(([peer, list]) => `${peer} ${gflops(median(list)).toFixed(1)}`)
    rows.push(
      compare(`conv ${name}, ${pass}`, gflops(median(ours)), {
        unit: 'GFLOPS',
        digits: 1,
        atLeast: TARGETS[family(device)],
        peer: [
          `${gflops(Math.max(...ours)).toFixed(1)}-${gflops(Math.min(...ours)).toFixed(1)} over the rounds`,
          `matmul ${n}³ ${((2 * n ** 3) / median(matmul) / 1e6).toFixed(1)}`,
          ...reached,
          ...failed,
        ].join('; '),
      }),
    )
  }
  for (const t of [x, w, g, a, b]) t.dispose()
}
others.end()
if (others.note) rows.push(skipped('peers of conv', others.note))
report(rows, adapterName(device))
device.destroy()
