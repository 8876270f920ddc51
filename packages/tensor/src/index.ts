// @bms/tensor: arrays on WebGPU. Everything public of this floor; the floor above adds gradients.
import './methods.js'
import { type Tree, tidyWith } from './scope.js'
import { isTensor } from './tensor.js'

export * from './errors.js'
export { type DType, type HostArray, type TypedArray, bytesOf, decode, dtypes, encode, floatToHalf, halfToFloat, isFloat, promote } from './dtype.js'
export { broadcastShapes, contiguousStrides, type Layout, normalDim, normalDims, sameShape, sizeOf } from './layout.js'
export { type AdapterDescription, Device } from './device/device.js'
export {
  type AdapterChoice,
  type AdapterProvider,
  currentDevice,
  describe as describeAdapter,
  init,
  type InitOptions,
  provideAdapters,
  requestDevice,
  useDevice,
} from './device/init.js'
export type { MemoryReport } from './device/allocator.js'
export { Pipelines, type PipelineSpec } from './device/pipelines.js'
export { specialise } from './device/pipelines.js'
export { Storage } from './device/storage.js'
export { type RandomSnapshot, RandomState } from './random-state.js'
export { isTensor, type Nested, Tensor } from './tensor.js'
export { type Attrs, currentWatcher, observeOps, type OpRecord, type Trace, traced, tracedAll, type Watcher, watchOps } from './trace.js'
export { collect, keep, visitTensors } from './scope.js'
export { type Call, type Dispatch, type Operand, splitGroups } from './calls/call.js'
export { KernelCall, type KernelArgs } from './calls/kernel.js'
export { MapCall } from './calls/map.js'
export { MatmulCall } from './calls/matmul.js'
export { planReduce, ReduceCall } from './calls/reduce.js'
export * from './generated/shaders.js'
export { type Band, type PadMode, transposeBand } from './kernels/bands.js'
export { type ConvAlgorithm, type ConvGeometry, type ConvPass, type ConvPlan, type ConvShape, type Pair, planConv } from './kernels/conv-plan.js'
export { type MatmulAlgorithm, type MatmulPlan, type MatmulProblem, type MatmulTarget, planMatmul } from './kernels/matmul-plan.js'
export { type MapOpName, mapOps } from './map/ops.js'
export { compile, type Compiled, type CompileOptions } from './program/compile.js'
export type { Rewrites } from './program/optimise.js'
export type { KernelTime } from './program/profile.js'
export type { ProgramStats } from './program/program.js'
export { planMemory } from './program/plan-memory.js'
export { runStepwise } from './program/stepwise.js'
export * from './ops/cat.js'
export * from './ops/conv.js'
export * from './ops/copy.js'
export * from './ops/create.js'
export * from './ops/elementwise.js'
export * from './ops/indexing.js'
export { launchMap, empty } from './ops/launch.js'
export * as linalg from './linalg/index.js'
export * from './ops/matmul.js'
export { markNonFinite } from './ops/non-finite.js'
export * from './ops/order.js'
export * from './ops/random.js'
export * from './ops/reduce.js'
export * from './ops/resample.js'
export type { Sides } from './ops/sides.js'
export * from './ops/softmax.js'
export * from './ops/views.js'

/**
 * Runs `fn` and frees every tensor made in it, except what it returns (in nested arrays and objects) and what the gradients of the returned tensors
 * need. Takes sync and async functions; async ones may not overlap each other.
 */
export const tidy = <R>(fn: () => R): R => tidyWith(fn, isTensor)

/** A value with tensors anywhere inside. */
export type TensorTree = Tree
