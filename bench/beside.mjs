// What is measured beside @bms: PyTorch on the CPU, where a Python has it, and the libraries of bench/peers, where they are installed. Each is a process
// that takes a measurement on request (peers/serve.mjs), so that all are measured in turns.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { options } from './support.mjs'

const folder = join(import.meta.dirname, 'peers')

/** Starts a process. Null, where it ends before it says that it is ready. `measure(work, count)` gives the mean milliseconds of a run. */
async function start(command, args) {
  const running = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'] })
  running.on('error', () => {})
  const lines = createInterface({ input: running.stdout })[Symbol.asyncIterator]()
  let line = await lines.next()
  while (!line.done && !line.value.startsWith('ready ')) line = await lines.next()
  if (line.done) return null
  return {
    name: line.value.replace('ready ', ''),
    async measure(work, count) {
      running.stdin.write(`${work} ${count}\n`)
      const { value } = await lines.next()
      if (!Number.isFinite(Number(value))) throw new Error(value ?? 'it ended')
      return Number(value)
    },
    end: () => running.stdin.end(),
  }
}

/** PyTorch; null where `--torch` has none. */
export const torch = () => start(options.torch, [join(folder, 'torch_works.py')])

/** What there is of all peers, and a note on what there is not. */
export async function beside() {
  const installed = existsSync(join(folder, 'node_modules'))
  const scripts = installed ? ['jax.mjs', 'tfjs.mjs'] : []
  const found = await Promise.all([torch(), ...scripts.map((name) => start(process.execPath, [join(folder, name)]))])
  const missing = [found[0] ? null : `no torch in ${options.torch}`, installed ? null : 'jax-js and tfjs: npm ci --prefix bench/peers']
  return {
    peers: found.filter((p) => p !== null),
    note: missing.filter((m) => m !== null).join('; '),
    end: () => {
      for (const p of found) p?.end()
    },
  }
}

/**
 * Adds the peers' runs of a work to the alternatives that are measured in turns: `count` runs of each, as many as last half a second at most. A peer that
 * fails is named in `failed`.
 */
export async function withPeers({ peers }, work, alternatives) {
  const failed = []
  for (const p of peers) {
    try {
      const once = await p.measure(work, 1)
      const count = Math.max(1, Math.min(20, Math.round(500 / once)))
      alternatives[p.name] = () => p.measure(work, count)
    } catch (error) {
      failed.push(`${p.name} ${error.message}`)
    }
  }
  return failed
}
