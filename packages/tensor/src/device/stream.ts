// The one door to the queue: every dispatch, copy, upload and read of a device passes here, in order. Work is gathered
// in one encoder and submitted when something is read or enough is pending; while a step is being recorded, calls are
// handed to the recorder instead and nothing runs.
import type { Call, Dispatch } from '../calls/call.js'
import { BmsError, LimitError } from '../errors.js'
import type { Recorder } from '../program/recorder.js'
import { outerWatcher } from '../trace.js'
import { bufferOf } from './allocator.js'
import type { Device } from './device.js'
import type { Storage } from './storage.js'

const PARAM_BYTES = 256 * 1024
const MAX_PENDING = 256

/** A dispatch with its bind group made: what a compiled step replays. */
export interface Prepared {
  pipeline: GPUComputePipeline
  group: GPUBindGroup
  grid: readonly [number, number, number]
}

export class Stream {
  /** Set while a step is being recorded. */
  recorder: Recorder | null = null
  /** Dispatches since the start, for tests and benches. */
  dispatches = 0

  private encoder: GPUCommandEncoder | null = null
  private pass: GPUComputePassEncoder | null = null
  private pending = 0
  private readonly params: GPUBuffer
  private readonly staging = new Uint8Array(PARAM_BYTES)
  private cursor = 0
  private retired: GPUBuffer[] = []
  private readonly readers: GPUBuffer[] = []

  constructor(private readonly device: Device) {
    this.params = device.gpu.createBuffer({ size: PARAM_BYTES, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST, label: 'params' })
  }

  /** Runs a call, or records it. */
  run(call: Call): void {
    const watcher = outerWatcher()
    if (watcher) watcher.call(call, () => this.take(call))
    else this.take(call)
  }

  private take(call: Call): void {
    for (const out of call.outputs) out.storage.version++
    if (this.recorder) this.recorder.add(call)
    else for (const dispatch of call.lower(this.device)) this.dispatch(dispatch)
  }

  private dispatch(d: Dispatch): void {
    const { gpu, pipelines, limits } = this.device
    this.device.check(d.op)
    const pipeline = pipelines.get(d.pipeline)
    const align = limits.minUniformBufferOffsetAlignment
    if (this.cursor + (d.params?.byteLength ?? 0) + align > PARAM_BYTES || this.pending >= MAX_PENDING) this.flush()
    const entries: GPUBindGroupEntry[] = d.buffers.map((b) => ({ binding: b.binding, resource: bindingOf(d.op, b) }))
    if (d.params) {
      this.staging.set(new Uint8Array(d.params.buffer, d.params.byteOffset, d.params.byteLength), this.cursor)
      entries.push({ binding: d.paramsBinding, resource: { buffer: this.params, offset: this.cursor, size: d.params.byteLength } })
      this.cursor = Math.ceil((this.cursor + d.params.byteLength) / align) * align
    }
    const group = gpu.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries, label: d.op })
    this.issue({ pipeline, group, grid: d.grid })
  }

  /** Appends a prepared dispatch. */
  issue(p: Prepared): void {
    if (!this.pass) {
      this.encoder ??= this.device.gpu.createCommandEncoder()
      this.pass = this.encoder.beginComputePass()
    }
    this.pass.setPipeline(p.pipeline)
    this.pass.setBindGroup(0, p.group)
    this.pass.dispatchWorkgroups(p.grid[0], p.grid[1], p.grid[2])
    this.pending++
    this.dispatches++
  }

  /** Replays a whole program in one pass and submits it. `timestamps` brackets the pass for profiling. */
  replay(steps: readonly Prepared[]): void {
    for (const p of steps) this.issue(p)
    this.flush()
  }

  /** Replays with a pass and two timestamps a dispatch, written to `querySet`. Slow; for `program.profile()`. */
  replayTimed(steps: readonly Prepared[], querySet: GPUQuerySet): void {
    this.flush()
    const encoder = this.device.gpu.createCommandEncoder()
    steps.forEach((p, i) => {
      const pass = encoder.beginComputePass({ timestampWrites: { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 } })
      pass.setPipeline(p.pipeline)
      pass.setBindGroup(0, p.group)
      pass.dispatchWorkgroups(...p.grid)
      pass.end()
    })
    this.device.gpu.queue.submit([encoder.finish()])
  }

  /** Makes the timestamps of `replayTimed` readable. */
  resolveQueries(querySet: GPUQuerySet, count: number, resolve: GPUBuffer, read: GPUBuffer): void {
    const encoder = this.device.gpu.createCommandEncoder()
    encoder.resolveQuerySet(querySet, 0, count, resolve, 0)
    encoder.copyBufferToBuffer(resolve, 0, read, 0, 8 * count)
    this.device.gpu.queue.submit([encoder.finish()])
  }

  /** Copies bytes from one storage to another (sizes and offsets multiples of 4). */
  copy(op: string, from: Storage, fromOffset: number, to: Storage, toOffset: number, bytes: number): void {
    this.notRecording(op)
    if (bytes === 0) return
    const encoder = this.encode()
    encoder.copyBufferToBuffer(bufferOf(op, from), from.base + fromOffset, bufferOf(op, to), to.base + toOffset, bytes)
    to.version++
    this.pending++
  }

  /** Writes host bytes. Earlier work that is still pending is submitted first, so that it sees the old content. */
  upload(op: string, storage: Storage, data: Uint8Array<ArrayBuffer>, offset = 0): void {
    this.device.check(op)
    if (data.byteLength === 0) return
    this.flush()
    this.device.gpu.queue.writeBuffer(bufferOf(op, storage), storage.base + offset, data, 0, data.byteLength)
    storage.version++
  }

  /** The content of a storage, after everything before it has run. */
  async read(op: string, storage: Storage, offset: number, bytes: number): Promise<ArrayBuffer> {
    this.notRecording(op)
    this.device.check(op)
    const size = Math.ceil(bytes / 4) * 4
    if (size === 0) return new ArrayBuffer(0)
    const found = this.readers.findIndex((r) => r.size >= size && r.size <= 4 * size + 1024)
    const reader =
      found >= 0
        ? this.readers.splice(found, 1)[0]!
        : this.device.gpu.createBuffer({
            size: 2 ** Math.ceil(Math.log2(Math.max(size, 256))),
            usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
            label: 'read',
          })
    this.encode().copyBufferToBuffer(bufferOf(op, storage), storage.base + offset, reader, 0, size)
    this.flush()
    try {
      await reader.mapAsync(GPUMapMode.READ, 0, size)
    } catch (cause) {
      // The news of a lost device may be a few turns behind.
      await Promise.race([this.device.lost, new Promise((done) => setTimeout(done, 50))])
      this.device.check(op)
      throw new BmsError('READ_FAILED', `${op}: the device could not be read: ${(cause as Error).message}`, { op }, { cause })
    }
    const out = reader.getMappedRange(0, size).slice(0, bytes)
    reader.unmap()
    if (this.readers.length < 8) this.readers.push(reader)
    else reader.destroy()
    this.device.check(op)
    return out
  }

  private encode(): GPUCommandEncoder {
    this.pass?.end()
    this.pass = null
    this.encoder ??= this.device.gpu.createCommandEncoder()
    return this.encoder
  }

  /** Submits what is pending. Reads do it by themselves. */
  flush(): void {
    if (this.encoder) {
      this.pass?.end()
      const commands = this.encoder.finish()
      this.pass = this.encoder = null
      if (this.cursor > 0) this.device.gpu.queue.writeBuffer(this.params, 0, this.staging, 0, this.cursor)
      this.device.gpu.queue.submit([commands])
    }
    this.cursor = 0
    this.pending = 0
    for (const buffer of this.retired) buffer.destroy()
    this.retired = []
  }

  /** Destroys a buffer once the work that may still use it was submitted. */
  retire(buffer: GPUBuffer): void {
    if (this.pending === 0) buffer.destroy()
    else this.retired.push(buffer)
  }

  /** Runs `fn` with recording suspended: for state that a step makes on its first run and keeps. */
  outsideRecording<T>(fn: () => T): T {
    const { recorder } = this
    this.recorder = null
    try {
      return fn()
    } finally {
      this.recorder = recorder
    }
  }

  private notRecording(op: string): void {
    if (this.recorder) {
      throw new BmsError(
        'RECORDING',
        `${op}: values cannot be read or copied to the host inside compile(); return the tensor from the compiled function and read it there`,
        { op },
      )
    }
  }

  /** Frees the stream's own buffers. */
  destroy(): void {
    this.params.destroy()
    for (const r of this.readers) r.destroy()
  }
}

/** The bind group resource of one operand of a dispatch. */
export function bindingOf(op: string, b: { storage: Storage; offset?: number; size?: number }): GPUBufferBinding {
  const offset = b.offset ?? 0
  const size = b.size ?? b.storage.bytes - offset
  const limit = b.storage.device.limits.maxStorageBufferBindingSize
  if (size > limit) {
    throw new LimitError(
      op,
      `needs ${size} bytes of one tensor in a kernel, the adapter's maxStorageBufferBindingSize is ${limit}; use a smaller batch, or split the tensor`,
      { need: size, limit },
    )
  }
  return { buffer: bufferOf(op, b.storage), offset: b.storage.base + offset, size }
}
