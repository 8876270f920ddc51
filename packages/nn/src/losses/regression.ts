// Losses of values against values: squares, absolute differences, Gaussian likelihoods, divergences.
import { ArgumentError, formatShape, isTensor, noGrad, sameShape, ShapeError, type Tensor } from '@bms/autograd'
import { checkNumber } from '../check.js'
import { checkSame, type LossOptions, type Reduction, reduce, reductionOf } from './common.js'

/** (input - target)². */
export function mse(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  const reduction = reductionOf('mse', options)
  checkSame('mse', input, target)
  return reduce(input.sub(target).square(), reduction)
}

/** |input - target|. */
export function l1(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  const reduction = reductionOf('l1', options)
  checkSame('l1', input, target)
  return reduce(input.sub(target).abs(), reduction)
}

/** Squared (over 2·beta) where |input - target| < beta (default 1), else the absolute difference minus beta/2. */
export function smoothL1(input: Tensor, target: Tensor, options: LossOptions & { beta?: number } = {}): Tensor {
  const reduction = reductionOf('smoothL1', options, ['beta'])
  const beta = checkNumber('smoothL1', 'beta', options.beta ?? 1, { min: 0 })
  checkSame('smoothL1', input, target)
  const d = input.sub(target).abs()
  if (beta === 0) return reduce(d, reduction)
  return reduce(d.lt(beta).where(d.square().mul(0.5 / beta), d.sub(0.5 * beta)), reduction)
}

/**
 * Negative log likelihood of `target` under N(input, variance): ½(log variance + (input - target)² / variance).
 * `variance`: a number, or a tensor of the input's shape or with 1 as the last dim; values below `eps` (default 1e-6) count as `eps`.
 * `full` (default false) adds ½·log 2π.
 */
export function gaussianNll(input: Tensor, target: Tensor, variance: Tensor | number, options: LossOptions & { eps?: number; full?: boolean } = {}): Tensor {
  const reduction = reductionOf('gaussianNll', options, ['eps', 'full'])
  const eps = checkNumber('gaussianNll', 'eps', options.eps ?? 1e-6, { min: 0, open: 'min' })
  checkSame('gaussianNll', input, target)
  const square = input.sub(target).square()
  const constant = options.full ? 0.5 * Math.log(2 * Math.PI) : 0
  if (!isTensor(variance)) {
    const value = Math.max(eps, checkNumber('gaussianNll', 'variance', variance, { min: 0 }))
    return reduce(square.mul(0.5 / value).add(0.5 * Math.log(value) + constant), reduction)
  }
  const last = [...input.shape.slice(0, -1), 1]
  if (!sameShape(variance.shape, input.shape) && !sameShape(variance.shape, last)) {
    throw new ShapeError(
      'gaussianNll',
      `variance ${formatShape(variance.shape)} must have the input's shape ${formatShape(input.shape)}, or 1 as the last dim`,
      { shapes: [input.shape, variance.shape] },
    )
  }
  // As in PyTorch the bound changes the value and lets the gradient through.
  const lift = noGrad(() => variance.detach().clamp(eps).sub(variance.detach()))
  const v = variance.add(lift)
  const out = v.log().add(square.div(v)).mul(0.5)
  return reduce(constant === 0 ? out : out.add(constant), reduction)
}

/**
 * KL divergence of N(mu, exp(logvar)) from N(0, I), in closed form: ½ Σ (exp(logvar) + mu² - 1 - logvar) over the last dim; the reduction
 * is over the batch ('none' gives one value a sample).
 */
export function klNormal(mu: Tensor, logvar: Tensor, options: LossOptions = {}): Tensor {
  const reduction = reductionOf('klNormal', options)
  checkSame('klNormal', mu, logvar, ['mu', 'logvar'])
  if (mu.ndim === 0) throw new ShapeError('klNormal', 'at least one dim, the latent one, is needed')
  const each = logvar.exp().add(mu.square()).sub(logvar).sub(1)
  return reduce(each.sum(-1).mul(0.5), reduction)
}

/**
 * Pointwise target·(log target - input), `input` being log probabilities, as PyTorch's KLDivLoss. 'batchmean' divides the sum by the first
 * dim, which is the divergence proper. `logTarget`: the target is in logarithms too.
 */
export function klDiv(input: Tensor, target: Tensor, options: { reduction?: Reduction | 'batchmean'; logTarget?: boolean } = {}): Tensor {
  const reduction = reductionOf('klDiv', options as LossOptions, ['logTarget'], ['batchmean']) as Reduction | 'batchmean'
  checkSame('klDiv', input, target)
  let each: Tensor
  if (options.logTarget) each = target.exp().mul(target.sub(input))
  else {
    const some = target.gt(0)
    each = target.mul(some.where(target, 1).log().sub(some.where(input, 0)))
  }
  if (reduction !== 'batchmean') return reduce(each, reduction)
  if (input.ndim === 0) throw new ArgumentError('klDiv', "'batchmean' needs a batch dim")
  return each.sum().div(input.shape[0]!)
}
