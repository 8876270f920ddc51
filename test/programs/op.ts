// What an op is to the random programs: which operands it takes, which other arguments, how it runs and what it gives in float64. The table is ops.ts.
import type { DType, Tensor } from '@bms/nn'
import { product } from '../helpers/arrays.js'
import { broadcast, type Nd } from '../helpers/nd.js'

/** What is known of a value before it is computed. */
export interface Meta {
  shape: readonly number[]
  dtype: DType
}

/** Does an operand fit, given those before it? */
export type Accept = (x: Meta, before: readonly Meta[]) => boolean

/** Gives a number from 0 to n - 1, another one at each call. */
export type Pick = (n: number) => number

/** The arguments after the tensors. */
export type Args = readonly any[]

export interface ProgramOp {
  /** As in code, after the first operand: 'add', 'abs().add(0.5).log'. Also the method that runs, unless `run` is given. */
  name: string
  takes: readonly Accept[]
  /** Other arguments for such operands, or null where there are none that fit. */
  args?: (x: readonly Meta[], pick: Pick) => Args | null
  run?: (x: readonly Tensor[], args: Args) => Tensor | readonly Tensor[]
  /** The same in float64. Of a view: on the places of the elements instead of their values. Of what writes: the new content of the first operand. */
  reference: (x: readonly Nd[], args: Args) => Nd | readonly Nd[]
  /** Of the results; default: that of the first operand. */
  dtype?: (x: readonly Meta[], args: Args) => DType | readonly DType[]
  /** The result shares the memory of the first operand: in any case, or perhaps (then neither is written to any more). */
  view?: 'always' | 'perhaps'
  /** Overwrites the first operand. */
  writes?: true
  /** Moves or selects, so that results have no rounding of their own. */
  exact?: true
  /** How large the numbers are that are rounded on the way to each result, where that is more than the results themselves. */
  magnitude?: (x: readonly Nd[], out: Nd, args: Args) => readonly number[]
  /** Why gradients through it are not compared. */
  noGradient?: string
}

/** Elements of a value. */
export const LARGEST = 400

export const isFloat = (x: Meta): boolean => x.dtype === 'f32' || x.dtype === 'f16'
export const any: Accept = () => true
export const float: Accept = isFloat
export const number: Accept = (x) => x.dtype !== 'bool'
export const bool: Accept = (x) => x.dtype === 'bool'
export const index: Accept = (x) => x.dtype === 'i32'

export const both =
  (...list: Accept[]): Accept =>
  (x, before) =>
    list.every((accept) => accept(x, before))

/** Has at least so many dims. */
export const rank =
  (least: number): Accept =>
  (x) =>
    x.shape.length >= least

/** Has elements. */
export const filled: Accept = (x) => product(x.shape) > 0

/** Broadcasts with all before it, to something not too large. */
export const fits: Accept = (x, before) => {
  const shapes = [...before.map((b) => b.shape), x.shape]
  const all = broadcast(...shapes)
  return product(all) <= LARGEST && shapes.every((s) => s.every((n, d) => n === 1 || n === all[d + all.length - s.length]))
}

/** Broadcasts to the shape of the first operand. */
export const within: Accept = (x, [first]) => {
  const lead = first!.shape.length - x.shape.length
  return lead >= 0 && x.shape.every((n, d) => n === 1 || n === first!.shape[d + lead])
}

export const sameShape: Accept = (x, [first]) => x.shape.join() === first!.shape.join()
export const sameRank: Accept = (x, [first]) => x.shape.length === first!.shape.length
export const sameType: Accept = (x, [first]) => x.dtype === first!.dtype

const order: readonly DType[] = ['bool', 'u32', 'i32', 'f16', 'f32']

/** The common dtype, in PyTorch's order. */
export const promoted = (x: readonly Meta[]): DType => order[Math.max(...x.map((m) => order.indexOf(m.dtype)))]!

/** The same where there is no arithmetic of booleans. */
export const arithmetic = (x: readonly Meta[]): DType => (promoted(x) === 'bool' ? 'i32' : promoted(x))

/** The same where results are floats. */
export const floating = (x: readonly Meta[]): DType => (promoted(x) === 'f16' ? 'f16' : 'f32')
