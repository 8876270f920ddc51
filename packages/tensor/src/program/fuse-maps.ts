// Merges chains of element-wise calls into one kernel, and puts element-wise work into the reductions that follow it.
import type { Operand } from '../calls/call.js'
import { MapCall } from '../calls/map.js'
import { ReduceCall } from '../calls/reduce.js'
import { isContiguous, sameShape, sizeOf } from '../layout.js'
import { walkOf } from '../map/codegen.js'
import { cast, type Expr, input, linearize, substitute } from '../map/expr.js'
import type { Graph } from './graph.js'

/** Expressions longer than this are not computed twice, nor put into reductions. */
const CHEAP = 24
/** Kernels stay readable and compile fast. */
const LONGEST = 160

const sameOperand = (a: Operand, b: Operand): boolean =>
  a.storage === b.storage && a.layout.offset === b.layout.offset && sameShape(a.layout.shape, b.layout.shape) && sameShape(a.layout.strides, b.layout.strides)

/** Inputs without repeats or unused ones, and the expressions that name them. */
function compactInputs(exprs: readonly Expr[], inputs: readonly Operand[]): { exprs: Expr[]; inputs: Operand[] } {
  const kept: Operand[] = []
  const out = substitute(exprs, (i, dtype) => {
    let at = kept.findIndex((o) => sameOperand(o, inputs[i]!))
    if (at < 0) at = kept.push(inputs[i]!) - 1
    return input(at, dtype)
  })
  return { exprs: out, inputs: kept }
}

/** A call's operands over another shape of the same size: possible where all walk linearly or stand still. */
function reshaped(call: MapCall, shape: readonly number[]): MapCall | null {
  if (sameShape(call.shape, shape)) return call
  if (sizeOf(call.shape) !== sizeOf(shape)) return null
  const of = (o: Operand): Operand | null => {
    const walk = walkOf(o)
    if (walk === 'strided') return null
    const size = sizeOf(shape)
    const strides = new Array<number>(shape.length).fill(0)
    if (walk === 'linear') {
      let n = 1
      for (let d = shape.length - 1; d >= 0; d--) {
        strides[d] = n
        n *= shape[d]!
      }
    }
    return size === 0 ? null : { ...o, layout: { shape, strides, offset: o.layout.offset } }
  }
  const inputs = call.inputs.map(of)
  const outputs = call.outputs.map(of)
  if (inputs.includes(null) || outputs.includes(null)) return null
  return new MapCall(call.op, shape, call.exprs, inputs as Operand[], outputs as Operand[], call.inPlace)
}

/** The consumer with the producer's expression in the place of what it read; null where they do not fit. */
function join(graph: Graph, producer: MapCall, consumer: MapCall, limit: number): MapCall | null {
  const p = reshaped(producer, consumer.shape) ?? producer
  const c = p === producer ? reshaped(consumer, producer.shape) : consumer
  if (!c || !sameShape(p.shape, c.shape)) return null
  const at = new Map<number, Expr>()
  c.inputs.forEach((o, i) => {
    const k = p.outputs.findIndex((out) => out.storage === o.storage)
    if (k >= 0) at.set(i, sameOperand(p.outputs[k]!, o) ? cast(p.exprs[k]!, o.dtype) : (undefined as never))
  })
  if (at.size === 0 || [...at.values()].includes(undefined as never)) return null
  const inputs = [...p.inputs, ...c.inputs]
  const merged = substitute(c.exprs, (i, dtype) => at.get(i) ?? input(p.inputs.length + i, dtype))
  // What others still read of the producer stays an output.
  const self = new Set<MapCall>([producer, consumer])
  const kept = p.outputs.flatMap((o, k) => {
    const others = graph.readersOf(o.storage).some((r) => !self.has(graph.calls[r] as MapCall))
    return others || !graph.isTemporary(o.storage) ? [{ o, e: p.exprs[k]! }] : []
  })
  const outputs = [...kept.map((k) => k.o), ...c.outputs]
  const { exprs, inputs: operands } = compactInputs([...kept.map((k) => k.e), ...merged], inputs)
  if (linearize(exprs).lines.length > LONGEST) return null
  // In place: an element may only be read where it is written.
  for (const out of outputs) {
    if (operands.some((o) => o.storage === out.storage && !sameOperand(o, out))) return null
    if (outputs.some((o) => o !== out && o.storage === out.storage)) return null
  }
  if (new Set([...operands, ...outputs].map((o) => o.storage)).size > limit) return null
  const op = p.op === c.op ? c.op : `${p.op}+${c.op}`
  return new MapCall(op.length > 60 ? `${op.slice(0, 57)}...` : op, c.shape, exprs, operands, outputs, p.inPlace || c.inPlace)
}

/** Element-wise chains into one kernel. */
export function fuseMaps(graph: Graph, limit: number): void {
  for (let c = 0; c < graph.calls.length; c++) {
    const consumer = graph.calls[c]!
    if (consumer.kind !== 'map') continue
    for (const o of consumer.inputs) {
      const p = graph.producer(o)
      const producer = graph.calls[p]
      if (p < 0 || p === c || producer?.kind !== 'map' || !graph.mergeable(p, c)) continue
      const merged = join(graph, producer as MapCall, consumer as MapCall, limit)
      if (!merged) continue
      graph.merge(p, c, merged)
      c = -1
      break
    }
  }
}

/** A producer of one value, or of a constant, computed again by whoever reads it. */
export function inlineScalars(graph: Graph, limit: number): void {
  for (let c = 0; c < graph.calls.length; c++) {
    const call = graph.calls[c]!
    if (call.kind !== 'map' && call.kind !== 'reduce') continue
    for (let i = 0; i < call.inputs.length; i++) {
      const o = call.inputs[i]!
      const p = graph.producer(o)
      const producer = graph.calls[p]
      if (p < 0 || p >= c || producer?.kind !== 'map' || producer.outputs.length !== 1) continue
      const map = producer as MapCall
      const fixed = map.inputs.length === 0
      if (!(fixed || (sizeOf(map.shape) === 1 && walkOf(o) === 'scalar')) || linearize(map.exprs).lines.length > CHEAP || !graph.movable(p, c)) continue
      const expr = cast(map.exprs[0]!, o.dtype)
      const { shape } = call as MapCall | ReduceCall
      const still = (x: Operand): Operand => ({ ...x, layout: { shape, strides: shape.map(() => 0), offset: x.layout.offset } })
      const base = call.inputs.length
      const moved = substitute([expr], (k, dtype) => input(base + k, dtype))[0]!
      const own = call.kind === 'map' ? (call as MapCall).exprs : [(call as ReduceCall).expr]
      const exprs = substitute(own, (k, dtype) => (k === i ? moved : input(k, dtype)))
      const next = compactInputs(exprs, [...call.inputs, ...map.inputs.map(still)])
      if (new Set([...next.inputs, ...call.outputs].map((x) => x.storage)).size > limit) continue
      if (next.inputs.some((x) => call.outputs.some((out) => out.storage === x.storage && !sameOperand(x, out)))) continue
      graph.set(c, withExprs(call as MapCall | ReduceCall, next.exprs, next.inputs))
      c--
      break
    }
  }
  graph.dropDead()
}

function withExprs(call: MapCall | ReduceCall, exprs: readonly Expr[], inputs: readonly Operand[]): MapCall | ReduceCall {
  if (call.kind === 'map') return new MapCall(call.op, call.shape, exprs, inputs, call.outputs, call.inPlace)
  return new ReduceCall(call.op, call.reduce, call.shape, call.dims, exprs[0]!, inputs, call.output, call.scale, call.algorithm)
}

/** Element-wise work whose only readers are reductions is done while reducing. */
export function fuseIntoReductions(graph: Graph, limit: number): void {
  for (let c = 0; c < graph.calls.length; c++) {
    const call = graph.calls[c]!
    if (call.kind !== 'reduce') continue
    const reduce = call as ReduceCall
    for (let i = 0; i < reduce.inputs.length; i++) {
      const o = reduce.inputs[i]!
      const p = graph.producer(o)
      const producer = graph.calls[p] as MapCall | undefined
      if (p < 0 || producer?.kind !== 'map' || producer.outputs.length !== 1 || !graph.isTemporary(o.storage) || !isContiguous(o.layout)) continue
      if (!graph.readersOf(o.storage).every((r) => graph.calls[r]!.kind === 'reduce') || linearize(producer.exprs).lines.length > CHEAP || !graph.movable(p, c))
        continue
      const map = reshaped(producer, reduce.shape)
      if (!map || !sameOperand(map.outputs[0]!, o)) continue
      const base = reduce.inputs.length
      const moved = cast(substitute(map.exprs, (k, dtype) => input(base + k, dtype))[0]!, o.dtype)
      const exprs = substitute([reduce.expr], (k, dtype) => (k === i ? moved : input(k, dtype)))
      const next = compactInputs(exprs, [...reduce.inputs, ...map.inputs])
      if (new Set([...next.inputs, reduce.output].map((x) => x.storage)).size > limit) continue
      graph.set(c, withExprs(reduce, next.exprs, next.inputs))
      c--
      break
    }
  }
  graph.dropDead()
}
