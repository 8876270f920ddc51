// Gradients of decompositions of matrices, from their results alone.
import { abs, gt, matmul, max, mul, reciprocal, type Tensor, transpose, unsqueeze, where, zeros } from '@bms/tensor'
import type { Rule } from '../rule.js'

/** 1 / (λ_j - λ_i); 0 where the two are equal but for rounding, and with it on the diagonal. */
function inverseGaps(values: Tensor): Tensor {
  const n = values.shape[values.ndim - 1]!
  const gaps = unsqueeze(values, -2).sub(unsqueeze(values, -1))
  const rounding = mul(max(abs(values.detach()), -1, true), n * 2 ** -23)
  const apart = gt(abs(gaps.detach()), unsqueeze(rounding, -1))
  return where(apart, reciprocal(where(apart, gaps, 1)), 0)
}

export const linalgRules: Record<string, Rule | null> = {
  // With a = V diag(λ) Vᵀ: dV = V (F ∘ Vᵀ da V) and dλ = diag(Vᵀ da V), F being the inverse gaps.
  eigh: {
    saves: () => ({ outputs: [0, 1] }),
    backward: (ctx, [ofValues, ofVectors]) => {
      const [values, vectors] = [ctx.output(0), ctx.output(1)]
      if (vectors.size === 0) return [zeros(ctx.shape(0), { device: vectors.device })]
      const back = transpose(vectors)
      let half: Tensor | null = null
      if (ofVectors) half = matmul(vectors, mul(matmul(back, ofVectors), inverseGaps(values)))
      if (ofValues) {
        const scaled = mul(vectors, unsqueeze(ofValues, -2))
        half = half ? half.add(scaled) : scaled
      }
      const g = matmul(half!, back)
      return [mul(g.add(transpose(g)), 0.5)]
    },
  },
}
