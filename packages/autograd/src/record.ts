// Installs autograd as the observer of ops, and gives Tensor the properties that PyTorch users expect: requiresGrad,
// grad, isLeaf, backward().
import { BmsError, DTypeError, isFloat, observeOps, Tensor } from '@bms/tensor'
import { backward, type BackwardOptions } from './engine.js'
import { Node, Place, placeOf } from './graph.js'
import { isGradEnabled } from './mode.js'
import { rules } from './rules/index.js'

observeOps(({ op, inputs, outputs, attrs }) => {
  if (!isGradEnabled() || !inputs.some((t) => t.trace !== null && isFloat(t.dtype))) return
  const rule = rules[op]
  if (rule === undefined) throw new BmsError('NO_GRADIENT', `${op}: has no gradient rule; call it under noGrad(), or on detach()ed tensors`, { op })
  if (rule !== null) new Node(op, attrs, rule, inputs, outputs)
})

declare module '@bms/tensor' {
  interface Tensor {
    /** Are gradients wanted for this tensor? Settable on leaves (tensors that no op made). */
    requiresGrad: boolean
    /** What backward() added up here; null before. Settable. */
    grad: Tensor | null
    /** True for tensors that no recorded op made. */
    readonly isLeaf: boolean
    /** Sets requiresGrad and returns the tensor. */
    requiresGrad_(on?: boolean): this
    /** Adds the gradients of this tensor (one element, unless `gradient` is given) to `grad` of the leaves that it depends on. */
    backward(gradient?: Tensor, options?: BackwardOptions): void
  }
}

Object.defineProperties(Tensor.prototype, {
  requiresGrad: {
    configurable: true,
    get(this: Tensor): boolean {
      return placeOf(this) !== null
    },
    set(this: Tensor, on: boolean) {
      const place = placeOf(this)
      if (on === (place !== null)) return
      if (place?.node)
        throw new BmsError('NOT_A_LEAF', `requiresGrad can only be changed on leaves; this tensor was made by ${place.node.op}: use detach()`, {
          op: place.node.op,
        })
      if (on && !isFloat(this.dtype))
        throw new DTypeError('requiresGrad', `only f32 and f16 tensors have gradients, this one is ${this.dtype}`, { dtype: this.dtype })
      this.trace = on ? new Place(null, 0, this.shape) : null
    },
  },
  grad: {
    configurable: true,
    get(this: Tensor): Tensor | null {
      return placeOf(this)?.grad ?? null
    },
    set(this: Tensor, value: Tensor | null) {
      const place = placeOf(this)
      if (place) place.grad = value
    },
  },
  isLeaf: {
    configurable: true,
    get(this: Tensor): boolean {
      return !placeOf(this)?.node
    },
  },
  requiresGrad_: {
    configurable: true,
    value(this: Tensor, on = true) {
      this.requiresGrad = on
      return this
    },
  },
  backward: {
    configurable: true,
    value(this: Tensor, gradient?: Tensor, options?: BackwardOptions) {
      backward(this, { ...options, gradient })
    },
  },
})
