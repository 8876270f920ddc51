// Pooling, interpolation and padding by copies of images [batch, channels, height, width] (or without batch).
import { elementAlias, KernelCall } from '../calls/kernel.js'
import { isFloat } from '../dtype.js'
import { ArgumentError, DTypeError, formatShape, ShapeError } from '../errors.js'
import { maxPoolKernel, resampleKernel } from '../generated/shaders.js'
import { adaptiveBand, type Alignment, averageBand, type Band, linearBand, nearestBand, padBand, type PadMode, poolSize } from '../kernels/bands.js'
import type { Pair } from '../kernels/conv-plan.js'
import type { Tensor } from '../tensor.js'
import { traced, tracedAll } from '../trace.js'
import { clone } from './copy.js'
import { fromHost } from './create.js'
import { checkTensor, empty } from './launch.js'
import { rowsOf, withDense } from './rows.js'
import { pair, type Sides } from './sides.js'
import { permute, reshape } from './views.js'

/** Every line of `x` along `dim` times a band matrix: size `band.from` becomes `band.to`. f32 or f16. */
export function resample(x: Tensor, dim: number, band: Band): Tensor {
  const rows = rowsOf('resample', checkTensor('resample', x).shape, dim)
  if (rows.n !== band.from)
    throw new ShapeError('resample', `the band takes ${band.from} elements, dim ${dim} of ${formatShape(x.shape)} has ${rows.n}`, { shape: x.shape })
  if (!isFloat(x.dtype)) throw new DTypeError('resample', `needs f32 or f16, got ${x.dtype}; convert with .to('f32')`)
  return traced('resample', [x], { dim: rows.dim, band }, () => {
    const { device } = x
    const out = empty(
      'resample',
      device,
      x.shape.map((s, d) => (d === rows.dim ? band.to : s)),
      x.dtype,
    )
    if (out.size === 0) return out
    const first = fromHost('resample', device, band.first, [band.to], 'i32')
    const weight = fromHost('resample', device, band.weight, [band.to, band.taps], 'f32')
    withDense([x], (dense) => {
      device.stream.run(
        new KernelCall({
          op: 'resample',
          kernel: resampleKernel,
          buffers: { x: dense!, first, weight, out },
          params: { count: out.size, n: rows.n, m: band.to, inner: rows.inner, taps: band.taps },
          aliases: { T: elementAlias(x) },
          invocations: out.size,
          flops: 2 * out.size * band.taps,
        }),
      )
    })
    first.dispose()
    weight.dispose()
    return out
  })
}

/** Height and width of an image. */
function sizeOfImage(op: string, x: Tensor): Pair {
  checkTensor(op, x)
  if (x.ndim !== 3 && x.ndim !== 4)
    throw new ShapeError(op, `needs [batch, channels, height, width] or [channels, height, width], got ${formatShape(x.shape)}`, { shape: x.shape })
  return [x.shape[x.ndim - 2]!, x.shape[x.ndim - 1]!]
}

/** Along height, then along width. */
const both = (x: Tensor, bands: readonly [Band, Band]): Tensor => resample(resample(x, -2, bands[0]), -1, bands[1])

export interface PoolOptions {
  /** Default: the kernel's size. */
  stride?: Sides
  /** Default 0; at most half of the kernel. */
  padding?: Sides
  /** Also the window that the end cuts off. Default false. */
  ceilMode?: boolean
}

export interface AvgPoolOptions extends PoolOptions {
  /** Does the padding count as zeros? Default true, as in PyTorch. */
  countIncludePad?: boolean
}

export interface MaxPoolOptions extends PoolOptions {
  /** Distance of the elements of a window. Default 1. */
  dilation?: Sides
}

interface Pool {
  kernel: Pair
  stride: Pair
  padding: Pair
  dilation: Pair
  ceilMode: boolean
  size: Pair
  out: Pair
}

function poolOf(op: string, x: Tensor, kernelSize: Sides, o: MaxPoolOptions): Pool {
  const size = sizeOfImage(op, x)
  const kernel = pair(op, 'kernelSize', kernelSize, 1)
  const stride = pair(op, 'stride', o.stride ?? kernel, 1)
  const padding = pair(op, 'padding', o.padding ?? 0, 0)
  const dilation = pair(op, 'dilation', o.dilation ?? 1, 1)
  const { ceilMode = false } = o
  padding.forEach((p, d) => {
    if (2 * p > kernel[d]!) throw new ArgumentError(op, `padding is at most half of the kernel, got ${p} with a kernel of ${kernel[d]}`, { padding, kernel })
  })
  const out = size.map((s, d) => poolSize(s, kernel[d]!, stride[d]!, padding[d]!, dilation[d]!, ceilMode)) as unknown as Pair
  if (out.some((n) => n < 1))
    throw new ShapeError(op, `a kernel of ${kernel.join('x')} does not fit an image of ${size.join('x')} with padding ${padding.join('x')}`, { shape: x.shape })
  return { kernel, stride, padding, dilation, ceilMode, size, out }
}

/** The mean of each window, as torch.nn.functional.avg_pool2d. */
export function avgPool2d(x: Tensor, kernelSize: Sides, options: AvgPoolOptions = {}): Tensor {
  const { kernel, stride, padding, ceilMode, size } = poolOf('avgPool2d', x, kernelSize, options)
  const band = (d: 0 | 1): Band => averageBand(size[d], kernel[d], stride[d], padding[d], ceilMode, options.countIncludePad ?? true)
  return both(x, [band(0), band(1)])
}

/** The mean of height x width windows that share the image evenly, as torch.nn.functional.adaptive_avg_pool2d. */
export function adaptiveAvgPool2d(x: Tensor, outputSize: Sides): Tensor {
  const size = sizeOfImage('adaptiveAvgPool2d', x)
  const out = pair('adaptiveAvgPool2d', 'outputSize', outputSize, 1)
  return both(x, [adaptiveBand(size[0], out[0]), adaptiveBand(size[1], out[1])])
}

/** Values, and for each where it stands in its plane: y · width + x (i32). */
export interface Pooled {
  values: Tensor
  indices: Tensor
}

function maxPool(op: string, x: Tensor, p: Pool, adaptive: boolean): Pooled {
  if (!isFloat(x.dtype)) throw new DTypeError(op, `needs f32 or f16, got ${x.dtype}; convert with .to('f32')`)
  const shape = [...x.shape.slice(0, -2), ...p.out]
  const [values, indices] = tracedAll('maxPool2d', [x], { size: p.size }, () => {
    const out = [empty(op, x.device, shape, x.dtype), empty(op, x.device, shape, 'i32')] as const
    if (out[0].size === 0) return [...out]
    withDense([x], (dense) => {
      const two = (name: string, [y, w]: Pair): Record<string, number> => ({ [`${name}_y`]: y, [`${name}_x`]: w })
      x.device.stream.run(
        new KernelCall({
          op,
          kernel: maxPoolKernel,
          buffers: { x: dense!, values: out[0], indices: out[1] },
          params: {
            count: out[0].size,
            height: p.size[0],
            width: p.size[1],
            out_height: p.out[0],
            out_width: p.out[1],
            adaptive: Number(adaptive),
            ...(two('kernel', p.kernel) as { kernel_y: number; kernel_x: number }),
            ...(two('stride', p.stride) as { stride_y: number; stride_x: number }),
            ...(two('padding', p.padding) as { padding_y: number; padding_x: number }),
            ...(two('dilation', p.dilation) as { dilation_y: number; dilation_x: number }),
          },
          aliases: { T: elementAlias(x) },
          invocations: out[0].size,
        }),
      )
    })
    return [...out]
  })
  return { values: values!, indices: indices! }
}

/** The largest element of each window, and where it stands, as torch.nn.functional.max_pool2d with return_indices. Of equal ones the first; NaN wins. */
export const maxPool2dWithIndices = (x: Tensor, kernelSize: Sides, options: MaxPoolOptions = {}): Pooled =>
  maxPool('maxPool2d', x, poolOf('maxPool2d', x, kernelSize, options), false)

/** The largest element of each window, as torch.nn.functional.max_pool2d. */
export const maxPool2d = (x: Tensor, kernelSize: Sides, options: MaxPoolOptions = {}): Tensor => maxPool2dWithIndices(x, kernelSize, options).values

/** The largest element of height x width windows that share the image evenly, as torch.nn.functional.adaptive_max_pool2d. */
export function adaptiveMaxPool2d(x: Tensor, outputSize: Sides): Tensor {
  const size = sizeOfImage('adaptiveMaxPool2d', x)
  const out = pair('adaptiveMaxPool2d', 'outputSize', outputSize, 1)
  if (size.some((s) => s < 1)) throw new ShapeError('adaptiveMaxPool2d', `the image ${formatShape(x.shape)} is empty`, { shape: x.shape })
  return maxPool('adaptiveMaxPool2d', x, { size, out, kernel: [1, 1], stride: [1, 1], padding: [0, 0], dilation: [1, 1], ceilMode: false }, true).values
}

export interface InterpolateOptions {
  /** Height and width of the result; or scaleFactor. */
  size?: Sides
  scaleFactor?: Sides
  /** Default 'nearest'. */
  mode?: 'nearest' | 'bilinear'
  /** bilinear: do the corner pixels keep their places? Default false: pixels are areas. */
  alignCorners?: boolean
  /** bilinear: as TensorFlow 1 resized images, from the first pixel on. For the Inception features of FID. */
  legacy?: boolean
}

/** An image in another size, as torch.nn.functional.interpolate. */
export function interpolate(x: Tensor, options: InterpolateOptions): Tensor {
  const op = 'interpolate'
  const size = sizeOfImage(op, x)
  const { mode = 'nearest', alignCorners = false, legacy = false } = options
  if (mode !== 'nearest' && mode !== 'bilinear') throw new ArgumentError(op, `mode is 'nearest' or 'bilinear', got ${JSON.stringify(mode)}`, { mode })
  if ((options.size === undefined) === (options.scaleFactor === undefined)) throw new ArgumentError(op, 'give either size or scaleFactor')
  if (mode === 'nearest' && (alignCorners || legacy)) throw new ArgumentError(op, "alignCorners and legacy are for mode 'bilinear'")
  let out: Pair
  let scale: Pair
  if (options.size !== undefined) {
    out = pair(op, 'size', options.size, 1)
    scale = [out[0] / size[0], out[1] / size[1]]
  } else {
    const factors = typeof options.scaleFactor === 'number' ? [options.scaleFactor, options.scaleFactor] : options.scaleFactor!
    if (factors.length !== 2 || !factors.every((f) => Number.isFinite(f) && f > 0))
      throw new ArgumentError(op, `scaleFactor is a number > 0 or two of them, got ${JSON.stringify(options.scaleFactor)}`)
    scale = factors as unknown as Pair
    out = [Math.floor(size[0] * scale[0]), Math.floor(size[1] * scale[1])]
  }
  if (size.some((s) => s < 1) || out.some((s) => s < 1))
    throw new ShapeError(op, `an image of ${size.join('x')} cannot become one of ${out.join('x')}`, { shape: x.shape })
  const alignment: Alignment = alignCorners ? 'corners' : legacy ? 'origin' : 'centres'
  const band = (d: 0 | 1): Band => (mode === 'nearest' ? nearestBand(size[d], out[d], scale[d]) : linearBand(size[d], out[d], scale[d], alignment))
  return both(x, [band(0), band(1)])
}

/** [.., c·r², height, width] → [.., c, height·r, width·r], as torch.nn.functional.pixel_shuffle. */
export function pixelShuffle(x: Tensor, factor: number): Tensor {
  const [h, w] = sizeOfImage('pixelShuffle', x)
  const channels = x.shape[x.ndim - 3]!
  if (!Number.isInteger(factor) || factor < 1 || channels % factor ** 2 !== 0)
    throw new ShapeError('pixelShuffle', `${channels} channels are not a multiple of ${factor}²`, { shape: x.shape, factor })
  const lead = x.shape.slice(0, -3)
  const c = channels / factor ** 2
  const n = lead.length
  const parts = reshape(x, [...lead, c, factor, factor, h, w])
  return reshape(permute(parts, [...lead.keys(), n, n + 3, n + 1, n + 4, n + 2]), [...lead, c, h * factor, w * factor])
}

/** The inverse of pixelShuffle. */
export function pixelUnshuffle(x: Tensor, factor: number): Tensor {
  const [h, w] = sizeOfImage('pixelUnshuffle', x)
  if (!Number.isInteger(factor) || factor < 1 || h % factor !== 0 || w % factor !== 0)
    throw new ShapeError('pixelUnshuffle', `an image of ${h}x${w} cannot be divided by ${factor}`, { shape: x.shape, factor })
  const lead = x.shape.slice(0, -3)
  const c = x.shape[x.ndim - 3]!
  const n = lead.length
  const parts = reshape(x, [...lead, c, h / factor, factor, w / factor, factor])
  return reshape(permute(parts, [...lead.keys(), n, n + 2, n + 4, n + 1, n + 3]), [...lead, c * factor ** 2, h / factor, w / factor])
}

/** `pad` by copies of what is there; amounts as there. */
export function padByCopies(x: Tensor, padding: readonly number[], mode: PadMode): Tensor {
  if (mode !== 'reflect' && mode !== 'replicate' && mode !== 'circular')
    throw new ArgumentError('pad', `mode is 'constant', 'reflect', 'replicate' or 'circular', got ${JSON.stringify(mode)}`, { mode })
  let out = x
  for (let p = 0; 2 * p < padding.length; p++) {
    const dim = x.ndim - 1 - p
    const size = x.shape[dim]!
    const [before, after] = [padding[2 * p]!, padding[2 * p + 1]!]
    const most = { reflect: size - 1, circular: size, replicate: size > 0 ? Number.POSITIVE_INFINITY : 0 }[mode]
    if (before > most || after > most)
      throw new ShapeError('pad', `mode '${mode}' can add at most ${most} to dim ${dim} of ${formatShape(x.shape)}, got ${before} and ${after}`, {
        padding,
        shape: x.shape,
      })
    if (before + after + size < 0)
      throw new ShapeError('pad', `padding ${formatShape(padding)} cuts more than ${formatShape(x.shape)} has`, { padding, shape: x.shape })
    if (before !== 0 || after !== 0) out = resample(out, dim, padBand(size, before, after, mode))
  }
  return out === x ? clone(x) : out
}
