// The order of the rewrites of a recorded step. Each can be switched off by name, so that a test can compare the step
// with and without it.
import { mergeEqualCalls } from './cse.js'
import { foldChannelSums, foldEpilogues } from './fuse-products.js'
import { elideCopies } from './elide-copies.js'
import { fuseIntoReductions, fuseMaps, inlineScalars } from './fuse-maps.js'
import type { Graph } from './graph.js'

export interface Rewrites {
  /** Drop calls whose results nobody sees. Default true, as all of them. */
  dead?: boolean
  /** Compute equal things once. */
  equal?: boolean
  /** Fold biases, activations, their derivatives and bias gradients into matrix products. */
  epilogues?: boolean
  /** Merge element-wise chains into one kernel. */
  maps?: boolean
  /** Do element-wise work inside the reduction that reads it. */
  reductions?: boolean
  /** Let the producer of a copied value write it where the copy would go. */
  copies?: boolean
}

/** Rewrites the graph in place; `limit` is the number of storage buffers a kernel may bind. */
export function optimise(graph: Graph, limit: number, rewrites: Rewrites = {}): void {
  if (rewrites.dead !== false) graph.dropDead()
  if (rewrites.equal !== false) mergeEqualCalls(graph)
  if (rewrites.epilogues !== false) {
    foldEpilogues(graph)
    foldChannelSums(graph)
  }
  if (rewrites.maps !== false) {
    inlineScalars(graph, limit)
    fuseMaps(graph, limit)
  }
  if (rewrites.reductions !== false) fuseIntoReductions(graph, limit)
  if (rewrites.copies !== false) elideCopies(graph)
  if (rewrites.maps !== false) inlineScalars(graph, limit)
  if (rewrites.dead !== false) graph.dropDead()
}
