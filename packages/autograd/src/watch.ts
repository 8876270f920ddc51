// Where a watcher of values (anomaly.ts) looks into backward passes: the one that @bms/tensor holds, if it can.
import { currentWatcher, type Tensor, type Watcher } from '@bms/tensor'
import type { Node, Place } from './graph.js'

export interface BackwardWatcher extends Watcher {
  /** A node was made: now is when its op was called. */
  node(node: Node): void
  /** Runs a gradient rule: the gradients of the results, and what gives those of the inputs. */
  rule(node: Node, given: readonly (Tensor | null)[], run: () => readonly (Tensor | null)[]): readonly (Tensor | null)[]
  /** Runs the addition of two gradients that reach one place. */
  sum(place: Place, given: readonly Tensor[], run: () => Tensor): Tensor
}

/** Watchers of this package know all of it, others may know nothing of gradients. */
export const backwardWatcher = (): Partial<BackwardWatcher> | null => currentWatcher()
