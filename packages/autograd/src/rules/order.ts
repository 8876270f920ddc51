// Gradients of indexing, ordering, prefix sums and the softmax family.
import { cumsum, exp, flip, gather, indexAdd, indexSelect, pad, scatterAdd, sum, type Tensor, zeros } from '@bms/tensor'
import { type Rule, type RuleContext, rule } from '../rule.js'
import { unreduce } from './views.js'

const dimOf = (ctx: RuleContext): number => ctx.attrs['dim'] as number
const like = (ctx: RuleContext, g: Tensor): Tensor => zeros(ctx.shape(0), { dtype: ctx.dtype(0), device: g.device })

/** A gradient put back to where sort or topk took the values from. */
const unorder: Rule = {
  saves: () => ({ outputs: [1] }),
  backward: (ctx, [g]) => [g ? scatterAdd(like(ctx, g), dimOf(ctx), ctx.output(1), g) : null],
}

export const orderRules: Record<string, Rule | null> = {
  gather: rule({ inputs: [1] }, (ctx, g) => [scatterAdd(like(ctx, g), dimOf(ctx), ctx.input(1), g), null]),
  // What was not added, because its index is outside or because there is none, gets 0.
  scatterAdd: rule({ inputs: [1] }, (ctx, g) => {
    if (!ctx.needs(2)) return [g, null, null]
    const index = ctx.input(1)
    const picked = gather(g, dimOf(ctx), index, { outside: 0 })
    const missing = ctx.shape(2).map((size, d) => size - index.shape[d]!)
    const padding = missing.reverse().flatMap((n) => [0, n])
    return [g, null, padding.some((n) => n > 0) ? pad(picked, padding) : picked]
  }),
  indexSelect: rule({ inputs: [1] }, (ctx, g) => [indexAdd(like(ctx, g), dimOf(ctx), ctx.input(1), g), null]),
  indexAdd: rule({ inputs: [1] }, (ctx, g) => [g, null, ctx.needs(2) ? indexSelect(g, dimOf(ctx), ctx.input(1), { outside: 0 }) : null]),
  sort: unorder,
  topk: unorder,
  cumsum: rule(null, (ctx, g) => [flip(cumsum(flip(g, dimOf(ctx)), dimOf(ctx)), dimOf(ctx))]),
  softmax: rule({ outputs: [0] }, (ctx, g) => {
    const y = ctx.output()
    const gy = g.mul(y)
    return [gy.sub(y.mul(sum(gy, dimOf(ctx), true)))]
  }),
  logSoftmax: rule({ outputs: [0] }, (ctx, g) => [g.sub(exp(ctx.output()).mul(sum(g, dimOf(ctx), true)))]),
  logsumexp: rule({ inputs: [0], outputs: [0] }, (ctx, g) => {
    const { dims, keepdim } = ctx.attrs as { dims: number[]; keepdim: boolean }
    const spread = (t: Tensor): Tensor => unreduce(t, ctx.shape(0), dims, keepdim)
    return [spread(g).mul(exp(ctx.input(0).sub(spread(ctx.output()))))]
  }),
  argmax: null,
  argmin: null,
  argsort: null,
  bernoulli: null,
}
