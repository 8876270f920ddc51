// Tensors from the bytes of a .safetensors file.
import { BmsError, currentDevice, type Device, type DType, decode, fromBytes, show, tensor, type Tensor } from '@bms/autograd'
import { fileBytes, readSafetensorsHeader, type TensorEntry } from './header.js'

export interface LoadOptions {
  /** Default: the device of the last `init()`. */
  device?: Device
}

const native: Record<string, DType> = { F32: 'f32', I32: 'i32', U32: 'u32' }

/** bfloat16 is the upper half of a float32. */
function widen(bytes: Uint8Array<ArrayBuffer>): Float32Array {
  const halves = new Uint16Array(bytes.buffer)
  const out = new Uint32Array(halves.length)
  for (let i = 0; i < halves.length; i++) out[i] = halves[i]! << 16
  return new Float32Array(out.buffer)
}

function narrow(values: BigInt64Array | BigUint64Array, entry: TensorEntry): Int32Array {
  const out = new Int32Array(values.length)
  for (let i = 0; i < values.length; i++) {
    const v = values[i]!
    if (v < -2147483648n || v > 2147483647n) {
      const { name } = entry
      throw new BmsError('BAD_FILE', `safetensors: tensor ${show(name)} holds ${v}, which does not fit i32, the widest integer of a GPU`, { name })
    }
    out[i] = Number(v)
  }
  return out
}

/** A copy of a part, aligned whatever lies before it. Not slice(): a Buffer's shares the memory. */
function part(bytes: Uint8Array, begin: number, end: number): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(end - begin)
  copy.set(bytes.subarray(begin, end))
  return copy
}

function toTensor(bytes: Uint8Array<ArrayBuffer>, entry: TensorEntry, device: Device): Tensor {
  const { shape, dtype } = entry
  const known = native[dtype]
  if (known) return fromBytes('loadSafetensors', device, bytes, shape, known)
  const { buffer } = bytes
  const options = { shape, device }
  switch (dtype) {
    case 'F16':
      if (device.features.has('shader-f16')) return fromBytes('loadSafetensors', device, bytes, shape, 'f16')
      return tensor(decode(buffer, 'f16', bytes.length / 2), options)
    case 'BF16':
      return tensor(widen(bytes), options)
    case 'F64':
      return tensor(new Float64Array(buffer), options)
    case 'I64':
      return tensor(narrow(new BigInt64Array(buffer), entry), options)
    case 'U64':
      return tensor(narrow(new BigUint64Array(buffer), entry), options)
    case 'I16':
      return tensor(new Int16Array(buffer), options)
    case 'I8':
      return tensor(new Int8Array(buffer), options)
    case 'U16':
      return tensor(new Uint16Array(buffer), options)
    case 'BOOL':
      return tensor(bytes, { ...options, dtype: 'bool' })
    default:
      return tensor(bytes, options)
  }
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
    for (const entry of tensors) out.set(entry.name, toTensor(part(bytes, entry.begin, entry.end), entry, device))
  } catch (error) {
    for (const t of out.values()) t.dispose()
    throw error
  }
  return Object.fromEntries(out)
}
