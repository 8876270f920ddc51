// What all optimisers share: groups, steps from given gradients or from .grad, and state that a checkpoint keeps.
import { ArgumentError, DTypeError, formatShape, isTensor, noGrad, type Tensor } from '@bms/autograd'
import { checkNames } from '../check.js'
import { compareState, copyOfState, loadState, refuseRecording } from '../state.js'
import { type Algorithm, ParamGroup } from './group.js'

/** Some parameters with hyper-parameters of their own; what is left out is the optimiser's. */
export type GroupSpec<O> = { params: Iterable<Tensor> } & Partial<O>

/** Parameters, or groups of them. */
export type Params<O> = Iterable<Tensor> | readonly GroupSpec<O>[]

const isList = (x: unknown): x is Iterable<unknown> => typeof (x as Iterable<unknown> | undefined)?.[Symbol.iterator] === 'function' && !isTensor(x)

function checkParams(op: string, params: Iterable<Tensor>): Tensor[] {
  if (!isList(params)) {
    throw new ArgumentError(op, 'params must be a list of tensors (module.parameters()), or of groups { params, lr }')
  }
  const list = [...params]
  if (list.length === 0) throw new ArgumentError(op, 'the list of parameters is empty')
  list.forEach((p, i) => {
    if (!isTensor(p)) throw new ArgumentError(op, `parameter ${i} is no Tensor`, { parameter: i })
    if (p.dtype !== 'f32') throw new DTypeError(op, `parameter ${i} is ${p.dtype}; f32 parameters are updated`, { parameter: i, dtype: p.dtype })
    if (!p.isLeaf) throw new ArgumentError(op, `parameter ${i} ${formatShape(p.shape)} was computed by an op; only leaves can be trained`, { parameter: i })
    if (!p.isContiguous)
      throw new ArgumentError(op, `parameter ${i} ${formatShape(p.shape)} is a view with gaps; make it with parameter(…), which copies`, { parameter: i })
  })
  return list
}

/** Base of SGD, Adam, AdamW and RMSprop. */
export class Optimizer<O extends { lr: number }> {
  readonly groups: readonly ParamGroup<O>[]
  /** The parameters of all groups in order, for `grad(loss, opt.params)`. */
  readonly params: readonly Tensor[]

  constructor(
    private readonly algorithm: Algorithm<O>,
    params: Params<O>,
    options: Partial<O> | undefined,
  ) {
    const { name, defaults } = algorithm
    const known = Object.keys(defaults)
    checkNames(name, options, known)
    const common = withDefaults(defaults, options)
    algorithm.check(name, common)
    const list = isList(params) ? [...params] : params
    const grouped = Array.isArray(list) && list.length > 0 && list.every((x) => typeof x === 'object' && x !== null && !isTensor(x) && 'params' in x)
    const specs = grouped ? (list as GroupSpec<O>[]) : [{ params: list as Iterable<Tensor> } as GroupSpec<O>]
    const prepared = specs.map(({ params: own, ...rest }) => {
      checkNames(name, rest, known)
      const settings = withDefaults(common, rest as unknown as Partial<O>)
      algorithm.check(name, settings)
      return { own: checkParams(name, own), settings }
    })
    this.params = prepared.flatMap((g) => g.own)
    if (new Set(this.params).size !== this.params.length) throw new ArgumentError(name, 'a parameter is listed twice')
    if (this.params.some((p) => p.device !== this.params[0]!.device)) throw new ArgumentError(name, 'the parameters are on different devices')
    this.groups = prepared.map((g) => new ParamGroup(algorithm, g.own, g.settings))
  }

  /** The learning rate of the first group; setting it sets all groups. Data on the device: compiled steps see the change. */
  get lr(): number {
    return this.groups[0]!.lr
  }

  set lr(value: number) {
    for (const g of this.groups) g.checked({ lr: value } as Partial<O>)
    for (const g of this.groups) g.lr = value
  }

  /**
   * One update, in place. `grads` are in the order of `params`; without them each parameter's `grad` is taken. Parameters without a gradient
   * (null) are left as they are.
   */
  step(grads?: readonly (Tensor | null | undefined)[]): void {
    const given = grads ?? this.params.map((p) => p.grad)
    if (given.length !== this.params.length)
      throw new ArgumentError(this.algorithm.name, `step() got ${given.length} gradients for ${this.params.length} parameters`)
    noGrad(() => {
      let first = 0
      for (const group of this.groups) {
        group.step(given.slice(first, first + group.params.length))
        first += group.params.length
      }
    })
  }

  /** Forgets the gradients of the parameters. */
  zeroGrad(): void {
    for (const p of this.params) p.grad = null
  }

  /**
   * The state for a checkpoint: moments and step counts by parameter (`state.0.exp_avg`, `state.0.step`, …), and each group's hyper-parameters
   * as the kernels read them (`group.0.hyper`). Views of the live state: save or clone them before the next step.
   */
  stateDict(): Record<string, Tensor> {
    const out: Record<string, Tensor> = {}
    let first = 0
    this.groups.forEach((group, k) => {
      group.params.forEach((_, i) => {
        for (const [name, value] of Object.entries(group.stateOf(i))) out[`state.${first + i}.${name}`] = value
      })
      out[`group.${k}.hyper`] = group.head
      first += group.params.length
    })
    return out
  }

  /**
   * Continues where `stateDict()` was taken, bit for bit, hyper-parameters included. Throws a BmsError 'STATE_DICT' and changes nothing when
   * it does not fit. The device has the state when this returns; await the promise before reading or setting hyper-parameters (`lr`). It rejects,
   * and everything is as it was, where the dict's hyper-parameters are none of this optimiser.
   */
  loadStateDict(dict: Record<string, Tensor>): Promise<void> {
    const op = `${this.algorithm.name}.loadStateDict`
    refuseRecording(op, this.params[0]!.device)
    const own = this.stateDict()
    compareState(op, own, dict, true)
    const before = copyOfState(own)
    loadState(op, own, dict)
    const adopted = this.adopt(op, before)
    // Whoever does not wait will hear of a lost device at the next read.
    adopted.catch(() => {})
    return adopted
  }

  /** Takes the host's hyper-parameters from the device, or puts `before` back. */
  private async adopt(op: string, before: Record<string, Tensor>): Promise<void> {
    try {
      for (const take of await Promise.all(this.groups.map((g) => g.readHyper(op)))) take()
    } catch (error) {
      if (!this.params[0]!.device.isLost) loadState(op, this.stateDict(), before)
      throw error
    } finally {
      for (const t of Object.values(before)) t.dispose()
    }
  }

  /** Frees the state (not the parameters). */
  dispose(): void {
    for (const g of this.groups) g.dispose()
  }
}

/** Given options over defaults; undefined counts as not given. */
function withDefaults<O extends object>(defaults: O, given: Partial<O> | undefined): O {
  const entries = Object.entries(given ?? {}).filter(([, value]) => value !== undefined)
  return { ...defaults, ...Object.fromEntries(entries) }
}
