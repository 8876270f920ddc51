// Reading and writing .safetensors, the format that PyTorch users exchange weights in.
export { readSafetensorsHeader, type SafetensorsHeader, type TensorEntry } from './header.js'
export { type LoadOptions, loadSafetensors } from './read.js'
export { saveSafetensors } from './write.js'
