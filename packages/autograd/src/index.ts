// @bms/autograd: gradients over @bms/tensor, which it re-exports. Importing it makes ops record themselves.
import './record.js'

export * from '@bms/tensor'
export { full, ones, rand, randn, tensor, zeros } from './create.js'
export { AnomalyError, type AnomalyOptions, detectAnomaly, isAnomalyEnabled, setDetectAnomaly } from './anomaly.js'
export { checkpoint } from './checkpoint.js'
export { backward, type BackwardOptions, grad, type GradOptions } from './engine.js'
export { customFunction, type FunctionContext, type FunctionDefinition } from './function.js'
export { gradcheck, type GradcheckOptions, gradgradcheck } from './gradcheck.js'
export { enableGrad, isGradEnabled, noGrad } from './mode.js'
export type { Rule, RuleContext, Saves } from './rule.js'
export { rules as gradientRules } from './rules/index.js'
