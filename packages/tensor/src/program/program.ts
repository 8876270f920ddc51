// A compiled step: its dispatches with pipelines, memory and bind groups made once. Running it is a loop of three
// WebGPU calls a dispatch; nothing is allocated, nothing validated.
import type { Call, Dispatch } from '../calls/call.js'
import type { Device } from '../device/device.js'
import type { Storage } from '../device/storage.js'
import { bindingOf, checkBinding, type Prepared } from '../device/stream.js'
import { ShapeError } from '../errors.js'
import { Graph } from './graph.js'
import { optimise, type Rewrites } from './optimise.js'
import { planMemory } from './plan-memory.js'
import type { KernelTime } from './profile.js'
import type { Recorder } from './recorder.js'

/** What `program.stats()` tells. */
export interface ProgramStats {
  dispatches: number
  /** Calls as recorded, before rewriting. */
  recorded: number
  /** Pipelines in use. */
  pipelines: number
  /** Bytes of intermediates as planned, and as if none shared memory. */
  arenaBytes: number
  unsharedBytes: number
  /** Bytes of the step's own results and inputs. */
  resultBytes: number
  flops: number
  bytesMoved: number
}

/** Runs of a step that DEBUG=3 times. */
const TIMED_RUNS = 2

export class Program {
  private steps: Prepared[] = []
  private dispatches: Dispatch[] = []
  private calls: readonly Call[]
  /** Memory of the program's own. */
  readonly owned: Storage[] = []
  private readonly place = new Map<Storage, Storage>()
  private readonly graph: Graph
  private readonly recorded: number
  private unshared = 0
  private arena = 0
  /** Loaded for DEBUG=3, which times a step's first runs. */
  private profiler: typeof import('./profile.js') | null = null
  private timed = 0

  /** `results`: storages that the user reads after a run. `ownBytes`: of the step's inputs; those of the results are added. */
  constructor(
    private readonly device: Device,
    private readonly recorder: Recorder,
    results: Set<Storage>,
    rewrites: Rewrites,
    /** What messages call it. */
    private readonly name: string,
    private ownBytes: number,
  ) {
    this.recorded = recorder.calls.length
    this.graph = new Graph(recorder.calls, (s) => recorder.planned.has(s), results, recorder.generations)
    optimise(this.graph, device.limits.maxStorageBuffersPerShaderStage, rewrites)
    this.calls = this.graph.calls
    try {
      this.layOut()
      this.dispatches = this.calls.flatMap((c) => c.lower(device))
      for (const d of this.dispatches) for (const b of d.buffers) checkBinding(d.op, b)
    } catch (error) {
      this.dispose()
      throw error
    }
    device.debug(2, () => this.toString())
    if (device.debugLevel >= 3 && device.features.has('timestamp-query')) void import('./profile.js').then((profiler) => (this.profiler = profiler))
  }

  private layOut(): void {
    const { allocator, limits } = this.device
    const plan = planMemory(this.calls, (s) => this.graph.isTemporary(s), Math.max(16, limits.minStorageBufferOffsetAlignment), limits.maxBufferSize)
    const arenas = plan.arenas.map((bytes) => {
      const arena = allocator.allocateNow('compile', bytes)
      this.owned.push(arena)
      return arena
    })
    this.unshared = plan.unshared
    this.arena = plan.arenas.reduce((a, b) => a + b, 0)
    for (const [storage, { arena, offset }] of plan.place) this.place.set(storage, rangeOf(arenas[arena]!, offset, storage.bytes))
  }

  /** The real storage of one of the results (made on first use), to be shared with the user's tensor. */
  result(storage: Storage): Storage {
    const s = this.graph.resolve(storage)
    if (!this.recorder.planned.has(s)) return s
    let real = this.place.get(s)
    if (!real) {
      real = this.device.allocator.allocateNow('compile', s.bytes)
      this.owned.push(real)
      this.ownBytes += real.bytes
      this.place.set(s, real)
    }
    return real
  }

  /** Makes the pipelines in parallel. */
  async prepare(): Promise<void> {
    await this.device.pipelines.prepare(this.dispatches.map((d) => ({ ...d.pipeline, op: d.op })))
  }

  /** Makes what is still missing: pipelines, one after the other, and the bindings. */
  private build(): void {
    const { allocator, pipelines, limits, stream } = this.device
    const started = Date.now()
    const align = limits.minUniformBufferOffsetAlignment
    let bytes = 0
    const offsets = this.dispatches.map((d) => {
      const at = bytes
      bytes += Math.ceil((d.params?.byteLength ?? 0) / align) * align
      return at
    })
    const staging = new Uint8Array(Math.max(bytes, 16))
    this.dispatches.forEach((d, i) => d.params && staging.set(new Uint8Array(d.params.buffer, d.params.byteOffset, d.params.byteLength), offsets[i]!))
    const bound = this.dispatches.map((d) =>
      d.buffers.map((b) => ({ binding: b.binding, resource: bindingOf(d.op, { ...b, storage: this.where(b.storage) }) as GPUBindingResource })),
    )
    const params = allocator.allocateNow('compile', staging.byteLength)
    this.owned.push(params)
    stream.upload('compile', params, staging)
    this.steps = this.dispatches.map((d, i) => {
      const entries: GPUBindGroupEntry[] = bound[i]!
      if (d.params) entries.push({ binding: d.paramsBinding, resource: { buffer: params.buffer!, offset: offsets[i]!, size: d.params.byteLength } })
      return { op: d.op, pipeline: pipelines.get(d.pipeline, d.op), entries, group: null, grid: d.grid }
    })
    this.device.debug(
      1,
      () => `compile: ${this.steps.length} dispatches from ${this.recorded} calls, arena ${this.arena} bytes, built in ${Date.now() - started} ms`,
    )
  }

  private where(storage: Storage): Storage {
    const s = this.graph.resolve(storage)
    return this.place.get(s) ?? (this.recorder.planned.has(s) ? this.result(s) : s)
  }

  /** Runs the step once. Inputs were copied before. */
  run(): void {
    this.device.check('compile')
    if (this.steps.length === 0 && this.dispatches.length > 0) this.build()
    const { randomBlocks } = this.recorder
    this.device.stream.flush()
    if (randomBlocks > 0) this.device.random.advanceStep(randomBlocks)
    if (this.profiler && this.timed < TIMED_RUNS) this.profiler.printTimes(++this.timed, this.device, this.dispatches, this.steps, this.names())
    else this.device.stream.replay(this.steps, this.name)
    for (const s of this.written) s.version++
  }

  private cachedWritten: Storage[] | null = null
  private get written(): Storage[] {
    this.cachedWritten ??= [...new Set(this.calls.flatMap((c) => c.outputs.map((o) => o.storage)))].filter((s) => !this.recorder.planned.has(s))
    return this.cachedWritten
  }

  /** Dispatches, bytes and arithmetic of one run. */
  stats(): ProgramStats {
    return {
      dispatches: this.dispatches.length,
      recorded: this.recorded,
      pipelines: new Set(this.dispatches.map((d) => d.pipeline.key)).size,
      arenaBytes: this.arena,
      unsharedBytes: this.unshared,
      resultBytes: this.ownBytes,
      flops: this.dispatches.reduce((n, d) => n + d.flops, 0),
      bytesMoved: this.dispatches.reduce((n, d) => n + d.bytes, 0),
    }
  }

  /** Time of each dispatch in one run (which changes the state like any other run), by timestamp queries where the adapter has them. */
  async profile(): Promise<KernelTime[]> {
    const { profileDispatches } = await import('./profile.js')
    this.device.check('profile')
    if (this.steps.length === 0) this.build()
    if (this.recorder.randomBlocks > 0) this.device.random.advanceStep(this.recorder.randomBlocks)
    const times = await profileDispatches(this.device, this.dispatches, this.steps, this.names())
    for (const s of this.written) s.version++
    return times
  }

  private names(): string[] {
    return this.calls.flatMap((c) => c.lower(this.device).map(() => c.name))
  }

  /** The listing: one line a dispatch. */
  toString(): string {
    const label = (s: Storage): string => (this.recorder.planned.has(this.graph.resolve(s)) ? '%' : '@') + this.graph.resolve(s).id
    const lines = this.calls.map((c, i) => {
      const shape = c.outputs[0]?.layout.shape.join('x') ?? ''
      return `${String(i).padStart(4)}  ${c.outputs.map((o) => label(o.storage)).join(' ')} [${shape}] = ${c.name} (${c.inputs.map((o) => label(o.storage)).join(' ')})  # ${c.op}`
    })
    const s = this.stats()
    return [
      `program: ${s.dispatches} dispatches (${s.recorded} recorded), ${s.pipelines} pipelines, arena ${s.arenaBytes} bytes, ${(s.flops / 1e6).toFixed(2)} MFLOP`,
      ...lines,
    ].join('\n')
  }

  /** Gives all memory back. */
  dispose(): void {
    for (const s of this.owned.splice(0)) s.release()
    this.steps = []
    this.recorder.release()
  }
}

/** A piece of an arena as a storage of its own; the arena keeps the memory. */
function rangeOf(arena: Storage, offset: number, bytes: number): Storage {
  if (offset + bytes > arena.bytes) throw new ShapeError('compile', 'the memory plan does not fit its arena')
  const range = Object.create(arena) as Storage
  Object.defineProperties(range, { base: { value: arena.base + offset }, bytes: { value: bytes } })
  return range
}
