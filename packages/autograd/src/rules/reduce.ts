// Gradients of reductions: the gradient of the result, spread over what was reduced.
import { cast, cat, eq, mean, narrow, pad, permute, reshape, sizeOf, sum, type Tensor, where, zeros } from '@bms/tensor'
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

/** The gradient of variance from that of the result: g · 2 (x - mean) / (n - correction). In f32. */
function varianceGradient(ctx: RuleContext, g: Tensor): Tensor {
  const { dims, correction } = ctx.attrs as { dims: number[]; correction: number }
  const x = cast(ctx.input(0), 'f32')
  const n = sizeOf(dims.map((d) => x.shape[d]!))
  return x.sub(mean(x, dims, true)).mul(spread(ctx, g).mul(2 / Math.max(0, n - correction)))
}

export const reduceRules: Record<string, Rule | null> = {
  sum: rule(null, (ctx, g) => [spread(ctx, g)]),
  mean: rule(null, (ctx, g) => [spread(ctx, g.mul(1 / ctx.attrs['count']))]),
  max: extreme,
  min: extreme,
  prod: rule({ inputs: [0] }, (ctx, g) => {
    const shape = ctx.shape(0)
    if (sizeOf(shape) === 0) return [zeros(shape, { dtype: ctx.dtype(0), device: g.device })]
    const dims = ctx.attrs['dims'] as number[]
    const kept = shape.map((_, d) => d).filter((d) => !dims.includes(d))
    const order = [...kept, ...dims]
    const sizes = order.map((d) => shape[d]!)
    const rows = sizes.slice(0, kept.length)
    const x = reshape(permute(cast(ctx.input(0), 'f32'), order), [...rows, -1])
    const out = reshape(timesOthers(x, reshape(cast(g, 'f32'), [...rows, 1])), sizes)
    return [
      cast(
        permute(
          out,
          order.map((_, d) => order.indexOf(d)),
        ),
        ctx.dtype(0),
      ),
    ]
  }),
  var: rule({ inputs: [0] }, (ctx, g) => [cast(varianceGradient(ctx, g), ctx.dtype(0))]),
  // Where nothing deviates, where the root has no slope, PyTorch's gradient is 0; so it is for the norm of zeros.
  std: rule({ inputs: [0], outputs: [0] }, (ctx, g) => {
    const out = cast(ctx.output(), 'f32')
    return [cast(varianceGradient(ctx, where(out.eq(0), 0, cast(g, 'f32').div(out.mul(2)))), ctx.dtype(0))]
  }),
  norm: rule({ inputs: [0], outputs: [0] }, (ctx, g) => {
    const out = cast(ctx.output(), 'f32')
    return [cast(cast(ctx.input(0), 'f32').mul(spread(ctx, where(out.eq(0), 0, cast(g, 'f32').div(out)))), ctx.dtype(0))]
  }),
}
