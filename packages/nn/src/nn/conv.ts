// Convolutions of images as modules, with PyTorch's names, defaults and initial weights.
import { ArgumentError, conv2d, convTranspose2d, type Pair, rand, show, type Sides, type Tensor } from '@bms/autograd'
import { checkCount, checkNames } from '../check.js'
import { Module } from './module.js'
import { newParameter, type Parameter } from './parameter.js'
import { castFor } from './precision.js'

export type PaddingMode = 'zeros' | 'reflect' | 'replicate' | 'circular'

export interface Conv2dOptions {
  /** Default 1. */
  stride?: Sides
  /** Default 0. 'same' keeps the size of the image (stride 1 only). */
  padding?: Sides | 'same' | 'valid'
  /** Default 1. */
  dilation?: Sides
  /** Default 1. */
  groups?: number
  /** Default true. */
  bias?: boolean
  /** What stands around the image; default 'zeros'. */
  paddingMode?: PaddingMode
}

export interface ConvTranspose2dOptions extends Omit<Conv2dOptions, 'padding' | 'paddingMode'> {
  padding?: Sides
  /** Rows and columns added below and on the right; default 0. */
  outputPadding?: Sides
}

/** Height and width, each a whole number of at least `least`. */
function twice(op: string, name: string, value: Sides, least = 1): Pair {
  const p = (Array.isArray(value) && value.length === 2 ? value : [value, value]) as Pair
  for (const v of p) checkCount(op, name, v, least)
  return p
}

const python = (v: Pair): string => `(${v[0]}, ${v[1]})`
const differs = (v: Pair, from: number): boolean => v[0] !== from || v[1] !== from

/** What both kinds of convolution hold. The sizes are checked when the op is called; counts here. */
abstract class Convolution extends Module {
  /** The dim of the weight that counts outChannels: spectralNorm makes it the rows. */
  abstract readonly outDim: number
  readonly kernelSize: Pair
  readonly stride: Pair
  readonly dilation: Pair
  readonly groups: number
  weight: Parameter
  bias: Parameter | null

  constructor(
    readonly inChannels: number,
    readonly outChannels: number,
    kernelSize: Sides,
    options: Pick<Conv2dOptions, 'stride' | 'dilation' | 'groups' | 'bias'>,
    transposed: boolean,
  ) {
    super()
    const op = transposed ? 'ConvTranspose2d' : 'Conv2d'
    checkCount(op, 'inChannels', inChannels)
    checkCount(op, 'outChannels', outChannels)
    this.kernelSize = twice(op, 'kernelSize', kernelSize)
    this.stride = twice(op, 'stride', options.stride ?? 1)
    this.dilation = twice(op, 'dilation', options.dilation ?? 1)
    this.groups = checkCount(op, 'groups', options.groups ?? 1)
    if (inChannels % this.groups !== 0 || outChannels % this.groups !== 0)
      throw new ArgumentError(op, `inChannels ${inChannels} and outChannels ${outChannels} must be multiples of groups ${this.groups}`, { option: 'groups' })
    const shape = transposed ? [inChannels, outChannels / this.groups, ...this.kernelSize] : [outChannels, inChannels / this.groups, ...this.kernelSize]
    // PyTorch's: kaiming uniform with a = √5 comes to U(-1/√fanIn, 1/√fanIn), of the weight's dim 1.
    const bound = 1 / Math.sqrt(shape[1]! * this.kernelSize[0] * this.kernelSize[1])
    const uniform = (size: readonly number[]): Parameter =>
      newParameter(() =>
        rand(size)
          .mul(2 * bound)
          .sub(bound),
      )
    this.weight = uniform(shape)
    this.bias = (options.bias ?? true) ? uniform([outChannels]) : null
  }

  protected describe(more: string, afterStride: string): string {
    const dilation = differs(this.dilation, 1) ? `, dilation=${python(this.dilation)}` : ''
    const groups = this.groups === 1 ? '' : `, groups=${this.groups}`
    return `${this.inChannels}, ${this.outChannels}, kernel_size=${python(this.kernelSize)}, stride=${python(this.stride)}${afterStride}${dilation}${more}${groups}${this.bias ? '' : ', bias=False'}`
  }
}

/** conv2d with a learnt weight [outChannels, inChannels / groups, ...kernelSize] and bias [outChannels]. x: [N, inChannels, H, W] (or without N). */
export class Conv2d extends Convolution {
  readonly outDim = 0
  readonly padding: Pair | 'same' | 'valid'
  readonly paddingMode: PaddingMode

  constructor(inChannels: number, outChannels: number, kernelSize: Sides, options: Conv2dOptions = {}) {
    checkNames('Conv2d', options, ['stride', 'padding', 'dilation', 'groups', 'bias', 'paddingMode'])
    super(inChannels, outChannels, kernelSize, options, false)
    const { padding = 0, paddingMode = 'zeros' } = options
    if (!['zeros', 'reflect', 'replicate', 'circular'].includes(paddingMode))
      throw new ArgumentError('Conv2d', `paddingMode must be 'zeros', 'reflect', 'replicate' or 'circular', got ${show(paddingMode)}`, {
        option: 'paddingMode',
      })
    if (typeof padding === 'string' && paddingMode !== 'zeros')
      throw new ArgumentError('Conv2d', `paddingMode '${paddingMode}' needs padding in numbers, got '${padding}'`, { option: 'padding' })
    if (typeof padding === 'string' && padding !== 'same' && padding !== 'valid')
      throw new ArgumentError('Conv2d', `padding is a number, two numbers, 'same' or 'valid', got ${show(padding)}`, { option: 'padding' })
    this.padding = typeof padding === 'string' ? padding : twice('Conv2d', 'padding', padding, 0)
    this.paddingMode = paddingMode
  }

  override forward(x: Tensor): Tensor {
    const { stride, dilation, groups, padding, paddingMode } = this
    const weight = castFor(x, this.weight)
    const bias = castFor(x, this.bias)
    if (paddingMode === 'zeros' || typeof padding === 'string') return conv2d(x, weight, bias, { stride, dilation, groups, padding })
    const [y, w] = padding
    return conv2d(x.pad([w, w, y, y], { mode: paddingMode }), weight, bias, { stride, dilation, groups })
  }

  override extraRepr(): string {
    const { padding, paddingMode } = this
    const shown = typeof padding === 'string' ? `, padding=${padding}` : differs(padding, 0) ? `, padding=${python(padding)}` : ''
    return `${this.describe('', shown)}${paddingMode === 'zeros' ? '' : `, padding_mode=${paddingMode}`}`
  }
}

/**
 * convTranspose2d with a learnt weight [inChannels, outChannels / groups, ...kernelSize] and bias [outChannels]: the map that a Conv2d of the same numbers
 * has as its gradient. x: [N, inChannels, H, W] (or without N).
 */
export class ConvTranspose2d extends Convolution {
  readonly outDim = 1
  readonly padding: Pair
  readonly outputPadding: Pair

  constructor(inChannels: number, outChannels: number, kernelSize: Sides, options: ConvTranspose2dOptions = {}) {
    checkNames('ConvTranspose2d', options, ['stride', 'padding', 'outputPadding', 'dilation', 'groups', 'bias'])
    super(inChannels, outChannels, kernelSize, options, true)
    this.padding = twice('ConvTranspose2d', 'padding', options.padding ?? 0, 0)
    this.outputPadding = twice('ConvTranspose2d', 'outputPadding', options.outputPadding ?? 0, 0)
  }

  override forward(x: Tensor): Tensor {
    const { stride, padding, outputPadding, dilation, groups } = this
    return convTranspose2d(x, castFor(x, this.weight), castFor(x, this.bias), { stride, padding, outputPadding, dilation, groups })
  }

  override extraRepr(): string {
    const shown = (name: string, v: Pair): string => (differs(v, 0) ? `, ${name}=${python(v)}` : '')
    return this.describe(shown('output_padding', this.outputPadding), shown('padding', this.padding))
  }
}
