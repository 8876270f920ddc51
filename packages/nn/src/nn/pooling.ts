// Pooling, resizing and padding of images as modules.
import {
  adaptiveAvgPool2d,
  adaptiveMaxPool2d,
  ArgumentError,
  avgPool2d,
  type AvgPoolOptions,
  interpolate,
  type InterpolateOptions,
  maxPool2d,
  type MaxPoolOptions,
  normalDim,
  pixelShuffle,
  pixelUnshuffle,
  show,
  type Sides,
  type Tensor,
} from '@bms/autograd'
import { checkNames, pythonFlag } from '../check.js'
import { Module } from './module.js'

const python = (v: Sides): string => (typeof v === 'number' ? String(v) : `(${v[0]}, ${v[1]})`)

/** The largest element of each window. */
export class MaxPool2d extends Module {
  constructor(
    readonly kernelSize: Sides,
    readonly options: MaxPoolOptions = {},
  ) {
    super()
    checkNames('MaxPool2d', options, ['stride', 'padding', 'dilation', 'ceilMode'])
  }

  override forward(x: Tensor): Tensor {
    return maxPool2d(x, this.kernelSize, this.options)
  }

  override extraRepr(): string {
    const { stride = this.kernelSize, padding = 0, dilation = 1, ceilMode = false } = this.options
    return `kernel_size=${python(this.kernelSize)}, stride=${python(stride)}, padding=${python(padding)}, dilation=${python(dilation)}, ceil_mode=${pythonFlag(ceilMode)}`
  }
}

/** The mean of each window. */
export class AvgPool2d extends Module {
  constructor(
    readonly kernelSize: Sides,
    readonly options: AvgPoolOptions = {},
  ) {
    super()
    checkNames('AvgPool2d', options, ['stride', 'padding', 'ceilMode', 'countIncludePad'])
  }

  override forward(x: Tensor): Tensor {
    return avgPool2d(x, this.kernelSize, this.options)
  }

  override extraRepr(): string {
    const { stride = this.kernelSize, padding = 0 } = this.options
    return `kernel_size=${python(this.kernelSize)}, stride=${python(stride)}, padding=${python(padding)}`
  }
}

/** Means of windows that share the image evenly: an image of `outputSize`. */
export class AdaptiveAvgPool2d extends Module {
  constructor(readonly outputSize: Sides) {
    super()
  }

  override forward(x: Tensor): Tensor {
    return adaptiveAvgPool2d(x, this.outputSize)
  }

  override extraRepr(): string {
    return `output_size=${python(this.outputSize)}`
  }
}

/** The largest elements of windows that share the image evenly: an image of `outputSize`. */
export class AdaptiveMaxPool2d extends Module {
  constructor(readonly outputSize: Sides) {
    super()
  }

  override forward(x: Tensor): Tensor {
    return adaptiveMaxPool2d(x, this.outputSize)
  }

  override extraRepr(): string {
    return `output_size=${python(this.outputSize)}`
  }
}

/** An image in another size, by `size` or `scaleFactor`. */
export class Upsample extends Module {
  constructor(readonly options: InterpolateOptions) {
    super()
    checkNames('Upsample', options, ['size', 'scaleFactor', 'mode', 'alignCorners'])
  }

  override forward(x: Tensor): Tensor {
    return interpolate(x, this.options)
  }

  override extraRepr(): string {
    const { size, scaleFactor, mode = 'nearest' } = this.options
    // PyTorch keeps factors as floats.
    const factor = (v: Sides): string => (typeof v === 'number' ? v : v[0]).toFixed(1)
    return `${size === undefined ? `scale_factor=${factor(scaleFactor!)}` : `size=${python(size)}`}, mode=${mode}`
  }
}

/** [.., c·r², h, w] → [.., c, h·r, w·r]. */
export class PixelShuffle extends Module {
  constructor(readonly upscaleFactor: number) {
    super()
  }

  override forward(x: Tensor): Tensor {
    return pixelShuffle(x, this.upscaleFactor)
  }

  override extraRepr(): string {
    return `upscale_factor=${this.upscaleFactor}`
  }
}

/** [.., c, h·r, w·r] → [.., c·r², h, w]. */
export class PixelUnshuffle extends Module {
  constructor(readonly downscaleFactor: number) {
    super()
  }

  override forward(x: Tensor): Tensor {
    return pixelUnshuffle(x, this.downscaleFactor)
  }

  override extraRepr(): string {
    return `downscale_factor=${this.downscaleFactor}`
  }
}

/** Around the image [left, right, top, bottom], or one number for all. */
abstract class Padding extends Module {
  readonly padding: readonly number[]

  constructor(padding: number | readonly number[]) {
    super()
    this.padding = typeof padding === 'number' ? [padding, padding, padding, padding] : padding
    if (!Array.isArray(this.padding) || this.padding.length !== 4 || !this.padding.every(Number.isInteger))
      throw new ArgumentError(this.constructor.name, `padding is a whole number or four of them [left, right, top, bottom], got ${show(padding)}`, {
        option: 'padding',
      })
  }

  override extraRepr(): string {
    return `(${this.padding.join(', ')})`
  }
}

/** Mirrors the image at its edge. */
export class ReflectionPad2d extends Padding {
  override forward(x: Tensor): Tensor {
    return x.pad(this.padding, { mode: 'reflect' })
  }
}

/** Repeats the edge. */
export class ReplicationPad2d extends Padding {
  override forward(x: Tensor): Tensor {
    return x.pad(this.padding, { mode: 'replicate' })
  }
}

/** Zeros around the image. */
export class ZeroPad2d extends Padding {
  override forward(x: Tensor): Tensor {
    return x.pad(this.padding)
  }
}

/** The inverse of Flatten: dim `dim` becomes the dims of `sizes`. */
export class Unflatten extends Module {
  constructor(
    readonly dim: number,
    readonly sizes: readonly number[],
  ) {
    super()
  }

  override forward(x: Tensor): Tensor {
    const d = normalDim('Unflatten', this.dim, x.ndim)
    return x.reshape([...x.shape.slice(0, d), ...this.sizes, ...x.shape.slice(d + 1)])
  }

  override extraRepr(): string {
    return `dim=${this.dim}, unflattened_size=(${this.sizes.join(', ')}${this.sizes.length === 1 ? ',' : ''})`
  }
}
