// Tensors of bytes as files store them: what the device cannot hold becomes what it can, checked. One place for all formats.
import { BmsError, type Device, type DType, decode, fromBytes, show, tensor, type Tensor } from '@bms/autograd'

/** A run of elements in a file: `dtype` in the spelling of safetensors. */
export interface Stored {
  name: string
  dtype: string
  shape: readonly number[]
}

const native: Record<string, DType> = { F32: 'f32', I32: 'i32', U32: 'u32' }

/** bfloat16 is the upper half of a float32. */
function widen(bytes: Uint8Array<ArrayBuffer>): Float32Array {
  const halves = new Uint16Array(bytes.buffer)
  const out = new Uint32Array(halves.length)
  for (let i = 0; i < halves.length; i++) out[i] = halves[i]! << 16
  return new Float32Array(out.buffer)
}

function narrow(format: string, values: BigInt64Array | BigUint64Array, { name }: Stored): Int32Array {
  const out = new Int32Array(values.length)
  for (let i = 0; i < values.length; i++) {
    const v = values[i]!
    if (v < -2147483648n || v > 2147483647n)
      throw new BmsError('BAD_FILE', `${format}: tensor ${show(name)} holds ${v}, which does not fit i32, the widest integer of a GPU`, { name })
    out[i] = Number(v)
  }
  return out
}

/** A copy of a part of a file, aligned whatever lies before it. Not slice(): a Buffer's shares the memory. */
export function partOf(bytes: Uint8Array, begin: number, end: number): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(end - begin)
  copy.set(bytes.subarray(begin, end))
  return copy
}

/**
 * The elements on the device: F32, I32, U32 and BOOL keep their type, F16 too where the adapter has it, else it becomes f32; BF16 and F64 become f32,
 * I64, U64 (checked), I16 and I8 i32, U16 and U8 u32. `bytes` are exactly the tensor's, in a buffer of their own.
 */
export function storedTensor(op: string, format: string, bytes: Uint8Array<ArrayBuffer>, stored: Stored, device: Device): Tensor {
  const { shape, dtype } = stored
  const known = native[dtype]
  if (known) return fromBytes(op, device, bytes, shape, known)
  const { buffer } = bytes
  const options = { shape, device }
  switch (dtype) {
    case 'F16':
      if (device.features.has('shader-f16')) return fromBytes(op, device, bytes, shape, 'f16')
      return tensor(decode(buffer, 'f16', bytes.length / 2), options)
    case 'BF16':
      return tensor(widen(bytes), options)
    case 'F64':
      return tensor(new Float64Array(buffer), options)
    case 'I64':
      return tensor(narrow(format, new BigInt64Array(buffer), stored), options)
    case 'U64':
      return tensor(narrow(format, new BigUint64Array(buffer), stored), options)
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
