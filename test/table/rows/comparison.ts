// Comparisons and logic: truths come out.
import { binary, limits } from '../elementwise.js'
import { whole } from '../values.js'

const truth = {
  result: 'truth',
  noGradient: 'truths have no gradient',
  // Few different numbers, so that some are equal.
  values: [(shape: readonly number[]) => whole(shape, -1, 2, 'f32')],
} as const

export const comparisonRows = [
  binary('eq', 'a == b', { ...truth, more: [limits('eq', 'i32', [16777217, 5], [16777216, 5], [0, 1], 'bool')] }),
  binary('ne', 'a != b', truth),
  binary('lt', 'a < b', { ...truth, more: [limits('lt', 'u32', [4e9, 1], [1, 4e9], [0, 1], 'bool')] }),
  binary('le', 'a <= b', truth),
  binary('gt', 'a > b', truth),
  binary('ge', 'a >= b', truth),
  binary('logicalAnd', 'torch.logical_and(a, b)', truth),
  binary('logicalOr', 'torch.logical_or(a, b)', truth),
]
