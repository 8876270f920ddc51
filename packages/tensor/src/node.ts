// Node's way to WebGPU: importing this module makes init() find adapters through Dawn.
import { provideAdapters } from './device/init.js'
import { dawnProvider } from './node/dawn.js'

provideAdapters(dawnProvider)

export { driverReport, type DriverReport } from './node/dawn.js'
export * from './index.js'
