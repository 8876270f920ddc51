// Who frees what: tidy scopes that dispose of everything made inside and not returned, and the finaliser that catches
// tensors which JavaScript dropped without a word.
import type { Storage } from './device/storage.js'
import type { Tensor } from './tensor.js'

/** A value with tensors anywhere inside: what tidy and compile look through for what is returned. */
export type Tree = unknown

const scopes: Set<Tensor>[] = []

/** Notes a new tensor in the innermost scope. */
export const enter = (tensor: Tensor): void => {
  scopes[scopes.length - 1]?.add(tensor)
}

/** A disposed tensor is no longer anyone's business. */
export const leave = (tensor: Tensor): void => {
  for (const scope of scopes) scope.delete(tensor)
}

/** Takes a tensor out of all tidy scopes: for state that outlives the function which first made it. */
export function keep<T extends Tensor>(tensor: T): T {
  leave(tensor)
  return tensor
}

/** Calls `visit` for every tensor in nested arrays, plain objects, Maps and Sets. */
export function visitTensors(tree: Tree, isTensor: (x: unknown) => x is Tensor, visit: (t: Tensor) => void, seen = new Set<unknown>()): void {
  if (typeof tree !== 'object' || tree === null || ArrayBuffer.isView(tree) || seen.has(tree)) return
  seen.add(tree)
  if (isTensor(tree)) {
    visit(tree)
    return
  }
  if (tree instanceof Promise || tree instanceof WeakMap || tree instanceof ArrayBuffer) return
  const children = tree instanceof Map || tree instanceof Set ? tree.values() : Object.values(tree)
  for (const child of children as Iterable<unknown>) visitTensors(child, isTensor, visit, seen)
}

/**
 * Runs `fn` and frees every tensor made in it, except what it returns (in nested arrays and objects) and what the
 * gradients of the returned tensors need. Takes sync and async functions; async ones may not overlap each other.
 */
export function tidyWith<R>(fn: () => R, isTensor: (x: unknown) => x is Tensor): R {
  const scope = new Set<Tensor>()
  scopes.push(scope)
  const close = (result: unknown): void => {
    scopes.splice(scopes.indexOf(scope), 1)
    const kept = new Set<Tensor>()
    const seen = new Set<unknown>()
    // A list of what is left to look at: graphs are too deep for recursion.
    const left: Tensor[] = []
    const hold = (t: Tensor): void => {
      if (kept.has(t)) return
      kept.add(t)
      left.push(t)
    }
    visitTensors(result, isTensor, hold)
    for (let t = left.pop(); t; t = left.pop()) t.trace?.visit(hold, seen)
    const outer = scopes[scopes.length - 1]
    for (const t of scope) {
      if (kept.has(t)) outer?.add(t)
      else t.dispose()
    }
  }
  let result: R
  try {
    result = fn()
  } catch (error) {
    close(null)
    throw error
  }
  if (result instanceof Promise) {
    return result.then(
      (value) => {
        close(value)
        return value
      },
      (error) => {
        close(null)
        throw error
      },
    ) as R
  }
  close(result)
  return result
}

/** Runs `fn` and tells which tensors were made in it and still live; they belong to the caller, and to the scope around. */
export function collect<R>(fn: () => R): { result: R; made: Set<Tensor> } {
  const made = new Set<Tensor>()
  scopes.push(made)
  try {
    return { result: fn(), made }
  } finally {
    scopes.splice(scopes.indexOf(made), 1)
    const outer = scopes[scopes.length - 1]
    if (outer) for (const t of made) outer.add(t)
  }
}

/** One tensor's claim on its storage; given up once, by dispose or by the garbage collector. */
export interface Claim {
  storage: Storage | null
}

export const finaliser = new FinalizationRegistry<Claim>((claim) => {
  claim.storage?.release()
  claim.storage = null
})
