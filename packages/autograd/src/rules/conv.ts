// Gradients of convolutions: each is another of the three products, so that every order of derivative is there. The products come with the attributes:
// imported here they would be in every page.
import { type Pair, sum, type Tensor, type TracedConv } from '@bms/tensor'
import { type Rule, type RuleContext, rule, type Saves } from '../rule.js'

const sides = (shape: readonly number[]): Pair => [shape[2]!, shape[3]!]

/** Each operand's gradient takes the other one; the bias's neither. */
const others = (needs: readonly boolean[]): Saves => ({ inputs: [...(needs[1] ? [0] : []), ...(needs[0] ? [1] : [])] })

const biasGradient = (ctx: RuleContext, g: Tensor): (Tensor | null)[] => (ctx.needs(2) ? [sum(g, [0, 2, 3])] : [null])

export const convRules: Record<string, Rule | null> = {
  conv2d: rule(others, (ctx, g) => {
    const { passes, ...attrs } = ctx.attrs as TracedConv
    return [
      ctx.needs(0) ? passes.input(g, ctx.input(1), sides(ctx.shape(0)), attrs) : null,
      ctx.needs(1) ? passes.weight(ctx.input(0), g, sides(ctx.shape(1)), attrs) : null,
      ...biasGradient(ctx, g),
    ]
  }),
  conv2dInput: rule(others, (ctx, g) => {
    const { passes, ...attrs } = ctx.attrs as TracedConv
    return [
      ctx.needs(0) ? passes.forward(g, ctx.input(1), sides(ctx.shape(0)), attrs) : null,
      ctx.needs(1) ? passes.weight(g, ctx.input(0), sides(ctx.shape(1)), attrs) : null,
      ...biasGradient(ctx, g),
    ]
  }),
  conv2dWeight: rule(others, (ctx, g) => {
    const { passes, ...attrs } = ctx.attrs as TracedConv
    return [
      ctx.needs(0) ? passes.input(ctx.input(1), g, sides(ctx.shape(0)), attrs) : null,
      ctx.needs(1) ? passes.forward(ctx.input(0), g, sides(ctx.shape(1)), attrs) : null,
    ]
  }),
}
