// Times the kernels of a compiled step one by one: with timestamp queries, or, where the adapter has none, by waiting
// after each dispatch (which adds the cost of a submit to every line).
import type { Dispatch } from '../calls/call.js'
import type { Device } from '../device/device.js'
import type { Prepared } from '../device/stream.js'

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
    return { op: d.op, kernel: names[i] ?? d.pipeline.kernel, ms, gflops: ms > 0 ? d.flops / ms / 1e6 : 0, gbps: ms > 0 ? d.bytes / ms / 1e6 : 0 }
  })
}

async function byQueries(device: Device, steps: readonly Prepared[]): Promise<number[]> {
  const { gpu, stream } = device
  const count = 2 * steps.length
  if (count === 0) return []
  const querySet = gpu.createQuerySet({ type: 'timestamp', count })
  stream.replayTimed(steps, querySet)
  const resolve = gpu.createBuffer({ size: 8 * count, usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC })
  const read = gpu.createBuffer({ size: 8 * count, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST })
  stream.resolveQueries(querySet, count, resolve, read)
  await read.mapAsync(GPUMapMode.READ)
  const stamps = new BigUint64Array(read.getMappedRange().slice(0))
  for (const x of [querySet, resolve, read]) x.destroy()
  return steps.map((_, i) => Number(stamps[2 * i + 1]! - stamps[2 * i]!) / 1e6)
}

async function byWaiting(device: Device, steps: readonly Prepared[]): Promise<number[]> {
  const times: number[] = []
  await device.sync()
  for (const step of steps) {
    const start = performance.now()
    device.stream.issue(step)
    await device.sync()
    times.push(performance.now() - start)
  }
  return times
}
