// Gradients of reductions: the gradient of the result, spread over what was reduced.
import { cast, eq, sum, type Tensor, where } from '@bms/tensor'
import { type Rule, type RuleContext, rule } from '../rule.js'
import { unreduce } from './views.js'

const spread = (ctx: RuleContext, t: Tensor): Tensor => unreduce(t, ctx.shape(0), ctx.attrs['dims'], ctx.attrs['keepdim'])

/** Equal extremes share the gradient evenly (PyTorch's amax and amin). */
const extreme = rule({ inputs: [0], outputs: [0] }, (ctx, g) => {
  const dims = ctx.attrs['dims'] as number[]
  const mask = cast(eq(ctx.input(0), spread(ctx, ctx.output()).detach()), g.dtype)
  return [spread(ctx, g).mul(mask.div(sum(mask, dims, true)))]
})

export const reduceRules: Record<string, Rule | null> = {
  sum: rule(null, (ctx, g) => [spread(ctx, g)]),
  mean: rule(null, (ctx, g) => [spread(ctx, g.mul(1 / ctx.attrs['count']))]),
  max: extreme,
  min: extreme,
  // The product of the others: of all by this one, or, where there is a zero, of the rest.
  prod: rule({ inputs: [0] }, (ctx, g) => {
    const x = ctx.input(0)
    const dims = ctx.attrs['dims'] as number[]
    const zero = x.eq(0)
    const zeros = sum(cast(zero, x.dtype), dims, true)
    const safe = where(zero, 1, x)
    const rest = safe.prod(dims, true)
    const others = where(zero, where(zeros.eq(1), rest, 0), where(zeros.eq(0), rest.div(safe), 0))
    return [spread(ctx, g).mul(others)]
  }),
}
