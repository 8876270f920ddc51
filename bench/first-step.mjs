// How long `bms train ring` keeps its user waiting for the first step: with an empty shader cache (a new machine, a new version) and with a full one.
// Mesa's cache lies in a fresh folder for each cold start; Dawn in Node keeps none on the disk.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { child, compare, median, options, report, row } from './support.mjs'

const folders = []
const fresh = () => {
  folders.push(mkdtempSync(join(tmpdir(), 'bms-bench-')))
  return { MESA_SHADER_CACHE_DIR: folders.at(-1) }
}
const start = async (env, more = []) => (await child('ring-start.mjs', { args: ['--adapter', options.adapter, ...more], env })).said[0]
const divided = (runs) =>
  Object.keys(runs[0].stages)
    .map((name) => `${name} ${(median(runs.map((r) => r.stages[name])) / 1000).toFixed(2)}`)
    .join(', ')

try {
  const [cold, warm] = [[], []]
  for (let i = 0; i < (options.quick ? 1 : 3); i++) {
    const env = fresh()
    cold.push(await start(env))
    // Only Mesa keeps one on the disk.
    if (/llvmpipe|lavapipe/i.test(cold[0].adapter)) warm.push(await start(env))
  }
  const { adapter } = cold[0]
  const seconds = (runs) => median(runs.map((r) => r.seconds))
  const mesa = /llvmpipe|lavapipe/i.test(adapter)
  const what = 'process start to first ring step'
  const rows = [
    compare(`${what}, ${mesa ? 'empty shader cache' : 'no shader cache'}`, seconds(cold), {
      unit: 's',
      atMost: mesa ? 6 : undefined,
      peer: 'peers’ first GAN step 20-26',
    }),
    row('  … of which, in s', divided(cold)),
  ]
  if (warm.length > 0) rows.push(compare(`${what}, full shader cache`, seconds(warm), { unit: 's' }), row('  … of which, in s', divided(warm)))
  report(rows, adapter)
  if (options.detail) {
    const { pipelines, kernels, stages } = await start(fresh(), ['--detail'])
    console.log(stages)
    for (const p of pipelines.sort((a, b) => b.ms - a.ms))
      console.log(`${p.ms.toFixed(0).padStart(6)} ms from ${p.start.toFixed(0)}  ${p.key.replaceAll('\n', ' ').slice(0, 150)}`)
    for (const k of [...kernels].sort((a, b) => b.first - b.second - (a.first - a.second)))
      console.log(`first ${k.first.toFixed(1)} second ${k.second.toFixed(1)} ms  ${k.kernel}  # ${k.op}`)
  }
} finally {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
}
