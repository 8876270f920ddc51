// What all losses share: the reduction, and the check that prediction and target have one shape.
import { ArgumentError, formatShape, isTensor, sameShape, ShapeError, type Tensor } from '@bms/autograd'
import { checkNames } from '../check.js'

/** What becomes of the single losses: their mean (default), their sum, or nothing. */
export type Reduction = 'mean' | 'sum' | 'none'

export interface LossOptions {
  reduction?: Reduction
}

/** Checks the options and gives the reduction. */
export function reductionOf(op: string, options: LossOptions, others: readonly string[] = [], extra: readonly string[] = []): Reduction {
  checkNames(op, options, ['reduction', ...others])
  const reduction = options.reduction ?? 'mean'
  const known = ['mean', 'sum', 'none', ...extra]
  if (!known.includes(reduction))
    throw new ArgumentError(op, `unknown reduction ${JSON.stringify(reduction)}; known: ${known.join(', ')}`, { option: 'reduction', value: reduction })
  return reduction
}

export function reduce(losses: Tensor, reduction: Reduction): Tensor {
  if (reduction === 'none') return losses
  return reduction === 'sum' ? losses.sum() : losses.mean()
}

/** Throws unless both are tensors of one shape: a target that broadcasts is nearly always a mistake. */
export function checkSame(op: string, input: Tensor, target: Tensor, names: readonly [string, string] = ['input', 'target']): void {
  if (!isTensor(input) || !isTensor(target)) throw new ArgumentError(op, `${names.join(' and ')} must be tensors`)
  if (!sameShape(input.shape, target.shape)) {
    throw new ShapeError(
      op,
      `${names[0]} ${formatShape(input.shape)} and ${names[1]} ${formatShape(target.shape)} must have one shape; reshape or expand one of them`,
      {
        shapes: [input.shape, target.shape],
      },
    )
  }
}
