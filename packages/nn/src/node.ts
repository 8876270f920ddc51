// @bms/nn in Node: importing this lets init() find adapters (Dawn), and adds files.
import '@bms/tensor/node'

// By name, not by path: the bundler would lose what the index passes on from the packages below.
export * from '@bms/nn'
export { loadPthFile, loadSafetensorsFile, saveSafetensorsFile } from './node/files.js'
