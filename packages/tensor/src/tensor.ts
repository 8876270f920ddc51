// The one class users hold: a shape and a dtype over counted device memory. Its operations live in ops/, one room each,
// and are attached in methods.ts; this file is about identity, lifetime and reading values back.
import type { Operand } from './calls/call.js'
import type { Device } from './device/device.js'
import type { Storage } from './device/storage.js'
import { bytesOf, type DType, decode, type HostArray } from './dtype.js'
import { DisposedError, formatShape, ShapeError } from './errors.js'
import { isContiguous, type Layout, sizeOf } from './layout.js'
import { type Claim, enter, finaliser, leave } from './scope.js'
import { currentWatcher, type Trace } from './trace.js'

/** Nested lists of numbers, as `tensor()` takes and `toArray()` gives them. */
export type Nested = number | boolean | readonly Nested[]

export class Tensor implements Operand {
  readonly shape: readonly number[]
  /** What an observer of ops (autograd) knows of this tensor. */
  trace: Trace | null = null
  /** For listings and error messages. */
  name = ''
  private readonly claim: Claim

  /** Takes over one reference to `storage`. Users make tensors with `tensor`, `zeros`, `randn`, … */
  constructor(
    storage: Storage,
    readonly layout: Layout,
    readonly dtype: DType,
  ) {
    this.shape = layout.shape
    this.claim = { storage }
    finaliser.register(this, this.claim, this.claim)
    enter(this)
  }

  /** The memory. Throws once the tensor was disposed. */
  get storage(): Storage {
    const { storage } = this.claim
    if (!storage)
      throw new DisposedError('tensor', `this tensor ${formatShape(this.shape)} was disposed (by dispose(), or at the end of the tidy() that made it)`, {
        shape: this.shape,
      })
    return storage
  }

  get device(): Device {
    return this.storage.device
  }

  get disposed(): boolean {
    return this.claim.storage === null
  }

  /** Number of dims. */
  get ndim(): number {
    return this.shape.length
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape)
  }

  get strides(): readonly number[] {
    return this.layout.strides
  }

  /** Row-major without gaps. */
  get isContiguous(): boolean {
    return isContiguous(this.layout)
  }

  /** Gives the memory back (when no view needs it any more). Using the tensor afterwards is an error. */
  dispose(): void {
    const { storage } = this.claim
    if (!storage) return
    this.claim.storage = null
    finaliser.unregister(this.claim)
    leave(this)
    storage.release()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  /** The same memory under another layout. */
  view(layout: Layout): Tensor {
    return new Tensor(this.storage.retain(), layout, this.dtype)
  }

  /** The values, row-major: Float32Array (f32, f16), Int32Array, Uint32Array or, for bool, Uint8Array. Waits for the device. */
  async data(): Promise<HostArray> {
    const { size, dtype } = this
    if (size === 0) return decode(new ArrayBuffer(0), dtype, 0)
    const dense = isContiguous(this.layout) && (dtype !== 'f16' || this.layout.offset % 2 === 0) ? this : this.compact()
    const bytes = bytesOf(dtype)
    const { storage, layout } = dense
    try {
      const read = await this.device.stream.read('data', storage, layout.offset * bytes, Math.ceil((size * bytes) / 4) * 4)
      await currentWatcher()?.settle()
      return decode(read, dtype, size)
    } finally {
      if (dense !== this) dense.dispose()
    }
  }

  /** The value of a tensor with one element. */
  async item(): Promise<number> {
    if (this.size !== 1) throw new ShapeError('item', `needs a tensor with one element, got ${formatShape(this.shape)}`, { shape: this.shape })
    return (await this.data())[0]!
  }

  /** The values as nested lists. */
  async toArray(): Promise<Nested> {
    const flat = await this.data()
    let at = 0
    const build = (d: number): Nested =>
      d === this.ndim ? (this.dtype === 'bool' ? flat[at++] === 1 : flat[at++]!) : Array.from({ length: this.shape[d]! }, () => build(d + 1))
    return build(0)
  }

  toString(): string {
    return `Tensor(${formatShape(this.shape)}, ${this.dtype}${this.disposed ? ', disposed' : ''})`
  }

  /** A contiguous copy; installed by ops/copy.ts, which needs this class. */
  declare compact: () => Tensor
}

export const isTensor = (x: unknown): x is Tensor => x instanceof Tensor
