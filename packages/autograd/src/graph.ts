// What autograd remembers: for each op a node with the values that its gradient rule needs, linked to the places its
// inputs came from. This is the whole engine's data; engine.ts walks it, rules/ says what the gradients are.
import { type Attrs, BmsError, type DType, isFloat, type Tensor, type Trace } from '@bms/tensor'
import { isGradEnabled } from './mode.js'
import type { Rule, RuleContext } from './rule.js'
import { backwardWatcher } from './watch.js'

let nextOrder = 1

/** Nodes made from now on have at least this order. */
export const orderNow = (): number => nextOrder

/** A tensor's place in the graph: a leaf (a parameter, `node` null), or the `index`-th result of a node. Views of it in saved values share it. */
export class Place implements Trace {
  /** What backward() added up, for leaves. */
  grad: Tensor | null = null

  constructor(
    readonly node: Node | null,
    readonly index: number,
    readonly shape: readonly number[],
  ) {}

  visit(fn: (t: Tensor) => void, seen: Set<unknown>): void {
    if (this.grad) fn(this.grad)
    this.node?.visit(fn, seen)
  }

  transfer(to: Tensor): void {
    if (!this.node) to.trace = new Place(null, 0, to.shape)
  }

  overwritten(op: string): void {
    if (!this.node || !isGradEnabled()) return
    throw new BmsError(
      'IN_PLACE',
      `${op}: the tensor was made by ${this.node.op}, and gradients flow through it; write to detach() of it, under noGrad(), or compute a new tensor`,
      { op, madeBy: this.node.op },
    )
  }
}

export const placeOf = (t: Tensor): Place | null => (t.trace instanceof Place ? t.trace : null)

/** A value kept for a gradient rule: its own handle on the memory, and the version it had. */
interface Saved {
  tensor: Tensor
  version: number
}

function save(t: Tensor): Saved {
  const tensor = t.view(t.layout)
  tensor.trace = t.trace
  return { tensor, version: t.storage.version }
}

/** One recorded op: the context of its rule, and the edges to what it was computed from. */
export class Node implements RuleContext {
  readonly order = nextOrder++
  /** Places of the inputs; null where no gradient is wanted. */
  readonly parents: readonly (Place | null)[]
  readonly places: Place[]
  private readonly shapes: readonly (readonly number[])[]
  private readonly dtypes: readonly DType[]
  private readonly savedInputs = new Map<number, Saved>()
  private readonly savedOutputs = new Map<number, Saved>()
  /** Set by the engine: which places the current pass leads to. */
  focus: ((place: Place) => boolean) | null = null
  private freed = false

  /** Hangs the new places on the results. */
  constructor(
    readonly op: string,
    readonly attrs: Attrs,
    readonly rule: Rule,
    inputs: readonly Tensor[],
    outputs: readonly Tensor[],
    /** Places beyond those of the inputs that the rule gives gradients for (parameters that a function closes over). */
    more: readonly Place[] = [],
  ) {
    this.parents = [...inputs.map((t) => (isFloat(t.dtype) ? placeOf(t) : null)), ...more]
    this.shapes = inputs.map((t) => t.shape)
    this.dtypes = inputs.map((t) => t.dtype)
    this.places = outputs.map((t, i) => new Place(this, i, t.shape))
    outputs.forEach((t, i) => {
      if (isFloat(t.dtype)) t.trace = this.places[i]!
    })
    const saves = rule.saves?.(
      this.parents.map((p) => p !== null),
      attrs,
    )
    for (const i of saves?.inputs ?? []) this.savedInputs.set(i, save(inputs[i]!))
    for (const i of saves?.outputs ?? []) this.savedOutputs.set(i, save(outputs[i]!))
    backwardWatcher()?.node?.(this)
  }

  input(i: number): Tensor {
    return this.value(this.savedInputs.get(i), `input ${i + 1}`)
  }

  output(i = 0): Tensor {
    return this.value(this.savedOutputs.get(i), 'result')
  }

  shape(i: number): readonly number[] {
    return this.shapes[i]!
  }

  dtype(i: number): DType {
    return this.dtypes[i]!
  }

  /** True while the current pass wants the gradient of input i. */
  needs(i: number): boolean {
    const place = this.parents[i]
    return place != null && (this.focus === null || this.focus(place))
  }

  private value(saved: Saved | undefined, what: string): Tensor {
    this.check()
    if (!saved) throw new BmsError('GRADIENT', `${this.op}: its gradient rule asks for its ${what}, which it did not save`, { op: this.op })
    if (saved.tensor.storage.version !== saved.version) {
      throw new BmsError(
        'MODIFIED',
        `${this.op}: the value of its ${what}, which the gradient needs, was overwritten in place after it was used (version ${saved.tensor.storage.version}, needed ${saved.version}); compute gradients before updating, or use clone()`,
        { op: this.op },
      )
    }
    return saved.tensor
  }

  /** Throws when the values were given back. */
  check(): void {
    if (this.freed)
      throw new BmsError(
        'GRAPH_FREED',
        `${this.op}: gradients were already taken through this graph, and its values are freed; pass { retainGraph: true } the first time`,
        { op: this.op },
      )
  }

  visit(fn: (t: Tensor) => void, seen: Set<unknown>): void {
    const stack: Node[] = [this]
    for (let node = stack.pop(); node; node = stack.pop()) {
      if (seen.has(node)) continue
      seen.add(node)
      for (const s of [...node.savedInputs.values(), ...node.savedOutputs.values()]) fn(s.tensor)
      for (const p of node.parents) if (p?.node) stack.push(p.node)
    }
  }

  /** Gives the saved values back. */
  free(): void {
    this.freed = true
    for (const s of [...this.savedInputs.values(), ...this.savedOutputs.values()]) s.tensor.dispose()
    this.savedInputs.clear()
    this.savedOutputs.clear()
  }
}
