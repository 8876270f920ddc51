// Convolutions of images [batch, channels, height, width], and the two products that are their gradients; together these are closed under differentiation.
import { ConvCall, planFor } from '../calls/conv.js'
import { isFloat, promote } from '../dtype.js'
import { ArgumentError, DTypeError, formatShape, ShapeError } from '../errors.js'
import { sizeOf } from '../layout.js'
import { type ConvAlgorithm, type ConvGeometry, type ConvPass, type ConvShape, convSize, type Pair } from '../kernels/conv-plan.js'
import type { Tensor } from '../tensor.js'
import { traced } from '../trace.js'
import { cast } from './copy.js'
import { full } from './create.js'
import { checkTensor, commonDevice, empty } from './launch.js'
import { matmul } from './matmul.js'
import { sum } from './reduce.js'
import { withDense } from './rows.js'
import { pair, type Sides } from './sides.js'
import { reshape, squeeze, unsqueeze } from './views.js'

export interface ConvOptions {
  /** Default 1. */
  stride?: Sides
  /** Zeros around the image. `same`: as many as keep its size (stride 1; at an odd number the extra one is below and on the right). Default 0. */
  padding?: Sides | 'same' | 'valid'
  /** Distance of the taps. Default 1. */
  dilation?: Sides
  /** Channels are convolved in so many separate groups. Default 1. */
  groups?: number
  /** Forces an algorithm by name; by default the planner chooses by adapter. */
  algorithm?: ConvAlgorithm
}

export interface ConvTransposeOptions extends Omit<ConvOptions, 'padding'> {
  padding?: Sides
  /** Rows and columns added to the result below and on the right, to tell apart the sizes that a strided convolution maps to one. Default 0. */
  outputPadding?: Sides
}

/** What the ops and their gradient rules share. */
export interface ConvAttrs extends ConvGeometry {
  algorithm?: ConvAlgorithm
}

function attrsOf(op: string, o: ConvTransposeOptions): ConvAttrs {
  const { groups = 1 } = o
  if (!Number.isInteger(groups) || groups < 1) throw new ArgumentError(op, `groups is a whole number ≥ 1, got ${groups}`, { groups })
  return {
    stride: pair(op, 'stride', o.stride ?? 1, 1),
    padding: pair(op, 'padding', o.padding ?? 0, 0),
    dilation: pair(op, 'dilation', o.dilation ?? 1, 1),
    groups,
    algorithm: o.algorithm,
  }
}

/** Image and weight as f32 or f16 of one device, of 4 dims each. */
function checkOperands(op: string, x: Tensor, w: Tensor, bias: Tensor | null | undefined): void {
  checkTensor(op, x)
  checkTensor(op, w, 'the weight')
  if (bias) checkTensor(op, bias, 'the bias')
  commonDevice(op, bias ? [x, w, bias] : [x, w])
  for (const t of bias ? [x, w, bias] : [x, w]) if (!isFloat(t.dtype)) throw new DTypeError(op, `needs f32 or f16, got ${t.dtype}; convert with .to('f32')`)
  if ((x.ndim !== 4 && x.ndim !== 3) || w.ndim !== 4) {
    throw new ShapeError(
      op,
      `needs an image [batch, channels, height, width] (or without batch) and a weight of 4 dims, got ${formatShape(x.shape)} and ${formatShape(w.shape)}`,
      { shapes: [x.shape, w.shape] },
    )
  }
}

function run(op: string, shape: ConvShape, pass: ConvPass, a: Tensor, b: Tensor, bias: Tensor | null, algorithm?: ConvAlgorithm): Tensor {
  const size = {
    forward: [shape.batch, shape.outChannels, ...shape.output],
    input: [shape.batch, shape.inChannels, ...shape.input],
    weight: [shape.outChannels, shape.inChannels / shape.groups, ...shape.kernel],
  }[pass]
  if (sizeOf(size) === 0 || a.size === 0 || b.size === 0) {
    const nothing = full(size, 0, { dtype: a.dtype, device: a.device })
    return bias ? nothing.add(reshape(bias, [-1, 1, 1])) : nothing
  }
  // Where the sum is taken in parts, each part is a result of its own.
  const { splits } = planFor(op, a.device, shape, pass, algorithm)
  const out = empty(op, a.device, splits > 1 ? [splits, ...size] : size, splits > 1 ? 'f32' : a.dtype)
  withDense(bias ? [a, b, bias] : [a, b], (da, db, dbias) => {
    out.device.stream.run(new ConvCall(op, { shape, pass, a: da!, b: db!, algorithm }, out, dbias ? { bias: dbias } : {}))
  })
  if (splits === 1) return out
  const whole = sum(out, 0)
  out.dispose()
  if (whole.dtype === a.dtype) return whole
  const rounded = cast(whole, a.dtype)
  whole.dispose()
  return rounded
}

/** Both operands and the bias in their common dtype. */
function promoted<R>(x: Tensor, w: Tensor, bias: Tensor | null | undefined, fn: (x: Tensor, w: Tensor, bias: Tensor | null) => R): R {
  const dtype = promote(x.dtype, w.dtype)
  const to = (t: Tensor): Tensor => (t.dtype === dtype ? t : cast(t, dtype))
  return fn(to(x), to(w), bias ? to(bias) : null)
}

const plain = (o: ConvAttrs): boolean => [...o.stride, ...o.dilation].every((v) => v === 1) && o.padding.every((v) => v === 0) && o.groups === 1

/**
 * The convolution (cross-correlation, as everywhere in deep learning) of an image [batch, in, height, width] (or [in, height, width]) with a weight
 * [out, in / groups, kernel height, kernel width] and a bias [out]: [batch, out, height', width']. f32 or f16, sums are f32. As torch.nn.functional.conv2d.
 */
export function conv2d(x: Tensor, w: Tensor, bias?: Tensor | null, options: ConvOptions = {}): Tensor {
  const op = 'conv2d'
  checkOperands(op, x, w, bias)
  if (x.ndim === 3) return squeeze(conv2d(unsqueeze(x, 0), w, bias, options), 0)
  const { padding } = options
  if (typeof padding === 'string' && padding !== 'same' && padding !== 'valid')
    throw new ArgumentError(op, `padding is a number, two numbers, 'same' or 'valid', got ${JSON.stringify(padding)}`, { padding })
  const [n, channels, ...size] = x.shape as [number, number, number, number]
  const [out, per, ...kernel] = w.shape as [number, number, number, number]
  const o = attrsOf(op, { ...options, padding: typeof padding === 'string' ? 0 : padding })
  if (padding === 'same') {
    if (o.stride.some((s) => s !== 1)) throw new ArgumentError(op, "padding 'same' needs stride 1", { stride: o.stride })
    const total = kernel.map((k, d) => o.dilation[d]! * (k - 1)) as [number, number]
    const odd = total.map((t) => t % 2)
    const wide = odd.some((t) => t > 0) ? x.pad([0, odd[1]!, 0, odd[0]!]) : x
    return conv2d(wide, w, bias, { ...options, padding: total.map((t) => Math.floor(t / 2)) as [number, number] })
  }
  if (channels !== per * o.groups || out % o.groups !== 0) {
    throw new ShapeError(
      op,
      `an image ${formatShape(x.shape)} and a weight ${formatShape(w.shape)} in ${o.groups} groups do not fit: the weight takes ${per * o.groups} channels, the image has ${channels}${out % o.groups ? `, and ${out} output channels do not make ${o.groups} groups` : ''}`,
      { shapes: [x.shape, w.shape], groups: o.groups },
    )
  }
  checkBias(op, bias, out)
  const output = size.map((s, d) => convSize(s, kernel[d]!, o.stride[d]!, o.padding[d]!, o.dilation[d]!)) as [number, number]
  if (output.some((s) => s < 1) || kernel.some((k) => k < 1)) {
    throw new ShapeError(
      op,
      `a kernel of ${kernel.join('x')} (dilation ${o.dilation.join('x')}) does not fit an image of ${size.join('x')} with padding ${o.padding.join('x')}`,
      {
        shapes: [x.shape, w.shape],
      },
    )
  }
  return promoted(x, w, bias, (px, pw, pb) => {
    if (!kernel.every((k) => k === 1) || !plain(o) || o.algorithm) return conv2dForward(px, pw, output, o, pb)
    // One tap: a product for each image.
    const y = reshape(matmul(reshape(pw, [out, channels]), reshape(px, [n, channels, sizeOf(size)])), [n, out, ...size])
    return pb ? y.add(reshape(pb, [out, 1, 1])) : y
  })
}

/** The three products, each of which has the other two for its gradients. */
export interface ConvPasses {
  readonly forward: typeof conv2dForward
  readonly input: typeof conv2dInput
  readonly weight: typeof conv2dWeight
}

/** What gradient rules see. The ops are handed to them, so that a page without convolutions downloads none for the sake of the rules. */
export interface TracedConv extends ConvAttrs {
  readonly passes: ConvPasses
}

const tracedAttrs = (attrs: ConvAttrs): TracedConv => ({ ...attrs, passes: { forward: conv2dForward, input: conv2dInput, weight: conv2dWeight } })

/** conv2d of checked operands; `output` is the result's height and width. */
export function conv2dForward(x: Tensor, w: Tensor, output: Pair, attrs: ConvAttrs, bias: Tensor | null = null): Tensor {
  const shape: ConvShape = {
    ...attrs,
    batch: x.shape[0]!,
    inChannels: x.shape[1]!,
    outChannels: w.shape[0]!,
    input: [x.shape[2]!, x.shape[3]!],
    output,
    kernel: [w.shape[2]!, w.shape[3]!],
  }
  return traced('conv2d', bias ? [x, w, bias] : [x, w], tracedAttrs(attrs), () => run('conv2d', shape, 'forward', w, x, bias, attrs.algorithm))
}

function checkBias(op: string, bias: Tensor | null | undefined, out: number): void {
  if (bias && (bias.ndim !== 1 || bias.size !== out))
    throw new ShapeError(op, `the bias needs an element for each of ${out} output channels, got ${formatShape(bias.shape)}`, { bias: bias.shape })
}

/**
 * The transposed convolution of an image [batch, in, height, width] (or without batch) with a weight [in, out / groups, kernel height, kernel width] and a
 * bias [out]: the gradient of a convolution with the same options, [batch, out, (height - 1) stride - 2 padding + dilation (kernel - 1) + outputPadding + 1, ..].
 * As torch.nn.functional.conv_transpose2d.
 */
export function convTranspose2d(x: Tensor, w: Tensor, bias?: Tensor | null, options: ConvTransposeOptions = {}): Tensor {
  const op = 'convTranspose2d'
  checkOperands(op, x, w, bias)
  if (x.ndim === 3) return squeeze(convTranspose2d(unsqueeze(x, 0), w, bias, options), 0)
  const o = attrsOf(op, options)
  const extra = pair(op, 'outputPadding', options.outputPadding ?? 0, 0)
  const [, channels, ...size] = x.shape as [number, number, number, number]
  const [taken, per, ...kernel] = w.shape as [number, number, number, number]
  if (channels !== taken || channels % o.groups !== 0) {
    throw new ShapeError(
      op,
      `an image ${formatShape(x.shape)} and a weight ${formatShape(w.shape)} in ${o.groups} groups do not fit: the weight takes ${taken} channels, the image has ${channels}${channels % o.groups ? `, and ${channels} channels do not make ${o.groups} groups` : ''}`,
      { shapes: [x.shape, w.shape], groups: o.groups },
    )
  }
  checkBias(op, bias, per * o.groups)
  extra.forEach((e, d) => {
    if (e >= Math.max(o.stride[d]!, o.dilation[d]!))
      throw new ArgumentError(op, `outputPadding must be smaller than stride or dilation, got ${e} with stride ${o.stride[d]} and dilation ${o.dilation[d]}`, {
        outputPadding: extra,
      })
  })
  const result = size.map((s, d) => (s - 1) * o.stride[d]! - 2 * o.padding[d]! + o.dilation[d]! * (kernel[d]! - 1) + extra[d]! + 1) as [number, number]
  if (result.some((s) => s < 1) || kernel.some((k) => k < 1))
    throw new ShapeError(op, `the result would be ${result.join('x')}: padding ${o.padding.join('x')} is too large for an image of ${size.join('x')}`, {
      shapes: [x.shape, w.shape],
    })
  return promoted(x, w, bias, (px, pw, pb) => conv2dInput(px, pw, result, o, pb))
}

/**
 * The gradient of conv2d with respect to its input, given the output gradient `g` [batch, out, ..] and the weight; `size` is the input's height and width.
 * With a bias (an element for each channel of the result) it is a transposed convolution.
 */
export function conv2dInput(g: Tensor, w: Tensor, size: Pair, attrs: ConvAttrs, bias: Tensor | null = null): Tensor {
  const shape: ConvShape = {
    ...attrs,
    batch: g.shape[0]!,
    inChannels: w.shape[1]! * attrs.groups,
    outChannels: w.shape[0]!,
    input: size,
    output: [g.shape[2]!, g.shape[3]!],
    kernel: [w.shape[2]!, w.shape[3]!],
  }
  return traced('conv2dInput', bias ? [g, w, bias] : [g, w], tracedAttrs(attrs), () => run('conv2dInput', shape, 'input', w, g, bias, attrs.algorithm))
}

/** The gradient of conv2d with respect to its weight, given its input and the output gradient; `kernel` is the weight's height and width. */
export function conv2dWeight(x: Tensor, g: Tensor, kernel: Pair, attrs: ConvAttrs): Tensor {
  const shape: ConvShape = {
    ...attrs,
    batch: x.shape[0]!,
    inChannels: x.shape[1]!,
    outChannels: g.shape[1]!,
    input: [x.shape[2]!, x.shape[3]!],
    output: [g.shape[2]!, g.shape[3]!],
    kernel,
  }
  return traced('conv2dWeight', [x, g], tracedAttrs(attrs), () => run('conv2dWeight', shape, 'weight', g, x, null, attrs.algorithm))
}
