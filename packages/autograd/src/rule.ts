// What a gradient rule is: which values of its op it needs, and the gradients of the inputs from those of the results.
import type { Attrs, DType, Tensor } from '@bms/tensor'

/** What a rule sees of the op that it differentiates. */
export interface RuleContext {
  readonly attrs: Attrs
  /** Value of the i-th input; only of those that `saves` names. */
  input(i: number): Tensor
  /** Value of the i-th result; only if `saves` asks for it. */
  output(i?: number): Tensor
  shape(i: number): readonly number[]
  dtype(i: number): DType
  /** Is the gradient of the i-th input wanted? */
  needs(i: number): boolean
}

/** Which values a rule needs, by index. */
export interface Saves {
  inputs?: readonly number[]
  outputs?: readonly number[]
}

export interface Rule {
  /** `needs[i]`: the gradient of input i is wanted. Default: nothing is saved. */
  saves?(needs: readonly boolean[], attrs: Attrs): Saves
  /**
   * Gradients of the inputs (null: none flows), written with differentiable ops so that they can be differentiated again. `gradients[k]` is that
   * of the k-th result, null where nothing depends on it. Returns fresh tensors or the given gradients, never saved values.
   */
  backward(ctx: RuleContext, gradients: readonly (Tensor | null)[]): readonly (Tensor | null)[]
}

/** A rule of an op with one result. */
export const rule = (saves: Saves | Rule['saves'] | null, backward: (ctx: RuleContext, g: Tensor) => readonly (Tensor | null)[]): Rule => ({
  saves: typeof saves === 'function' ? saves : saves ? () => saves : undefined,
  backward: (ctx, [g]) => backward(ctx, g!),
})
