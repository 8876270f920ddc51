// init(): finds an adapter, asks it for the largest limits it has, and makes the device that ops use by default. In a
// browser the adapter is navigator.gpu's; in Node the module ./node registers Dawn as a provider.
import { ArgumentError, DeviceError } from '../errors.js'
import { type AdapterDescription, Device } from './device.js'

/** Which adapter to take. `auto`: a GPU if there is one, else an installed software driver, else the bundled one. */
export type AdapterChoice = 'auto' | 'gpu' | 'software' | 'null'

export interface InitOptions {
  adapter?: AdapterChoice
  /** A device of your own: it is used as it is. */
  device?: GPUDevice
  /** Seed of the random numbers; default 0. */
  seed?: number
}

/** Where adapters come from outside of browsers. */
export interface AdapterProvider {
  request(choice: AdapterChoice): Promise<{ adapter: GPUAdapter; description: Partial<AdapterDescription> }>
}

let provider: AdapterProvider | null = null
let current: Device | null = null

/** Called by '@bms/tensor/node'. */
export const provideAdapters = (p: AdapterProvider): void => {
  provider = p
}

/** The device of the last `init()`. */
export function currentDevice(): Device {
  if (current) return current
  throw new DeviceError('NOT_INITIALISED', "no device yet: call `await init()` first (in Node also import '@bms/nn/node' before)")
}

/** Makes a device of an adapter the one that new tensors use. */
export const useDevice = (device: Device): void => {
  current = device
}

const wantedFeatures: GPUFeatureName[] = ['shader-f16', 'timestamp-query', 'subgroups' as GPUFeatureName]

/** Asks for a device with every feature the framework uses and the adapter's own limits. */
export async function requestDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  const requiredLimits: Record<string, number> = {}
  for (const name in adapter.limits) {
    const value = adapter.limits[name as keyof GPUSupportedLimits]
    if (typeof value === 'number') requiredLimits[name] = value
  }
  try {
    return await adapter.requestDevice({ requiredFeatures: wantedFeatures.filter((f) => adapter.features.has(f)), requiredLimits })
  } catch (cause) {
    throw new DeviceError('NO_DEVICE', `the adapter "${describe(adapter, {}).name}" gave no device: ${(cause as Error).message}`, {}, { cause })
  }
}

/** The adapter in words. */
export function describe(adapter: GPUAdapter, known: Partial<AdapterDescription>): AdapterDescription {
  const { info } = adapter
  const text = `${info.vendor} ${info.architecture} ${info.device} ${info.description}`
  const software = /swiftshader|llvmpipe|lavapipe|software|microsoft basic/i.test(text) || (info as { isFallbackAdapter?: boolean }).isFallbackAdapter === true
  // Some drivers describe themselves in words, others give only a version beside the device's name.
  const words = /[a-z]{4}/i.test(info.description) ? info.description : [info.device, info.description].filter((s) => s !== '').join(', ')
  return {
    kind: software ? 'software' : 'gpu',
    name: words || [info.vendor, info.architecture].filter((s) => s !== '').join(' ') || 'unnamed adapter',
    vendor: info.vendor,
    architecture: info.architecture,
    driver: info.description,
    source: 'browser',
    ...known,
  }
}

/**
 * Makes a device and the default of everything that follows. Call it once at the start (again after the device was lost).
 * Browser: uses navigator.gpu. Node: import '@bms/nn/node' first. Throws a DeviceError that says what to install when there is no adapter.
 */
export async function init(options: InitOptions = {}): Promise<Device> {
  const choice = options.adapter ?? 'auto'
  if (!['auto', 'gpu', 'software', 'null'].includes(choice))
    throw new ArgumentError('init', `unknown adapter ${JSON.stringify(choice)}; known: auto, gpu, software`, { adapter: choice })
  let device: Device
  if (options.device) {
    const info = (options.device as { adapterInfo?: GPUAdapterInfo }).adapterInfo
    device = new Device(
      options.device,
      describe({ info: info ?? { vendor: '', architecture: '', device: '', description: '' } } as GPUAdapter, { source: 'injected' }),
    )
  } else {
    const { adapter, description } = await find(choice)
    device = new Device(await requestDevice(adapter), describe(adapter, description))
  }
  device.random.manualSeed(options.seed ?? 0)
  current = device
  return device
}

async function find(choice: AdapterChoice): Promise<{ adapter: GPUAdapter; description: Partial<AdapterDescription> }> {
  if (provider) return provider.request(choice)
  const gpu = (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu
  if (!gpu) {
    throw new DeviceError(
      'NO_WEBGPU',
      "there is no WebGPU here: in a browser, use one that has navigator.gpu (and a secure context); in Node, import '@bms/nn/node' before init()",
    )
  }
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance', forceFallbackAdapter: choice === 'software' })
  if (!adapter)
    throw new DeviceError('NO_ADAPTER', `the browser has no ${choice === 'auto' ? '' : `${choice} `}WebGPU adapter; check its GPU settings (chrome://gpu)`)
  return { adapter, description: {} }
}
