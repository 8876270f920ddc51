// A GPUDevice between the framework and a real one, for faults that no adapter has on demand: it counts what it is asked, refuses memory, answers late.

/** Errors as a GPUDevice finds them, in the scopes that are open. */
type Frame = { filter: GPUErrorFilter; error: GPUError | null }

export interface Injected {
  gpu: GPUDevice
  /** How often each method was called. */
  calls: Record<string, number>
  /** Bytes that buffers may have, all together; those beyond it get no memory. */
  memory: number
  /** Refuses buffers of this usage, whatever their size. */
  refuse: GPUBufferUsageFlags
  /** Milliseconds by which the next answers of error scopes are late. */
  late: number[]
  /** Milliseconds by which the news of the device's loss is late. */
  lateNews: number
  /** What is reported as found outside of all scopes. */
  report(error: { message: string; constructor: { name: string } }): void
}

const wait = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))

/** `real` with faults to be switched on. */
export function inject(real: GPUDevice): Injected {
  const frames: Frame[] = []
  const listeners: ((event: { error: unknown }) => void)[] = []
  const state: Injected = {
    gpu: real,
    calls: {},
    memory: Number.POSITIVE_INFINITY,
    refuse: 0,
    late: [],
    lateNews: 0,
    report: (error) => {
      for (const listener of listeners) listener({ error })
    },
  }
  const own: Record<string, (...args: never[]) => unknown> = {
    pushErrorScope(filter: GPUErrorFilter) {
      frames.push({ filter, error: null })
      real.pushErrorScope(filter)
    },
    async popErrorScope() {
      const frame = frames.pop()
      const late = state.late.shift() ?? 0
      const error = await real.popErrorScope()
      if (late > 0) await wait(late)
      return frame?.error ?? error
    },
    createBuffer(descriptor: GPUBufferDescriptor) {
      if (descriptor.size <= state.memory && (descriptor.usage & state.refuse) === 0) {
        state.memory -= descriptor.size
        const buffer = real.createBuffer(descriptor)
        const destroy = buffer.destroy.bind(buffer)
        buffer.destroy = () => {
          state.memory += descriptor.size
          return destroy()
        }
        return buffer
      }
      const frame = frames.findLast((f) => f.filter === 'out-of-memory')
      if (!frame) throw new Error(`${descriptor.label}: a buffer is made outside of an out-of-memory scope`)
      frame.error ??= new GPUOutOfMemoryError('no memory left')
      // As on a real device, the buffer is there and invalid: this usage does not exist.
      real.pushErrorScope('validation')
      const buffer = real.createBuffer({ ...descriptor, usage: descriptor.usage | GPUBufferUsage.MAP_READ | GPUBufferUsage.MAP_WRITE })
      void real.popErrorScope()
      return buffer
    },
    addEventListener(type: string, listener: (event: { error: unknown }) => void) {
      if (type === 'uncapturederror') listeners.push(listener)
      real.addEventListener(type as 'uncapturederror', listener as never)
    },
  }
  const lost = real.lost.then(async (info) => {
    await wait(state.lateNews)
    return info
  })
  state.gpu = new Proxy(real, {
    get(_, name: string) {
      if (name === 'lost') return lost
      const value: unknown = own[name] ?? Reflect.get(real, name, real)
      if (typeof value !== 'function') return value
      return (...args: never[]) => {
        state.calls[name] = (state.calls[name] ?? 0) + 1
        return value.apply(real, args)
      }
    },
  })
  return state
}
