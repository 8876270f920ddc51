// compile(fn): runs a function once with the stream recording, and gives back one that replays what it did. Shapes,
// dtypes and host decisions are fixed by the recording; every value that may change is data in a buffer.
import type { Device } from '../device/device.js'
import { currentDevice } from '../device/init.js'
import type { Stream } from '../device/stream.js'
import { ArgumentError } from '../errors.js'
import { copy_ } from '../ops/copy.js'
import { commonDevice, empty } from '../ops/launch.js'
import { keep, visitTensors } from '../scope.js'
import { isTensor, Tensor } from '../tensor.js'
import { currentWatcher, unwatched } from '../trace.js'
import type { Rewrites } from './optimise.js'
import { Program, type ProgramStats } from './program.js'
import type { KernelTime } from './profile.js'
import { Recorder } from './recorder.js'

export interface CompileOptions {
  /** Switches single rewrites off: for tests that compare. */
  rewrites?: Rewrites
  /** Programs kept for different input shapes; the oldest goes first. Default 8. */
  maxPrograms?: number
}

/** A compiled function: call it like the original. */
export interface Compiled<A extends unknown[], R> {
  /**
   * Runs the step. The first call with new input shapes or dtypes records and builds it. The returned tensors are the step's own: the next call
   * overwrites them, so read them (`await x.data()`) or `clone()` them before.
   */
  (...args: A): R
  /** Records and builds the step for such arguments, its pipelines in parallel, without running it. */
  prepare(...args: A): Promise<void>
  /**
   * Records the step for such arguments and lays out its memory: what it will hold and do. Nothing is run and no pipeline made.
   * @throws LimitError where the adapter could not hold it
   */
  plan(...args: A): ProgramStats
  /** Of the program that ran (or was prepared or planned) last: what it holds and does. */
  stats(): ProgramStats
  /** Time of each kernel. Runs the step once. */
  profile(): Promise<KernelTime[]>
  /** The listing, one line a dispatch. */
  toString(): string
  /** Frees the programs and their results. */
  dispose(): void
}

interface Entry<R> {
  program: Program
  inputs: Tensor[]
  result: R
}

/** Does it hold memory that turned out not to be there? */
const lacksMemory = ({ program, inputs }: Entry<unknown>): boolean =>
  [...program.owned, ...inputs.map((t) => t.storage)].some((s) => s.buffer && s.device.allocator.failed.has(s.buffer))

/** The same nested arrays and plain objects with each tensor replaced. */
export function mapTensors(tree: unknown, of: (t: Tensor) => Tensor): unknown {
  if (isTensor(tree)) return of(tree)
  if (Array.isArray(tree)) return tree.map((x) => mapTensors(x, of))
  if (typeof tree === 'object' && tree !== null && (Object.getPrototypeOf(tree) === Object.prototype || Object.getPrototypeOf(tree) === null)) {
    return Object.fromEntries(Object.entries(tree).map(([k, v]) => [k, mapTensors(v, of)]))
  }
  return tree
}

/** The tensors of the arguments in order, and a text equal for arguments that the same program serves. Throws for arguments that a step would freeze. */
export function signature(args: readonly unknown[]): { tensors: Tensor[]; key: string } {
  const tensors: Tensor[] = []
  const text = (x: unknown, where: string): string => {
    if (isTensor(x)) {
      tensors.push(x)
      // Whether gradients are wanted decides what the function does.
      return `${x.dtype}[${x.shape.join(',')}]${x.trace ? '*' : ''}`
    }
    if (Array.isArray(x)) return `(${x.map((v, i) => text(v, `${where}[${i}]`)).join(' ')})`
    if (typeof x === 'object' && x !== null && Object.getPrototypeOf(x) === Object.prototype)
      return `{${Object.entries(x)
        .map(([k, v]) => `${k}:${text(v, `${where}.${k}`)}`)
        .join(' ')}}`
    if (x === undefined || x === null) return String(x)
    const what = typeof x === 'object' ? (x.constructor?.name ?? 'object') : typeof x
    const hint = typeof x === 'number' || typeof x === 'boolean' ? ` (tensor(${x}))` : ''
    throw new ArgumentError(
      'compile',
      `${where} is a ${what}: a compiled step would freeze it; pass a tensor${hint} so that it can change between calls, or close over it if it never changes`,
      { argument: where },
    )
  }
  const key = args.map((a, i) => text(a, `argument ${i + 1}`)).join(';')
  return { tensors, key }
}

/**
 * Compiles a step: forward passes, gradients, optimiser updates, whatever ops `fn` uses. `fn` runs once for each set of input shapes; inside it,
 * values cannot be read, and host code (branches, counters, prints) is not repeated by later calls. Parameters, optimiser state and other tensors
 * from outside are updated in place. Arguments are tensors, also in arrays and plain objects. While values are watched (detectAnomaly) nothing is recorded
 * or replayed: each call runs `fn`, op by op.
 */
export function compile<A extends unknown[], R>(fn: (...args: A) => R, options: CompileOptions = {}): Compiled<A, R> {
  const entries = new Map<string, Entry<R>>()
  let last: Entry<R> | null = null
  const name = fn.name ? `the compiled step "${fn.name}"` : 'a compiled step'

  const record = (device: Device, args: A, tensors: readonly Tensor[]): Entry<R> => {
    const { stream } = device
    device.check('compile')
    stream.flush()
    const inputs: Tensor[] = []
    const recorder = new Recorder(device)
    let program: Program | null = null
    try {
      for (const t of tensors) {
        const input = keep(empty('compile', device, t.shape, t.dtype))
        inputs.push(input)
        t.trace?.transfer?.(input)
      }
      const recorded = listen(stream, recorder, () => {
        let next = 0
        return fn(...(mapTensors(args, () => inputs[next++]!) as A))
      })
      const returned: Tensor[] = []
      visitTensors(recorded, isTensor, (t) => returned.push(t))
      const results = new Set(returned.map((t) => t.storage).filter((s) => recorder.planned.has(s)))
      const inputBytes = inputs.reduce((sum, t) => sum + t.storage.bytes, 0)
      const made = new Program(device, recorder, results, options.rewrites ?? {}, name, inputBytes)
      program = made
      const result = mapTensors(recorded, (t) => keep(new Tensor(made.result(t.storage).retain(), t.layout, t.dtype))) as R
      return { program: made, inputs, result }
    } catch (error) {
      program?.dispose()
      recorder.release()
      for (const t of inputs) t.dispose()
      throw error
    }
  }

  const drop = (entry: Entry<R>): void => {
    entry.program.dispose()
    for (const t of entry.inputs) t.dispose()
    visitTensors(entry.result, isTensor, (t) => t.dispose())
  }

  const find = (args: A): { entry: Entry<R>; tensors: Tensor[] } | null => {
    const { tensors, key: shapes } = signature(args)
    const device = tensors.length > 0 ? commonDevice('compile', tensors) : currentDevice()
    if (device.stream.recorder) return null
    const key = `${device.id} ${shapes}`
    let entry = entries.get(key)
    if (entry && device.allocator.failed.size > 0 && lacksMemory(entry)) {
      drop(entry)
      entries.delete(key)
      entry = undefined
    }
    if (!entry) {
      if (entries.size >= (options.maxPrograms ?? 8)) {
        const [oldest, gone] = entries.entries().next().value!
        device.debug(1, () => `compile: drops the program for ${oldest}`)
        drop(gone)
        entries.delete(oldest)
      }
      entry = record(device, args, tensors)
      entries.set(key, entry)
    }
    last = entry
    return { entry, tensors }
  }

  const compiled = ((...args: A): R => {
    const watcher = currentWatcher()
    if (watcher) return watcher.step(fn, args)
    const found = find(args)
    // Inside another step being recorded this one is simply part of it.
    if (!found) return fn(...args)
    const { entry, tensors } = found
    copyInputs(tensors, entry.inputs)
    entry.program.run()
    return entry.result
  }) as Compiled<A, R>

  const current = (what: string): Program => {
    if (!last) throw new ArgumentError(what, 'the step has not run yet; call it, or await prepare(…), first')
    return last.program
  }
  compiled.prepare = async (...args) => {
    if (!currentWatcher()) await find(args)?.entry.program.prepare()
  }
  compiled.plan = (...args) => {
    // What is only recorded shows no values to whoever watches them.
    const found = unwatched(() => find(args))
    if (!found) throw new ArgumentError('plan', 'a step cannot be planned while another one is recorded')
    return found.entry.program.stats()
  }
  compiled.stats = () => current('stats').stats()
  compiled.profile = () => current('profile').profile()
  compiled.toString = () => current('toString').toString()
  compiled.dispose = () => {
    for (const entry of entries.values()) drop(entry)
    entries.clear()
    last = null
  }
  return compiled
}

/** Runs `fn` with its calls going to the recorder. */
function listen<R>(stream: Stream, recorder: Recorder, fn: () => R): R {
  stream.recorder = recorder
  let result: R
  try {
    result = fn()
  } finally {
    stream.recorder = null
  }
  refuseAsync(result)
  return result
}

/** Throws where the result of a function that is to be compiled is a promise. */
export function refuseAsync(late: unknown): void {
  if (late instanceof Promise) {
    // It fails for its own reasons once it goes on; what matters is said here.
    late.catch(() => {})
    throw new ArgumentError('compile', 'the function is async; a step is recorded in one go: return tensors and await their data() outside')
  }
}

/** The inputs' data into the step's own buffers. One that came out of the step as one of them is saved first, before another overwrites it. */
function copyInputs(from: readonly Tensor[], to: readonly Tensor[]): void {
  const own = new Set(to.map((t) => t.storage))
  const sources = from.map((t, i) => (own.has(t.storage) && t.storage !== to[i]!.storage ? t.compact() : t))
  sources.forEach((t, i) => {
    copyInput(t, to[i]!)
    if (t !== from[i]) t.dispose()
  })
}

/** Input data into the step's own buffer: a plain copy where the layout allows it. */
function copyInput(from: Tensor, to: Tensor): void {
  const bytes = from.dtype === 'f16' ? 2 : 4
  const start = from.layout.offset * bytes
  const size = from.size * bytes
  if (from.storage === to.storage) {
    if (!from.isContiguous || start !== 0) copy_(to, from)
  } else if (from.isContiguous && start % 4 === 0 && size % 4 === 0) from.device.stream.copy('compile', from.storage, start, to.storage, 0, size)
  else copy_(to, from)
}
