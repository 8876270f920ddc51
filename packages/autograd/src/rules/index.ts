// The table of gradient rules, keyed by op. `null`: the op has no gradient (comparisons, indices), its results carry
// none. An op that is missing here is an error when a gradient would have to pass through it.
import type { Rule } from '../rule.js'
import { convRules } from './conv.js'
import { elementwiseRules } from './elementwise.js'
import { linalgRules } from './linalg.js'
import { matmulRules } from './matmul.js'
import { orderRules } from './order.js'
import { reduceRules } from './reduce.js'
import { resampleRules } from './resample.js'
import { viewRules } from './views.js'

export const rules: Record<string, Rule | null | undefined> = {
  ...elementwiseRules,
  ...reduceRules,
  ...viewRules,
  ...matmulRules,
  ...linalgRules,
  ...convRules,
  ...resampleRules,
  ...orderRules,
}
