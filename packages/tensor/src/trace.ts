// Where the floor above watches: every op passes through `traced`, and an observer (autograd) may note what was computed
// from what; while a watcher is installed it sees every computation. This package knows nothing of gradients.
import type { Call } from './calls/call.js'
import type { Tensor } from './tensor.js'

/** What an op was asked: its name, its tensor inputs and results, and its fixed attributes. */
export interface OpRecord {
  readonly op: string
  readonly inputs: readonly Tensor[]
  readonly outputs: readonly Tensor[]
  readonly attrs: Attrs
}

/** Every op has attributes of its own. */
export type Attrs = Record<string, any>

/** What an observer hangs on a tensor. */
export interface Trace {
  /** Names the tensors that it keeps alive; what is in `seen` was already visited. */
  visit(fn: (t: Tensor) => void, seen: Set<unknown>): void
  /** Marks `to` as standing for the tensor that this trace hangs on: the input of a compiled step. */
  transfer?(to: Tensor): void
  /** The tensor is about to be overwritten in place; throws where that would make gradients wrong. */
  overwritten?(op: string): void
}

type Observer = (record: OpRecord) => void

/** Looks at values as they are made. */
export interface Watcher {
  /** An op has run (and its observer was told). */
  op(record: OpRecord): void
  /** A call outside of all ops: an update in place, a kernel of a floor above. `run` runs it. */
  call(call: Call, run: () => void): void
  /** Runs a compiled function: op by op (runStepwise), since a program shows no values. */
  step<A extends unknown[], R>(fn: (...args: A) => R, args: A): R
  /** Values were read from the device; what this rejects with, the reading rejects with. */
  settle(): Promise<void>
}

let observer: Observer | null = null
let watcher: Watcher | null = null
let depth = 0

/** Installs the one observer. */
export const observeOps = (fn: Observer): void => {
  observer = fn
}

/** Installs the one watcher, or takes it away. */
export const watchOps = (w: Watcher | null): void => {
  watcher = w
}

export const currentWatcher = (): Watcher | null => watcher

/** The watcher, unless this is inside an op, which it sees as a whole. */
export const outerWatcher = (): Watcher | null => (depth > 0 ? null : watcher)

/** Runs `fn` with nobody watching. */
export function unwatched<R>(fn: () => R): R {
  const held = watcher
  watcher = null
  try {
    return fn()
  } finally {
    watcher = held
  }
}

/** Runs the op; the observer sees it as one step, whatever other ops it uses inside. */
export function traced(op: string, inputs: readonly Tensor[], attrs: Attrs, compute: () => Tensor): Tensor {
  return tracedAll(op, inputs, attrs, () => [compute()])[0]!
}

/** The same for ops with several results. */
export function tracedAll(op: string, inputs: readonly Tensor[], attrs: Attrs, compute: () => Tensor[]): Tensor[] {
  if (depth > 0) return compute()
  depth++
  let outputs: Tensor[]
  try {
    outputs = compute()
  } finally {
    depth--
  }
  const record = { op, inputs, outputs, attrs }
  observer?.(record)
  watcher?.op(record)
  return outputs
}
