// The base of everything with parameters: finds parameters, buffers and submodules among its own properties, names them
// as PyTorch does, saves and loads them.
import type { Tensor } from '@bms/autograd'
import { ArgumentError, isTensor, keep } from '@bms/autograd'
import { type LoadReport, loadState } from '../state.js'
import { Parameter } from './parameter.js'

const join = (prefix: string, name: string): string => (prefix === '' ? name : `${prefix}.${name}`)

/**
 * Base class of neural network modules. Assign parameters (`parameter(tensor)`), submodules and arrays of submodules to properties and they
 * are registered under the property's name, in the order of assignment; state that is not trained goes through `registerBuffer`.
 */
export class Module {
  /** True after construction and `train()`, false after `eval()`. */
  training = true
  readonly #buffers = new Map<string, boolean>()

  /** What the module computes; subclasses define it. */
  forward(..._inputs: any[]): any {
    throw new ArgumentError(this.constructor.name, 'this module has no forward()')
  }

  /** Keeps a tensor as state under `this[name]`: it is saved with the module (unless `persistent` is false) and not trained. null: no buffer for now. */
  registerBuffer(name: string, tensor: Tensor | null, persistent = true): void {
    if (tensor !== null && !isTensor(tensor)) throw new ArgumentError('registerBuffer', `${name} must be a Tensor or null`)
    if (tensor) keep(tensor)
    this.#buffers.set(name, persistent)
    ;(this as Record<string, unknown>)[name] = tensor
  }

  /** Submodules with their names. */
  *namedChildren(): Generator<[string, Module]> {
    for (const [name, value] of Object.entries(this)) {
      if (isModule(value)) yield [name, value]
      else if (Array.isArray(value)) for (const [i, item] of value.entries()) if (isModule(item)) yield [`${name}.${i}`, item]
    }
  }

  children(): Module[] {
    return Array.from(this.namedChildren(), ([, child]) => child)
  }

  /** This module and all below it, each once, with dotted names ('' is this one). */
  *namedModules(prefix = '', seen = new Set<Module>()): Generator<[string, Module]> {
    if (seen.has(this)) return
    seen.add(this)
    yield [prefix, this]
    for (const [name, child] of this.namedChildren()) yield* child.namedModules(join(prefix, name), seen)
  }

  modules(): Module[] {
    return Array.from(this.namedModules(), ([, module]) => module)
  }

  /** This module's own parameters, without those of submodules. */
  *ownParameters(): Generator<[string, Parameter]> {
    for (const [name, value] of Object.entries(this)) if (value instanceof Parameter) yield [name, value]
  }

  /** This module's own buffers: name, tensor, whether it is saved. */
  *ownBuffers(): Generator<[string, Tensor, boolean]> {
    for (const [name, persistent] of this.#buffers) {
      const value = (this as Record<string, unknown>)[name]
      if (isTensor(value)) yield [name, value, persistent]
    }
  }

  /** All parameters with dotted names, each once. */
  *namedParameters(): Generator<[string, Parameter]> {
    const seen = new Set<Tensor>()
    for (const [prefix, module] of this.namedModules()) {
      for (const [name, value] of module.ownParameters()) {
        if (seen.has(value)) continue
        seen.add(value)
        yield [join(prefix, name), value]
      }
    }
  }

  parameters(): Parameter[] {
    return Array.from(this.namedParameters(), ([, value]) => value)
  }

  /** All buffers with dotted names, also those that are not saved. */
  *namedBuffers(): Generator<[string, Tensor]> {
    for (const [prefix, module] of this.namedModules()) for (const [name, value] of module.ownBuffers()) yield [join(prefix, name), value]
  }

  buffers(): Tensor[] {
    return Array.from(this.namedBuffers(), ([, value]) => value)
  }

  /** Parameters and saved buffers under PyTorch's names. The tensors are the module's own, not copies: later training shows in them. */
  stateDict(): Record<string, Tensor> {
    const out: Record<string, Tensor> = {}
    const walk = (module: Module, prefix: string): void => {
      for (const [name, value] of module.ownParameters()) out[join(prefix, name)] = value
      for (const [name, value, persistent] of module.ownBuffers()) if (persistent) out[join(prefix, name)] = value
      for (const [name, child] of module.namedChildren()) walk(child, join(prefix, name))
    }
    walk(this, '')
    return out
  }

  /**
   * Copies values in place by name. Anything wrong (missing or unexpected names unless `strict` is false, shapes, dtypes) throws a BmsError
   * 'STATE_DICT' that lists all of it, and nothing is changed.
   */
  loadStateDict(dict: Record<string, Tensor>, options: { strict?: boolean } = {}): LoadReport {
    return loadState(`${this.constructor.name}.loadStateDict`, this.stateDict(), dict, options.strict ?? true)
  }

  /** Training mode for this module and all below. */
  train(mode = true): this {
    for (const module of this.modules()) module.training = mode
    return this
  }

  /** Evaluation mode: dropout off, running statistics used and not updated. */
  eval(): this {
    return this.train(false)
  }

  /** Whether gradients of the parameters are wanted. */
  requiresGrad_(flag = true): this {
    for (const p of this.parameters()) p.requiresGrad = flag
    return this
  }

  /** Forgets the parameters' gradients. */
  zeroGrad(): void {
    for (const p of this.parameters()) p.grad = null
  }

  /** Calls `fn` for every module, the inner ones first. */
  apply(fn: (module: Module) => void): this {
    for (const child of this.children()) child.apply(fn)
    fn(this)
    return this
  }

  /** Frees parameters and buffers. */
  dispose(): void {
    for (const p of this.parameters()) p.dispose()
    for (const b of this.buffers()) b.dispose()
  }

  /** The arguments as `toString` shows them. */
  extraRepr(): string {
    return ''
  }

  /** The module and its submodules, as PyTorch prints them. */
  toString(): string {
    const lines = Array.from(this.namedChildren(), ([name, child]) => `  (${name}): ${child.toString().replaceAll('\n', '\n  ')}`)
    const extra = this.extraRepr()
    const name = this.constructor.name
    if (lines.length === 0) return `${name}(${extra})`
    return `${name}(\n${extra ? `  ${extra}\n` : ''}${lines.join('\n')}\n)`
  }
}

/** Outside of the class: the bundler renames a class that names itself, and texts and errors show the name. */
const isModule = (value: unknown): value is Module => value instanceof Module
