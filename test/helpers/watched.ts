// A device of its own whose limits and kind of adapter can be told other than they are, and which notes every dispatch, so that what large tensors, other
// adapters and splitting make of a call is seen with small tensors on any adapter. Work that breaks a limit that was told fails at once.
import { type Device, type KernelName, shaders, useDevice } from '@bms/tensor'
import { ready } from './device.js'
import { openDevice } from './host.js'

export type Limits = Partial<Record<keyof GPUSupportedLimits, number>>

/** A dispatch as it reached the GPU. */
export interface Seen {
  kernel: KernelName
  /** Of all dimensions. */
  workgroups: number
  grid: readonly [number, number, number]
  /** Bytes of the largest storage binding, and how many there are. */
  largest: number
  bindings: number
}

export class Watched {
  private readonly list: Seen[] = []
  private told: Limits = {}
  private readonly kernels = new WeakMap<GPUComputePipeline, KernelName>()
  private readonly groups = new WeakMap<GPUBindGroup, { binding: number; bytes: number }[]>()

  /** New tensors are on it from now on. */
  static async open(): Promise<Watched> {
    const shared = await ready()
    return new Watched(await openDevice(), shared)
  }

  private constructor(
    readonly device: Device,
    private readonly shared: Device,
  ) {
    const { limits, adapter } = device
    const name = (key: string | symbol): keyof GPUSupportedLimits => key as keyof GPUSupportedLimits
    Object.defineProperty(device, 'limits', { value: new Proxy(limits, { get: (_, key) => this.told[name(key)] ?? limits[name(key)] }) })
    Object.defineProperty(device, 'adapter', { value: { ...adapter }, writable: true })
    this.watchPipelines()
    this.watchBindings()
    this.watchDispatches()
  }

  /** Every dispatch so far; set its length to 0 to begin anew. */
  get seen(): Seen[] {
    // Commands are gathered, and issued when they are submitted.
    this.device.stream.flush()
    return this.list
  }

  private watchPipelines(): void {
    const { pipelines } = this.device
    const get = pipelines.get.bind(pipelines)
    pipelines.get = (spec) => {
      const pipeline = get(spec)
      this.kernels.set(pipeline, spec.kernel.name as KernelName)
      return pipeline
    }
  }

  private watchBindings(): void {
    const { gpu } = this.device
    const create = gpu.createBindGroup.bind(gpu)
    gpu.createBindGroup = (descriptor) => {
      const group = create(descriptor)
      this.groups.set(
        group,
        Array.from(descriptor.entries, ({ binding, resource }) => {
          const { size, buffer, offset = 0 } = resource as GPUBufferBinding
          return { binding, bytes: size ?? buffer.size - offset }
        }),
      )
      return group
    }
  }

  private watchDispatches(): void {
    const { stream, limits } = this.device
    const issue = stream.issue.bind(stream)
    stream.issue = (pass, p) => {
      issue(pass, p)
      const kernel = this.kernels.get(p.pipeline)!
      // The uniforms may lie in a buffer that could hold tensors as well.
      const uniform = shaders[kernel].bindings.find((b) => b.access === 'uniform')?.index
      const sizes = this.groups.get(p.group!)!.flatMap(({ binding, bytes }) => (binding === uniform ? [] : bytes))
      const workgroups = p.grid[0] * p.grid[1] * p.grid[2]
      const seen: Seen = { kernel, grid: p.grid, workgroups, largest: Math.max(0, ...sizes), bindings: sizes.length }
      const over = (what: string, value: number, limit: number): void => {
        if (value > limit) throw new Error(`${kernel}: dispatched with ${what} ${value}, the limit told is ${limit}`)
      }
      over('workgroups', Math.max(...p.grid), limits.maxComputeWorkgroupsPerDimension)
      over('a binding of bytes', seen.largest, limits.maxStorageBufferBindingSize)
      over('storage buffers', seen.bindings, limits.maxStorageBuffersPerShaderStage)
      this.list.push(seen)
    }
  }

  /** Tells other limits while `fn` runs. */
  async limited<R>(limits: Limits, fn: () => R | Promise<R>): Promise<R> {
    // What was asked before is not meant.
    await this.device.sync()
    this.told = limits
    try {
      const result = await fn()
      this.device.stream.flush()
      return result
    } finally {
      this.told = {}
    }
  }

  /** The kernels that `fn` dispatches, each once. */
  kernelsOf(fn: () => unknown): KernelName[] {
    this.seen.length = 0
    fn()
    return [...new Set(this.seen.map((s) => s.kernel))]
  }

  /** Plans as on another kind of adapter while `fn` runs. */
  async as<R>(kind: 'gpu' | 'software', fn: () => R | Promise<R>): Promise<R> {
    const { adapter } = this.device
    Object.assign(this.device, { adapter: { ...adapter, kind } })
    try {
      return await fn()
    } finally {
      Object.assign(this.device, { adapter })
    }
  }

  /** New tensors are on the device of all tests again. */
  close(): void {
    this.device.destroy()
    useDevice(this.shared)
  }
}
