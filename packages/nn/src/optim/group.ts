// One group of parameters of an optimiser: its hyper-parameters in a device buffer, its moments, and the dispatches that
// update it, three parameters at a time.
import {
  ArgumentError,
  BmsError,
  contiguousStrides,
  type Device,
  DTypeError,
  formatShape,
  type Kernel,
  KernelCall,
  sameShape,
  ShapeError,
  type Tensor,
  zeros,
  optimTickStepsKernel,
} from '@bms/autograd'
import { lasting, refuseRecording } from '../state.js'
import { gradientSource, shortest } from './operands.js'

/** What an optimiser is, apart from its state: the kernel and how options become numbers. */
export interface Algorithm<O> {
  /** As users write it: 'optim.Adam'. */
  readonly name: string
  readonly kernel: Kernel<'optim.sgd' | 'optim.adam' | 'optim.rmsprop'>
  readonly defaults: O
  /** Throws an ArgumentError for what is out of range. */
  check(name: string, options: O): void
  /** Names of the moments kept for each parameter, in the order of the kernel. */
  moments(options: O): string[]
  /** Do the formulas need the number of steps? */
  counts(options: O): boolean
  /** Bits of the kernel's flags. */
  flags(options: O): number
  /** The numbers from the second on of the kernel's `hyper`: weight decay, eps, decay1, 1-decay1, decay2, 1-decay2, ln decay1, ln decay2. */
  numbers(options: O): number[]
  /** The options that give such numbers, the learning rate first. */
  options(numbers: readonly number[]): Partial<O>
}

/** Numbers before the records in `hyper`, how many of them are in use, and numbers of a record; as in optim.wgsl. */
const HEAD = 16
const USED = 9
const RECORD = 4
/** Elements of an invocation; as in optim.wgsl. */
const PER = 4
/** Parameters in a dispatch: with gradients, state and hyper-parameters 8 buffers, which every adapter has. */
const WIDTH = 3

interface Chunk {
  /** Of its first parameter in the group. */
  first: number
  params: readonly Tensor[]
  /** Where each begins in a moment. */
  starts: number[]
  /** Elements of a moment. */
  size: number
  state: Tensor
}

/** Parameters that share hyper-parameters. */
export class ParamGroup<O extends { lr: number } = { lr: number }> {
  private readonly chunks: Chunk[] = []
  private readonly hyper: Tensor
  private readonly spare: Tensor[]
  private readonly moments: string[]
  private readonly counted: boolean
  private readonly flags: number
  private current: O
  private changes = 0

  constructor(
    private readonly algorithm: Algorithm<O>,
    readonly params: readonly Tensor[],
    options: O,
  ) {
    const { device } = params[0]!
    this.current = options
    this.moments = algorithm.moments(options)
    this.counted = algorithm.counts(options)
    this.flags = algorithm.flags(options)
    this.hyper = lasting(() => zeros([HEAD + RECORD * params.length], { device }), device)
    this.spare = Array.from({ length: WIDTH }, () => lasting(() => zeros([1], { device }), device))
    this.upload(options)
    this.split(device)
  }

  /** Parameters in threes: of different memory, and so that the state fits a binding. */
  private split(device: Device): void {
    const most = device.limits.maxStorageBufferBindingSize / 4
    let first = 0
    while (first < this.params.length) {
      const params: Tensor[] = []
      let size = 0
      for (const p of this.params.slice(first, first + WIDTH)) {
        if (params.some((q) => q.storage === p.storage) || (params.length > 0 && (size + p.size) * this.moments.length > most)) break
        params.push(p)
        size += p.size
      }
      let at = 0
      const starts = params.map((p) => (at += p.size) - p.size)
      const state = lasting(() => zeros([Math.max(1, size * this.moments.length)], { device }), device)
      this.chunks.push({ first, params, starts, size, state })
      first += params.length
    }
  }

  get device(): Device {
    return this.params[0]!.device
  }

  /** The learning rate. Setting it writes the device's copy, so that compiled steps see it. */
  get lr(): number {
    return this.current.lr
  }

  set lr(value: number) {
    this.set({ lr: value } as Partial<O>)
  }

  /** All hyper-parameters as they are now. */
  get options(): Readonly<O> {
    return this.current
  }

  /** Changes hyper-parameters. What decides the form of the update (nesterov, centered, whether there is momentum, …) is fixed at construction. */
  set(change: Partial<O>): void {
    const { algorithm } = this
    const next = this.checked(change)
    refuseRecording(`${algorithm.name}: setting ${Object.keys(change).join(', ')}`, this.device)
    this.upload(next)
    this.current = next
    this.changes++
  }

  /** The options after a change, if it is allowed. */
  checked(change: Partial<O>): O {
    const { algorithm, moments, counted } = this
    const next = { ...this.current, ...change }
    algorithm.check(algorithm.name, next)
    const fixed = algorithm.moments(next).every((m) => moments.includes(m)) && (counted || !algorithm.counts(next))
    const same = Object.entries(next).every(([name, value]) => typeof value !== 'boolean' || value === this.current[name as keyof O])
    if (!fixed || !same)
      throw new ArgumentError(algorithm.name, `${Object.keys(change).join(', ')}: the form of the update is fixed when the optimiser is made; make a new one`, {
        change,
      })
    return next
  }

  private numbers(options: O): Float32Array<ArrayBuffer> {
    const head = new Float32Array(USED)
    head.set([options.lr, ...this.algorithm.numbers(options)])
    return head
  }

  private upload(options: O): void {
    this.device.stream.upload(this.algorithm.name, this.hyper.storage, new Uint8Array(this.numbers(options).buffer))
  }

  /** The hyper-parameters as the kernels read them: a view. */
  get head(): Tensor {
    return this.hyper.view({ shape: [USED], strides: [1], offset: 0 })
  }

  /**
   * After `head` was overwritten: reads it and gives the function that makes its numbers the host's.
   * Rejects with a BmsError 'STATE_DICT' where they are out of range or contradict each other.
   */
  async readHyper(op: string): Promise<() => void> {
    const { changes } = this
    const view = this.head
    const stored = (await view.data()) as Float32Array
    view.dispose()
    // What was set in the meantime has overwritten what was loaded.
    if (changes !== this.changes) return () => {}
    const refuse = (why: string): never => {
      throw new BmsError('STATE_DICT', `${op}: bad hyper-parameters, nothing was changed: ${why}`, { op })
    }
    const options = this.algorithm.options(Array.from(stored, shortest))
    // The host's numbers may have more digits than the device keeps: where only the learning rate is another one, they stay.
    const others = this.numbers(this.current).some((x, i) => i > 0 && x !== stored[i])
    let next = this.current
    try {
      next = this.checked(others ? options : ({ lr: options.lr } as Partial<O>))
    } catch (cause) {
      refuse((cause as Error).message)
    }
    // Some are stored in several forms: beta, 1 - beta, ln beta.
    this.numbers(next).forEach((x, i) => Math.abs(x - stored[i]!) <= 1e-6 * Math.max(1, Math.abs(x)) || refuse(`number ${i} is ${stored[i]}`))
    return () => {
      if (changes === this.changes) this.current = next
    }
  }

  /** Updates the parameters that have a gradient. */
  step(grads: readonly (Tensor | null | undefined)[]): void {
    const { name } = this.algorithm
    grads.forEach((g, i) => {
      const p = this.params[i]!
      if (!g) return
      if (!sameShape(g.shape, p.shape))
        throw new ShapeError(name, `the gradient of parameter ${i} has shape ${formatShape(g.shape)}, the parameter ${formatShape(p.shape)}`, { parameter: i })
      if (g.device !== p.device)
        throw new ArgumentError(name, `the gradient of parameter ${i} is on ${g.device}, the parameter on ${p.device}`, { parameter: i })
      if (g.dtype !== 'f32') throw new DTypeError(name, `the gradient of parameter ${i} is ${g.dtype}, f32 is needed`, { parameter: i })
    })
    if (this.counted) this.tick(grads)
    for (const chunk of this.chunks) this.update(chunk, grads)
  }

  /** Counts a step for each run of parameters that have gradients: usually one dispatch. */
  private tick(grads: readonly (Tensor | null | undefined)[]): void {
    for (let first = 0; first < grads.length; first++) {
      if (!grads[first]) continue
      let end = first
      while (end < grads.length && grads[end]) end++
      const count = end - first
      const call = new KernelCall({
        op: this.algorithm.name,
        kernel: optimTickStepsKernel,
        buffers: { hyper: this.hyper },
        params: { first, count },
        invocations: count,
        updates: ['hyper'],
      })
      this.device.stream.run(call)
      first = end
    }
  }

  private update(chunk: Chunk, grads: readonly (Tensor | null | undefined)[]): void {
    const own = chunk.params.map((_, k) => grads[chunk.first + k] ?? null)
    if (own.every((g) => g === null)) return
    const sources = own.map((g) => g && gradientSource(g, chunk.params))
    const some = sources.find((s) => s !== null)!
    const p = (k: number): Tensor => chunk.params[k] ?? this.spare[k]!
    const g = (k: number) => (sources[k] ?? some).operand
    const n = (k: number): number => (sources[k] ? chunk.params[k]!.size : 0)
    const rows = (k: number): number => sources[k]?.rows ?? 0
    this.device.stream.run(
      new KernelCall({
        op: this.algorithm.name,
        kernel: this.algorithm.kernel,
        buffers: { p0: p(0), p1: p(1), p2: p(2), g0: g(0), g1: g(1), g2: g(2), state: chunk.state, hyper: this.hyper },
        params: {
          n0: n(0),
          n1: n(1),
          n2: n(2),
          start0: chunk.starts[0]!,
          start1: chunk.starts[1] ?? 0,
          start2: chunk.starts[2] ?? 0,
          moment: chunk.size,
          record: chunk.first,
          rows0: rows(0),
          rows1: rows(1),
          rows2: rows(2),
          flags: this.flags,
        },
        invocations: Math.ceil((n(0) + n(1) + n(2)) / PER),
        updates: ['p0', 'p1', 'p2', 'state'],
        flops: 12 * (n(0) + n(1) + n(2)),
      }),
    )
    for (const s of sources) s?.free?.dispose()
  }

  /** The state of the group's i-th parameter by PyTorch's names: views of it, not copies. */
  stateOf(i: number): Record<string, Tensor> {
    const chunk = this.chunks.findLast((c) => c.first <= i)!
    const k = i - chunk.first
    const { shape } = chunk.params[k]!
    const out: Record<string, Tensor> = {}
    this.moments.forEach((name, m) => {
      out[name] = chunk.state.view({ shape, strides: contiguousStrides(shape), offset: m * chunk.size + chunk.starts[k]! })
    })
    if (this.counted) out['step'] = this.hyper.view({ shape: [], strides: [], offset: HEAD + RECORD * i })
    return out
  }

  /** Frees the state. */
  dispose(): void {
    for (const t of [this.hyper, ...this.spare, ...this.chunks.map((c) => c.state)]) t.dispose()
  }
}
