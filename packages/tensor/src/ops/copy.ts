// Copies: contiguous, clone, cast, and the two in-place writes that everything which lives on (parameters, statistics)
// is updated with.
import { MapCall } from '../calls/map.js'
import { checkDType, type DType } from '../dtype.js'
import { ArgumentError, formatShape } from '../errors.js'
import { broadcastTo, sameShape } from '../layout.js'
import { cast as castExpr, constant, input } from '../map/expr.js'
import { Tensor } from '../tensor.js'
import { traced } from '../trace.js'
import { checkTensor, commonDevice, launchMap } from './launch.js'

const copyOf = (op: string, x: Tensor, dtype: DType = x.dtype): Tensor => launchMap(op, x.device, x.shape, castExpr(input(0, x.dtype), dtype), [x])

Tensor.prototype.compact = function (this: Tensor) {
  return copyOf('contiguous', this)
}

/** The tensor itself where it is row-major without gaps, else a copy that is. */
export function contiguous(x: Tensor): Tensor {
  checkTensor('contiguous', x)
  return x.isContiguous ? x : clone(x)
}

/** A copy with its own memory, row-major. */
export function clone(x: Tensor): Tensor {
  checkTensor('clone', x)
  return traced('clone', [x], {}, () => copyOf('clone', x))
}

/** The values in another dtype: to bool as ≠ 0, to integers towards zero. The tensor itself if it has that dtype. */
export function cast(x: Tensor, dtype: DType): Tensor {
  checkTensor('cast', x)
  checkDType('cast', dtype)
  return dtype === x.dtype ? x : traced('cast', [x], { dtype, from: x.dtype }, () => copyOf('cast', x, dtype))
}

/** The same values without history: no gradient flows through. Shares the memory. */
export function detach(x: Tensor): Tensor {
  checkTensor('detach', x)
  return traced('detach', [x], {}, () => x.view(x.layout))
}

/** Throws where writing to `target` would be ambiguous, or make gradients wrong. */
function checkTarget(op: string, target: Tensor): void {
  checkTensor(op, target, 'the target')
  if (target.size > 0 && target.strides.some((s, d) => s === 0 && target.shape[d]! > 1))
    throw new ArgumentError(op, `several elements of the target ${formatShape(target.shape)} share memory (it was expanded); clone() it first`, {
      shape: target.shape,
    })
  target.trace?.overwritten?.(op)
}

/** Overwrites `target` with the values of `source`, broadcast and cast. In place; not differentiable. */
export function copy_(target: Tensor, source: Tensor): Tensor {
  checkTensor('copy_', source, 'the source')
  checkTarget('copy_', target)
  commonDevice('copy_', [target, source])
  const layout = broadcastTo('copy_', source.layout, target.shape)
  if (target.size === 0) return target
  const aliased = source.storage === target.storage && (source.layout.offset !== target.layout.offset || !sameShape(source.strides, target.strides))
  const from = aliased ? copyOf('copy_', source) : source
  const read = aliased ? broadcastTo('copy_', from.layout, target.shape) : layout
  const expr = castExpr(input(0, from.dtype), target.dtype)
  target.device.stream.run(new MapCall('copy_', target.shape, [expr], [{ storage: from.storage, layout: read, dtype: from.dtype }], [target], true))
  if (aliased) from.dispose()
  return target
}

/** Overwrites every element with `value`. In place. */
export function fill_(target: Tensor, value: number): Tensor {
  if (typeof value !== 'number') throw new ArgumentError('fill_', `a number is needed, got ${typeof value}`)
  checkTarget('fill_', target)
  if (target.size > 0) target.device.stream.run(new MapCall('fill_', target.shape, [castExpr(constant(value, 'f32'), target.dtype)], [], [target], true))
  return target
}
