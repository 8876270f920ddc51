// Gradients of convolutions: each is another of the three products, so that every order of derivative is there.
import { type ConvAttrs, conv2dForward, conv2dInput, conv2dWeight, type Pair, sum, type Tensor } from '@bms/tensor'
import { type Rule, type RuleContext, rule, type Saves } from '../rule.js'

const sides = (shape: readonly number[]): Pair => [shape[2]!, shape[3]!]

/** Each operand's gradient takes the other one; the bias's neither. */
const others = (needs: readonly boolean[]): Saves => ({ inputs: [...(needs[1] ? [0] : []), ...(needs[0] ? [1] : [])] })

const biasGradient = (ctx: RuleContext, g: Tensor): (Tensor | null)[] => (ctx.needs(2) ? [sum(g, [0, 2, 3])] : [null])

export const convRules: Record<string, Rule | null> = {
  conv2d: rule(others, (ctx, g) => {
    const attrs = ctx.attrs as ConvAttrs
    return [
      ctx.needs(0) ? conv2dInput(g, ctx.input(1), sides(ctx.shape(0)), attrs) : null,
      ctx.needs(1) ? conv2dWeight(ctx.input(0), g, sides(ctx.shape(1)), attrs) : null,
      ...biasGradient(ctx, g),
    ]
  }),
  conv2dInput: rule(others, (ctx, g) => {
    const attrs = ctx.attrs as ConvAttrs
    return [
      ctx.needs(0) ? conv2dForward(g, ctx.input(1), sides(ctx.shape(0)), attrs) : null,
      ctx.needs(1) ? conv2dWeight(g, ctx.input(0), sides(ctx.shape(1)), attrs) : null,
      ...biasGradient(ctx, g),
    ]
  }),
  conv2dWeight: rule(others, (ctx, g) => {
    const attrs = ctx.attrs as ConvAttrs
    return [
      ctx.needs(0) ? conv2dInput(ctx.input(1), g, sides(ctx.shape(0)), attrs) : null,
      ctx.needs(1) ? conv2dForward(ctx.input(0), g, sides(ctx.shape(1)), attrs) : null,
    ]
  }),
}
