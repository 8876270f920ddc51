// PyTorch on this machine's CPU as a measuring stick beside mlp.mjs, where a Python with torch is installed: a process that takes a measurement on request.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** Starts torch_mlp.py. Null, where `python` has no torch. `measure(steps)` gives the median milliseconds of a step. */
export async function torch(python) {
  const running = spawn(python, [join(import.meta.dirname, 'torch_mlp.py')], { stdio: ['pipe', 'pipe', 'ignore'] })
  running.on('error', () => {})
  const lines = createInterface({ input: running.stdout })[Symbol.asyncIterator]()
  const { value: hello, done } = await lines.next()
  if (done) return null
  return {
    version: hello.replace('ready ', ''),
    async measure(steps) {
      running.stdin.write(`${steps}\n`)
      return Number((await lines.next()).value)
    },
    end: () => running.stdin.end(),
  }
}
