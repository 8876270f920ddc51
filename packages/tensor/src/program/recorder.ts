// Listens while a compiled step is traced: notes every call, plans memory instead of taking it, and hands out random
// counters relative to the step's own.
import type { Call } from '../calls/call.js'
import type { Device } from '../device/device.js'
import { Storage } from '../device/storage.js'
import { ArgumentError } from '../errors.js'

export class Recorder {
  readonly calls: Call[] = []
  /** Storages that exist only in the step. */
  readonly planned = new Set<Storage>()
  /** Storages from outside that the step uses; held for as long as the program lives. */
  readonly held = new Set<Storage>()
  /** Storages that were filled with host values while recording: every run sees them as they were. */
  readonly constants = new WeakSet<Storage>()
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
    if (call.outputs.some((o) => this.constants.has(o.storage))) {
      throw new ArgumentError(
        call.op,
        'writes to a tensor that was made of host values inside the compiled step: the next run would find what this one wrote; make it outside if it is to live on, or clone() it first',
      )
    }
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
