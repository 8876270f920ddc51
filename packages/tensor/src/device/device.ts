// A device: the GPUDevice with its limits, its stream, its memory, its pipelines and its random state. The core takes
// any GPUDevice; where it comes from (browser, Dawn, a test) is decided in init.ts and in ./node.
import { type BmsError, DeviceError, DeviceLostError } from '../errors.js'
import { RandomState } from '../random-state.js'
import { currentWatcher } from '../trace.js'
import { Allocator, type MemoryReport } from './allocator.js'
import { Pipelines } from './pipelines.js'
import type { Storage } from './storage.js'
import { Stream } from './stream.js'

/** What runs the shaders, in words. */
export interface AdapterDescription {
  /** `gpu`: hardware. `software`: a driver that computes on the CPU, which wants other algorithms. `null`: compiles, computes nothing. */
  kind: 'gpu' | 'software' | 'null'
  /** For people: "llvmpipe (LLVM 15.0.6, 256 bits)". */
  name: string
  vendor: string
  architecture: string
  driver: string
  /** Where the driver came from: "system", "bundled SwiftShader", "browser", "injected". */
  source: string
}

export class Device {
  readonly limits: GPUSupportedLimits
  readonly features: ReadonlySet<string>
  readonly allocator: Allocator
  readonly pipelines: Pipelines
  readonly stream: Stream
  readonly random: RandomState
  /** Settles with the typed error when the device is lost. */
  readonly lost: Promise<DeviceLostError>
  isLost = false
  /** Invocations of a subgroup, where the adapter has subgroups and they all have one size. */
  readonly subgroupSize: number | undefined
  private failure: BmsError | null = null
  private spares: { read: Storage; write: Storage } | null = null
  /** 0…4: how much is printed (1 compiled steps, 2 their listings, 3 timings, 4 shader texts). */
  readonly debugLevel: number

  constructor(
    readonly gpu: GPUDevice,
    readonly adapter: AdapterDescription,
  ) {
    this.limits = gpu.limits
    this.features = gpu.features as ReadonlySet<string>
    const info = (gpu as { adapterInfo?: GPUAdapterInfo }).adapterInfo
    this.subgroupSize = this.features.has('subgroups') && info && info.subgroupMinSize === info.subgroupMaxSize ? info.subgroupMinSize : undefined
    this.debugLevel = Number((globalThis as { process?: { env?: Record<string, string> } }).process?.env?.['DEBUG'] ?? 0) || 0
    this.allocator = new Allocator(this)
    this.pipelines = new Pipelines(this)
    this.stream = new Stream(this)
    this.random = new RandomState(this)
    this.lost = gpu.lost.then((info) => {
      this.isLost = true
      const error = new DeviceLostError(info.reason, info.message)
      this.failure = error
      return error
    })
    gpu.onuncapturederror = (event) => {
      const { error } = event as GPUUncapturedErrorEvent
      const memory = typeof GPUOutOfMemoryError !== 'undefined' && error instanceof GPUOutOfMemoryError
      this.failure ??= memory
        ? new DeviceError('OUT_OF_MEMORY', `the device is out of memory: ${error.message}; use a smaller batch, or free tensors with tidy()`)
        : new DeviceError('VALIDATION', `the GPU refused a command: ${error.message}`)
    }
  }

  /** Throws what went wrong on the device since the last check; called by every op and every read. */
  check(_op: string): void {
    const { failure } = this
    if (!failure) return
    if (!this.isLost) this.failure = null
    throw failure
  }

  memory(): MemoryReport {
    return this.allocator.report()
  }

  /** Small storages for bindings that a specialised kernel declares but does not use. */
  spare(): { read: Storage; write: Storage } {
    this.spares ??= { read: this.allocator.allocateNow('spare', 16), write: this.allocator.allocateNow('spare', 16) }
    return this.spares
  }

  /** Waits until everything submitted so far has run. */
  async sync(): Promise<void> {
    this.stream.flush()
    await this.gpu.queue.onSubmittedWorkDone()
    this.check('sync')
    await currentWatcher()?.settle()
  }

  /** Prints `text()` where the environment's DEBUG is at least `level`. */
  debug(level: number, text: () => string): void {
    if (this.debugLevel >= level) console.error(text())
  }

  /** Frees everything. Tensors of this device cannot be used afterwards. */
  destroy(): void {
    this.isLost = true
    this.failure ??= new DeviceLostError('destroyed', 'destroy() was called')
    this.gpu.destroy()
  }
}
