// Normalising layers: batch statistics with running averages, and per-sample statistics.
import { ArgumentError, formatShape, isFloat, moments, noGrad, ones, sameShape, ShapeError, type Tensor, zeros } from '@bms/autograd'
import { checkCount, checkNames, checkNumber, pythonFlag, pythonFloat } from '../check.js'
import { lasting } from '../state.js'
import { Module } from './module.js'
import { newParameter, type Parameter } from './parameter.js'

/** Statistics and parameters are f32; the result has the type of the input, if that is float. */
const sameType = (out: Tensor, x: Tensor): Tensor => (isFloat(x.dtype) ? out.to(x.dtype) : out)

export interface BatchNormOptions {
  /** Added to the variance; default 1e-5. */
  eps?: number
  /** How far the running statistics move to each batch's; default 0.1. null: the plain average of all batches. */
  momentum?: number | null
  /** Learn weight and bias; default true. */
  affine?: boolean
  /** Keep running statistics for evaluation; default true. */
  trackRunningStats?: boolean
}

/** What the batch norms share: `takes` names the shapes that forward accepts. */
abstract class BatchNorm extends Module {
  readonly eps: number
  readonly momentum: number | null
  readonly affine: boolean
  readonly trackRunningStats: boolean
  weight: Parameter | null
  bias: Parameter | null
  declare running_mean: Tensor | null
  declare running_var: Tensor | null
  declare num_batches_tracked: Tensor | null
  /** Set by `keepingStatistics`. */
  protected tracking = true

  constructor(
    readonly numFeatures: number,
    options: BatchNormOptions,
    private readonly op: string,
    private readonly takes: Readonly<Record<number, string>>,
  ) {
    super()
    checkCount(op, 'numFeatures', numFeatures)
    checkNames(op, options, ['eps', 'momentum', 'affine', 'trackRunningStats'])
    const { eps = 1e-5, momentum = 0.1, affine = true, trackRunningStats = true } = options
    this.eps = checkNumber(op, 'eps', eps, { min: 0 })
    this.momentum = momentum === null ? null : checkNumber(op, 'momentum', momentum, { min: 0, max: 1 })
    this.affine = affine
    this.trackRunningStats = trackRunningStats
    this.weight = affine ? newParameter(() => ones([numFeatures])) : null
    this.bias = affine ? newParameter(() => zeros([numFeatures])) : null
    this.registerBuffer('running_mean', trackRunningStats ? lasting(() => zeros([numFeatures])) : null)
    this.registerBuffer('running_var', trackRunningStats ? lasting(() => ones([numFeatures])) : null)
    this.registerBuffer('num_batches_tracked', trackRunningStats ? lasting(() => zeros([], { dtype: 'i32' })) : null)
  }

  override forward(x: Tensor): Tensor {
    const { op, takes, numFeatures } = this
    if (takes[x.ndim] === undefined || x.shape[1] !== numFeatures) {
      const wanted = Object.values(takes).map((text) => text.replace('C', String(numFeatures)))
      throw new ShapeError(op, `the input must be ${wanted.join(' or ')}, got ${formatShape(x.shape)}`, { shape: x.shape })
    }
    const shape = x.shape.map((_, d) => (d === 1 ? numFeatures : 1))
    const { weight, bias, running_mean, running_var } = this
    let mean: Tensor
    let variance: Tensor
    if (this.training || !running_mean || !running_var) {
      const count = x.size / numFeatures
      if (this.training && count === 1)
        throw new ShapeError(op, `training needs more than one value a channel, got ${formatShape(x.shape)}; use a larger batch, or eval()`, {
          shape: x.shape,
        })
      ;[mean, variance] = moments(
        x,
        [...x.shape.keys()].filter((d) => d !== 1),
      )
      if (this.training && this.tracking && running_mean && running_var) noGrad(() => this.track(mean, variance, count))
    } else {
      mean = running_mean.reshape(shape)
      variance = running_var.reshape(shape)
    }
    const out = x.sub(mean).mul(variance.add(this.eps).rsqrt())
    const scaled = weight ? out.mul(weight.reshape(shape)) : out
    return sameType(bias ? scaled.add(bias.reshape(shape)) : scaled, x)
  }

  /** Runs `fn` with the running statistics of some layers left as they are. */
  static keeping<R>(layers: readonly BatchNorm[], fn: () => R): R {
    const before = layers.map((layer) => layer.tracking)
    for (const layer of layers) layer.tracking = false
    try {
      return fn()
    } finally {
      for (const [i, layer] of layers.entries()) layer.tracking = before[i]!
    }
  }

  /** Moves the running statistics, on the device. */
  private track(mean: Tensor, variance: Tensor, count: number): void {
    const { running_mean, running_var, num_batches_tracked } = this
    num_batches_tracked!.copy_(num_batches_tracked!.add(1))
    const m = this.momentum ?? num_batches_tracked!.float().reciprocal()
    const move = (running: Tensor, batch: Tensor): void => {
      running.copy_(running.add(batch.reshape([this.numFeatures]).sub(running).mul(m)))
    }
    move(running_mean!, mean)
    move(running_var!, variance.mul(count / Math.max(1, count - 1)))
  }

  override extraRepr(): string {
    const momentum = this.momentum === null ? 'None' : pythonFloat(this.momentum)
    return `${this.numFeatures}, eps=${pythonFloat(this.eps)}, momentum=${momentum}, affine=${pythonFlag(this.affine)}, track_running_stats=${pythonFlag(this.trackRunningStats)}`
  }
}

/**
 * Normalises each of `numFeatures` channels over batch (and length). x: [N, C] or [N, C, L]. In training by the batch's mean and biased
 * variance, moving the running statistics (with the unbiased variance); in evaluation by the running statistics.
 */
export class BatchNorm1d extends BatchNorm {
  constructor(numFeatures: number, options: BatchNormOptions = {}) {
    super(numFeatures, options, 'BatchNorm1d', { 2: '[N, C]', 3: '[N, C, L]' })
  }
}

/** As BatchNorm1d, over batch, height and width. x: [N, C, H, W]. */
export class BatchNorm2d extends BatchNorm {
  constructor(numFeatures: number, options: BatchNormOptions = {}) {
    super(numFeatures, options, 'BatchNorm2d', { 4: '[N, C, H, W]' })
  }
}

/**
 * Runs `fn` with the running statistics of all batch norms in `module` left as they are: in training mode they normalise by the batch as ever. For passes that
 * should not count, as those that only choose among samples.
 */
export function keepingStatistics<R>(module: Module, fn: () => R): R {
  return BatchNorm.keeping(
    module.modules().filter((m): m is BatchNorm => m instanceof BatchNorm),
    fn,
  )
}

export interface LayerNormOptions {
  /** Added to the variance; default 1e-5. */
  eps?: number
  /** Learn weight and bias of the normalised shape; default true. */
  elementwiseAffine?: boolean
}

/** Normalises every sample over its last dims. x: [..., ...normalizedShape]. */
export class LayerNorm extends Module {
  readonly normalizedShape: readonly number[]
  readonly eps: number
  readonly elementwiseAffine: boolean
  weight: Parameter | null
  bias: Parameter | null

  constructor(normalizedShape: number | readonly number[], options: LayerNormOptions = {}) {
    super()
    const shape = typeof normalizedShape === 'number' ? [normalizedShape] : normalizedShape
    if (!Array.isArray(shape) || shape.length === 0)
      throw new ArgumentError('LayerNorm', `normalizedShape must be a size or a list of sizes, got ${String(normalizedShape)}`)
    for (const size of shape) checkCount('LayerNorm', 'normalizedShape', size)
    checkNames('LayerNorm', options, ['eps', 'elementwiseAffine'])
    this.normalizedShape = [...shape]
    this.eps = checkNumber('LayerNorm', 'eps', options.eps ?? 1e-5, { min: 0 })
    this.elementwiseAffine = options.elementwiseAffine ?? true
    this.weight = this.elementwiseAffine ? newParameter(() => ones(shape)) : null
    this.bias = this.elementwiseAffine ? newParameter(() => zeros(shape)) : null
  }

  override forward(x: Tensor): Tensor {
    const wanted = this.normalizedShape
    if (x.ndim < wanted.length || !sameShape(x.shape.slice(x.ndim - wanted.length), wanted)) {
      throw new ShapeError('LayerNorm', `the last dims of the input must be ${formatShape(wanted)}, got ${formatShape(x.shape)}`, { shape: x.shape })
    }
    const dims = wanted.map((_, d) => d - wanted.length)
    const [mean, variance] = moments(x, dims)
    const out = x.sub(mean).mul(variance.add(this.eps).rsqrt())
    return sameType(this.weight && this.bias ? out.mul(this.weight).add(this.bias) : out, x)
  }

  override extraRepr(): string {
    return `(${this.normalizedShape.join(', ')}${this.normalizedShape.length === 1 ? ',' : ''}), eps=${pythonFloat(this.eps)}, elementwise_affine=${pythonFlag(this.elementwiseAffine)}`
  }
}

export interface GroupNormOptions {
  /** Added to the variance; default 1e-5. */
  eps?: number
  /** Learn weight and bias of the channels; default true. */
  affine?: boolean
}

/** Normalises every sample's channels in `numGroups` groups, over the group and all that follows. x: [N, C, ...]. */
export class GroupNorm extends Module {
  readonly eps: number
  readonly affine: boolean
  weight: Parameter | null
  bias: Parameter | null

  constructor(
    readonly numGroups: number,
    readonly numChannels: number,
    options: GroupNormOptions = {},
  ) {
    super()
    checkCount('GroupNorm', 'numGroups', numGroups)
    checkCount('GroupNorm', 'numChannels', numChannels)
    checkNames('GroupNorm', options, ['eps', 'affine'])
    if (numChannels % numGroups !== 0)
      throw new ArgumentError('GroupNorm', `numChannels ${numChannels} must be a multiple of numGroups ${numGroups}`, { option: 'numGroups' })
    this.eps = checkNumber('GroupNorm', 'eps', options.eps ?? 1e-5, { min: 0 })
    this.affine = options.affine ?? true
    this.weight = this.affine ? newParameter(() => ones([numChannels])) : null
    this.bias = this.affine ? newParameter(() => zeros([numChannels])) : null
  }

  override forward(x: Tensor): Tensor {
    if (x.ndim < 2 || x.shape[1] !== this.numChannels)
      throw new ShapeError('GroupNorm', `the input must be [N, ${this.numChannels}, ...], got ${formatShape(x.shape)}`, { shape: x.shape })
    return perSample(x, this.numGroups, this.eps, this.weight, this.bias)
  }

  override extraRepr(): string {
    return `${this.numGroups}, ${this.numChannels}, eps=${pythonFloat(this.eps)}, affine=${pythonFlag(this.affine)}`
  }
}

/** Groups of channels normalised over themselves, then scaled and moved channel by channel. */
function perSample(x: Tensor, groups: number, eps: number, weight: Tensor | null, bias: Tensor | null): Tensor {
  const grouped = x.reshape([x.shape[0]!, groups, x.size / Math.max(1, x.shape[0]! * groups)])
  const [mean, variance] = moments(grouped, [2])
  const out = grouped.sub(mean).mul(variance.add(eps).rsqrt()).reshape(x.shape)
  const channels = x.shape.map((_, d) => (d === 1 ? x.shape[1]! : 1))
  const scaled = weight ? out.mul(weight.reshape(channels)) : out
  return sameType(bias ? scaled.add(bias.reshape(channels)) : scaled, x)
}

export interface InstanceNormOptions {
  /** Added to the variance; default 1e-5. */
  eps?: number
  /** Learn weight and bias of the channels; default false, as in PyTorch. */
  affine?: boolean
}

/** Normalises every channel of every image over height and width. x: [N, C, H, W]. */
export class InstanceNorm2d extends Module {
  readonly eps: number
  readonly affine: boolean
  weight: Parameter | null
  bias: Parameter | null

  constructor(
    readonly numFeatures: number,
    options: InstanceNormOptions = {},
  ) {
    super()
    checkCount('InstanceNorm2d', 'numFeatures', numFeatures)
    checkNames('InstanceNorm2d', options, ['eps', 'affine'])
    this.eps = checkNumber('InstanceNorm2d', 'eps', options.eps ?? 1e-5, { min: 0 })
    this.affine = options.affine ?? false
    this.weight = this.affine ? newParameter(() => ones([numFeatures])) : null
    this.bias = this.affine ? newParameter(() => zeros([numFeatures])) : null
  }

  override forward(x: Tensor): Tensor {
    if (x.ndim !== 4 || x.shape[1] !== this.numFeatures)
      throw new ShapeError('InstanceNorm2d', `the input must be [N, ${this.numFeatures}, H, W], got ${formatShape(x.shape)}`, { shape: x.shape })
    return perSample(x, this.numFeatures, this.eps, this.weight, this.bias)
  }

  override extraRepr(): string {
    return `${this.numFeatures}, eps=${pythonFloat(this.eps)}, momentum=0.1, affine=${pythonFlag(this.affine)}, track_running_stats=False`
  }
}
