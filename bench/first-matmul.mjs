// How long someone waits for the first number: from the start of the process to a 64x64 product read back, ours against a hand-written minimum on
// bare Dawn, process by process in turns. Each of them with a shader cache of its own that the first, uncounted process fills; and with an empty one each time.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { alternate, child, compare, median, options, report, row } from './support.mjs'
import { bareDriver } from './driver.mjs'

const rows = []
const { env, name } = await bareDriver()
if (!env) report([row('start to first 64x64 matmul', 'skipped: bare Dawn finds no adapter here')])
else {
  const folders = []
  const cache = () => {
    folders.push(mkdtempSync(join(tmpdir(), 'bms-bench-')))
    return { ...env, MESA_SHADER_CACHE_DIR: folders.at(-1) }
  }
  const scripts = { ours: 'our-matmul.mjs', bare: 'bare-matmul.mjs' }
  const starts = async (rounds, environment) => {
    const run = (key) => async () => (await child(scripts[key], { env: environment(key) })).first
    const times = await alternate(rounds, { ours: run('ours'), bare: run('bare') })
    return { ours: median(times.ours), bare: median(times.bare), ratio: median(times.ours.map((t, i) => t / times.bare[i])) }
  }
  try {
    const kept = { ours: cache(), bare: cache() }
    await starts(1, (key) => kept[key])
    const warm = await starts(options.quick ? 5 : 15, (key) => kept[key])
    rows.push(
      compare('start to first 64x64 matmul, ratio to bare Dawn', warm.ratio, {
        atMost: 1.3,
        peer: `${warm.ours.toFixed(0)} ms against bare ${warm.bare.toFixed(0)} ms; jax-js 1.04, tfjs 1.8`,
      }),
    )
    const cold = await starts(options.quick ? 3 : 7, () => cache())
    rows.push(compare('… with an empty shader cache', cold.ratio, { peer: `${cold.ours.toFixed(0)} ms against bare ${cold.bare.toFixed(0)} ms` }))
  } finally {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true })
  }
  report(rows, name)
}
