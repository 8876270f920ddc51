// Making tensors from host values and from nothing.
import type { Device } from '../device/device.js'
import { currentDevice } from '../device/init.js'
import { bytesOf, checkDType, type DType, encode, type TypedArray } from '../dtype.js'
import { ArgumentError, formatShape, ShapeError } from '../errors.js'
import { checkShape, sizeOf } from '../layout.js'
import { constant } from '../map/expr.js'
import type { Nested, Tensor } from '../tensor.js'
import { checkTensor, empty, launchMap } from './launch.js'

export interface CreateOptions {
  /** Default f32 (i32, u32 and bool for the typed arrays and lists that hold such). */
  dtype?: DType
  /** Default: the device of the last `init()`. */
  device?: Device
}

function flattenNested(value: Nested, shape: number[], depth: number, out: number[]): void {
  if (!Array.isArray(value)) {
    if (depth !== shape.length)
      throw new ShapeError('tensor', `the lists are ragged: a number stands at depth ${depth}, where lists are ${shape.length} deep elsewhere`)
    if (typeof value !== 'number' && typeof value !== 'boolean')
      throw new ArgumentError('tensor', `the lists hold a ${value === null ? 'null' : typeof value}; numbers or booleans are needed`)
    out.push(Number(value))
    return
  }
  if (value.length !== shape[depth])
    throw new ShapeError('tensor', `the lists are ragged: ${value.length} elements at depth ${depth}, ${shape[depth] ?? 'a number'} elsewhere`)
  for (const v of value as Nested[]) flattenNested(v, shape, depth + 1, out)
}

const shapeOfNested = (value: Nested): number[] => (Array.isArray(value) ? [value.length, ...(value.length > 0 ? shapeOfNested(value[0] as Nested) : [])] : [])

const first = (value: Nested): unknown => (Array.isArray(value) ? first(value[0] as Nested) : value)

function typeOfArray(data: TypedArray): DType {
  if (data instanceof Int32Array || data instanceof Int16Array || data instanceof Int8Array) return 'i32'
  if (data instanceof Uint32Array || data instanceof Uint16Array || data instanceof Uint8Array || data instanceof Uint8ClampedArray) return 'u32'
  return 'f32'
}

/**
 * A tensor of host values: nested lists (`tensor([[1, 2], [3, 4]])`), one number, or a typed array with a shape.
 * Lists of booleans give dtype bool; integer typed arrays i32 or u32; everything else f32 unless `dtype` says otherwise.
 */
export function tensor(values: Nested | TypedArray, options: CreateOptions & { shape?: readonly number[] } = {}): Tensor {
  const device = options.device ?? currentDevice()
  let flat: ArrayLike<number>
  let shape: readonly number[]
  let dtype: DType
  if (ArrayBuffer.isView(values)) {
    const array = values as TypedArray
    flat = array
    shape = options.shape ?? [array.length]
    dtype = typeOfArray(array)
  } else {
    const list: number[] = []
    shape = shapeOfNested(values)
    flattenNested(values, shape as number[], 0, list)
    flat = list
    dtype = typeof first(values) === 'boolean' ? 'bool' : 'f32'
    if (options.shape) shape = options.shape
  }
  checkShape('tensor', shape)
  if (sizeOf(shape) !== flat.length)
    throw new ShapeError('tensor', `${flat.length} values do not fill shape ${formatShape(shape)} (${sizeOf(shape)} elements)`, { shape, values: flat.length })
  return fromHost('tensor', device, flat, shape, options.dtype ? checkDType('tensor', options.dtype) : dtype)
}

/** Uploads host values; also inside a compiled step, where they become a constant of the step. */
export function fromHost(op: string, device: Device, values: ArrayLike<number>, shape: readonly number[], dtype: DType): Tensor {
  const out = device.stream.outsideRecording(() => empty(op, device, shape, dtype))
  device.stream.upload(op, out.storage, encode(values, dtype))
  device.stream.recorder?.constants.add(out.storage)
  return out
}

/** Uploads bytes that are already as the device stores them (safetensors). */
export function fromBytes(op: string, device: Device, bytes: Uint8Array<ArrayBuffer>, shape: readonly number[], dtype: DType): Tensor {
  const out = device.stream.outsideRecording(() => empty(op, device, shape, dtype))
  const size = Math.ceil((sizeOf(shape) * bytesOf(dtype)) / 4) * 4
  let data = bytes
  if (data.byteLength < size) {
    data = new Uint8Array(size)
    data.set(bytes)
  }
  device.stream.upload(op, out.storage, data)
  device.stream.recorder?.constants.add(out.storage)
  return out
}

/** Every element `value`. */
export function full(shape: readonly number[], value: number, options: CreateOptions = {}): Tensor {
  if (typeof value !== 'number') throw new ArgumentError('full', `a number is needed, got ${value === null ? 'null' : typeof value}`)
  const dtype = checkDType('full', options.dtype ?? 'f32')
  const dims = checkShape('full', shape)
  return launchMap('full', options.device ?? currentDevice(), dims, constant(dtype === 'bool' ? Number(value !== 0) : value, dtype), [])
}

export const zeros = (shape: readonly number[], options: CreateOptions = {}): Tensor => full(shape, 0, options)
export const ones = (shape: readonly number[], options: CreateOptions = {}): Tensor => full(shape, 1, options)

function like(op: string, x: Tensor, value: number): Tensor {
  const { shape, dtype, device } = checkTensor(op, x)
  return full(shape, value, { dtype, device })
}

/** Every element `value`, in the shape and dtype of `x` and on its device. */
export const fullLike = (x: Tensor, value: number): Tensor => like('fullLike', x, value)
export const zerosLike = (x: Tensor): Tensor => like('zerosLike', x, 0)
export const onesLike = (x: Tensor): Tensor => like('onesLike', x, 1)

/** start, start+step, … below end (`arange(5)`: 0 to 4). f32 unless `dtype` says otherwise. */
export function arange(start: number, end?: number, step = 1, options: CreateOptions = {}): Tensor {
  const [from, to] = end === undefined ? [0, start] : [start, end]
  if (![from, to, step].every(Number.isFinite) || step === 0)
    throw new ArgumentError('arange', `finite numbers and a step ≠ 0 are needed, got ${from}, ${to}, ${step}`)
  const n = Math.max(0, Math.ceil((to - from) / step))
  const values = Float64Array.from({ length: n }, (_, i) => from + i * step)
  return fromHost('arange', options.device ?? currentDevice(), values, [n], checkDType('arange', options.dtype ?? 'f32'))
}

/** `count` evenly spaced numbers from `start` to `end`, both included. */
export function linspace(start: number, end: number, count: number, options: CreateOptions = {}): Tensor {
  if (!Number.isInteger(count) || count < 0) throw new ArgumentError('linspace', `a count ≥ 0 is needed, got ${count}`)
  const values = Float64Array.from({ length: count }, (_, i) => (count === 1 ? start : start + ((end - start) * i) / (count - 1)))
  return fromHost('linspace', options.device ?? currentDevice(), values, [count], checkDType('linspace', options.dtype ?? 'f32'))
}

/** The identity matrix [n, m] (m = n by default). */
export function eye(n: number, m = n, options: CreateOptions = {}): Tensor {
  checkShape('eye', [n, m])
  const values = new Float32Array(n * m)
  for (let i = 0; i < Math.min(n, m); i++) values[i * m + i] = 1
  return fromHost('eye', options.device ?? currentDevice(), values, [n, m], checkDType('eye', options.dtype ?? 'f32'))
}
