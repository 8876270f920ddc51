// Saves copies: where a product or a reduction is only computed to be copied somewhere (a part of a cat, the padded
// gradient of a slice), it is written there in the first place.
import type { Call, Operand } from '../calls/call.js'
import type { MapCall } from '../calls/map.js'
import { contiguous, isContiguous, sizeOf } from '../layout.js'
import type { Graph } from './graph.js'

/** The map, if it only copies one dense operand to a dense place. */
function plainCopy(call: Call): { from: Operand; to: Operand } | null {
  if (call.kind !== 'map' || call.outputs.length !== 1 || call.inputs.length !== 1) return null
  const { exprs, inputs, outputs } = call as MapCall
  const [from, to] = [inputs[0]!, outputs[0]!]
  if (exprs[0]!.kind !== 'input' || from.dtype !== to.dtype || !isContiguous(from.layout) || !isContiguous(to.layout)) return null
  return { from, to }
}

export function elideCopies(graph: Graph): void {
  for (let c = 0; c < graph.calls.length; c++) {
    const copy = plainCopy(graph.calls[c]!)
    if (!copy || !graph.isTemporary(copy.from.storage)) continue
    const { from, to } = copy
    const p = graph.producer(from)
    const producer = graph.calls[p]
    if (!producer || p === c || !['matmul', 'conv', 'reduce'].includes(producer.kind)) continue
    const whole = producer.outputs.find((o) => o.storage === from.storage)!
    const same = whole.layout.offset === from.layout.offset && sizeOf(whole.layout.shape) === sizeOf(from.layout.shape)
    const alone = graph.readersOf(from.storage).length === 1
    const apart = [...producer.inputs, ...producer.outputs].every((o) => o.storage !== to.storage)
    if (!same || !alone || !apart || !graph.mergeable(p, c)) continue
    const moved = (o: Operand): Operand =>
      o.storage === from.storage ? { ...o, storage: to.storage, layout: contiguous(o.layout.shape, to.layout.offset) } : o
    graph.merge(p, c, producer.replace(moved))
    c = -1
  }
}
