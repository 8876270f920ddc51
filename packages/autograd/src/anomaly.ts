// Finds where the first NaN came from. While the mode is on, each op leaves a mark on the device of whether its result holds
// one (values can only be read later); the marks are read whenever values are, and the first that is set names its op.
import {
  BmsError,
  type Call,
  type Device,
  type DType,
  formatShape,
  isFloat,
  keep,
  LimitError,
  markNonFinite,
  type Operand,
  type OpRecord,
  runStepwise,
  type Storage,
  type Tensor,
  watchOps,
  zeros,
} from '@bms/tensor'
import { callStack } from './call-stack.js'
import { type Node, type Place, placeOf } from './graph.js'
import type { BackwardWatcher } from './watch.js'

/** The first NaN (or infinity): `fields` name op, pass, tensors, and where the op was called. */
export class AnomalyError extends BmsError {
  constructor(message: string, fields: Record<string, unknown>, options?: ErrorOptions) {
    super('ANOMALY', message, fields, options)
  }
}

export interface AnomalyOptions {
  /** Stop at infinities as well, also at those that are meant (masks of -inf). Default false. */
  inf?: boolean
}

/** What a mark can say, worst last; as markNonFinite writes it. */
const FINITE = 0
const INFINITE = 1
const NOT_A_NUMBER = 2

/** What is known of a tensor's values: nothing until the mark was read. */
interface Look {
  holds: number
}

/** A tensor that a computation read or wrote. */
interface Part {
  /** As it is named in the message: 'input 1 of mul'. */
  role: string
  shape: readonly number[]
  dtype: DType
  /** A leaf with requiresGrad, or a view of one. */
  leaf: boolean
  look: Look
}

interface Entry {
  op: string
  /** `update`: of a tensor in place. */
  pass: 'forward' | 'backward' | 'update'
  inputs: Part[]
  outputs: Part[]
  /** Where the op was called; in the backward pass: the op whose gradient it is. */
  calledAt: string
  /** The least `holds` that is reported. */
  threshold: number
}

/** Marks of one device that are read together. */
interface Page {
  device: Device
  marks: Tensor
  looks: Look[]
}

const PAGE = 1024
/** Computations after which the marks are read without being asked for, as soon as the program lets go of the thread. */
const MANY = 1024

class Watch implements BackwardWatcher {
  private entries: Entry[] = []
  private pages: Page[] = []
  private readonly seen = new WeakMap<Storage, { version: number; looks: Map<string, Look> }>()
  private readonly sites = new WeakMap<Node, string>()
  private readonly leaves = new WeakSet<Storage>()
  /** Readings wait for each other. */
  private reading: Promise<void> = Promise.resolve()
  /** Found by a reading that nobody asked for. */
  private found: unknown = null
  /** Raised inside gradient rules and by the watch's own work: their steps do not count, their results do. */
  private quiet = 0

  constructor(readonly threshold: () => number) {}

  op({ op, inputs, outputs }: OpRecord): void {
    const device = outputs[0]?.device
    if (this.quiet > 0 || !device || device.stream.recorder) return
    for (const t of inputs) if (placeOf(t)?.node === null) this.leaves.add(t.storage)
    const given = new Set(inputs.map((t) => t.storage))
    // A view has the values of its input.
    const made = outputs.filter((t) => !given.has(t.storage))
    if (made.every((t) => !isFloat(t.dtype))) return
    const node = placeOf(outputs[0]!)?.node
    this.note(op, 'forward', this.parts(inputs, 'input', op), this.parts(made, 'result', op), (node && this.sites.get(node)) ?? callStack())
  }

  call(call: Call, run: () => void): void {
    const inputs = call.inputs.filter((o) => isFloat(o.dtype))
    // What is made of nothing (constants, random numbers) was meant, or shows where it is used.
    if (this.quiet > 0 || inputs.length === 0 || call.outputs[0]?.storage.device.stream.recorder) {
      run()
      return
    }
    // Before it may be overwritten.
    const before = this.parts(call.inputs, 'input', call.op)
    run()
    const after = this.parts(call.outputs, call.inPlace ? 'target' : 'result', call.op)
    this.note(call.op, call.inPlace ? 'update' : 'forward', before, after, callStack())
  }

  readonly step = runStepwise

  node(node: Node): void {
    this.sites.set(node, callStack())
  }

  rule(node: Node, given: readonly (Tensor | null)[], run: () => readonly (Tensor | null)[]): readonly (Tensor | null)[] {
    const before = this.parts(given, 'gradient of the result', node.op)
    const result = this.quietly(run)
    const held = new Set(given.map((g) => g?.storage))
    const made = result.map((g, i) => (g && node.needs(i) && !held.has(g.storage) ? g : null))
    this.note(node.op, 'backward', before, this.parts(made, 'gradient of the input', node.op), this.sites.get(node) ?? '')
    return result
  }

  sum({ node }: Place, given: readonly Tensor[], run: () => Tensor): Tensor {
    const before = this.parts(given, 'gradient', 'one place')
    const result = this.quietly(run)
    const made = this.parts([result], 'sum of the gradients', node ? `the result of ${node.op}` : 'a leaf')
    this.note(node?.op ?? 'add', 'backward', before, made, (node && this.sites.get(node)) ?? '')
    return result
  }

  private quietly<R>(fn: () => R): R {
    this.quiet++
    try {
      return fn()
    } finally {
      this.quiet--
    }
  }

  private parts(tensors: readonly (Operand | null)[], role: string, of: string): Part[] {
    return tensors.flatMap((t, i) => {
      const look = t && this.look(t)
      if (!look) return []
      const leaf = this.leaves.has(t.storage)
      return [{ role: `${role}${tensors.length > 1 ? ` ${i + 1}` : ''} of ${of}`, shape: t.layout.shape, dtype: t.dtype, leaf, look }]
    })
  }

  /** What is known of a float operand; if nothing is, a mark is ordered. */
  private look({ storage, layout, dtype }: Operand): Look | null {
    if (!isFloat(dtype) || layout.shape.includes(0)) return null
    let seen = this.seen.get(storage)
    if (seen?.version !== storage.version) this.seen.set(storage, (seen = { version: storage.version, looks: new Map() }))
    const key = `${layout.shape}/${layout.strides}+${layout.offset}`
    let look = seen.looks.get(key)
    if (look) return look
    look = { holds: FINITE }
    seen.looks.set(key, look)
    this.quietly(() => this.mark({ storage, layout, dtype }, look))
    return look
  }

  private mark(operand: Operand, look: Look): void {
    const { device } = operand.storage
    let page = this.pages.find((p) => p.device === device && p.looks.length < PAGE)
    if (!page) this.pages.push((page = { device, marks: keep(zeros([PAGE], { dtype: 'i32', device })), looks: [] }))
    try {
      markNonFinite(operand, page.marks, page.looks.push(look) - 1)
    } catch (error) {
      // What no single kernel can read (over the binding limit) counts as finite; it shows in what is made of it.
      if (!(error instanceof LimitError)) throw error
    }
  }

  private note(op: string, pass: Entry['pass'], inputs: Part[], outputs: Part[], calledAt: string): void {
    if (outputs.length === 0) return
    this.entries.push({ op, pass, inputs, outputs, calledAt, threshold: this.threshold() })
    if (this.entries.length % MANY === 0) {
      this.settle().catch((error) => {
        this.found ??= error
      })
    }
  }

  /** Reads the marks made so far and throws an AnomalyError for the first computation that brought in a NaN. */
  settle(): Promise<void> {
    const { entries, pages } = this
    this.entries = []
    this.pages = []
    const before = this.reading
    const done = (async () => {
      await before
      try {
        for (const page of pages) await readPage(page)
      } finally {
        for (const { marks } of pages) marks.dispose()
      }
      const { found } = this
      this.found = null
      if (found) throw found
      const first = entries.find((e) => e.outputs.some((o) => o.look.holds >= e.threshold))
      if (first) throw report(first)
    })()
    this.reading = done.catch(() => {})
    return done
  }
}

async function readPage({ device, marks, looks }: Page): Promise<void> {
  const bytes = await device.stream.read('detectAnomaly', marks.storage, 4 * marks.layout.offset, 4 * looks.length)
  new Int32Array(bytes).forEach((mark, i) => {
    looks[i]!.holds = mark
  })
}

const inWords = (holds: number): string => ['finite', 'infinity', 'NaN'][holds]!

/** As the message names it. */
function described({ role, shape, dtype, leaf, look }: Part): string {
  const notes = [leaf ? 'a leaf with requiresGrad' : '', look.holds === FINITE ? '' : `holds ${inWords(look.holds)}`].filter((s) => s !== '')
  return `the ${role}, ${formatShape(shape)} ${dtype}${notes.length > 0 ? ` (${notes.join('; ')})` : ''}`
}

const passes: Record<Entry['pass'], string> = { forward: 'in the forward pass', backward: 'in the backward pass', update: 'in an update' }

function report({ op, pass, inputs, outputs, calledAt, threshold }: Entry): AnomalyError {
  const bad = (p: Part): boolean => p.look.holds >= threshold
  const source = inputs.find(bad)
  const culprit = source ?? outputs.find(bad)!
  const what = inWords(culprit.look.holds)
  const text = source
    ? `${what} was there before: ${described(source)}. Nothing that was watched made it: it came from the host, or from what ran before`
    : `${what} first appeared ${passes[pass]}: ${described(culprit)}. It was computed from ${inputs.map(described).join(', ') || 'nothing'}`
  const place = calledAt === '' ? `; ${op} was called before the search began` : `\n${op} was called here:\n${calledAt}`
  const plain = ({ role, shape, dtype, leaf, look }: Part) => ({ role, shape, dtype, leaf, holds: inWords(look.holds) })
  return new AnomalyError(`detectAnomaly: ${text}${place}`, {
    op,
    pass,
    what,
    from: source ? 'input' : 'op',
    tensor: plain(culprit),
    inputs: inputs.map(plain),
    calledAt,
  })
}

/** The modes that are on; the innermost last. */
const scopes: AnomalyOptions[] = []
let watch: Watch | null = null
let standing: AnomalyOptions | null = null

function enter(scope: AnomalyOptions): void {
  scopes.push(scope)
  if (watch) return
  watch = new Watch(() => (scopes.some((s) => s.inf) ? INFINITE : NOT_A_NUMBER))
  watchOps(watch)
}

function leave(scope: AnomalyOptions): void {
  scopes.splice(scopes.indexOf(scope), 1)
  if (scopes.length > 0) return
  watchOps(null)
  // What was not asked for is let go.
  watch?.settle().catch(() => {})
  watch = null
}

/** Is a NaN looked for at this moment? */
export const isAnomalyEnabled = (): boolean => watch !== null

/**
 * Switches the search for NaN on or off, as torch.autograd.set_detect_anomaly does: from then on each read of values (`data()`, `item()`, `device.sync()`)
 * rejects with an AnomalyError if something NaN was computed before. See detectAnomaly.
 */
export function setDetectAnomaly(on: boolean, options: AnomalyOptions = {}): void {
  if (standing) leave(standing)
  standing = null
  if (on) enter((standing = { ...options }))
}

/**
 * Runs `fn` (sync or async) and looks at the result of every op in it, every gradient and every update in place. Resolves to what `fn` returns, or rejects
 * with an AnomalyError (code 'ANOMALY') that names the first op whose result holds NaN while what it was computed from held none, forward or backward,
 * with shapes and the place where the op was called; or the input that held NaN from the start. Reads of values inside `fn` reject with it too. Compiled
 * functions run op by op meanwhile, which is slow: for finding out, not for training. What runs at the same time is watched as well.
 */
export async function detectAnomaly<R>(fn: () => R | Promise<R>, options: AnomalyOptions = {}): Promise<R> {
  const scope = { ...options }
  enter(scope)
  const own = watch!
  try {
    const result = await fn()
    await own.settle()
    return result
  } catch (error) {
    if (error instanceof AnomalyError) throw error
    // What went wrong may have come of a NaN.
    await own.settle().catch((anomaly) => {
      if (anomaly instanceof AnomalyError) throw new AnomalyError(anomaly.message, anomaly.fields, { cause: error })
    })
    throw error
  } finally {
    leave(scope)
  }
}
