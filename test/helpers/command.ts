// Runs the `bms` command as users do: a process of its own, with what it prints and how it ends.
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { options } from '../support/options.js'

export const bin = join(options.root, 'packages/bms/bin/bms.js')
/** The adapter of this test run, for commands that compute. */
export const adapter = ['--adapter', process.env['BMS_TEST_ADAPTER'] ?? options.adapter]
/** Networks and batches that train in moments. */
export const small = ['latent=4', 'hiddenG=16,16', 'hiddenR=16', 'hiddenD=16,16', 'hiddenL=16', 'evalSamples=100'].flatMap((s) => ['--set', s])

export interface Ended {
  /** null where a signal ended it. */
  code: number | null
  signal: NodeJS.Signals | null
  out: string
  err: string
}

/** Ended well. */
export function well(e: Ended): Ended {
  assert.is(e.code, 0, `exit code ${e.code} ${e.signal ?? ''}\n${e.out}\n${e.err}`)
  return e
}

/** Ended with code 1 and one clear line: no stack, no internals. */
export function refusal(e: Ended, text: RegExp, what: string): void {
  assert.is(e.code, 1, `${what}: exit code ${e.code}\n${e.out}${e.err}`)
  assert.match(e.err, text, what)
  assert.not.match(e.err, /\n\s+at |node:internal|undefined|\[object/, what)
}

/** Does the file begin as PNG files do? */
export const isPng = (path: string): boolean =>
  readFileSync(path)
    .subarray(0, 8)
    .equals(Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]))

/** Starts `command`, with the arguments that it stands for; `watch` sees all output so far whenever there is more. */
function start(file: string, args: string[], cwd: string, watch?: (out: string, child: ChildProcess) => void): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd, env: { ...process.env, NO_COLOR: '1' }, stdio: ['ignore', 'pipe', 'pipe'] })
    let [out, err] = ['', '']
    child.stdout.on('data', (chunk) => {
      out += chunk
      watch?.(out, child)
    })
    child.stderr.on('data', (chunk) => (err += chunk))
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, out, err }))
  })
}

/** `bms args…` in the folder `cwd`. */
export const bms = (cwd: string, args: string[], watch?: (out: string, child: ChildProcess) => void): Promise<Ended> =>
  start(process.execPath, [bin, ...args], cwd, watch)

/** A line for the shell, in which `bms` is the command. */
export const shell = (cwd: string, line: string, watch?: (out: string, child: ChildProcess) => void): Promise<Ended> =>
  start('bash', ['-c', `bms() { ${JSON.stringify(process.execPath)} ${JSON.stringify(bin)} "$@"; }\n${line}`], cwd, watch)

/** Runs all, two at a time: the test machine has two cores. */
export async function inPairs<T, R>(list: readonly T[], run: (item: T) => Promise<R>): Promise<R[]> {
  const out: R[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < list.length) {
      const i = next++
      out[i] = await run(list[i]!)
    }
  }
  await Promise.all([worker(), worker()])
  return out
}
