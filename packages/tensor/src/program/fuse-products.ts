// Folds into a matrix product or a convolution what follows it: adding a bias, an activation, multiplying by the derivative of one; and the bias gradient
// (a sum of the output gradient) into the weight gradient that reads the same numbers anyway.
import type { Call, Operand } from '../calls/call.js'
import type { ConvCall } from '../calls/conv.js'
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

/** What has an epilogue. */
type Product = MatmulCall | ConvCall

const isProduct = (call: Call): boolean => call.kind === 'matmul' || call.kind === 'conv'

const inputIndex = (e: Expr | undefined): number => (e?.kind === 'input' ? e.index : -1)
const constantOf = (e: Expr | undefined): number | undefined => (e?.kind === 'const' ? e.value : undefined)

/** Reads all of the product in its own order. */
const readsAll = (o: Operand, product: Product): boolean =>
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
function epilogueOf(map: MapCall, product: Product): Epilogue | null {
  const [expr] = map.exprs
  if (map.exprs.length !== 1 || expr?.kind !== 'op' || map.outputs[0]!.dtype !== product.output.dtype || product.epilogue.gate) return null
  const { epilogue: e } = product
  const [first, second, third] = expr.args
  const read = map.inputs.findIndex((o) => readsAll(o, product))
  if (read < 0) return null
  if (expr.op === 'add') {
    const other = inputIndex(first) === read ? inputIndex(second) : inputIndex(second) === read ? inputIndex(first) : -1
    const bias = map.inputs[other]
    // A convolution was given its bias.
    if (product.kind === 'conv') return null
    const p = product.product
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
    const product = graph.calls[p] as Product
    if (!isProduct(product) || !graph.isTemporary(product.output.storage) || graph.writers.get(product.output.storage)?.length !== 1) continue
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

/** Σ over all dims but one, the channels, of a dense array: [before, channels, after]. Null for other calls. */
function channelSum(call: Call): { of: Operand; before: number; channels: number; after: number } | null {
  if (call.kind !== 'reduce') return null
  const r = call as ReduceCall
  const [of] = r.inputs
  const rank = r.shape.length
  if (r.reduce !== 'sum' || r.scale !== 1 || r.inputs.length !== 1 || r.expr.kind !== 'input' || rank < 2 || !isContiguous(of!.layout)) return null
  if (r.dims.length !== rank - 1 || of!.dtype !== r.output.dtype) return null
  const kept = r.shape.findIndex((_, d) => !r.dims.includes(d))
  return { of: of!, before: sizeOf(r.shape.slice(0, kept)), channels: r.shape[kept]!, after: sizeOf(r.shape.slice(kept + 1)) }
}

type ChannelSum = NonNullable<ReturnType<typeof channelSum>>

/** Does the product walk along the rows of what is summed? */
function sumsRows(product: Product, { before, channels, after }: ChannelSum): boolean {
  if (product.kind === 'conv') {
    const { pass, shape } = product.convolution
    return pass === 'weight' && !product.inParts && shape.batch === before && shape.outChannels === channels && shape.output[0] * shape.output[1] === after
  }
  const { a, m, k, batch } = product.product
  return after === 1 && batch === 1 && m === channels && k === before && (a.transposed ? a.ld === channels : m === 1)
}

export function foldChannelSums(graph: Graph): void {
  for (let i = 0; i < graph.calls.length; i++) {
    const sum = channelSum(graph.calls[i]!)
    if (!sum) continue
    const p = graph.calls.findIndex((call, k) => {
      if (!isProduct(call)) return false
      const { epilogue, inputs } = call as Product
      const { storage, layout, dtype } = inputs[0]!
      const same = storage === sum.of.storage && layout.offset === sum.of.layout.offset && dtype === sum.of.dtype
      return same && sumsRows(call as Product, sum) && !epilogue.rowsum && graph.mergeable(i, k)
    })
    if (p < 0) continue
    const product = graph.calls[p] as Product
    const { output } = graph.calls[i] as ReduceCall
    if (output.storage === product.output.storage) continue
    graph.merge(i, p, product.fold(product.output, { rowsum: dense(output, sum.channels) }))
    i = -1
  }
}
