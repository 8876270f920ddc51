// The one door to the queue: every dispatch, copy, upload and read of a device passes here, in order. Work is gathered as
// a list of commands, which is encoded and submitted when something is read or enough is pending; while a step is being
// recorded, calls are handed to the recorder instead and nothing runs.
import type { Call, Dispatch } from '../calls/call.js'
import { BmsError, LimitError } from '../errors.js'
import type { Recorder } from '../program/recorder.js'
import { outerWatcher } from '../trace.js'
import { bufferOf } from './allocator.js'
import type { Device } from './device.js'
import type { Storage } from './storage.js'

const PARAM_BYTES = 256 * 1024
const MAX_PENDING = 256
/** Lists that stay known after they were submitted, in case the GPU refuses one of their commands. */
const KEPT = 4

/** A dispatch with all that is bound. */
export interface Prepared {
  readonly op: string
  readonly pipeline: GPUComputePipeline
  readonly entries: GPUBindGroupEntry[]
  /** Made when the dispatch is first encoded. */
  group: GPUBindGroup | null
  readonly grid: readonly [number, number, number]
}

interface Copy {
  readonly op: string
  readonly pipeline: null
  readonly from: GPUBufferBinding
  readonly to: GPUBufferBinding
  readonly bytes: number
}

type Command = Prepared | Copy

export class Stream {
  /** The stream that is recording: ops of another device cannot be part of its step. */
  static recording: Stream | null = null
  /** Dispatches since the start, for tests and benches. */
  dispatches = 0

  private listener: Recorder | null = null
  private commands: Command[] = []
  private readonly kept: Command[][] = []
  private readonly params: GPUBuffer
  private readonly staging = new Uint8Array(PARAM_BYTES)
  private cursor = 0
  private retired: GPUBuffer[] = []
  private readonly readers: GPUBuffer[] = []

  constructor(readonly device: Device) {
    this.params = device.allocator.buffer('params', PARAM_BYTES, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST)
  }

  /** Set while a step is being recorded. */
  get recorder(): Recorder | null {
    return this.listener
  }

  set recorder(recorder: Recorder | null) {
    this.listener = recorder
    Stream.recording = recorder && this
  }

  /** Runs a call, or records it. */
  run(call: Call): void {
    this.device.check(call.op)
    const watcher = outerWatcher()
    if (watcher) watcher.call(call, () => this.take(call))
    else this.take(call)
  }

  private take(call: Call): void {
    if (this.listener) this.listener.add(call)
    else for (const dispatch of call.lower(this.device)) this.dispatch(dispatch)
    for (const out of call.outputs) out.storage.version++
  }

  private dispatch(d: Dispatch): void {
    const { pipelines, limits } = this.device
    const pipeline = pipelines.get(d.pipeline, d.op)
    const align = limits.minUniformBufferOffsetAlignment
    if (this.cursor + (d.params?.byteLength ?? 0) + align > PARAM_BYTES || this.commands.length >= MAX_PENDING) this.flush()
    const entries: GPUBindGroupEntry[] = d.buffers.map((b) => ({ binding: b.binding, resource: bindingOf(d.op, b) }))
    if (d.params) {
      this.staging.set(new Uint8Array(d.params.buffer, d.params.byteOffset, d.params.byteLength), this.cursor)
      entries.push({ binding: d.paramsBinding, resource: { buffer: this.params, offset: this.cursor, size: d.params.byteLength } })
      this.cursor = Math.ceil((this.cursor + d.params.byteLength) / align) * align
    }
    this.commands.push({ op: d.op, pipeline, entries, group: null, grid: d.grid })
    this.dispatches++
  }

  /** Submits the dispatches of a compiled step, `name`, after what is pending. */
  replay(steps: readonly Prepared[], name: string): void {
    this.flush()
    this.dispatches += steps.length
    this.submit(steps, name)
  }

  private submit(commands: readonly Command[], step?: string): void {
    const { gpu, faults } = this.device
    faults.scope(
      'validation',
      () => gpu.queue.submit([this.encode(commands, step)]),
      (words, message) => words.refusedCommand(gpu, commands, (c) => this.encode([c]), message, step),
    )
  }

  /** The commands as the GPU takes them; what is wrong with them is found here. */
  encode(commands: readonly Command[], label = 'ops'): GPUCommandBuffer {
    const encoder = this.device.gpu.createCommandEncoder({ label })
    let pass: GPUComputePassEncoder | null = null
    for (const c of commands) {
      if (c.pipeline) this.issue((pass ??= encoder.beginComputePass()), c)
      else {
        pass?.end()
        pass = null
        encoder.copyBufferToBuffer(c.from.buffer, c.from.offset!, c.to.buffer, c.to.offset!, c.bytes)
      }
    }
    pass?.end()
    return encoder.finish()
  }

  /** Puts a dispatch into a pass. */
  issue(pass: GPUComputePassEncoder, p: Prepared): void {
    p.group ??= this.device.gpu.createBindGroup({ layout: p.pipeline.getBindGroupLayout(0), entries: p.entries, label: p.op })
    pass.setPipeline(p.pipeline)
    pass.setBindGroup(0, p.group)
    pass.dispatchWorkgroups(p.grid[0], p.grid[1], p.grid[2])
  }

  /** Copies bytes from one storage to another (sizes and offsets multiples of 4). */
  copy(op: string, from: Storage, fromOffset: number, to: Storage, toOffset: number, bytes: number): void {
    this.notRecording(op)
    this.device.check(op)
    if (bytes === 0) return
    this.commands.push({
      op,
      pipeline: null,
      from: { buffer: bufferOf(op, from), offset: from.base + fromOffset },
      to: { buffer: bufferOf(op, to), offset: to.base + toOffset },
      bytes,
    })
    to.version++
  }

  /** Writes host bytes. Earlier work that is still pending is submitted first, so that it sees the old content. */
  upload(op: string, storage: Storage, data: Uint8Array<ArrayBuffer>, offset = 0): void {
    this.device.check(op)
    if (data.byteLength === 0) return
    this.flush()
    const { gpu, faults } = this.device
    const write = (): void => gpu.queue.writeBuffer(bufferOf(op, storage), storage.base + offset, data, 0, data.byteLength)
    // New memory may turn out not to be there. What was written before is written again without the cost of asking.
    if (storage.version === 0) faults.scope('validation', write, (words, message) => words.refusedCommand(gpu, [{ op }], () => {}, message))
    else write()
    storage.version++
  }

  /** The content of a storage, after everything before it has run. */
  async read(op: string, storage: Storage, offset: number, bytes: number): Promise<ArrayBuffer> {
    this.notRecording(op)
    this.device.check(op)
    const size = Math.ceil(bytes / 4) * 4
    if (size === 0) return new ArrayBuffer(0)
    const from = { buffer: bufferOf(op, storage), offset: storage.base + offset }
    const found = this.readers.findIndex((r) => r.size >= size && r.size <= 4 * size + 1024)
    const reader =
      found >= 0
        ? this.readers.splice(found, 1)[0]!
        : this.device.allocator.buffer(op, 2 ** Math.ceil(Math.log2(Math.max(size, 256))), GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST)
    this.commands.push({ op, pipeline: null, from, to: { buffer: reader, offset: 0 }, bytes: size })
    this.flush()
    let out: ArrayBuffer
    try {
      await this.map(op, reader)
      out = reader.getMappedRange(0, size).slice(0, bytes)
      reader.unmap()
    } catch (error) {
      reader.destroy()
      throw error
    }
    if (this.readers.length < 8) this.readers.push(reader)
    else reader.destroy()
    return out
  }

  /** Waits until a buffer can be read and all that was submitted is known to be good. */
  async map(op: string, buffer: GPUBuffer): Promise<void> {
    const { gpu, faults } = this.device
    const mapped = faults.scope(
      'validation',
      () =>
        buffer.mapAsync(GPUMapMode.READ).then(
          () => null,
          (error: Error) => error,
        ),
      (words, message) => words.refusedCommand(gpu, [{ op }], () => {}, message),
    )
    await faults.settled(op)
    const cause = await mapped
    if (!cause) return
    // The news of a lost device may be a few turns behind.
    await Promise.race([this.device.lost, new Promise((done) => setTimeout(done, 1000))])
    this.device.check(op)
    throw new BmsError('READ_FAILED', `${op}: the device could not be read: ${cause.message}`, { op }, { cause })
  }

  /** Submits what is pending. Reads do it by themselves. */
  flush(): void {
    const { commands, cursor } = this
    if (commands.length > 0) {
      this.commands = []
      this.cursor = 0
      if (cursor > 0) this.device.gpu.queue.writeBuffer(this.params, 0, this.staging, 0, cursor)
      this.submit(commands)
      // A loop that never waits gets no answers: what it submitted must not pile up here.
      this.kept.push(commands)
      if (this.kept.length > KEPT) this.kept.shift()!.length = 0
    }
    for (const buffer of this.retired) buffer.destroy()
    this.retired = []
  }

  /** Destroys a buffer once the work that may still use it was submitted. */
  retire(buffer: GPUBuffer): void {
    if (this.commands.length === 0) buffer.destroy()
    else this.retired.push(buffer)
  }

  /** Runs `fn` with recording suspended: for state that a step makes on its first run and keeps. */
  outsideRecording<T>(fn: () => T): T {
    const { recorder } = this
    if (!recorder) return fn()
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
}

/** What a dispatch binds of one operand. */
interface Operand {
  storage: Storage
  offset?: number
  size?: number
}

const bound = ({ storage, offset = 0, size = storage.bytes - offset }: Operand): { offset: number; size: number } => ({ offset, size })

/** Throws where an operand is more than the adapter binds. */
export function checkBinding(op: string, b: Operand): void {
  const { size } = bound(b)
  const limit = b.storage.device.limits.maxStorageBufferBindingSize
  if (size > limit) {
    throw new LimitError(
      op,
      `needs ${size} bytes of one tensor in a kernel, the adapter's maxStorageBufferBindingSize is ${limit}; use a smaller batch, or split the tensor`,
      { need: size, limit },
    )
  }
}

/** The bind group resource of one operand of a dispatch. */
export function bindingOf(op: string, b: Operand): GPUBufferBinding {
  checkBinding(op, b)
  const { offset, size } = bound(b)
  return { buffer: bufferOf(op, b.storage), offset: b.storage.base + offset, size }
}
