// Folds into a matrix product what follows it: adding a bias, an activation, multiplying by the derivative of one; and
// the bias gradient (a column sum of the output gradient) into the weight gradient that reads the same matrix anyway.
import type { Call, Operand } from '../calls/call.js'
import type { MapCall } from '../calls/map.js'
import { dense, type Epilogue, type FoldedActivation, type MatmulCall } from '../calls/matmul.js'
import type { ReduceCall } from '../calls/reduce.js'
import { isContiguous, sizeOf } from '../layout.js'
import { walkOf } from '../map/codegen.js'
import type { Expr } from '../map/expr.js'
import type { MapOpName } from '../map/ops.js'
import type { Graph } from './graph.js'

const activations: Partial<Record<MapOpName, FoldedActivation>> = { relu: 'relu', leakyRelu: 'leakyRelu', tanh: 'tanh', sigmoid: 'sigmoid' }
const gates: Partial<Record<MapOpName, FoldedActivation>> = { reluGrad: 'relu', leakyReluGrad: 'leakyRelu', tanhGrad: 'tanh', sigmoidGrad: 'sigmoid' }

const inputIndex = (e: Expr | undefined): number => (e?.kind === 'input' ? e.index : -1)
const constantOf = (e: Expr | undefined): number | undefined => (e?.kind === 'const' ? e.value : undefined)

/** Reads all of the product in its own order. */
const readsAll = (o: Operand, product: MatmulCall): boolean =>
  o.storage === product.output.storage &&
  o.layout.offset === product.output.layout.offset &&
  isContiguous(o.layout) &&
  sizeOf(o.layout.shape) === sizeOf(product.output.layout.shape)

/** A vector of `n` repeated for every row. */
function isRowVector(o: Operand, n: number): boolean {
  const { shape, strides } = o.layout
  const last = shape.length - 1
  return last >= 0 && shape[last] === n && (n === 1 || strides[last] === 1) && strides.slice(0, last).every((s, d) => s === 0 || shape[d] === 1)
}

/** What a map that follows the product adds to its epilogue, or null. */
function epilogueOf(map: MapCall, product: MatmulCall): Epilogue | null {
  const [expr] = map.exprs
  if (map.exprs.length !== 1 || expr?.kind !== 'op' || map.outputs[0]!.dtype !== product.output.dtype || product.epilogue.gate) return null
  const { epilogue: e, product: p } = product
  const [first, second, third] = expr.args
  const read = map.inputs.findIndex((o) => readsAll(o, product))
  if (read < 0) return null
  if (expr.op === 'add') {
    const other = inputIndex(first) === read ? inputIndex(second) : inputIndex(second) === read ? inputIndex(first) : -1
    const bias = map.inputs[other]
    if (
      !bias ||
      other === read ||
      bias.storage === product.output.storage ||
      e.bias ||
      e.activation ||
      p.batch !== 1 ||
      bias.dtype !== product.output.dtype ||
      !isRowVector(bias, p.n) ||
      walkOf(map.inputs[read]!) !== 'linear'
    )
      return null
    return { bias: dense(bias, p.n) }
  }
  if (inputIndex(first) !== read) return null
  const activation = activations[expr.op]
  if (activation) return e.activation ? null : { activation, slope: constantOf(second) ?? e.slope }
  const gateActivation = gates[expr.op]
  const gate = map.inputs[inputIndex(second)]
  if (!gateActivation || !gate || e.bias || e.activation || gate.dtype !== product.output.dtype || gate.storage === product.output.storage) return null
  if (!isContiguous(gate.layout) || sizeOf(gate.layout.shape) !== sizeOf(product.output.layout.shape)) return null
  return { gate: dense(gate, sizeOf(gate.layout.shape)), gateActivation, slope: constantOf(third) }
}

export function foldEpilogues(graph: Graph): void {
  for (let p = 0; p < graph.calls.length; p++) {
    const product = graph.calls[p] as MatmulCall
    if (product.kind !== 'matmul' || !graph.isTemporary(product.output.storage) || graph.writers.get(product.output.storage)?.length !== 1) continue
    const readers = graph.readersOf(product.output.storage)
    const [c] = readers
    const map = graph.calls[c ?? -1] as MapCall | undefined
    if (readers.length !== 1 || map?.kind !== 'map' || map.inPlace || map.outputs.length !== 1 || !graph.mergeable(p, c!)) continue
    const out = map.outputs[0]!
    if (!isContiguous(out.layout) || graph.writers.get(out.storage)!.length !== 1) continue
    const epilogue = epilogueOf(map, product)
    if (!epilogue) continue
    graph.merge(p, c!, product.fold(dense(out, sizeOf(out.layout.shape)), epilogue))
    p = -1
  }
}

/** Is it Σ over the rows of a dense [rows, columns] matrix? */
function columnSum(call: Call): { matrix: Operand; rows: number; columns: number } | null {
  if (call.kind !== 'reduce') return null
  const r = call as ReduceCall
  const [matrix] = r.inputs
  const rank = r.shape.length
  if (r.reduce !== 'sum' || r.scale !== 1 || r.inputs.length !== 1 || r.expr.kind !== 'input' || rank < 2 || !isContiguous(matrix!.layout)) return null
  if (r.dims.length !== rank - 1 || r.dims.includes(rank - 1) || matrix!.dtype !== r.output.dtype) return null
  return { matrix: matrix!, rows: sizeOf(r.shape.slice(0, -1)), columns: r.shape[rank - 1]! }
}

export function foldColumnSums(graph: Graph): void {
  for (let i = 0; i < graph.calls.length; i++) {
    const sum = columnSum(graph.calls[i]!)
    if (!sum) continue
    const p = graph.calls.findIndex((call, k) => {
      if (call.kind !== 'matmul') return false
      const { product, epilogue, inputs } = call as MatmulCall
      const { storage, layout, dtype } = inputs[0]!
      const same = storage === sum.matrix.storage && layout.offset === sum.matrix.layout.offset && dtype === sum.matrix.dtype
      const stored = product.a.transposed ? product.a.ld === sum.columns : product.m === 1
      return same && stored && product.batch === 1 && product.m === sum.columns && product.k === sum.rows && !epilogue.rowsum && graph.mergeable(i, k)
    })
    if (p < 0) continue
    const product = graph.calls[p] as MatmulCall
    const { output } = graph.calls[i] as ReduceCall
    if (output.storage === product.output.storage) continue
    graph.merge(i, p, product.fold(product.output, { rowsum: dense(output, sum.columns) }))
    i = -1
  }
}
