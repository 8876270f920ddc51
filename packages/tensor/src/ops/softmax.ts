// softmax, log softmax and logsumexp: one dispatch each, the row's maximum subtracted first. As in PyTorch, a row that is
// all -inf, or has +inf or NaN, gives NaN; logsumexp of all -inf is -inf.
import { splitGroups } from '../calls/call.js'
import { elementAlias, KernelCall } from '../calls/kernel.js'
import { planReduce } from '../calls/reduce.js'
import { isFloat } from '../dtype.js'
import { softmaxGroupKernel, softmaxThreadKernel } from '../generated/shaders.js'
import { normalDims, sizeOf } from '../layout.js'
import type { Tensor } from '../tensor.js'
import { traced } from '../trace.js'
import { cast } from './copy.js'
import { full } from './create.js'
import { checkTensor, empty } from './launch.js'
import { type Dims, reducedShape } from './reduce.js'
import { type Rows, rowsOf, withDense } from './rows.js'
import { permute } from './views.js'

/** Options that force an algorithm; for tests and benches. */
export interface SoftmaxOptions {
  algorithm?: 'thread' | 'group'
}

/** MODE of softmax.wgsl. */
const modes = { softmax: 0, logSoftmax: 1, logsumexp: 2 }

function run(op: keyof typeof modes, x: Tensor, rows: Rows, shape: readonly number[], options: SoftmaxOptions): Tensor {
  const { device } = x
  const out = empty(op, device, shape, x.dtype)
  if (out.size === 0) return out
  const { n, inner } = rows
  const count = rows.outer * inner
  const algorithm = options.algorithm ?? planReduce(count, n, device.adapter.kind)
  const group = algorithm === 'thread' || n <= 256 ? 64 : 256
  withDense([x], (dense) => {
    device.stream.run(
      new KernelCall({
        op,
        kernel: algorithm === 'thread' ? softmaxThreadKernel : softmaxGroupKernel,
        buffers: { x: dense, out },
        params: { count, n, inner, nan: Number.NaN, minus_inf: Number.NEGATIVE_INFINITY },
        constants: { MODE: modes[op], WG: group },
        aliases: { T: elementAlias(x) },
        flops: 4 * count * n,
        ...(algorithm === 'thread' ? { invocations: count } : { grid: splitGroups(device.limits.maxComputeWorkgroupsPerDimension, op, count) }),
      }),
    )
  })
  return out
}

/** Integers and bool become f32. */
const float = (op: string, x: Tensor): Tensor => (isFloat(checkTensor(op, x).dtype) ? x : cast(x, 'f32'))

/** exp(x) / Σ exp(x) along a dim. f32 or f16 (computed in f32); integers give f32. */
export function softmax(x: Tensor, dim = -1, options: SoftmaxOptions = {}): Tensor {
  const from = float('softmax', x)
  const rows = rowsOf('softmax', x.shape, dim)
  return traced('softmax', [from], { dim: rows.dim }, () => run('softmax', from, rows, x.shape, options))
}

/** log softmax along a dim, without taking the logarithm of something that underflowed. f32 or f16; integers give f32. */
export function logSoftmax(x: Tensor, dim = -1, options: SoftmaxOptions = {}): Tensor {
  const from = float('logSoftmax', x)
  const rows = rowsOf('logSoftmax', x.shape, dim)
  return traced('logSoftmax', [from], { dim: rows.dim }, () => run('logSoftmax', from, rows, x.shape, options))
}

/** log Σ exp(x) over one dim or several (default: the last). Over no elements: -inf. f32 or f16; integers give f32. */
export function logsumexp(x: Tensor, dims: Dims = -1, keepdim = false, options: SoftmaxOptions = {}): Tensor {
  const from = float('logsumexp', x)
  const which = x.ndim === 0 ? [] : normalDims('logsumexp', dims, x.ndim)
  const shape = reducedShape(x.shape, which, keepdim)
  return traced('logsumexp', [from], { dims: which, keepdim }, () => {
    const n = sizeOf(which.map((d) => x.shape[d]!))
    if (n === 0) return full(shape, Number.NEGATIVE_INFINITY, { dtype: from.dtype, device: x.device })
    const first = which[0] ?? 0
    const last = which[which.length - 1] ?? -1
    // Neighbouring dims are one dim in the middle; others are moved to the end, which takes a copy.
    if (last - first + 1 === which.length) {
      return run('logsumexp', from, { dim: first, outer: sizeOf(x.shape.slice(0, first)), n, inner: sizeOf(x.shape.slice(last + 1)) }, shape, options)
    }
    const kept = x.shape.map((_, d) => d).filter((d) => !which.includes(d))
    const moved = permute(from, [...kept, ...which])
    const out = run('logsumexp', moved, { dim: 0, outer: sizeOf(shape), n, inner: 1 }, shape, options)
    moved.dispose()
    return out
  })
}
