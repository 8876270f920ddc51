// Trading time for memory: a piece of the forward pass keeps only its inputs and is run again when its gradient is
// needed.
import { BmsError, collect, currentDevice, isTensor, type Tensor } from '@bms/tensor'
import { flowBack } from './engine.js'
import { Node, orderNow, type Place, placeOf } from './graph.js'
import { enableGrad, isGradEnabled, noGrad } from './mode.js'
import type { Rule } from './rule.js'

/** What was there before node number `since` and tensors depend on (parameters, values that a function closes over), and the nodes made since. */
function leavesOf(tensors: readonly Tensor[], since: number): { leaves: Set<Place>; nodes: Set<Node> } {
  const leaves = new Set<Place>()
  const nodes = new Set<Node>()
  const stack = tensors.map(placeOf)
  for (let p = stack.pop(); p !== undefined; p = stack.pop()) {
    if (!p) continue
    if (!p.node || p.node.order < since) leaves.add(p)
    else if (!nodes.has(p.node)) {
      nodes.add(p.node)
      stack.push(...p.node.parents)
    }
  }
  return { leaves, nodes }
}

/**
 * Runs `fn(...inputs)` keeping none of its intermediate values; they are computed again in the backward pass, with the same random numbers. Gradients
 * reach the inputs and the parameters that `fn` uses. `fn` must give the same result when called again; what it makes and does not return is freed, as
 * by tidy(). Results cannot be differentiated twice.
 */
export function checkpoint<A extends Tensor[], R extends Tensor | Tensor[]>(fn: (...inputs: A) => R, ...inputs: A): R {
  if (!isGradEnabled()) return fn(...inputs)
  const device = inputs[0]?.device ?? currentDevice()
  const mark = device.random.mark()
  const detached = (): A =>
    inputs.map((t) => {
      const d = noGrad(() => t.detach())
      if (placeOf(t)) d.requiresGrad = true
      return d
    }) as A
  const first = detached()
  const since = orderNow()
  const { result, made } = collect(() => enableGrad(() => fn(...first)))
  const outputs = (isTensor(result) ? [result] : result) as Tensor[]
  const { leaves, nodes } = leavesOf(outputs, since)
  const own = new Set(first.map(placeOf))
  const parameters = [...leaves].filter((p) => !own.has(p))
  for (const n of nodes) n.free()
  const fresh = outputs.map((t) => noGrad(() => t.detach()))
  for (const t of [...made, ...first]) t.dispose()
  const rule: Rule = {
    saves: () => ({ inputs: inputs.map((_, i) => i) }),
    backward(ctx, gradients) {
      if (isGradEnabled())
        throw new BmsError(
          'GRADIENT',
          'checkpoint: gradients through it cannot be differentiated again; call the function without checkpoint() where createGraph is needed',
        )
      const again = inputs.map((_, i) => {
        const d = noGrad(() => ctx.input(i).detach())
        if (ctx.needs(i)) d.requiresGrad = true
        return d
      }) as A
      const { recorder } = device.stream
      if (recorder) recorder.generation++
      try {
        const outs = device.random.replay(mark, () => enableGrad(() => fn(...again)))
        const list = (isTensor(outs) ? [outs] : outs) as Tensor[]
        const wanted = [...again.map(placeOf), ...parameters]
        const from = list.flatMap((t, i) => {
          const place = placeOf(t)
          const gradient = gradients[i]
          return place && gradient ? [{ place, gradient }] : []
        })
        const found = flowBack(from, new Set(wanted.filter((p) => p !== null)), false, false)
        return wanted.map((p) => (p && found.get(p)) ?? null)
      } finally {
        if (recorder) recorder.generation--
      }
    },
  }
  if (parameters.length > 0 || inputs.some((t) => placeOf(t))) new Node('checkpoint', {}, rule, inputs, fresh, parameters)
  return (isTensor(result) ? fresh[0] : fresh) as R
}
