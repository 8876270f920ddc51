// The namespace `losses`.
export * from './classification.js'
export type { LossOptions, Reduction } from './common.js'
export * from './regression.js'
