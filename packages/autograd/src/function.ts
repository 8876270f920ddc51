// Ops of the user's own: a forward pass and the rule of its gradient.
import { type Attrs, collect, isTensor, type Tensor } from '@bms/tensor'
import { Node, placeOf } from './graph.js'
import { isGradEnabled, noGrad } from './mode.js'
import type { Rule } from './rule.js'

/** What forward and backward of a custom function share. */
export interface FunctionContext {
  /** Keeps inputs or results for the backward pass. Only those may be saved; other values go into `attrs`. */
  save(...tensors: Tensor[]): void
  /** What was saved, in order. */
  saved(): Tensor[]
  /** Is the gradient of the i-th input wanted? */
  needs(i: number): boolean
  readonly attrs: Attrs
}

export interface FunctionDefinition<A extends Tensor[]> {
  name: string
  /** Runs without recording. */
  forward(ctx: FunctionContext, ...inputs: A): Tensor | Tensor[]
  /** One gradient (or null) an input, from one a result (null: nothing depends on it). Written with differentiable ops it can be differentiated again. */
  backward(ctx: FunctionContext, ...gradients: (Tensor | null)[]): (Tensor | null)[]
}

/** Makes a differentiable function of a forward pass and its gradient, as torch.autograd.Function does. */
export function customFunction<A extends Tensor[]>(
  definition: FunctionDefinition<A> & { forward(ctx: FunctionContext, ...inputs: A): Tensor },
): (...inputs: A) => Tensor
export function customFunction<A extends Tensor[]>(definition: FunctionDefinition<A>): (...inputs: A) => Tensor | Tensor[]
export function customFunction<A extends Tensor[]>(definition: FunctionDefinition<A>): (...inputs: A) => Tensor | Tensor[] {
  return (...inputs) => {
    const attrs: Attrs = {}
    let kept: Tensor[] = []
    const forward: FunctionContext = { attrs, save: (...t) => void (kept = t), saved: () => kept, needs: (i) => placeOf(inputs[i]!) !== null }
    const { result, made } = collect(() => noGrad(() => definition.forward(forward, ...inputs)))
    const outputs = isTensor(result) ? [result] : result
    // A result that is an input, or a value of before, gets a handle of its own.
    const fresh = outputs.map((t) => (made.has(t) ? t : t.view(t.layout)))
    if (isGradEnabled() && inputs.some((t) => placeOf(t))) {
      const others = kept.filter((t) => !inputs.includes(t) && !outputs.includes(t))
      const all = [...inputs, ...others]
      const where = kept.map((t) => (outputs.includes(t) ? { output: outputs.indexOf(t) } : { input: all.indexOf(t) }))
      const rule: Rule = {
        saves: () => ({ inputs: where.flatMap((w) => ('input' in w ? [w.input!] : [])), outputs: where.flatMap((w) => ('output' in w ? [w.output!] : [])) }),
        backward(ctx, gradients) {
          const saved = (): Tensor[] => where.map((w) => ('output' in w ? ctx.output(w.output) : ctx.input(w.input!)))
          return definition.backward({ attrs, save: () => {}, saved, needs: (i) => ctx.needs(i) }, ...gradients)
        },
      }
      new Node(definition.name, attrs, rule, all, fresh)
    }
    return isTensor(result) ? fresh[0]! : fresh
  }
}
