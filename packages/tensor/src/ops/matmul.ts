// Matrix multiplication with batches and broadcasting. Transposed operands are read as they lie, without a copy.
import { type Factor, MatmulCall } from '../calls/matmul.js'
import { isFloat, promote } from '../dtype.js'
import { ArgumentError, DTypeError, formatShape, ShapeError } from '../errors.js'
import { broadcastShapes, broadcastTo, isContiguous, sizeOf } from '../layout.js'
import type { MatmulAlgorithm } from '../kernels/matmul-plan.js'
import type { Tensor } from '../tensor.js'
import { traced } from '../trace.js'
import { cast } from './copy.js'
import { checkTensor, commonDevice, empty } from './launch.js'
import { full } from './create.js'
import { reshape } from './views.js'

export interface MatmulOptions {
  /** Forces an algorithm by name; by default the planner chooses by shape and adapter. */
  algorithm?: MatmulAlgorithm
}

const algorithms: readonly MatmulAlgorithm[] = ['lanes', 'rows', 'tiles', 'dots']

/** How the last two dims of a tensor can be walked, or null when a copy is needed. */
function factorOf(x: Tensor, batch: number): Factor | null {
  const [rows, columns] = x.shape.slice(-2) as [number, number]
  const [rs, cs] = x.strides.slice(-2) as [number, number]
  const lead = { shape: x.shape.slice(0, -2), strides: x.strides.slice(0, -2), offset: 0 }
  const count = sizeOf(lead.shape)
  let step = 0
  if (batch > 1 && count > 1) {
    const spread = lead.shape.every((s, d) => s === 1 || lead.strides[d] === 0)
    if (!spread) {
      // One stride must lead through all matrices.
      const last = lead.strides[lead.shape.findLastIndex((s) => s !== 1)]!
      let expected = last
      for (let d = lead.shape.length - 1; d >= 0; d--) {
        if (lead.shape[d] === 1) continue
        if (lead.strides[d] !== expected) return null
        expected *= lead.shape[d]!
      }
      step = last
    }
  }
  if (step < 0) return null
  if (cs === 1 || columns === 1) {
    const ld = rows === 1 ? columns : rs
    if (ld >= 0) return { operand: x, transposed: false, ld, batch: step }
  }
  if (rs === 1 || rows === 1) {
    const ld = columns === 1 ? rows : cs
    if (ld >= 0) return { operand: x, transposed: true, ld, batch: step }
  }
  return null
}

function product(a: Tensor, b: Tensor, batchShape: readonly number[], options: MatmulOptions): Tensor {
  const [m, k] = a.shape.slice(-2) as [number, number]
  const n = b.shape[b.ndim - 1]!
  const out = empty('matmul', a.device, [...batchShape, m, n], a.dtype)
  // A matrix on the right serves every row of a contiguous left side: one tall product.
  const tall = b.ndim === 2 && a.ndim > 2 && isContiguous(a.layout)
  const rows = tall ? sizeOf(batchShape) * m : m
  const batch = tall ? 1 : sizeOf(batchShape)
  const left = tall ? a.view({ shape: [rows, k], strides: [k, 1], offset: a.layout.offset }) : a.view(broadcastTo('matmul', a.layout, [...batchShape, m, k]))
  const right = tall ? b.view(b.layout) : b.view(broadcastTo('matmul', b.layout, [...batchShape, k, n]))
  const temporary: Tensor[] = [left, right]
  const factor = (x: Tensor): Factor => {
    const f = factorOf(x, batch)
    if (f) return f
    const copy = x.compact()
    temporary.push(copy)
    return factorOf(copy, batch)!
  }
  a.device.stream.run(new MatmulCall('matmul', { m: rows, n, k, batch, a: factor(left), b: factor(right), alpha: 1, algorithm: options.algorithm }, out))
  for (const t of temporary) t.dispose()
  return out
}

/**
 * The matrix product as in PyTorch: [.., m, k] · [.., k, n] → [.., m, n], leading dims broadcast; a vector counts as a row on the left, as a column on
 * the right, and its dim is gone from the result. f32 or f16 (accumulated in f32). Throws a ShapeError where the inner sizes differ.
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  checkTensor('matmul', a)
  checkTensor('matmul', b, 'the second operand')
  commonDevice('matmul', [a, b])
  const { algorithm } = options
  if (algorithm !== undefined && !algorithms.includes(algorithm))
    throw new ArgumentError('matmul', `unknown algorithm ${JSON.stringify(algorithm)}; known: ${algorithms.join(', ')}`, { algorithm })
  if (a.ndim === 0 || b.ndim === 0)
    throw new ShapeError('matmul', `needs at least one dim on each side, got ${formatShape(a.shape)} · ${formatShape(b.shape)}`, { shapes: [a.shape, b.shape] })
  if (!isFloat(a.dtype) || !isFloat(b.dtype))
    throw new DTypeError('matmul', `needs f32 or f16, got ${a.dtype} · ${b.dtype}; convert with .to('f32')`, { dtypes: [a.dtype, b.dtype] })
  const [k, kb] = [a.shape[a.ndim - 1]!, b.shape[Math.max(0, b.ndim - 2)]!]
  if (k !== kb) {
    throw new ShapeError('matmul', `inner sizes differ: ${formatShape(a.shape)} · ${formatShape(b.shape)}: ${k} ≠ ${kb}`, { shapes: [a.shape, b.shape] })
  }
  if (b.ndim === 1) return squeezeDim(matmul(a, reshape(b, [b.size, 1]), options), -1)
  if (a.ndim === 1) return squeezeDim(matmul(reshape(a, [1, a.size]), b, options), -2)
  const dtype = promote(a.dtype, b.dtype)
  if (a.dtype !== b.dtype) return matmul(cast(a, dtype), cast(b, dtype), options)
  const batchShape = broadcastShapes('matmul', a.shape.slice(0, -2), b.shape.slice(0, -2))
  const columnMajor = b.strides[b.ndim - 2] === 1 && b.strides[b.ndim - 1] !== 1
  return traced('matmul', [a, b], { columnMajor }, () => {
    const shape = [...batchShape, a.shape[a.ndim - 2]!, b.shape[b.ndim - 1]!]
    if (k === 0 || sizeOf(shape) === 0) return full(shape, 0, { dtype, device: a.device })
    return product(a, b, batchShape, options)
  })
}

const squeezeDim = (x: Tensor, dim: number): Tensor => {
  const d = x.ndim + dim
  return reshape(
    x,
    x.shape.filter((_, i) => i !== d),
  )
}

/** The outer product of two vectors: [n], [m] → [n, m]. f32 or f16. */
export function outer(a: Tensor, b: Tensor): Tensor {
  checkTensor('outer', a)
  checkTensor('outer', b, 'the second operand')
  if (a.ndim !== 1 || b.ndim !== 1)
    throw new ShapeError('outer', `two vectors are needed, got ${formatShape(a.shape)} and ${formatShape(b.shape)}`, { shapes: [a.shape, b.shape] })
  return matmul(reshape(a, [a.size, 1]), reshape(b, [1, b.size]))
}
