// What `bms train` does differently for points and for images. Everything else (planning, locking, resuming, interrupting, results) is in train.ts.
import type { Device } from '@bms/nn'
import type { RunFolder, RunResult } from '../run/folder.js'
import type { Progress } from '../run/progress.js'
import type { Training } from '../training/training.js'

/** A run while it is going. */
export interface Running<T extends Training = Training> {
  readonly training: T
  readonly folder: RunFolder
  readonly bar: Progress
  /** Seconds spent on the run, those before it was resumed included. */
  readonly seconds: () => number
  /** Was the run interrupted? */
  readonly stop: () => boolean
}

export interface RunKind<T extends Training = Training> {
  /** Opens the data, before a device is asked for and anything is written. */
  open(): Promise<void>
  /** Networks and optimisers on a device. Throws where a step would be more than it can hold. */
  start(device: Device): Promise<T>
  /** What is to be trained, in a line, and more lines that the user should know before the first step. */
  describe(training: T): string[]
  /** Trains to the end, or until interrupted, with metrics, checkpoints and pictures on the way. */
  loop(run: Running<T>): Promise<void>
  /** Saves a run that was interrupted. */
  save(run: Running<T>): Promise<void>
  /** The last pictures; what result.json holds, and what the user is told. */
  finish(run: Running<T>): Promise<{ metrics: RunResult['metrics']; summary: string }>
  close(): void
}
