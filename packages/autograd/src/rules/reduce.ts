// Gradients of reductions: the gradient of the result, spread over what was reduced.
import { cast, cat, eq, mean, narrow, pad, permute, reshape, sum, type Tensor, where, zerosLike } from '@bms/tensor'
import { type Rule, type RuleContext, rule } from '../rule.js'
import { unreduce } from './views.js'

const spread = (ctx: RuleContext, t: Tensor): Tensor => unreduce(t, ctx.shape(0), ctx.attrs['dims'], ctx.attrs['keepdim'])

/** Equal extremes share the gradient evenly (PyTorch's amax and amin). */
const extreme = rule({ inputs: [0], outputs: [0] }, (ctx, g) => {
  const dims = ctx.attrs['dims'] as number[]
  const mask = cast(eq(ctx.input(0), spread(ctx, ctx.output()).detach()), g.dtype)
  return [spread(ctx, g).mul(mask.div(sum(mask, dims, true)))]
})

/**
 * g times the product of the other elements along the last dim. x [.., n], g [.., 1] → [.., n]. Halves are multiplied until one element is left, then g is
 * passed down, at each step times the other half: no division, so it holds at zeros, and every derivative of it is true as well.
 */
function timesOthers(x: Tensor, g: Tensor): Tensor {
  const last = x.ndim - 1
  const levels: { n: number; left: Tensor; right: Tensor }[] = []
  let level = x
  for (let n = x.shape[last]!; n > 1; n = Math.ceil(n / 2)) {
    const half = Math.ceil(n / 2)
    const left = narrow(level, last, 0, half)
    const rest = narrow(level, last, half, n - half)
    const right = n % 2 === 0 ? rest : pad(rest, [0, 1], 1)
    levels.push({ n, left, right })
    level = left.mul(right)
  }
  return levels.reduceRight((out, { n, left, right }) => narrow(cat([out.mul(right), out.mul(left)], last), last, 0, n), g)
}

export const reduceRules: Record<string, Rule | null> = {
  sum: rule(null, (ctx, g) => [spread(ctx, g)]),
  mean: rule(null, (ctx, g) => [spread(ctx, g.mul(1 / ctx.attrs['count']))]),
  max: extreme,
  min: extreme,
  // With the reduced dims as one at the end.
  prod: rule({ inputs: [0] }, (ctx, g) => {
    const x = ctx.input(0)
    if (x.size === 0) return [zerosLike(x)]
    const dims = ctx.attrs['dims'] as number[]
    const kept = x.shape.map((_, d) => d).filter((d) => !dims.includes(d))
    const order = [...kept, ...dims]
    const moved = permute(x, order)
    const rows = moved.shape.slice(0, kept.length)
    const out = reshape(timesOthers(reshape(moved, [...rows, -1]), reshape(g, [...rows, 1])), moved.shape)
    const back = order.map((_, d) => order.indexOf(d))
    return [permute(out, back)]
  }),
  var: rule({ inputs: [0] }, (ctx, g) => {
    const x = ctx.input(0)
    return [x.sub(mean(x, ctx.attrs['dims'], true)).mul(spread(ctx, g.mul(2 / ctx.attrs['n'])))]
  }),
  root: rule({ outputs: [0] }, (ctx, g) => [where(ctx.output().eq(0), 0, g.div(ctx.output()).mul(0.5))]),
}
