// What goes wrong on the GPU is told late, and by then other ops are running. So everything that is asked of a GPUDevice is
// asked inside an error scope; here the answers are put in order, so that the first cause is told, once, by the next op or
// read, and neither what followed from it nor an innocent op is blamed.
import { DeviceError, DeviceLostError } from '../errors.js'
import type { Device } from './device.js'
import type { Told } from './explain.js'

/** What explain.ts gives, which is loaded when it is needed. */
export type Words = typeof import('./explain.js')
/** Puts a message of the GPU into words. */
type Tell = (words: Words, message: string) => Told | Promise<Told>

interface Fault {
  /** Number of the scope that found it. */
  scope: number
  /** Null until its text is there. */
  error: DeviceError | null
}

export class Faults {
  private opened = 0
  /** What scopes up to this one still find follows from something that was told. */
  private told = 0
  private next: Fault | null = null
  private last: Fault | null = null
  private readonly waiting = new Set<Promise<void>>()
  private lost: ((op: string) => DeviceLostError) | null = null

  constructor(private readonly device: Device) {}

  /** Runs `work`; where the GPU finds an error of that kind in it, `tell` makes of its message what users see. */
  scope<T>(filter: GPUErrorFilter, work: () => T, tell: Tell): T {
    const { gpu } = this.device
    const scope = ++this.opened
    gpu.pushErrorScope(filter)
    try {
      return work()
    } finally {
      const answer: Promise<void> = gpu.popErrorScope().then(
        async (error) => {
          if (error) await this.note(scope, error.message, tell)
          this.waiting.delete(answer)
        },
        // The device is gone, which `lost` tells.
        () => void this.waiting.delete(answer),
      )
      this.waiting.add(answer)
    }
  }

  private async note(scope: number, message: string, tell: Tell): Promise<void> {
    const fault: Fault = { scope, error: null }
    const first = scope > this.told && !(this.next && this.next.scope < scope)
    if (first) this.next = fault
    fault.error = await this.explain(message, tell)
    if (!first) this.device.debug(1, () => `a consequence of an earlier error: ${fault.error!.message}`)
  }

  /** The error for a message of the GPU. */
  async explain(message: string, tell: Tell): Promise<DeviceError> {
    try {
      const told = await tell(await import('./explain.js'), message)
      return new DeviceError(told.code, told.message, told.fields)
    } catch (cause) {
      return new DeviceError('VALIDATION', `the GPU refused a command: ${message}`, {}, { cause })
    }
  }

  /** An error in something that no op asked for, unless it follows from what earlier scopes have yet to answer. */
  stray(error: DeviceError): void {
    const fault: Fault = { scope: ++this.opened, error: null }
    this.next ??= fault
    void Promise.all(this.waiting).then(() => (fault.error = error))
  }

  /** From now on every check throws. */
  lose(reason: string, message: string): DeviceLostError {
    this.device.isLost = true
    this.lost ??= (op) => new DeviceLostError(op, String(this.device), reason, message)
    return this.lost('device')
  }

  /** Throws the first thing that went wrong (in scopes up to `upto`) since the last check. */
  check(op: string, upto = this.opened): void {
    if (this.lost) throw this.lost(op)
    const { next } = this
    if (!next?.error || next.scope > upto) return
    this.told = this.opened
    this.last = next
    this.next = null
    throw next.error
  }

  /** Waits for the answers to all that was asked so far. Throws what is wrong with it, also where another op was told meanwhile. */
  async settled(op: string): Promise<void> {
    const { opened, last } = this
    await Promise.all(this.waiting)
    this.check(op, opened)
    if (this.last !== last && this.last!.scope <= opened) throw this.last!.error
  }
}
