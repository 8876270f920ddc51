// Trains the runs of a study, a few at once, each in a process of its own: a run that fails, or that the system kills, takes no other along.
import { type ChildProcess, fork } from 'node:child_process'
import { oneLine } from '@bms/tensor'
import type { StudyRun } from './plan.js'
import type { FromChild, ToChild } from './protocol.js'

// All chunks of the package lie in dist/, wherever this file's own text ends up.
const entry = new URL('./study/child.js', import.meta.url)

export type Outcome = { kind: 'finished' } | { kind: 'stopped'; step: number } | { kind: 'failed'; why: string }

export interface PoolOptions {
  /** Runs at once. */
  jobs: number
  /** Aborted, the runs that are going save themselves, and no other begins. */
  signal: AbortSignal
  adapter?: string
  /** Called for all that the processes say. */
  told(run: StudyRun, message: FromChild): void
  /** Called once for each run that began. */
  ended(run: StudyRun, outcome: Outcome): void
}

export interface Pool {
  /** All runs have ended, or were stopped. */
  readonly done: Promise<void>
  /** Ends all processes at once. What they have saved stays. */
  kill(): void
}

/** Trains `runs` in their order. */
export function startPool(runs: readonly StudyRun[], options: PoolOptions): Pool {
  const children = new Set<ChildProcess>()
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < runs.length && !options.signal.aborted) {
      const run = runs[next++]!
      options.ended(run, await trainRun(run, options, children))
    }
  }
  return {
    done: Promise.all(Array.from({ length: options.jobs }, worker)).then(() => {}),
    kill() {
      for (const child of children) child.kill('SIGKILL')
    },
  }
}

function trainRun(run: StudyRun, { signal, adapter, told }: PoolOptions, children: Set<ChildProcess>): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = fork(entry, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], execArgv: [] })
    children.add(child)
    // A message that cannot be delivered belongs to a process that is gone, which 'close' tells.
    const send = (message: ToChild): void => void (child.connected && child.send(message, () => {}))
    const stop = (): void => send({ kind: 'stop' })
    let last: FromChild | undefined
    let errors = ''
    child.stderr!.on('data', (chunk) => (errors = `${errors}${chunk}`.slice(-4000)))
    child.on('message', (message: FromChild) => {
      last = message
      told(run, message)
    })
    const end = (outcome: Outcome): void => {
      if (!children.delete(child)) return
      signal.removeEventListener('abort', stop)
      resolve(outcome)
    }
    child.on('error', (error) => end({ kind: 'failed', why: `its process could not be started: ${oneLine(error.message)}` }))
    child.on('close', (code, by) => end(outcomeOf(last, signal.aborted, by ? `was killed by ${by}` : `ended with code ${code}`, errors)))
    signal.addEventListener('abort', stop)
    send({ kind: 'train', options: { ...run.options, adapter, out: run.dir } })
  })
}

/** What became of a run, from the last word of its process and how that ended. */
function outcomeOf(last: FromChild | undefined, asked: boolean, how: string, errors: string): Outcome {
  if (last?.kind === 'finished') return last
  if (last?.kind === 'failed') return { kind: 'failed', why: oneLine(last.message, 1000) }
  if (last?.kind === 'stopped' && asked) return last
  if (last?.kind === 'stopped') return { kind: 'failed', why: `its process was told to end at step ${last.step}, and saved` }
  const said = errors.trim().split('\n').at(-1)
  return { kind: 'failed', why: `its process ${how}${said ? `: ${oneLine(said)}` : ''}` }
}
