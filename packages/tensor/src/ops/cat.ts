// Joining tensors and setting them into larger ones. Each part is an element-wise copy into a piece of the result, so a
// compiled step lets whoever computes a part write it in place.
import { MapCall } from '../calls/map.js'
import { promote } from '../dtype.js'
import { ArgumentError, formatShape, ShapeError } from '../errors.js'
import { normalDim, properDim, sameShape } from '../layout.js'
import { cast as castExpr, constant, input } from '../map/expr.js'
import type { PadMode } from '../kernels/bands.js'
import type { Tensor } from '../tensor.js'
import { traced } from '../trace.js'
import { checkTensor, commonDevice, empty } from './launch.js'
import { padByCopies } from './resample.js'
import { unsqueeze } from './views.js'

/** Tensors joined along a dim; the other dims are equal. Dtypes are promoted. */
export function cat(tensors: readonly Tensor[], dim = 0): Tensor {
  if (tensors.length === 0) throw new ArgumentError('cat', 'at least one tensor is needed')
  const first = checkTensor('cat', tensors[0])
  const d = properDim('cat', dim, first.shape)
  for (const t of tensors) {
    checkTensor('cat', t)
    if (t.ndim !== first.ndim || t.shape.some((s, i) => i !== d && s !== first.shape[i])) {
      throw new ShapeError('cat', `shapes ${tensors.map((x) => formatShape(x.shape)).join(', ')} differ in another dim than ${dim}`, {
        shapes: tensors.map((x) => x.shape),
        dim,
      })
    }
  }
  const device = commonDevice('cat', tensors)
  const sizes = tensors.map((t) => t.shape[d]!)
  const dtype = tensors.map((t) => t.dtype).reduce(promote)
  return traced('cat', tensors, { dim: d, sizes }, () => {
    const shape = first.shape.map((s, i) => (i === d ? sizes.reduce((a, b) => a + b, 0) : s))
    const out = empty('cat', device, shape, dtype)
    let start = 0
    for (const t of tensors) {
      if (t.size > 0) {
        const layout = { shape: t.shape, strides: out.strides, offset: start * out.strides[d]! }
        device.stream.run(new MapCall('cat', t.shape, [castExpr(input(0, t.dtype), dtype)], [t], [{ storage: out.storage, layout, dtype }]))
      }
      start += t.shape[d]!
    }
    return out
  })
}

/** Tensors of one shape joined along a new dim, which stands at `dim` of the result. */
export function stack(tensors: readonly Tensor[], dim = 0): Tensor {
  if (tensors.length === 0) throw new ArgumentError('stack', 'at least one tensor is needed')
  const shapes = tensors.map((t) => checkTensor('stack', t).shape)
  if (shapes.some((s) => !sameShape(s, shapes[0]!)))
    throw new ShapeError('stack', `tensors of one shape are needed, got ${shapes.map(formatShape).join(', ')}`, { shapes })
  const d = normalDim('stack', dim, shapes[0]!.length + 1)
  return cat(
    tensors.map((t) => unsqueeze(t, d)),
    d,
  )
}

export interface PadOptions {
  /** Default 'constant'. The others copy: mirrored at the edge (without it), the edge itself, or from the other end. f32 or f16. */
  mode?: 'constant' | PadMode
  /** Of 'constant'; default 0. */
  value?: number
}

/**
 * Zeros (or `value`) around a tensor, or copies of it. `padding` is PyTorch's: pairs (before, after) from the last dim backwards,
 * `pad(x, [1, 1])` pads the last dim by one on both sides. Negative amounts cut.
 */
export function pad(x: Tensor, padding: readonly number[], options: number | PadOptions = 0): Tensor {
  checkTensor('pad', x)
  const { mode = 'constant', value = 0 } = typeof options === 'number' ? { value: options } : options
  if (padding.length % 2 !== 0 || padding.length > 2 * x.ndim || padding.some((p) => !Number.isInteger(p))) {
    throw new ArgumentError('pad', `padding is pairs of whole numbers for the last dims of ${formatShape(x.shape)}, got ${formatShape(padding)}`, {
      padding,
      shape: x.shape,
    })
  }
  if (mode !== 'constant') return padByCopies(x, padding, mode)
  const before = x.shape.map((_, d) => padding[2 * (x.ndim - 1 - d)] ?? 0)
  const after = x.shape.map((_, d) => padding[2 * (x.ndim - 1 - d) + 1] ?? 0)
  const shape = x.shape.map((s, d) => s + before[d]! + after[d]!)
  if (shape.some((s) => s < 0))
    throw new ShapeError('pad', `padding ${formatShape(padding)} cuts more than ${formatShape(x.shape)} has`, { padding, shape: x.shape })
  return traced('pad', [x], { before, after, value }, () => {
    const out = empty('pad', x.device, shape, x.dtype)
    if (out.size === 0) return out
    const { stream } = x.device
    stream.run(new MapCall('pad', shape, [castExpr(constant(value, x.dtype), x.dtype)], [], [out]))
    const inner = x.shape.map((s, d) => s + Math.min(0, before[d]!) + Math.min(0, after[d]!))
    if (inner.every((s) => s > 0)) {
      const from = { shape: inner, strides: x.strides, offset: x.strides.reduce((o, s, d) => o + s * Math.max(0, -before[d]!), x.layout.offset) }
      const to = { shape: inner, strides: out.strides, offset: out.strides.reduce((o, s, d) => o + s * Math.max(0, before[d]!), 0) }
      stream.run(new MapCall('pad', inner, [input(0, x.dtype)], [{ ...operand(x), layout: from }], [{ ...operand(out), layout: to }], true))
    }
    return out
  })
}

const operand = (t: Tensor) => ({ storage: t.storage, layout: t.layout, dtype: t.dtype })
