// What the measurements share: child processes that say JSON lines, medians over rounds, and the table that all of it ends in.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

/** Options of a single subject; run.mjs passes them on. `torch` is the Python that has PyTorch. */
export const { values: options } = parseArgs({
  strict: false,
  options: {
    adapter: { type: 'string', default: 'auto' },
    quick: { type: 'boolean', default: false },
    rows: { type: 'boolean', default: false },
    torch: { type: 'string', default: 'python3' },
    detail: { type: 'boolean', default: false },
  },
})

export const median = (list) => {
  const sorted = [...list].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** Times alternatives in turns, so that what else the machine does falls on all of them alike: an array of times for each name. */
export async function alternate(rounds, alternatives) {
  const times = Object.fromEntries(Object.keys(alternatives).map((name) => [name, []]))
  for (let r = 0; r < rounds; r++) for (const [name, run] of Object.entries(alternatives)) times[name].push(await run(r))
  return times
}

/** Milliseconds that `work` takes. */
export async function timed(work) {
  const start = performance.now()
  await work()
  return performance.now() - start
}

/** How many steps of `ms` one measurement takes: a quarter of a second, at least two, at most as many as may wait in the queue. */
export const stepsFor = (ms) => Math.min(20, Math.max(2, Math.round(250 / ms)))

const MARK = '@bench '

/** A line that the parent process understands. */
export const say = (value) => process.stdout.write(`${MARK}${JSON.stringify(value)}\n`)

/**
 * Runs a script of this folder in a process of its own. Gives what it said, and the milliseconds from the start of the process until the first of it
 * arrived. Rejects with the script's errors where it fails.
 */
export function child(script, { args = [], env = {}, command = process.execPath } = {}) {
  return new Promise((resolve, reject) => {
    const start = performance.now()
    const running = spawn(command, [join(import.meta.dirname, script), ...args], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    const said = []
    let first = 0
    let rest = ''
    let errors = ''
    running.stdout.setEncoding('utf8').on('data', (text) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop()
      for (const line of lines) {
        if (!line.startsWith(MARK)) continue
        first ||= performance.now() - start
        said.push(JSON.parse(line.slice(MARK.length)))
      }
    })
    running.stderr.setEncoding('utf8').on('data', (text) => (errors += text))
    running.on('error', reject)
    running.on('close', (code) => {
      if (code === 0 && said.length > 0) resolve({ said, first })
      else reject(new Error(`bench/${script} ${args.join(' ')}: ended with ${code}\n${errors.slice(-2000)}`))
    })
  })
}

/** One line of the table. `ok` is true, false, or null where there is no target. */
export const row = (figure, ours, { target = '', peer = '', ok = null, value = null } = {}) => ({ figure, ours, target, peer, ok, value })

/** A row whose number must be at least, or at most, the target. Without a target it only reports. */
export function compare(figure, value, { unit = '', digits = 2, atLeast, atMost, peer = '' }) {
  const target = atLeast !== undefined ? `≥ ${atLeast}` : atMost !== undefined ? `≤ ${atMost}` : ''
  const ok = atLeast !== undefined ? value >= atLeast : atMost !== undefined ? value <= atMost : null
  return row(figure, `${value.toFixed(digits)}${unit && ` ${unit}`}`, { target: target && `${target}${unit && ` ${unit}`}`, peer, ok, value })
}

/** A figure that cannot be taken here, and why. */
export const skipped = (figure, why) => row(figure, `skipped: ${why}`)

export function table(rows) {
  const head = ['figure', 'ours', 'target', 'peer or bare Dawn', 'ok']
  const cells = rows.map((r) => [r.figure, r.ours, r.target, r.peer, r.ok === null ? '' : r.ok ? 'ok' : 'MISSED'])
  const width = head.map((h, i) => Math.max(h.length, ...cells.map((c) => c[i].length)))
  const line = (c) =>
    c
      .map((text, i) => text.padEnd(width[i]))
      .join('  ')
      .trimEnd()
  return [line(head), width.map((w) => '-'.repeat(w)).join('  '), ...cells.map(line)].join('\n')
}

/** The end of a subject: its rows to the parent, or as a table to whoever ran it alone. */
export function report(rows, adapter = null) {
  if (options.rows) say({ adapter, rows })
  else console.log(`${adapter ? `on ${adapter}\n` : ''}${table(rows)}`)
}

export const adapterName = (device) => `${device.adapter.name} (${device.adapter.source})`

/** Which column of the targets an adapter falls into. */
export const family = ({ adapter }) =>
  adapter.kind !== 'software'
    ? adapter.kind
    : /swiftshader/i.test(adapter.name)
      ? 'swiftshader'
      : /llvmpipe|lavapipe/i.test(adapter.name)
        ? 'lavapipe'
        : 'software'
