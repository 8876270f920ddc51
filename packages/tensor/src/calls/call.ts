// What an op asks of the device: a call says what to compute (an expression, a reduction, a product, a kernel), on which
// operands. A compiled step rewrites calls; lowering one gives the dispatches that the GPU understands.
import type { Device } from '../device/device.js'
import type { PipelineSpec } from '../device/pipelines.js'
import type { Storage } from '../device/storage.js'
import type { DType } from '../dtype.js'
import { LimitError } from '../errors.js'
import type { Layout } from '../layout.js'

/** A tensor as a call sees it: memory and how it is walked. */
export interface Operand {
  readonly storage: Storage
  readonly layout: Layout
  readonly dtype: DType
}

/** One command for the GPU: pipeline, buffers, the bytes of its uniforms, workgroups. */
export interface Dispatch {
  /** The op that asked for it, for labels, errors and listings. */
  op: string
  pipeline: PipelineSpec
  buffers: { binding: number; storage: Storage; offset?: number; size?: number }[]
  params: Uint32Array | null
  paramsBinding: number
  grid: readonly [number, number, number]
  /** Floating point operations and bytes moved, for `program.stats()`. */
  flops: number
  bytes: number
}

export interface Call {
  /** Which kind of rewrite it can take part in. */
  readonly kind: 'map' | 'reduce' | 'matmul' | 'conv' | 'kernel'
  readonly op: string
  /** Everything that is read, including what is updated in place. */
  readonly inputs: readonly Operand[]
  /** Everything that is written. */
  readonly outputs: readonly Operand[]
  /** Read, but through a writable binding: may not share a buffer with what is only read. */
  readonly exclusive?: readonly Operand[]
  /** True when the result is not a function of the inputs alone (it may not be merged with an equal call). */
  readonly inPlace: boolean
  lower(device: Device): Dispatch[]
  /** A string equal for two calls exactly if they compute the same from the same operands. */
  identity(operand: (o: Operand) => string): string
  /** The same call on other operands. */
  replace(of: (o: Operand) => Operand): Call
  /** What it computes, for listings. */
  readonly name: string
}

/** The operand as it is now; a tensor that serves as one may be disposed before a recorded call is lowered. */
export const snapshot = (o: Operand): Operand => ({ storage: o.storage, layout: o.layout, dtype: o.dtype })

/** Workgroups for `n` invocations in groups of `group`: one dimension while it fits, else a near-square split. */
export function linearGrid(device: Device, op: string, n: number, group: number): readonly [number, number, number] {
  return splitGroups(device.limits.maxComputeWorkgroupsPerDimension, op, Math.ceil(n / group))
}

/** `count` workgroups as x·y ≥ count with both sides within `limit`. Kernels recover the index as y·num_workgroups.x + x. */
export function splitGroups(limit: number, op: string, count: number): readonly [number, number, number] {
  if (count <= limit) return [count, 1, 1]
  const y = Math.ceil(Math.sqrt(count))
  const x = Math.ceil(count / y)
  if (y > limit)
    throw new LimitError(op, `needs ${count} workgroups, the adapter takes ${limit} in each of two dimensions; split the tensor`, { need: count, limit })
  return [x, y, 1]
}

/** Bytes that an operand's elements fill (an expanded one is read once). */
export function operandBytes(o: Operand): number {
  let n = 1
  o.layout.shape.forEach((size, d) => {
    if (o.layout.strides[d] !== 0) n *= size
  })
  return n * (o.dtype === 'f16' ? 2 : 4)
}

/** Layout and dtype as text, for identities. */
export const layoutKey = (o: Operand): string => `${o.dtype}${o.layout.shape.join('x')}/${o.layout.strides.join(',')}+${o.layout.offset}`
