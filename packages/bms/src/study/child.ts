// The process that trains one run of a study. It tells its parent how it goes, saves when it is told to stop, and does the same when the
// parent is gone: whatever ends a study, no process trains on behind the user's back.
import { setTimeout as sleep } from 'node:timers/promises'
import { BmsError } from '@bms/tensor'
import { train, type TrainOptions, type TrainView } from '../commands/train.js'
import { RunFolder } from '../run/folder.js'
import type { FromChild, ToChild } from './protocol.js'

/** The process of a killed study may still be saving this run. */
const PATIENCE_MS = 30_000

const controller = new AbortController()
const { signal } = controller
let reached = 0

const tell = (message: FromChild): void => void (process.connected && process.send!(message, undefined, undefined, () => {}))

const view: TrainView = {
  begin({ step }) {
    reached = step
    tell({ kind: 'begin', step })
    return {
      update(at, terms) {
        reached = at
        tell({ kind: 'step', step: at, ...(typeof terms?.['hq'] === 'number' && { hq: terms['hq'] }) })
      },
      log: (text) => tell({ kind: 'log', text }),
      rate: () => NaN,
      stop: () => {},
    }
  },
  end() {},
}

async function trainPatiently(options: TrainOptions): Promise<FromChild> {
  for (const until = performance.now() + PATIENCE_MS; ; await sleep(250)) {
    try {
      const result = await train({ ...options, resume: RunFolder.exists(options.out!) }, { view, signal })
      return result ? { kind: 'finished' } : { kind: 'stopped', step: reached }
    } catch (error) {
      if (!(error instanceof BmsError)) throw error
      if (error.code !== 'RUN_LOCKED' || signal.aborted || performance.now() > until) return { kind: 'failed', message: error.message }
    }
  }
}

function leave(last: FromChild): void {
  if (!process.connected) process.exit()
  process.send!(last, undefined, undefined, () => process.exit())
}

// Ctrl-C in a terminal reaches this process as well; the parent decides what it means.
process.on('SIGINT', () => {})
for (const name of ['SIGTERM', 'SIGHUP'] as const) process.on(name, () => controller.abort())
process.on('disconnect', () => controller.abort())
process.on('message', (message: ToChild) => {
  if (message.kind === 'stop') controller.abort()
  else trainPatiently(message.options).then(leave, (error: Error) => leave({ kind: 'failed', message: error.stack ?? String(error) }))
})
