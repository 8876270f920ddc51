// The seed and the counter of a device's random numbers. The numbers are Philox 4x32-10 of (seed, counter): the same
// seed gives the same stream in Node and in a browser, eager and compiled. A compiled step reads its counter from a
// buffer that is written before each replay; inside the step every draw has a fixed distance from it.
import type { Device } from './device/device.js'
import type { Storage } from './device/storage.js'
import { ArgumentError, show } from './errors.js'

/** What a checkpoint keeps: enough to continue the same stream. */
export interface RandomSnapshot {
  seed: number
  /** Blocks of four 32-bit numbers drawn so far. */
  counter: number
}

/** Where a draw of `blocks` blocks begins: the kernel adds `offset` to the counter that it finds in `base`. */
export interface Draw {
  base: Storage
  offset: number
}

function check(op: string, name: string, value: number | undefined, most: number, words: string): void {
  if (!Number.isSafeInteger(value) || value! < 0 || value! > most)
    throw new ArgumentError(op, `a ${name} is a whole number from 0 to ${words}, got ${show(value)}`, { [name]: value })
}

export class RandomState {
  private seed = 0
  private counter = 0
  private eagerBase: Storage | null = null
  private stepBase: Storage | null = null

  constructor(private readonly device: Device) {}

  /** Restarts the stream. `seed`: a whole number from 0 to 2^53-1. */
  manualSeed(seed: number): void {
    this.restore({ seed, counter: 0 }, 'manualSeed')
  }

  snapshot(): RandomSnapshot {
    return { seed: this.seed, counter: this.counter }
  }

  /** Continues the stream of a snapshot. Throws an ArgumentError where it is none. */
  restore(s: RandomSnapshot, op = 'random.restore'): void {
    check(op, 'seed', s?.seed, Number.MAX_SAFE_INTEGER, '2^53-1')
    // Room to count on: a run that draws a billion blocks a second is there after 52 days.
    check(op, 'counter', s.counter, 2 ** 52, '2^52')
    this.seed = s.seed
    this.counter = s.counter
    if (this.eagerBase) this.write(this.eagerBase, 0)
  }

  /** Where the stream stands, for `replay`. */
  mark(): number {
    return this.device.stream.recorder?.randomBlocks ?? this.counter
  }

  /** Runs `fn` with the stream set back to a mark, so that it draws the same numbers again; then the stream goes on as before. */
  replay<R>(mark: number, fn: () => R): R {
    const now = this.mark()
    this.place(mark)
    try {
      return fn()
    } finally {
      this.place(now)
    }
  }

  private place(at: number): void {
    const { recorder } = this.device.stream
    if (recorder) recorder.randomBlocks = at
    else this.counter = at
  }

  /** Reserves blocks of four numbers. */
  take(blocks: number): Draw {
    const { recorder } = this.device.stream
    if (recorder) return { base: this.step(), offset: recorder.takeRandom(blocks) }
    if (!this.eagerBase) {
      this.eagerBase = this.device.allocator.allocateNow('random', 16)
      this.write(this.eagerBase, 0)
    }
    const offset = this.counter
    this.counter += blocks
    return { base: this.eagerBase, offset }
  }

  /** Before a replay that draws `blocks`: the counter goes into the buffer that the step reads. */
  advanceStep(blocks: number): void {
    this.write(this.step(), this.counter)
    this.counter += blocks
  }

  private step(): Storage {
    this.stepBase ??= this.device.allocator.allocateNow('random', 16)
    return this.stepBase
  }

  private write(to: Storage, counter: number): void {
    const words = Uint32Array.of(this.seed >>> 0, Math.floor(this.seed / 2 ** 32), counter >>> 0, Math.floor(counter / 2 ** 32))
    this.device.stream.upload('random', to, new Uint8Array(words.buffer))
  }
}
