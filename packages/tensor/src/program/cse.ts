// Computes equal things once: two calls of the same kernel on the same operands with the same content become one. This
// is what makes it free to ask for a normalised weight in every forward pass of a step.
import type { Call, Operand } from '../calls/call.js'
import type { Storage } from '../device/storage.js'
import type { Graph } from './graph.js'

export function mergeEqualCalls(graph: Graph): void {
  for (let again = true; again; ) {
    again = false
    const writes = new Map<Storage, number>()
    const known = new Map<string, Call>()
    for (const call of graph.calls) {
      const version = (o: Operand): string => `${o.storage.id}@${writes.get(o.storage) ?? 0}`
      const pure = !call.inPlace && call.outputs.every((o) => graph.isPlanned(o.storage) && graph.writers.get(o.storage)?.length === 1)
      if (pure) {
        const key = `${graph.generations.get(call) ?? 0}|${call.identity(version)}`
        const twin = known.get(key)
        if (twin) {
          call.outputs.forEach((o, i) => graph.alias(o.storage, twin.outputs[i]!.storage))
          graph.calls = graph.calls.filter(
            (c) => !(c.outputs.length === call.outputs.length && c.outputs.every((o, i) => o.storage === call.outputs[i]!.storage)),
          )
          graph.index()
          again = true
          break
        }
        known.set(key, call)
      }
      for (const o of call.outputs) writes.set(o.storage, (writes.get(o.storage) ?? 0) + 1)
    }
  }
}
