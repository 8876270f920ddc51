// Exponential moving averages of parameters: what generators are sampled from. Updates are fused, six tensors a dispatch,
// and the count that a warm-up needs is kept on the device, so that a compiled step may end with update().
import {
  ArgumentError,
  contiguousStrides,
  DTypeError,
  isTensor,
  KernelCall,
  noGrad,
  type Tensor,
  zeros,
  optimEmaKernel,
  optimTickEmaKernel,
} from '@bms/autograd'
import { checkFlag, checkNames, checkNumber } from '../check.js'
import { Module } from '../nn/module.js'
import { lasting, loadState, refuseRecording } from '../state.js'
import { hostNumbers } from './operands.js'

export interface EMAOptions {
  /** Share of the old average kept in each update, in [0, 1]; default 0.999. */
  decay?: number
  /** Start with less: min(decay, (1 + t) / (10 + t)) at the t-th update, t from 0. Default false. */
  warmup?: boolean
}

/** Tensors in a dispatch: with the averages and the hyper-parameters 8 buffers. */
const WIDTH = 6

interface Chunk {
  sources: readonly Tensor[]
  average: Tensor
}

/** Tensors in sixes, fewer where the averages of six would not fit a binding of `most` elements. */
function inChunks(sources: readonly Tensor[], most: number): Tensor[][] {
  const chunks: Tensor[][] = []
  let size = 0
  for (const p of sources) {
    const last = chunks.at(-1)
    if (last && last.length < WIDTH && size + p.size <= most) last.push(p)
    else {
      chunks.push([p])
      size = 0
    }
    size += p.size
  }
  return chunks
}

/** Averages of parameters over training steps. Starts as a copy of them. */
export class EMA {
  /** The averages, in the order of the parameters. */
  readonly params: readonly Tensor[]
  private readonly names: readonly string[]
  private readonly sources: readonly Tensor[]
  private readonly chunks: Chunk[] = []
  private readonly hyper: Tensor
  private readonly warmup: boolean
  private currentDecay: number

  /** @param source a module, or a list of parameters; f32 */
  constructor(source: Module | Iterable<Tensor>, options: EMAOptions = {}) {
    checkNames('EMA', options, ['decay', 'warmup'])
    this.currentDecay = checkNumber('EMA', 'decay', options.decay ?? 0.999, { min: 0, max: 1 })
    this.warmup = checkFlag('EMA', 'warmup', options.warmup ?? false)
    const named: [string, Tensor][] = source instanceof Module ? [...source.namedParameters()] : Array.from(source, (p, i) => [String(i), p])
    if (named.length === 0) throw new ArgumentError('EMA', 'there are no parameters')
    for (const [name, p] of named) {
      if (!isTensor(p)) throw new ArgumentError('EMA', `parameter ${name} is no Tensor`)
      if (p.dtype !== 'f32' || !p.isContiguous) throw new DTypeError('EMA', `parameter ${name} must be f32 without gaps, it is ${p.dtype}`, { name })
    }
    this.names = named.map(([name]) => name)
    this.sources = named.map(([, p]) => p)
    const { device } = this.sources[0]!
    this.hyper = hostNumbers([1 - this.currentDecay, Number(this.warmup), 0, 1 - this.currentDecay], device)
    const params: Tensor[] = []
    for (const sources of inChunks(this.sources, device.limits.maxStorageBufferBindingSize / 4)) {
      const size = sources.reduce((n, p) => n + p.size, 0)
      const average = lasting(() => zeros([Math.max(1, size)], { device }), device)
      let at = 0
      for (const { shape, size: n } of sources) {
        params.push(lasting(() => average.view({ shape, strides: contiguousStrides(shape), offset: at }), device))
        at += n
      }
      this.chunks.push({ sources, average })
    }
    this.params = params
    device.stream.outsideRecording(() => copyAll(this.sources, params))
  }

  /** Data on the device: compiled steps see a change. */
  get decay(): number {
    return this.currentDecay
  }

  set decay(value: number) {
    checkNumber('EMA', 'decay', value, { min: 0, max: 1 })
    const { device } = this.hyper
    refuseRecording('EMA: setting decay', device)
    const rest = Float32Array.of(1 - value)
    device.stream.upload('EMA', this.hyper.storage, new Uint8Array(rest.buffer))
    // Without a warm-up nothing else writes what the update reads.
    if (!this.warmup) device.stream.upload('EMA', this.hyper.storage, new Uint8Array(rest.buffer), 12)
    this.currentDecay = value
  }

  /** Moves the averages towards the parameters as they are now. */
  update(): void {
    const { stream } = this.hyper.device
    if (this.warmup)
      stream.run(new KernelCall({ op: 'EMA', kernel: optimTickEmaKernel, buffers: { hyper: this.hyper }, params: {}, invocations: 1, updates: ['hyper'] }))
    for (const { sources, average } of this.chunks) {
      const p = (k: number): Tensor => sources[k] ?? sources[0]!
      const n = (k: number): number => sources[k]?.size ?? 0
      stream.run(
        new KernelCall({
          op: 'EMA',
          kernel: optimEmaKernel,
          buffers: { average, p0: p(0), p1: p(1), p2: p(2), p3: p(3), p4: p(4), p5: p(5), hyper: this.hyper },
          params: { n0: n(0), n1: n(1), n2: n(2), n3: n(3), n4: n(4), n5: n(5) },
          invocations: average.size,
          updates: ['average'],
          flops: 3 * average.size,
        }),
      )
    }
  }

  private targets(op: string, target: Module | Iterable<Tensor>): Tensor[] {
    const list = target instanceof Module ? target.parameters() : [...target]
    const fits =
      list.length === this.params.length && list.every((t, i) => t.size === this.params[i]!.size && t.shape.every((s, d) => s === this.params[i]!.shape[d]))
    if (!fits) throw new ArgumentError(op, 'the target has other parameters than those that are averaged')
    return list
  }

  /** Overwrites the parameters of a module (or a list of tensors) of the same structure with the averages. */
  copyTo(target: Module | Iterable<Tensor>): void {
    copyAll(this.params, this.targets('EMA.copyTo', target))
  }

  /** Runs `fn` (sync or async) with the averages in the target's parameters, and puts the old values back afterwards, also after an error. */
  applied<R>(target: Module | Iterable<Tensor>, fn: () => R): R {
    const list = this.targets('EMA.applied', target)
    refuseRecording('EMA.applied', this.hyper.device)
    const before = list.map((t) => lasting(() => t.clone(), t.device))
    const restore = (): void => {
      copyAll(before, list)
      for (const t of before) t.dispose()
    }
    copyAll(this.params, list)
    let result: R
    try {
      result = fn()
    } catch (error) {
      restore()
      throw error
    }
    if (result instanceof Promise) return result.finally(restore) as R
    restore()
    return result
  }

  /** The averages by the parameters' names, and the count of updates as `num_updates`: views of the live state. */
  stateDict(): Record<string, Tensor> {
    const count = this.hyper.view({ shape: [], strides: [], offset: 2 })
    return { ...Object.fromEntries(this.names.map((name, i) => [name, this.params[i]!])), num_updates: count }
  }

  /** Copies averages and count back. Throws a BmsError 'STATE_DICT' and changes nothing when they do not fit. */
  loadStateDict(dict: Record<string, Tensor>): void {
    loadState('EMA.loadStateDict', this.stateDict(), dict)
  }

  /** Frees the averages. */
  dispose(): void {
    for (const t of [this.hyper, ...this.params, ...this.chunks.map((c) => c.average)]) t.dispose()
  }
}

function copyAll(from: readonly Tensor[], to: readonly Tensor[]): void {
  noGrad(() => {
    from.forEach((t, i) => void to[i]!.copy_(t))
  })
}
