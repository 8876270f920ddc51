// npm run bench: every figure of the product in one table, each subject in a process of its own, on the adapter that init() finds and on the bundled
// SwiftShader. `npm run bench -- conv dcgan` measures these. Options: --adapter auto|gpu|software   --quick   --json FILE   --torch PYTHON
// Peers (jax-js, tfjs) are measured in the same rounds once `npm ci --prefix bench/peers` has installed them, and PyTorch where PYTHON has it.
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { bundledDriver } from './driver.mjs'
import { child, row, table } from './support.mjs'

/** Subjects in the order of the table; `bundled`: also on SwiftShader. */
const subjects = {
  matmul: { bundled: true },
  mlp: { bundled: true },
  conv: {},
  dcgan: {},
  ring: { bundled: true },
  methods: {},
  draws: {},
  'dispatch-cost': {},
  'first-step': { bundled: true },
  'first-matmul': {},
  'bundle-size': {},
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    adapter: { type: 'string', default: 'auto' },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    torch: { type: 'string', default: 'python3' },
  },
})
const wanted = positionals.length > 0 ? positionals : Object.keys(subjects)
const unknown = wanted.find((name) => !(name in subjects))
if (unknown !== undefined || !['auto', 'gpu', 'software'].includes(values.adapter)) {
  console.error(
    unknown === undefined
      ? `--adapter is auto, gpu or software, not '${values.adapter}'`
      : `no subject '${unknown}': choose from ${Object.keys(subjects).join(', ')}`,
  )
  process.exit(2)
}

/** How much of the processors others use, in percent, while this process only waits. */
async function busy(ms) {
  const sum = () =>
    cpus().reduce((t, { times }) => ({ idle: t.idle + times.idle, all: t.all + Object.values(times).reduce((a, b) => a + b) }), { idle: 0, all: 0 })
  const before = sum()
  await wait(ms)
  const after = sum()
  return 100 * (1 - (after.idle - before.idle) / Math.max(1, after.all - before.all))
}

const others = await busy(2000)
const args = ['--rows', '--adapter', values.adapter, '--torch', values.torch, ...(values.quick ? ['--quick'] : [])]
const results = []

async function take(name, column, env) {
  const start = performance.now()
  let result
  try {
    const { said } = await child(`${name}.mjs`, { args, env })
    result = { subject: name, column, ...said.at(-1) }
  } catch (error) {
    result = {
      subject: name,
      column,
      adapter: null,
      rows: [{ ...row(name, 'FAILED', { peer: error.message.split('\n')[0] }), ok: false }],
      error: error.message,
    }
    console.error(error.message)
  }
  results.push(result)
  console.error(`${name}${column === 'bundled' ? ' on SwiftShader' : ''}: ${((performance.now() - start) / 1000).toFixed(0)} s`)
  return result
}

for (const name of wanted) {
  const { adapter } = await take(name, 'default', {})
  // Where init() falls back to the bundled driver there is nothing more to see.
  if (subjects[name].bundled && !/swiftshader/i.test(adapter ?? '')) await take(name, 'bundled', bundledDriver)
}

const short = (adapter) => /llvmpipe|swiftshader/i.exec(adapter ?? '')?.[0].toLowerCase() ?? adapter ?? ''
const rows = results.flatMap((r) => r.rows.map((line) => (r.column === 'bundled' ? { ...line, figure: `${line.figure} [${short(r.adapter)}]` } : line)))
const adapters = [...new Set(results.map((r) => r.adapter).filter(Boolean))]
console.log(`\n${cpus().length} x ${cpus()[0]?.model ?? 'CPU'}, Node ${process.version}\n${adapters.map((a) => `  ${a}`).join('\n')}\n`)
if (others > 10) console.log(`Others used ${others.toFixed(0)} % of the processors before this run: its times say little.\n`)
console.log(table(rows))
const missed = rows.filter((r) => r.ok === false)
console.log(`\n${missed.length === 0 ? 'all targets met' : `${missed.length} missed: ${missed.map((r) => r.figure.trim()).join('; ')}`}`)
if (values.json)
  writeFileSync(values.json, `${JSON.stringify({ node: process.version, busyBefore: others, cpus: cpus().map((c) => c.model), results }, null, 2)}\n`)
