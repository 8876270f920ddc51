// Bounding gradients: by their common norm, or each value. The pure forms take and give gradients, which suits compiled
// steps; those with an underscore work on .grad, as PyTorch's do.
import { ArgumentError, isTensor, noGrad, stack, type Tensor, tensor } from '@bms/autograd'
import { checkNumber } from '../check.js'

/** Bounds may be tensors, so that a compiled step sees them change. */
type Bound = number | Tensor

const checkBound = (op: string, name: string, value: Bound): Bound => (isTensor(value) ? value : checkNumber(op, name, value, { min: 0 }))

/** The Euclidean norm of all tensors together, as if they were one vector. f32: squares of f16 would overflow. */
export function totalNorm(tensors: readonly Tensor[]): Tensor {
  if (tensors.length === 0) return tensor(0)
  const squares = tensors.map((g) => g.float().square().sum())
  return (squares.length === 1 ? squares[0]! : stack(squares).sum()).sqrt()
}

/** Gradients scaled down so that their common norm is at most `maxNorm`, and the norm before. Scales by min(1, maxNorm / (norm + 1e-6)). */
export function clipGradNorm(grads: readonly Tensor[], maxNorm: Bound): { grads: Tensor[]; norm: Tensor } {
  checkBound('clipGradNorm', 'maxNorm', maxNorm)
  const norm = totalNorm(grads)
  const factor = norm.add(1e-6).reciprocal().mul(maxNorm).minimum(1)
  return { grads: grads.map((g) => g.mul(factor).to(g.dtype)), norm }
}

/** Gradients with each value bounded to [-clipValue, clipValue]. */
export function clipGradValue(grads: readonly Tensor[], clipValue: Bound): Tensor[] {
  checkBound('clipGradValue', 'clipValue', clipValue)
  if (!isTensor(clipValue)) return grads.map((g) => g.clamp(-clipValue, clipValue))
  const low = clipValue.neg()
  return grads.map((g) => g.minimum(clipValue).maximum(low))
}

function withGrads(op: string, params: Iterable<Tensor>): Tensor[] {
  if (isTensor(params)) return params.grad ? [params] : []
  if (typeof params?.[Symbol.iterator] !== 'function') throw new ArgumentError(op, 'a list of parameters is needed')
  return [...params].filter((p) => p.grad)
}

/** Scales `.grad` of the parameters in place; gives the norm before. Parameters without a gradient are skipped. */
export function clipGradNorm_(params: Iterable<Tensor>, maxNorm: Bound): Tensor {
  const list = withGrads('clipGradNorm_', params)
  return noGrad(() => {
    const { grads, norm } = clipGradNorm(
      list.map((p) => p.grad!),
      maxNorm,
    )
    list.forEach((p, i) => void p.grad!.copy_(grads[i]!))
    for (const g of grads) g.dispose()
    return norm
  })
}

/** Bounds each value of `.grad` of the parameters in place. */
export function clipGradValue_(params: Iterable<Tensor>, clipValue: Bound): void {
  const list = withGrads('clipGradValue_', params)
  noGrad(() => {
    const grads = clipGradValue(
      list.map((p) => p.grad!),
      clipValue,
    )
    list.forEach((p, i) => void p.grad!.copy_(grads[i]!))
    for (const g of grads) g.dispose()
  })
}
