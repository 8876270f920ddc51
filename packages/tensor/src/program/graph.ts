// A recorded step as a graph that rewrites work on: calls in an order, and who must come before whom (a read after the
// write it sees, a write after the reads and writes before it). Rewrites ask the graph, never the order of emission.
import type { Call, Operand } from '../calls/call.js'
import type { Storage } from '../device/storage.js'

export class Graph {
  /** For each storage the positions that write it, and that read it. */
  writers = new Map<Storage, number[]>()
  readers = new Map<Storage, number[]>()
  private successors: number[][] = []
  /** Storages that were found equal to another's content, and that other. */
  private readonly aliases = new Map<Storage, Storage>()

  constructor(
    public calls: Call[],
    /** Exists only inside the step (its content may be skipped, merged, moved). */
    readonly isPlanned: (s: Storage) => boolean,
    /** Read by the user after the step. */
    private readonly results: Set<Storage>,
    /** Calls of different generations are never merged as equal. */
    readonly generations = new WeakMap<Call, number>(),
  ) {
    this.index()
  }

  /** Recomputes who reads and writes what; after every change of `calls`. */
  index(): void {
    this.writers = new Map()
    this.readers = new Map()
    const lastWrite = new Map<Storage, number>()
    const readsSince = new Map<Storage, number[]>()
    const edges = this.calls.map((): number[] => [])
    // `to` only grows, so a repeat stands at the end.
    const edge = (from: number, to: number): void => {
      const list = edges[from]!
      if (from !== to && list[list.length - 1] !== to) list.push(to)
    }
    this.calls.forEach((call, i) => {
      for (const { storage } of call.inputs) {
        push(this.readers, storage, i)
        const w = lastWrite.get(storage)
        if (w !== undefined) edge(w, i)
      }
      for (const { storage } of call.outputs) {
        push(this.writers, storage, i)
        const w = lastWrite.get(storage)
        if (w !== undefined) edge(w, i)
        for (const r of readsSince.get(storage) ?? []) edge(r, i)
        lastWrite.set(storage, i)
        readsSince.set(storage, [])
      }
      for (const { storage } of call.inputs) push(readsSince, storage, i)
    })
    this.successors = edges
  }

  /** Its content ends with the step and nobody outside sees it. */
  isTemporary(s: Storage): boolean {
    return this.isPlanned(s) && !this.results.has(s)
  }

  isResult(s: Storage): boolean {
    return this.results.has(s)
  }

  /** The one call that computes the storage, in full, or -1. */
  producer(o: Operand): number {
    const w = this.writers.get(o.storage)
    return this.isPlanned(o.storage) && w?.length === 1 ? w[0]! : -1
  }

  /** Positions that read the storage, without repeats. */
  readersOf(s: Storage): number[] {
    return [...new Set(this.readers.get(s) ?? [])]
  }

  /** Is there a chain of calls from `a` to `b` that passes through a third? */
  private indirect(a: number, b: number): boolean {
    const seen = new Set<number>()
    const stack = this.successors[a]!.filter((s) => s !== b)
    for (let n = stack.pop(); n !== undefined; n = stack.pop()) {
      if (seen.has(n) || n > b) continue
      seen.add(n)
      for (const s of this.successors[n]!) {
        if (s === b) return true
        stack.push(s)
      }
    }
    return false
  }

  /** Can the two calls become one? */
  mergeable(a: number, b: number): boolean {
    return !this.indirect(Math.min(a, b), Math.max(a, b))
  }

  /** No call between the two positions writes what call `a` reads: `a` may be computed again at `b`. */
  movable(a: number, b: number): boolean {
    return this.calls[a]!.inputs.every(({ storage }) => (this.writers.get(storage) ?? []).every((w) => w <= a || w >= b))
  }

  /** Replaces calls `a` and `b` by one. */
  merge(a: number, b: number, call: Call): void {
    const [first, last] = [Math.min(a, b), Math.max(a, b)]
    // What `last` still needs of the calls between comes before the new call, what needs `first` after it; the rest stays where it is.
    const needed = new Set<number>()
    for (let n = last - 1; n > first; n--) if (this.successors[n]!.some((s) => s === last || needed.has(s))) needed.add(n)
    const needs = new Set(this.successors[first])
    for (let n = first + 1; n < last; n++) if (needs.has(n)) for (const s of this.successors[n]!) needs.add(s)
    const until = Math.max(first, ...needed)
    const order: number[] = []
    const later: number[] = []
    for (let n = 0; n < this.calls.length; n++) {
      if (n === first || n === last) continue
      if (n <= until && !(n > first && needs.has(n))) order.push(n)
      else later.push(n)
    }
    order.push(first, ...later)
    this.calls = order.map((n) => (n === first ? call : this.calls[n]!))
    this.index()
  }

  /** Replaces the call at a position. */
  set(i: number, call: Call): void {
    this.calls[i] = call
    this.index()
  }

  /** From now on `gone` is `instead`. */
  alias(gone: Storage, instead: Storage): void {
    this.aliases.set(gone, instead)
    if (this.results.delete(gone)) this.results.add(instead)
    const of = (o: Operand): Operand => (o.storage === gone ? { ...o, storage: instead } : o)
    this.calls = this.calls.map((c) => (c.inputs.some((o) => o.storage === gone) ? this.replaced(c, of) : c))
  }

  private replaced(call: Call, of: (o: Operand) => Operand): Call {
    const next = call.replace(of)
    const generation = this.generations.get(call)
    if (generation !== undefined) this.generations.set(next, generation)
    return next
  }

  /** Which storage holds the content of this one. */
  resolve(s: Storage): Storage {
    let at = s
    for (let next = this.aliases.get(at); next; next = this.aliases.get(at)) at = next
    return at
  }

  /** Drops calls whose results nobody sees. */
  dropDead(): void {
    const needed = new Set<Storage>()
    const kept: Call[] = []
    const wanted = this.calls.map(() => false)
    for (let again = true; again; ) {
      again = false
      for (let i = this.calls.length - 1; i >= 0; i--) {
        const call = this.calls[i]!
        if (wanted[i] || !call.outputs.some((o) => !this.isTemporary(o.storage) || needed.has(o.storage))) continue
        wanted[i] = true
        for (const o of call.inputs) {
          if (!needed.has(o.storage)) again = true
          needed.add(o.storage)
        }
      }
    }
    this.calls.forEach((c, i) => wanted[i] && kept.push(c))
    this.calls = kept
    this.index()
  }
}

function push<K>(map: Map<K, number[]>, key: K, value: number): void {
  const list = map.get(key)
  if (list) list.push(value)
  else map.set(key, [value])
}
