// Reverse mode: walks the recorded graph from outputs to inputs, newest node first, asking each node's rule for the
// gradients of its inputs and adding up where paths meet.
import { add, BmsError, clone, collect, formatShape, keep, onesLike, sameShape, ShapeError, type Storage, type Tensor } from '@bms/tensor'
import { type Node, type Place, placeOf } from './graph.js'
import { enableGrad, noGrad } from './mode.js'
import { backwardWatcher } from './watch.js'

export interface GradOptions {
  /** Weights of the outputs; needed for outputs of more than one element. */
  gradOutputs?: Tensor | readonly (Tensor | null)[]
  /** Record the gradients too, so that they can be differentiated again. Default false. */
  createGraph?: boolean
  /** Keep the graph's values for another pass. Default: as createGraph. */
  retainGraph?: boolean
  /** Give null for inputs that the outputs do not depend on, instead of an error. */
  allowUnused?: boolean
}

export interface BackwardOptions {
  gradient?: Tensor
  createGraph?: boolean
  retainGraph?: boolean
}

/** The gradients in flight: one tensor a place, and who holds it. */
class Flow {
  readonly at = new Map<Place, Tensor>()
  private readonly holders = new Map<Tensor, number>()
  /** Tensors that this pass made, and may free. */
  private readonly ours = new Set<Tensor>()

  constructor(private readonly createGraph: boolean) {}

  own(made: Iterable<Tensor>): void {
    for (const t of made) this.ours.add(t)
  }

  hold(t: Tensor): void {
    this.holders.set(t, (this.holders.get(t) ?? 0) + 1)
  }

  drop(t: Tensor): void {
    const left = (this.holders.get(t) ?? 1) - 1
    this.holders.set(t, left)
    if (left <= 0 && !this.createGraph && this.ours.has(t)) t.dispose()
  }

  add(place: Place, g: Tensor): void {
    const before = this.at.get(place)
    if (!before) {
      this.at.set(place, g)
      this.hold(g)
      return
    }
    const { result, made } = collect(() => (this.createGraph ? enableGrad : noGrad)(() => addAt(place, before, g)))
    this.own(made)
    this.at.set(place, result)
    this.hold(result)
    this.drop(before)
  }
}

/** The sum of two gradients that reach one place. */
const addAt = (place: Place, a: Tensor, b: Tensor): Tensor => backwardWatcher()?.sum?.(place, [a, b], () => add(a, b)) ?? add(a, b)

/** Nodes that lie on a path from the outputs to a wanted place, newest first. */
function nodesBetween(outputs: readonly Place[], wanted: ReadonlySet<Place> | null): Node[] {
  const leads = new Map<Node, boolean>()
  const found: Node[] = []
  const stack: { node: Node; next: number }[] = []
  const visit = (place: Place): void => {
    if (place.node && !leads.has(place.node)) {
      leads.set(place.node, wanted === null)
      stack.push({ node: place.node, next: 0 })
    }
  }
  for (const o of outputs) {
    visit(o)
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!
      const parent = top.node.parents[top.next++]
      if (parent) visit(parent)
      if (top.next < top.node.parents.length) continue
      // The parents that were pushed just now must be finished first.
      if (stack[stack.length - 1] !== top) continue
      stack.pop()
      const { node } = top
      if (wanted && node.parents.some((p) => p && (wanted.has(p) || (p.node && leads.get(p.node))))) leads.set(node, true)
    }
  }
  for (const [node, on] of leads) {
    if (!on) continue
    node.focus = wanted && ((p) => wanted.has(p) || (p.node !== null && leads.get(p.node) === true))
    found.push(node)
  }
  return found.sort((a, b) => b.order - a.order)
}

/** Gradients at the wanted places (null wanted: at all leaves), from those at the outputs. */
export function flowBack(
  outputs: readonly { place: Place; gradient: Tensor }[],
  wanted: ReadonlySet<Place> | null,
  createGraph: boolean,
  retainGraph: boolean,
): Map<Place, Tensor> {
  const flow = new Flow(createGraph)
  const results = new Map<Place, Tensor>()
  const nodes = nodesBetween(
    outputs.map((o) => o.place),
    wanted,
  )
  for (const n of nodes) n.check()
  for (const { place, gradient } of outputs) flow.add(place, gradient)
  const settle = (place: Place): void => {
    const g = flow.at.get(place)
    if (g && (wanted ? wanted.has(place) : !place.node)) {
      results.set(place, g)
      flow.hold(g)
    }
  }
  for (const node of nodes) {
    const gradients = node.places.map((p) => {
      settle(p)
      return flow.at.get(p) ?? null
    })
    if (gradients.some((g) => g !== null)) {
      const applyRule = () => node.rule.backward(node, gradients)
      const { result, made } = collect(() => (createGraph ? enableGrad : noGrad)(() => backwardWatcher()?.rule?.(node, gradients, applyRule) ?? applyRule()))
      const kept = new Set(result)
      flow.own(made)
      if (!createGraph) for (const t of made) if (!kept.has(t)) t.dispose()
      for (const t of kept) if (t) flow.hold(t)
      result.forEach((g, i) => {
        const place = node.parents[i]
        if (!g || !place || !node.needs(i)) return
        if (!sameShape(g.shape, place.shape))
          throw new ShapeError(node.op, `its gradient rule gave ${formatShape(g.shape)} for an input of ${formatShape(place.shape)}`, { op: node.op })
        flow.add(place, g)
      })
      for (const t of kept) if (t) flow.drop(t)
    }
    for (const p of node.places) {
      const g = flow.at.get(p)
      if (g) flow.drop(g)
      flow.at.delete(p)
    }
    if (!retainGraph) node.free()
  }
  for (const place of flow.at.keys()) settle(place)
  return results
}

function seeds(op: string, outputs: readonly Tensor[], gradOutputs: readonly (Tensor | null)[] | undefined): { place: Place; gradient: Tensor }[] {
  return outputs.flatMap((o, i) => {
    const place = placeOf(o)
    if (!place) throw new BmsError('NO_GRADIENT', `${op}: output ${i + 1} ${formatShape(o.shape)} does not depend on anything with requiresGrad`, { output: i })
    const given = gradOutputs?.[i]
    if (given && !sameShape(given.shape, o.shape))
      throw new ShapeError(op, `the gradient given for output ${i + 1} has shape ${formatShape(given.shape)}, the output ${formatShape(o.shape)}`)
    if (!given && o.size !== 1)
      throw new ShapeError(op, `output ${i + 1} has shape ${formatShape(o.shape)}; gradients start at one number: use sum() or mean(), or give gradOutputs`, {
        shape: o.shape,
      })
    return [{ place, gradient: given ?? onesLike(o) }]
  })
}

export function grad(outputs: Tensor | readonly Tensor[], inputs: Tensor, options?: GradOptions): Tensor
export function grad(outputs: Tensor | readonly Tensor[], inputs: readonly Tensor[], options?: GradOptions): Tensor[]
/**
 * Gradients of outputs (one number, or weighted by `gradOutputs`) with respect to inputs: a tensor for a tensor, a list for a list. With
 * `createGraph` they can be differentiated again (gradient penalties, Hessians). Frees the graph's values unless told to retain them.
 */
export function grad(outputs: Tensor | readonly Tensor[], inputs: Tensor | readonly Tensor[], options: GradOptions = {}): Tensor | Tensor[] {
  const outs = Array.isArray(outputs) ? (outputs as readonly Tensor[]) : [outputs as Tensor]
  const single = !Array.isArray(inputs)
  const ins = (single ? [inputs] : inputs) as readonly Tensor[]
  const { createGraph = false, retainGraph = createGraph, allowUnused = false } = options
  const given =
    options.gradOutputs === undefined
      ? undefined
      : Array.isArray(options.gradOutputs)
        ? (options.gradOutputs as readonly (Tensor | null)[])
        : [options.gradOutputs as Tensor]
  const places = ins.map((t, i) => {
    const place = placeOf(t)
    if (!place && !allowUnused)
      throw new BmsError('NO_GRADIENT', `grad: input ${i + 1} ${formatShape(t.shape)} has no requiresGrad; set it before it is used`, { input: i })
    return place
  })
  const wanted = new Set(places.filter((p) => p !== null))
  const found = flowBack(
    (createGraph ? enableGrad : noGrad)(() => seeds('grad', outs, given)),
    wanted,
    createGraph,
    retainGraph,
  )
  const results = places.map((p, i) => {
    const g = p && found.get(p)
    if (!g && !allowUnused)
      throw new BmsError(
        'NO_GRADIENT',
        `grad: the outputs do not depend on input ${i + 1} ${formatShape(ins[i]!.shape)}; pass { allowUnused: true } to get null for it`,
        { input: i },
      )
    return g ?? null
  })
  // Two inputs may have one gradient, or one that the caller gave; each gets a handle of its own.
  const seen = new Set<Tensor | null>(given)
  results.forEach((g, i) => {
    if (g && seen.has(g)) results[i] = sameAs(g)
    else if (g) seen.add(g)
  })
  return (single ? results[0] : results) as Tensor | Tensor[]
}

/** Adds the gradients of `loss` to `grad` of every leaf with requiresGrad that it depends on, as PyTorch's backward(). */
export function backward(loss: Tensor, options: BackwardOptions = {}): void {
  const { createGraph = false, retainGraph = createGraph } = options
  const from = seeds('backward', [loss], options.gradient ? [options.gradient] : undefined)
  // What lands in grad is nobody else's memory: optimisers and clipping write to it.
  const used = new Set<Storage>(options.gradient ? [options.gradient.storage] : [])
  const taken = new Set<Tensor>(options.gradient && [options.gradient])
  const found = flowBack(from, null, createGraph, retainGraph)
  for (const [place, g] of found) {
    const before = place.grad
    const shared = used.has(g.storage) || g.strides.some((s, d) => s === 0 && g.shape[d]! > 1)
    const mode = createGraph ? enableGrad : noGrad
    place.grad = keep(before ? mode(() => addAt(place, before, g)) : shared ? mode(() => clone(g)) : g)
    used.add(g.storage)
    if (place.grad === g) taken.add(g)
    if (before && !createGraph) before.dispose()
  }
  if (!createGraph) for (const g of found.values()) if (!taken.has(g)) g.dispose()
}

/** Another handle on the same value, at the same place in the graph. */
function sameAs(t: Tensor): Tensor {
  const other = t.view(t.layout)
  other.trace = t.trace
  return other
}
