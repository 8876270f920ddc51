// Tensors from the bytes of a .safetensors file.
import { currentDevice, type Device, type Tensor } from '@bms/autograd'
import { partOf, storedTensor } from '../stored.js'
import { fileBytes, readSafetensorsHeader } from './header.js'

export interface LoadOptions {
  /** Default: the device of the last `init()`. */
  device?: Device
}

/**
 * The tensors of a .safetensors file by name. F32, I32, U32 and BOOL keep their type; F16 too where the adapter has it, else it becomes f32;
 * BF16 and F64 become f32, I64, U64 (checked), I16 and I8 i32, U16 and U8 u32. Throws a BmsError 'BAD_FILE' that names what is wrong.
 */
export function loadSafetensors(file: Uint8Array | ArrayBuffer, options: LoadOptions = {}): Record<string, Tensor> {
  const bytes = fileBytes('loadSafetensors', file)
  const { tensors } = readSafetensorsHeader(bytes)
  const device = options.device ?? currentDevice()
  const out = new Map<string, Tensor>()
  try {
    for (const entry of tensors) out.set(entry.name, storedTensor('loadSafetensors', 'safetensors', partOf(bytes, entry.begin, entry.end), entry, device))
  } catch (error) {
    for (const t of out.values()) t.dispose()
    throw error
  }
  return Object.fromEntries(out)
}
