// Listens while a compiled step is traced: notes every call, plans memory instead of taking it, and hands out random
// counters relative to the step's own.
import type { Call } from '../calls/call.js'
import type { Device } from '../device/device.js'
import { Storage } from '../device/storage.js'

export class Recorder {
  readonly calls: Call[] = []
  /** Storages that exist only in the step. */
  readonly planned = new Set<Storage>()
  /** Storages from outside that the step uses; held for as long as the program lives. */
  readonly held = new Set<Storage>()
  /** Blocks of random numbers that one run draws. */
  randomBlocks = 0
  /** Raised while something is computed a second time on purpose (checkpoint), so that it is not merged with the first. */
  generation = 0
  readonly generations = new WeakMap<Call, number>()

  constructor(private readonly device: Device) {}

  plan(bytes: number): Storage {
    const storage = new Storage(this.device, bytes, null)
    this.planned.add(storage)
    return storage
  }

  add(call: Call): void {
    for (const { storage } of [...call.inputs, ...call.outputs]) {
      if (!this.planned.has(storage) && !this.held.has(storage)) this.held.add(storage.retain())
    }
    if (this.generation > 0) this.generations.set(call, this.generation)
    this.calls.push(call)
  }

  takeRandom(blocks: number): number {
    this.randomBlocks += blocks
    return this.randomBlocks - blocks
  }

  release(): void {
    for (const storage of this.held) storage.release()
    this.held.clear()
  }
}
