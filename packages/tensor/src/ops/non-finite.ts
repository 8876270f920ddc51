// Looking for NaN and infinity without reading a tensor: one number for all of its elements, written where many such
// numbers are gathered to be read at once.
import type { Operand } from '../calls/call.js'
import { ReduceCall } from '../calls/reduce.js'
import { apply, constant, input } from '../map/expr.js'
import type { Tensor } from '../tensor.js'

/** Writes to `marks[slot]` (i32) whether some element of a float operand is NaN (2), or else infinite (1), or none is (0). */
export function markNonFinite(x: Operand, marks: Tensor, slot: number): void {
  const value = input(0, x.dtype)
  const infinite = apply('where', [apply('isinf', [value]), constant(1, 'i32'), constant(0, 'i32')])
  const expr = apply('where', [apply('isnan', [value]), constant(2, 'i32'), infinite])
  const { shape, offset } = x.layout
  // A scalar is a row of one.
  const layout = shape.length > 0 ? x.layout : { shape: [1], strides: [1], offset }
  const dims = layout.shape.map((_, d) => d)
  const mark = { storage: marks.storage, layout: { shape: [], strides: [], offset: marks.layout.offset + slot }, dtype: marks.dtype }
  const call = new ReduceCall('markNonFinite', 'max', layout.shape, dims, expr, [{ storage: x.storage, layout, dtype: x.dtype }], mark)
  marks.device.stream.run(call)
}
