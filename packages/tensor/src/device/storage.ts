// The one owner of device memory: a counted reference to a range of a GPUBuffer. Tensors and views share it; at zero
// references the range goes back to the device's pool. Nothing else frees or reuses memory.
import { DisposedError } from '../errors.js'
import type { Device } from './device.js'

let nextId = 1

export class Storage {
  readonly id = nextId++
  /** Counts writes, so that a gradient rule can tell that a value it saved was overwritten. */
  version = 0
  private refs = 1

  constructor(
    readonly device: Device,
    /** Usable bytes, a multiple of 16 (kernels may read whole vec4s). */
    readonly bytes: number,
    /** Null while the storage is only planned by a step that is being recorded, and after it was freed. */
    public buffer: GPUBuffer | null,
    /** Where the range starts in the buffer, in bytes; not zero only inside the arena of a compiled step. */
    public base = 0,
    /** Called at zero references; the pool's way back in. */
    private readonly onFree: ((storage: Storage) => void) | null = null,
  ) {}

  get alive(): boolean {
    return this.refs > 0
  }

  retain(): this {
    if (this.refs <= 0) throw new DisposedError('storage', 'the memory was already freed', { storage: this.id })
    this.refs++
    return this
  }

  release(): void {
    if (this.refs > 0 && --this.refs === 0) this.onFree?.(this)
  }
}

/** Bytes rounded up so that every kernel may read whole vec4s. */
export const paddedBytes = (bytes: number): number => Math.max(16, Math.ceil(bytes / 16) * 16)
