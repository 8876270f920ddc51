// What every op does at its end: allocate the result, hand a call to the stream.
import type { Operand } from '../calls/call.js'
import { MapCall } from '../calls/map.js'
import type { Device } from '../device/device.js'
import { bytesOf, type DType } from '../dtype.js'
import { ArgumentError, DTypeError, formatShape } from '../errors.js'
import { contiguous, sizeOf } from '../layout.js'
import type { Expr } from '../map/expr.js'
import { isTensor, Tensor } from '../tensor.js'

/** A contiguous tensor with undefined content. */
export function empty(op: string, device: Device, shape: readonly number[], dtype: DType): Tensor {
  if (dtype === 'f16' && !device.features.has('shader-f16')) {
    throw new DTypeError(op, `this adapter (${device.adapter.name}) has no f16 (WebGPU feature shader-f16); use f32`, { dtype })
  }
  return new Tensor(device.allocator.allocate(op, sizeOf(shape) * bytesOf(dtype)), contiguous(shape), dtype)
}

/** Evaluates `expr` over `shape` into a new tensor. The operands' layouts have that shape. */
export function launchMap(op: string, device: Device, shape: readonly number[], expr: Expr, inputs: readonly Operand[]): Tensor {
  const out = empty(op, device, shape, expr.dtype)
  if (out.size > 0) device.stream.run(new MapCall(op, shape, [expr], inputs, [out]))
  return out
}

/** All tensors of an op are on one device; gives it. */
export function commonDevice(op: string, tensors: readonly Tensor[]): Device {
  if (tensors.length === 0) throw new ArgumentError(op, 'at least one argument must be a Tensor')
  const { device } = tensors[0]!
  for (const t of tensors) {
    if (t.device !== device)
      throw new ArgumentError(
        op,
        `the tensors are on different devices; make them all on one: ${formatShape(tensors[0]!.shape)} is on ${device}, ${formatShape(t.shape)} on ${t.device}`,
      )
  }
  return device
}

/** Throws unless `x` is a tensor. */
export function checkTensor(op: string, x: unknown, what = 'the input'): Tensor {
  if (isTensor(x)) return x
  throw new ArgumentError(op, `${what} is ${x === null ? 'null' : Array.isArray(x) ? 'an array' : typeof x}, a Tensor is needed (make one with tensor(…))`)
}
