// Gradients of pooling and resampling: the transposed band matrix, and a gradient put back to where the largest element stood.
import { type Band, type Pair, resample, reshape, scatterAdd, type Tensor, transposeBand, zeros } from '@bms/tensor'
import { type Rule, rule } from '../rule.js'

export const resampleRules: Record<string, Rule | null> = {
  resample: rule(null, (ctx, g) => [resample(g, ctx.attrs['dim'] as number, transposeBand(ctx.attrs['band'] as Band))]),
  maxPool2d: {
    saves: () => ({ outputs: [1] }),
    backward: (ctx, [g]) => {
      if (!g) return [null]
      const lead = ctx.shape(0).slice(0, -2)
      const [h, w] = ctx.attrs['size'] as Pair
      const flat = (t: Tensor): Tensor => reshape(t, [...lead, t.shape[t.ndim - 2]! * t.shape[t.ndim - 1]!])
      const planes = zeros([...lead, h * w], { dtype: ctx.dtype(0), device: g.device })
      return [reshape(scatterAdd(planes, -1, flat(ctx.output(1)), flat(g)), ctx.shape(0))]
    },
  },
}
