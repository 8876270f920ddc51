// Times the kernels of a compiled step one by one: with timestamp queries, or, where the adapter has none, by waiting
// after each dispatch (which adds the cost of a submit to every line). Loaded when somebody asks.
import type { Dispatch } from '../calls/call.js'
import type { Device } from '../device/device.js'
import type { Prepared } from '../device/stream.js'
import type { DeviceError } from '../errors.js'

export interface KernelTime {
  op: string
  kernel: string
  /** Milliseconds. */
  ms: number
  /** GFLOP/s and GB/s at that time. */
  gflops: number
  gbps: number
}

const MAX_QUERIES = 4096

export async function profileDispatches(
  device: Device,
  dispatches: readonly Dispatch[],
  steps: readonly Prepared[],
  names: readonly string[],
): Promise<KernelTime[]> {
  const times = device.features.has('timestamp-query') && 2 * steps.length <= MAX_QUERIES ? await byQueries(device, steps) : await byWaiting(device, steps)
  return dispatches.map((d, i) => {
    const ms = times[i]!
    return { op: d.op, kernel: names[i] ?? d.pipeline.kernel.name, ms, gflops: ms > 0 ? d.flops / ms / 1e6 : 0, gbps: ms > 0 ? d.bytes / ms / 1e6 : 0 }
  })
}

/** Times a run without keeping anyone waiting, and prints what came of it, the longest first. */
export function printTimes(run: number, ...what: Parameters<typeof profileDispatches>): void {
  const [device] = what
  const print = (times: KernelTime[]): void => {
    const total = times.reduce((sum, t) => sum + t.ms, 0)
    const lines = [...times]
      .sort((a, b) => b.ms - a.ms)
      .map((t) => `${t.ms.toFixed(3).padStart(9)} ms ${t.gflops.toFixed(1).padStart(7)} GFLOPS  ${t.kernel}  # ${t.op}`)
    device.debug(3, () => [`run ${run}: ${total.toFixed(3)} ms in ${times.length} kernels`, ...lines].join('\n'))
  }
  // Nobody waits for the times: what went wrong is for the next op.
  profileDispatches(...what).then(print, (error: DeviceError) => device.faults.stray(error))
}

async function byQueries(device: Device, steps: readonly Prepared[]): Promise<number[]> {
  const { gpu, stream, allocator, faults } = device
  const count = 2 * steps.length
  if (count === 0) return []
  const querySet = gpu.createQuerySet({ type: 'timestamp', count })
  const resolve = allocator.buffer('profile', 8 * count, GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC)
  const read = allocator.buffer('profile', 8 * count, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST)
  const submit = (): void => {
    const encoder = gpu.createCommandEncoder({ label: 'profile' })
    steps.forEach((step, i) => {
      const pass = encoder.beginComputePass({ timestampWrites: { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 } })
      stream.issue(pass, step)
      pass.end()
    })
    encoder.resolveQuerySet(querySet, 0, count, resolve, 0)
    encoder.copyBufferToBuffer(resolve, 0, read, 0, 8 * count)
    gpu.queue.submit([encoder.finish()])
  }
  try {
    stream.flush()
    faults.scope('validation', submit, (words, message) => words.refusedCommand(gpu, steps, (c) => stream.encode([c]), message, 'a profile'))
    await stream.map('profile', read)
    const stamps = new BigUint64Array(read.getMappedRange().slice(0))
    return steps.map((_, i) => Number(stamps[2 * i + 1]! - stamps[2 * i]!) / 1e6)
  } finally {
    for (const x of [querySet, resolve, read]) x.destroy()
  }
}

async function byWaiting(device: Device, steps: readonly Prepared[]): Promise<number[]> {
  const times: number[] = []
  await device.sync()
  for (const step of steps) {
    const start = performance.now()
    device.stream.replay([step], 'a profile')
    await device.sync()
    times.push(performance.now() - start)
  }
  return times
}
