// Gradients of views, copies and joins: the same movement backwards.
import { cast, cat, expand, flip, isFloat, pad, permute, reshape, split, sumTo, type Tensor, zeros } from '@bms/tensor'
import { type Rule, rule } from '../rule.js'

const list = (ctx: { attrs: Record<string, unknown> }, name: string): readonly number[] => ctx.attrs[name] as readonly number[]

/** Padding for one dim as `pad` takes it: pairs from the last dim backwards. */
function padding(rank: number, dim: number, before: number, after: number): number[] {
  const out = new Array<number>(2 * (rank - dim)).fill(0)
  out[2 * (rank - 1 - dim)] = before
  out[2 * (rank - 1 - dim) + 1] = after
  return out
}

export const viewRules: Record<string, Rule | null> = {
  reshape: rule(null, (ctx, g) => [reshape(g, list(ctx, 'from'))]),
  permute: rule(null, (ctx, g) => {
    const order = list(ctx, 'order')
    return [
      permute(
        g,
        order.map((_, d) => order.indexOf(d)),
      ),
    ]
  }),
  expand: rule(null, (ctx, g) => [sumTo(g, list(ctx, 'from'))]),
  narrow: rule(null, (ctx, g) => {
    const { dim, start, length, size } = ctx.attrs as { dim: number; start: number; length: number; size: number }
    return [pad(g, padding(g.ndim, dim, start, size - start - length))]
  }),
  split: {
    backward(ctx, gradients) {
      const { dim, sizes } = ctx.attrs as { dim: number; sizes: number[] }
      const known = gradients.find((g) => g !== null)!
      const parts = gradients.map(
        (g, i) =>
          g ??
          zeros(
            known.shape.map((s, d) => (d === dim ? sizes[i]! : s)),
            { dtype: known.dtype, device: known.device },
          ),
      )
      return [cat(parts, dim)]
    },
  },
  flip: rule(null, (ctx, g) => [flip(g, list(ctx, 'dims'))]),
  cat: {
    backward(ctx, [g]) {
      const { dim, sizes } = ctx.attrs as { dim: number; sizes: number[] }
      return split(g!, sizes, dim).map((part, i) => (ctx.needs(i) ? typed(part, ctx.dtype(i)) : null))
    },
  },
  pad: rule(null, (ctx, g) => {
    const [before, after] = [list(ctx, 'before'), list(ctx, 'after')]
    const back = before.flatMap((_, i) => {
      const d = before.length - 1 - i
      return [-before[d]!, -after[d]!]
    })
    return [pad(g, back)]
  }),
  clone: rule(null, (_, g) => [g]),
  cast: rule(null, (ctx, g) => [isFloat(ctx.dtype(0)) ? cast(g, ctx.dtype(0)) : null]),
  detach: null,
}

const typed = (g: Tensor, dtype: Tensor['dtype']): Tensor => (g.dtype === dtype ? g : cast(g, dtype))

/** A reduced gradient over the shape before the reduction. */
export function unreduce(g: Tensor, shape: readonly number[], dims: readonly number[], keepdim: boolean): Tensor {
  const kept = keepdim
    ? g
    : reshape(
        g,
        shape.map((s, d) => (dims.includes(d) ? 1 : s)),
      )
  return expand(kept, shape)
}
