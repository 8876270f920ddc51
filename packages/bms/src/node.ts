// What @bms/bms offers beyond the browser: run folders, figures as PNG files, training as the command does it.
import '@bms/nn/node'

export * from './index.js'
export { doctor } from './commands/doctor.js'
export { evaluate, openTraining, sample } from './commands/finished.js'
export { drawSamples, train, type TrainOptions } from './commands/train.js'
export { curvesFigure, renderPng, scatterFigure } from './figures/png.js'
export { writeAtomic } from './run/atomic.js'
export { freeFolder, RunFolder, type RunResult } from './run/folder.js'
export { type Progress, progress } from './run/progress.js'
