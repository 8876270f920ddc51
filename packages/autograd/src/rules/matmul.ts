// Gradients of the matrix product, two more products; a factor that lies transposed gets its gradient transposed, so
// that a weight's gradient comes out in the weight's own memory order.
import { matmul, reshape, sumTo, type Tensor, transpose } from '@bms/tensor'
import { type Rule, rule } from '../rule.js'

/** All leading dims as one: [.., m, k] → [rows, k]. */
const flat = (t: Tensor): Tensor => (t.ndim === 2 ? t : reshape(t, [-1, t.shape[t.ndim - 1]!]))

export const matmulRules: Record<string, Rule | null> = {
  matmul: rule(
    (needs) => ({ inputs: [...(needs[1] ? [0] : []), ...(needs[0] ? [1] : [])] }),
    (ctx, g) => {
      const [sa, sb] = [ctx.shape(0), ctx.shape(1)]
      const fit = (t: Tensor, shape: readonly number[]): Tensor => sumTo(t, shape)
      const ga = ctx.needs(0) ? fit(matmul(g, transpose(ctx.input(1))), sa) : null
      let gb: Tensor | null = null
      if (ctx.needs(1)) {
        const a = ctx.input(0)
        const [left, right] = sb.length === 2 && a.ndim > 2 ? [flat(a), flat(g)] : [a, g]
        gb = ctx.attrs['columnMajor'] ? transpose(matmul(transpose(right), left)) : matmul(transpose(left), right)
        gb = fit(gb, sb)
      }
      return [ga, gb]
    },
  ),
}
