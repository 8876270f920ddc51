// Losses of predictions against classes and labels: cross-entropies, and the hinge losses that critics are trained with.
import { ArgumentError, customFunction, DTypeError, formatShape, isFloat, sameShape, ShapeError, type Tensor } from '@bms/autograd'
import { checkNumber } from '../check.js'
import { checkSame, type LossOptions, type Reduction, reduce, reductionOf } from './common.js'

/** Binary cross-entropy of logits; stable for large ones. Targets in [0, 1]. */
export function bceWithLogits(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  const reduction = reductionOf('bceWithLogits', options)
  checkSame('bceWithLogits', input, target)
  // -t·log sigmoid(x) - (1-t)·log sigmoid(-x): small where it is small, and differentiable at 0.
  const off = target.neg().add(1)
  return reduce(target.mul(input.neg().softplus()).add(off.mul(input.softplus())), reduction)
}

/** log x and log(1 - x), bounded below. */
const logs = (x: Tensor): [Tensor, Tensor] => [x.log().clamp(-100), x.neg().log1p().clamp(-100)]

/** The single losses. Their gradient is PyTorch's, bounded where a probability is 0 or 1: that of the logarithms would be 0 times infinity. */
const bceEach = /* @__PURE__ */ customFunction<[Tensor, Tensor]>({
  name: 'bce',
  forward(ctx, x, t) {
    ctx.save(x, t)
    const [yes, no] = logs(x)
    return yes
      .mul(t)
      .add(no.mul(t.neg().add(1)))
      .neg()
  },
  backward(ctx, g) {
    const [x, t] = ctx.saved() as [Tensor, Tensor]
    const least = x.dtype === 'f16' ? 2 ** -14 : 1e-12
    const [yes, no] = ctx.needs(1) ? logs(x) : []
    return [g!.mul(x.sub(t)).div(x.mul(x.neg().add(1)).clamp(least)), yes && no ? g!.mul(no.sub(yes)) : null]
  },
})

/** Binary cross-entropy of probabilities; logarithms are bounded below by -100, as in PyTorch. */
export function bce(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  const reduction = reductionOf('bce', options)
  checkSame('bce', input, target)
  return reduce(bceEach(input, target) as Tensor, reduction)
}

export interface ClassOptions extends LossOptions {
  /** Targets with this value count for nothing. Default: none is ignored. */
  ignoreIndex?: number
}

function checkClasses(op: string, input: Tensor, target: Tensor): number {
  const dim = input.ndim === 1 ? 0 : 1
  if (input.ndim === 0) throw new ShapeError(op, 'the input must be [classes], [N, classes] or [N, classes, ...]')
  const wanted = input.shape.filter((_, d) => d !== dim)
  if (!sameShape(target.shape, wanted)) {
    throw new ShapeError(op, `for an input of ${formatShape(input.shape)} the class indices must be ${formatShape(wanted)}, got ${formatShape(target.shape)}`, {
      shapes: [input.shape, target.shape],
    })
  }
  if (target.dtype !== 'i32' && target.dtype !== 'u32')
    throw new DTypeError(op, `class indices are i32 or u32, got ${target.dtype}; use target.int()`, { dtype: target.dtype })
  return dim
}

/** Losses by class index: `each(index)` for the classes, zero for ignored ones, whose mean leaves them out. */
function byClass(target: Tensor, ignoreIndex: number | undefined, reduction: Reduction, each: (index: Tensor) => Tensor): Tensor {
  if (ignoreIndex === undefined) return reduce(each(target), reduction)
  const counted = target.ne(ignoreIndex)
  const losses = counted.where(each(counted.where(target, 0)), 0)
  if (reduction !== 'mean') return reduce(losses, reduction)
  return losses.float().sum().div(counted.float().sum()).to(losses.dtype)
}

/** Minus the log probability of the class: input [N, classes, ...] holds log probabilities, target [N, ...] class indices (i32 or u32). */
export function nll(input: Tensor, target: Tensor, options: ClassOptions = {}): Tensor {
  const reduction = reductionOf('nll', options, ['ignoreIndex'])
  const dim = checkClasses('nll', input, target)
  return byClass(target, options.ignoreIndex, reduction, (index) => input.gather(dim, index.unsqueeze(dim)).squeeze(dim).neg())
}

/**
 * Cross-entropy of logits [N, classes, ...] with class indices [N, ...] (i32 or u32), or with probabilities of the input's shape.
 * `labelSmoothing` in [0, 1] mixes the target with the uniform distribution.
 */
export function crossEntropy(input: Tensor, target: Tensor, options: ClassOptions & { labelSmoothing?: number } = {}): Tensor {
  const reduction = reductionOf('crossEntropy', options, ['ignoreIndex', 'labelSmoothing'])
  const smoothing = checkNumber('crossEntropy', 'labelSmoothing', options.labelSmoothing ?? 0, { min: 0, max: 1 })
  if (isFloat(target.dtype)) {
    checkSame('crossEntropy', input, target)
    if (options.ignoreIndex !== undefined) throw new ArgumentError('crossEntropy', 'ignoreIndex goes with class indices, the target holds probabilities')
    const dim = input.ndim === 1 ? 0 : 1
    const wanted = smoothing === 0 ? target : target.mul(1 - smoothing).add(smoothing / input.shape[dim]!)
    const losses = wanted.mul(input.logSoftmax(dim)).sum(dim).neg()
    return reduce(losses, reduction)
  }
  const dim = checkClasses('crossEntropy', input, target)
  const logs = input.logSoftmax(dim)
  return byClass(target, options.ignoreIndex, reduction, (index) => {
    const own = logs.gather(dim, index.unsqueeze(dim)).squeeze(dim).neg()
    if (smoothing === 0) return own
    return own.mul(1 - smoothing).sub(logs.mean(dim).mul(smoothing))
  })
}

/** max(0, 1 - target·input) for targets of ±1. */
export function hinge(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  const reduction = reductionOf('hinge', options)
  checkSame('hinge', input, target)
  return reduce(target.mul(input).neg().add(1).relu(), reduction)
}

/** What a critic minimises: mean max(0, 1 - real) + mean max(0, 1 + fake). Batches may differ in size. */
export function hingeCritic(real: Tensor, fake: Tensor, options: { reduction?: 'mean' | 'sum' } = {}): Tensor {
  const reduction = reductionOf('hingeCritic', options)
  if (reduction === 'none') throw new ArgumentError('hingeCritic', "reduction 'none' has no meaning for two batches", { option: 'reduction', value: reduction })
  return reduce(real.neg().add(1).relu(), reduction).add(reduce(fake.add(1).relu(), reduction))
}

/** What a generator minimises against a hinge critic: -mean fake. */
export function hingeGenerator(fake: Tensor, options: LossOptions = {}): Tensor {
  return reduce(fake, reductionOf('hingeGenerator', options)).neg()
}
