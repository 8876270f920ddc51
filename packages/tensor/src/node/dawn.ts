// Adapters in Node: Dawn (npm `webgpu`) over, in this order, a real GPU's driver, an installed software driver (Mesa's
// lavapipe), or the SwiftShader that the npm package @sparticuz/chromium carries.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { AdapterChoice, AdapterProvider } from '../device/init.js'
import { DeviceError } from '../errors.js'
import { unpackSwiftShader } from './swiftshader.js'

const RTLD_NOW = 0x2
const RTLD_GLOBAL = 0x100
const RTLD_NODELETE = 0x1000

interface DawnModule {
  create(options: string[]): GPU
  globals: Record<string, unknown>
}

/** What `bms doctor` tells of the drivers. */
export interface DriverReport {
  dawn: string
  /** Vulkan ICD files that the system has. */
  installed: string[]
  /** Where the bundled driver lies, or why it does not. */
  bundled: string
}

/** Dawn frees its instance when JavaScript forgets it, with callbacks still under way: it is remembered here for good. */
const instances: GPU[] = []
;(globalThis as Record<symbol, unknown>)[Symbol.for('@bms/dawn-instances')] = instances

async function dawn(): Promise<DawnModule> {
  try {
    const module = (await import('webgpu')) as unknown as DawnModule
    for (const [name, value] of Object.entries(module.globals))
      if (!(name in globalThis)) Object.defineProperty(globalThis, name, { value, configurable: true, writable: true })
    return module
  } catch (cause) {
    throw new DeviceError(
      'NO_DAWN',
      `the npm package "webgpu" (Dawn) cannot be loaded: ${(cause as Error).message}; install it with \`npm install webgpu\``,
      {},
      { cause },
    )
  }
}

const ICD_FOLDERS = ['/usr/share/vulkan/icd.d', '/etc/vulkan/icd.d', '/usr/local/share/vulkan/icd.d']

/** Vulkan driver manifests of the system, and those that the environment names. */
export function installedDrivers(): string[] {
  const named = process.env['VK_DRIVER_FILES'] ?? process.env['VK_ICD_FILENAMES']
  if (named) return named.split(':').filter((f) => existsSync(f))
  return ICD_FOLDERS.flatMap((folder) => {
    try {
      return readdirSync(folder)
        .filter((f) => f.endsWith('.json'))
        .map((f) => `${folder}/${f}`)
    } catch {
      return []
    }
  })
}

async function tryAdapter(choice: AdapterChoice): Promise<GPUAdapter | null> {
  const { create } = await dawn()
  const gpu = create(choice === 'null' ? ['backend=null'] : [])
  instances.push(gpu)
  try {
    return await gpu.requestAdapter({ powerPreference: 'high-performance' })
  } catch {
    return null
  }
}

const isSoftware = (a: GPUAdapter): boolean =>
  /swiftshader|llvmpipe|lavapipe|software/i.test(`${a.info.vendor} ${a.info.architecture} ${a.info.device} ${a.info.description}`)

/** Points Vulkan at SwiftShader and loads the loader that comes with it. To be called before Dawn looks for drivers. */
async function useBundled(): Promise<boolean> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return false
  const folder = await unpackSwiftShader()
  process.env['VK_ICD_FILENAMES'] = `${folder}/vk_swiftshader_icd.json`
  delete process.env['VK_DRIVER_FILES']
  try {
    process.dlopen({ exports: {} }, `${folder}/libvulkan.so.1`, RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE)
  } catch (error) {
    // Node says that it is no add-on, which is so; the library is loaded nevertheless.
    if (!/did not self-register/.test((error as Error).message))
      throw new DeviceError('NO_ADAPTER', `the bundled Vulkan loader cannot be loaded: ${(error as Error).message}`, {}, { cause: error as Error })
  }
  return true
}

const REMEDY =
  'Install a GPU driver with Vulkan support, or Mesa\'s software driver (Debian: mesa-vulkan-drivers 25 or newer), or the npm package "@sparticuz/chromium" (Linux x64), which carries SwiftShader'

export const dawnProvider: AdapterProvider = {
  async request(choice) {
    if (choice === 'null') {
      const adapter = await tryAdapter('null')
      if (!adapter) throw new DeviceError('NO_ADAPTER', "Dawn's null backend is missing from this build of the npm package webgpu")
      return { adapter, description: { kind: 'null', source: 'null backend' } }
    }
    const found = installedDrivers().length > 0 || process.platform !== 'linux' ? await tryAdapter(choice) : null
    if (found && (choice === 'auto' || isSoftware(found) === (choice === 'software'))) return { adapter: found, description: { source: 'system' } }
    if (choice === 'gpu') {
      throw new DeviceError(
        'NO_ADAPTER',
        `no GPU was found${found ? `, only the software driver "${found.info.device} ${found.info.description}"` : ''}. ${REMEDY}. Or run with --adapter software`,
      )
    }
    let problem = ''
    try {
      if (await useBundled()) {
        const adapter = await tryAdapter(choice)
        if (adapter) return { adapter, description: { source: 'bundled SwiftShader', kind: 'software' } }
      }
    } catch (error) {
      problem = ` (${(error as Error).message})`
    }
    throw new DeviceError('NO_ADAPTER', `no WebGPU adapter was found${problem}. ${REMEDY}`)
  },
}

/** What drivers there are, without starting one. */
export async function driverReport(): Promise<DriverReport> {
  const require = createRequire(import.meta.url)
  let version = 'not installed'
  try {
    version = (JSON.parse(readFileSync(require.resolve('webgpu').replace(/index\.js$/, 'package.json'), 'utf8')) as { version: string }).version
  } catch {}
  const bundled = await unpackSwiftShader().catch((e: Error) => `not available: ${e.message}`)
  return { dawn: version, installed: installedDrivers(), bundled }
}
