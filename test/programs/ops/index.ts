// The ops of random programs, one entry each; a new op joins by one entry. Arguments keep values moderate (no logarithm of a negative number, no quotient
// by almost nothing), so that a difference means something. In a name, $0 and $1 stand for the operands: such entries are several ops in a row.
import type { ProgramOp } from '../op.js'
import { elementwiseOps, halfOps } from './elementwise.js'
import { imageOps } from './image.js'
import { orderOps } from './order.js'
import { productOps } from './product.js'
import { reduceOps } from './reduce.js'
import { viewOps } from './view.js'

const ops: readonly ProgramOp[] = [...elementwiseOps, ...viewOps, ...reduceOps, ...productOps, ...imageOps, ...orderOps]

/** All ops, those of half precision where the adapter has it. What compiled steps have most to do with comes more often. */
export const programOps = (halves: boolean): readonly ProgramOp[] => [
  ...ops,
  ...productOps,
  ...Array.from({ length: 2 }, () => ops.filter((op) => op.writes)).flat(),
  ...(halves ? halfOps : []),
]
