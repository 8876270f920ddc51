// The element types: their size on the device, the typed array that holds them on the host, and how two of them combine.
import { DTypeError } from './errors.js'

/** Element type of a tensor. `bool` is stored as u32 holding 0 or 1. */
export type DType = 'f32' | 'f16' | 'i32' | 'u32' | 'bool'

/** What `await x.data()` gives: f16 is widened to Float32Array, bool comes as Uint8Array of 0 and 1. */
export type HostArray = Float32Array | Int32Array | Uint32Array | Uint8Array

export type TypedArray = Float32Array | Float64Array | Int32Array | Uint32Array | Uint8Array | Int8Array | Uint16Array | Int16Array | Uint8ClampedArray

export const dtypes: readonly DType[] = ['f32', 'f16', 'i32', 'u32', 'bool']

export const bytesOf = (dtype: DType): number => (dtype === 'f16' ? 2 : 4)

export const isFloat = (dtype: DType): boolean => dtype === 'f32' || dtype === 'f16'

/** The WGSL type an array of this dtype is declared with. */
export const storageType = (dtype: DType): 'f32' | 'f16' | 'i32' | 'u32' => (dtype === 'bool' ? 'u32' : dtype)

/** The WGSL type arithmetic is done in: f16 is widened, sums are always f32. */
export const computeType = (dtype: DType): 'f32' | 'i32' | 'u32' | 'bool' => (dtype === 'f16' ? 'f32' : dtype)

const rank: Record<DType, number> = { bool: 0, u32: 1, i32: 2, f16: 3, f32: 4 }

/** PyTorch's promotion, for the dtypes there are: bool < u32 < i32 < f16 < f32. */
export const promote = (a: DType, b: DType): DType => (rank[a] >= rank[b] ? a : b)

/** Throws unless `name` is a dtype. */
export function checkDType(op: string, name: unknown): DType {
  if (dtypes.includes(name as DType)) return name as DType
  throw new DTypeError(op, `unknown dtype ${JSON.stringify(name)}; known: ${dtypes.join(', ')}`, { dtype: name })
}

/** IEEE 754 half to single precision. */
export function halfToFloat(h: number): number {
  const sign = h & 0x8000 ? -1 : 1
  const exponent = (h >> 10) & 31
  const fraction = h & 1023
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

const scratch = new DataView(new ArrayBuffer(4))

/** IEEE 754 single to half precision, rounding to nearest even. */
export function floatToHalf(value: number): number {
  scratch.setFloat32(0, value)
  const bits = scratch.getUint32(0)
  const sign = (bits >>> 16) & 0x8000
  const magnitude = bits & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | 0x7e00
  if (magnitude >= 0x477ff000) return sign | 0x7c00
  if (magnitude < 0x33000000 || magnitude === 0x33000000) return sign
  if (magnitude < 0x38800000) {
    const exponent = magnitude >>> 23
    const mantissa = (magnitude & 0x7fffff) | 0x800000
    const shift = 126 - exponent
    const half = mantissa >>> shift
    const rest = mantissa & ((1 << shift) - 1)
    const middle = 1 << (shift - 1)
    return sign | (half + (rest > middle || (rest === middle && half & 1) ? 1 : 0))
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1)
  return sign | ((rounded - 0x38000000) >>> 13)
}

/** Host numbers as the bytes that the device stores. */
export function encode(values: ArrayLike<number>, dtype: DType): Uint8Array<ArrayBuffer> {
  const n = values.length
  if (dtype === 'f16') {
    const out = new Uint16Array(n + (n & 1))
    for (let i = 0; i < n; i++) out[i] = floatToHalf(values[i]!)
    return new Uint8Array(out.buffer)
  }
  if (dtype === 'bool') {
    const out = new Uint32Array(n)
    for (let i = 0; i < n; i++) out[i] = values[i] !== 0 ? 1 : 0
    return new Uint8Array(out.buffer)
  }
  const out = dtype === 'f32' ? Float32Array.from(values) : dtype === 'i32' ? Int32Array.from(values) : Uint32Array.from(values)
  return new Uint8Array(out.buffer)
}

/** The device's bytes as host numbers; `n` elements. */
export function decode(bytes: ArrayBuffer, dtype: DType, n: number): HostArray {
  if (dtype === 'f32') return new Float32Array(bytes, 0, n)
  if (dtype === 'i32') return new Int32Array(bytes, 0, n)
  if (dtype === 'u32') return new Uint32Array(bytes, 0, n)
  if (dtype === 'bool') return Uint8Array.from(new Uint32Array(bytes, 0, n))
  return Float32Array.from(new Uint16Array(bytes, 0, n), halfToFloat)
}
