// Hands out device memory and takes it back: freed buffers wait in a pool by size, because making a GPUBuffer costs
// more than a small kernel. Reuse is safe without waiting: all work goes through one stream, in order.
import { DeviceError, DisposedError, LimitError } from '../errors.js'
import type { Device } from './device.js'
import type { Told } from './explain.js'
import type { Words } from './faults.js'
import { paddedBytes, Storage } from './storage.js'

/** What `device.memory()` reports, in bytes and counts. */
export interface MemoryReport {
  /** Bytes of tensors and programs that are alive. */
  bytes: number
  /** Storages alive (a view shares its parent's). */
  storages: number
  /** Bytes of all GPUBuffers, the pool's included. */
  reserved: number
  /** GPUBuffers made since the start: flat in a steady loop. */
  buffersCreated: number
}

/** Freed bytes kept for reuse before buffers are destroyed. */
const POOL_BYTES = 256 * 1024 * 1024

export class Allocator {
  private readonly pool = new Map<number, GPUBuffer[]>()
  private pooled = 0
  private live = 0
  private storages = 0
  private reserved = 0
  private created = 0
  /** Buffers of storages that got no memory, with what was told of them. */
  readonly failed = new Map<GPUBuffer, Told>()

  constructor(private readonly device: Device) {}

  report(): MemoryReport {
    return { bytes: this.live, storages: this.storages, reserved: this.reserved, buffersCreated: this.created }
  }

  /** A storage of at least `bytes`; its content is undefined. While a step is being recorded it is only planned. */
  allocate(op: string, bytes: number): Storage {
    this.device.check(op)
    const size = paddedBytes(bytes)
    const { recorder } = this.device.stream
    if (recorder) return recorder.plan(size)
    return this.allocateNow(op, size)
  }

  /** A storage with memory behind it, also while recording: for state, constants and a program's own buffers. */
  allocateNow(op: string, bytes: number): Storage {
    const padded = paddedBytes(bytes)
    const rounded = sizeClass(padded)
    // Rounding up must not lead over a limit that the need itself keeps.
    const { maxBufferSize, maxStorageBufferBindingSize } = this.device.limits
    const size = [maxBufferSize, maxStorageBufferBindingSize].some((limit) => padded <= limit && rounded > limit) ? padded : rounded
    const buffer = this.pool.get(size)?.pop() ?? this.create(op, size)
    if (buffer.label === POOLED) this.pooled -= size
    buffer.label = op
    this.live += size
    this.storages++
    return new Storage(this.device, size, buffer, 0, (storage) => this.free(storage, size))
  }

  private create(op: string, size: number): GPUBuffer {
    const limit = this.device.limits.maxBufferSize
    if (size > limit) {
      throw new LimitError(op, `needs a buffer of ${size} bytes, the adapter's maxBufferSize is ${limit}; use a smaller batch, or split the tensor`, {
        need: size,
        limit,
      })
    }
    this.device.check(op)
    this.created++
    this.reserved += size
    return this.buffer(op, size, GPUBufferUsage.STORAGE | GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST)
  }

  /** A GPUBuffer. That there is no memory for it is known later, and told then. */
  buffer(op: string, size: number, usage: GPUBufferUsageFlags): GPUBuffer {
    const { gpu, faults } = this.device
    const buffer: GPUBuffer = faults.scope(
      'out-of-memory',
      () => gpu.createBuffer({ size, usage, label: op }),
      (words) => this.exhausted(op, buffer, words),
    )
    return buffer
  }

  /** A buffer got no memory: its storage is known as such, and what can be given back is given back. */
  private exhausted(op: string, buffer: GPUBuffer, words: Words): Told {
    const { size, label } = buffer
    if (label === POOLED) {
      const list = this.pool.get(size)!
      list.splice(list.indexOf(buffer), 1)
      this.pooled -= size
    }
    const memory = this.report()
    const ofStorage = label !== RETIRED && (buffer.usage & GPUBufferUsage.STORAGE) !== 0
    if (ofStorage) memory.reserved = this.reserved -= size
    const inUse = ofStorage && label !== POOLED
    if (inUse) {
      memory.bytes -= size
      memory.storages--
    }
    const told = words.outOfMemory(op, size, memory, this.pooled)
    if (inUse) this.failed.set(buffer, told)
    this.trim()
    return told
  }

  private free(storage: Storage, size: number): void {
    const buffer = storage.buffer
    storage.buffer = null
    this.live -= size
    this.storages--
    if (!buffer || this.device.isLost || this.failed.delete(buffer)) return
    if (this.pooled + size > POOL_BYTES) {
      this.discard(buffer)
      return
    }
    buffer.label = POOLED
    this.pooled += size
    const list = this.pool.get(size)
    if (list) list.push(buffer)
    else this.pool.set(size, [buffer])
  }

  private discard(buffer: GPUBuffer): void {
    buffer.label = RETIRED
    this.reserved -= buffer.size
    this.device.stream.retire(buffer)
  }

  /** Destroys what waits in the pool. */
  trim(): void {
    for (const list of this.pool.values()) for (const buffer of list) this.discard(buffer)
    this.pool.clear()
    this.pooled = 0
  }
}

const POOLED = 'pooled'
const RETIRED = 'retired'

/** Powers of two up to 1 MiB, then eighths of a power of two: few classes, at most 12.5 % lost. */
function sizeClass(bytes: number): number {
  if (bytes <= 256) return 256
  const power = 2 ** Math.ceil(Math.log2(bytes))
  if (power <= 1024 * 1024) return power
  const step = power / 16
  return Math.ceil(bytes / step) * step
}

/** The buffer of a storage, or an error that says why there is none. */
export function bufferOf(op: string, storage: Storage): GPUBuffer {
  if (storage.buffer) {
    const { failed } = storage.device.allocator
    const failure = failed.size > 0 && failed.get(storage.buffer)
    if (failure) throw new DeviceError('OUT_OF_MEMORY', `${op}: a tensor it works on got no memory (${failure.message})`, { ...failure.fields, op })
    return storage.buffer
  }
  throw storage.alive
    ? new DisposedError(op, 'this tensor exists only inside the compiled step that made it; return it from the compiled function to read it outside')
    : new DisposedError(
        op,
        'the tensor was disposed (by dispose(), or at the end of the tidy() that made it); keep it with a return from tidy, or use it earlier',
      )
}
