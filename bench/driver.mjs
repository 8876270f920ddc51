// Which Vulkan driver a subject runs on. One process has one, so the bundled SwiftShader is measured in a process of its own.
import { init } from '@bms/tensor/node'
import { adapterName } from './support.mjs'

/** No installed driver: what the bundled one is for. */
export const bundledDriver = { VK_ICD_FILENAMES: 'none' }

/** The environment in which bare Dawn finds the same adapter as init() in this process, and the adapter's name; no environment where it finds none. */
export async function bareDriver() {
  const device = await init()
  const name = adapterName(device)
  device.destroy()
  const { create } = await import('webgpu')
  // Bundled: init() has named the driver's manifest in the environment; the Vulkan loader itself must come from the system.
  const { VK_ICD_FILENAMES: icd } = process.env
  const found = await create([]).requestAdapter()
  return { name, env: found ? (icd ? { VK_ICD_FILENAMES: icd } : {}) : null }
}
