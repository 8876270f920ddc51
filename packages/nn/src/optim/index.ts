// The namespace `optim`: optimisers, schedules, gradient clipping, moving averages.
export { Adam, type AdamOptions, AdamW, RMSprop, type RMSpropOptions, SGD, type SGDOptions } from './algorithms.js'
export { clipGradNorm, clipGradNorm_, clipGradValue, clipGradValue_, totalNorm } from './clip.js'
export { EMA, type EMAOptions } from './ema.js'
export { ParamGroup } from './group.js'
export { type GroupSpec, Optimizer, type Params } from './optimizer.js'
export * from './schedulers.js'
