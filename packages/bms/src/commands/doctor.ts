// `bms doctor`: says which adapter runs the shaders, what it can do, and whether it computes correctly, so that a bug
// report or a slow run can be understood from one page.
import os from 'node:os'
import { version } from '../run/version.js'
import { type AdapterChoice, BmsError, driverReport, init, randn, type Tensor } from '@bms/tensor/node'

const shownLimits = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupStorageSize',
  'maxComputeWorkgroupsPerDimension',
] as const

/** Multiplies two matrices on the device for about a second and on the host once. */
async function selfTest(): Promise<{ gflops: number; worst: number; first: number }> {
  const n = 256
  const begin = performance.now()
  const [a, b] = [randn([n, n]), randn([n, n])]
  let c: Tensor = a.matmul(b)
  const [x, y, z] = await Promise.all([a.data(), b.data(), c.data()])
  const first = performance.now() - begin
  let worst = 0
  for (let i = 0; i < n; i += 17) {
    for (let j = 0; j < n; j += 13) {
      let sum = 0
      for (let k = 0; k < n; k++) sum += x[i * n + k]! * y[k * n + j]!
      worst = Math.max(worst, Math.abs(sum - z[i * n + j]!) / Math.sqrt(n))
    }
  }
  const start = performance.now()
  let runs = 0
  while (performance.now() - start < 700) {
    for (let i = 0; i < 4; i++, runs++) {
      const next = a.matmul(b)
      c.dispose()
      c = next
    }
    await a.device.sync()
  }
  return { gflops: (runs * 2 * n ** 3) / (performance.now() - start) / 1e6, worst, first }
}

/** Runs `bms doctor`; resolves to false when something is wrong. */
export async function doctor(adapter: AdapterChoice): Promise<boolean> {
  const line = (name: string, value: unknown): void => console.log(`${name.padEnd(14)}${value}`)
  const report = await driverReport()
  line('bms', version())
  line('node', `${process.version} on ${process.platform} ${process.arch}, ${os.cpus().length} × ${os.cpus()[0]?.model.trim() ?? 'unknown processor'}`)
  line('dawn', `npm webgpu ${report.dawn}`)
  line('drivers', report.installed.length > 0 ? report.installed.join(', ') : 'none installed')
  line('bundled', report.bundled)
  try {
    const device = await init({ adapter })
    const { adapter: a, limits } = device
    line('adapter', `${a.name} [${a.kind}, ${a.source}]`)
    line('vendor', [a.vendor, a.architecture].filter((s) => s !== '').join(' ') || 'not told')
    line('driver', a.driver || 'not told')
    line('features', [...device.features].sort().join(', '))
    for (const name of shownLimits) line(name === shownLimits[0] ? 'limits' : '', `${name} ${limits[name].toLocaleString('en')}`)
    const test = await selfTest()
    const good = test.worst < 1e-4
    line(
      'self-test',
      `${good ? 'passed' : 'FAILED'}: matmul 256 at ${test.gflops.toFixed(1)} GFLOPS, worst error ${test.worst.toExponential(1)}, first result after ${test.first.toFixed(0)} ms`,
    )
    if (!good) console.log('The adapter computes wrong numbers. Update its driver, or use --adapter software.')
    device.destroy()
    return good
  } catch (error) {
    if (!(error instanceof BmsError)) throw error
    line('adapter', `none: ${error.message}`)
    return false
  }
}
