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

/**
 * Normalises each of `numFeatures` channels over batch (and length). x: [N, C] or [N, C, L]. In training by the batch's mean and biased
 * variance, moving the running statistics (with the unbiased variance); in evaluation by the running statistics.
 */
export class BatchNorm1d extends Module {
  readonly eps: number
  readonly momentum: number | null
  readonly affine: boolean
  readonly trackRunningStats: boolean
  weight: Parameter | null
  bias: Parameter | null
  declare running_mean: Tensor | null
  declare running_var: Tensor | null
  declare num_batches_tracked: Tensor | null

  constructor(
    readonly numFeatures: number,
    options: BatchNormOptions = {},
  ) {
    super()
    checkCount('BatchNorm1d', 'numFeatures', numFeatures)
    checkNames('BatchNorm1d', options, ['eps', 'momentum', 'affine', 'trackRunningStats'])
    const { eps = 1e-5, momentum = 0.1, affine = true, trackRunningStats = true } = options
    this.eps = checkNumber('BatchNorm1d', 'eps', eps, { min: 0 })
    this.momentum = momentum === null ? null : checkNumber('BatchNorm1d', 'momentum', momentum, { min: 0, max: 1 })
    this.affine = affine
    this.trackRunningStats = trackRunningStats
    this.weight = affine ? newParameter(() => ones([numFeatures])) : null
    this.bias = affine ? newParameter(() => zeros([numFeatures])) : null
    this.registerBuffer('running_mean', trackRunningStats ? lasting(() => zeros([numFeatures])) : null)
    this.registerBuffer('running_var', trackRunningStats ? lasting(() => ones([numFeatures])) : null)
    this.registerBuffer('num_batches_tracked', trackRunningStats ? lasting(() => zeros([], { dtype: 'i32' })) : null)
  }

  override forward(x: Tensor): Tensor {
    if ((x.ndim !== 2 && x.ndim !== 3) || x.shape[1] !== this.numFeatures) {
      throw new ShapeError('BatchNorm1d', `the input must be [N, ${this.numFeatures}] or [N, ${this.numFeatures}, L], got ${formatShape(x.shape)}`, {
        shape: x.shape,
      })
    }
    const shape = x.ndim === 2 ? [1, this.numFeatures] : [1, this.numFeatures, 1]
    const { weight, bias, running_mean, running_var } = this
    let mean: Tensor
    let variance: Tensor
    if (this.training || !running_mean || !running_var) {
      const count = x.size / this.numFeatures
      if (this.training && count === 1)
        throw new ShapeError('BatchNorm1d', `training needs more than one value a channel, got ${formatShape(x.shape)}; use a larger batch, or eval()`, {
          shape: x.shape,
        })
      ;[mean, variance] = moments(x, x.ndim === 2 ? [0] : [0, 2])
      if (this.training && running_mean && running_var) noGrad(() => this.track(mean, variance, count))
    } else {
      mean = running_mean.reshape(shape)
      variance = running_var.reshape(shape)
    }
    const out = x.sub(mean).mul(variance.add(this.eps).rsqrt())
    const scaled = weight ? out.mul(weight.reshape(shape)) : out
    return sameType(bias ? scaled.add(bias.reshape(shape)) : scaled, x)
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
