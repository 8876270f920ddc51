/**
 * Convolutions as matrix products without unfolding: what the kernels shaders/conv_<algorithm>.wgsl are told. A pure function of shapes and of a few facts
 * about the adapter. The three passes (forward, input gradient, weight gradient) are one kernel with other numbers; a transposed convolution is an input
 * gradient.
 */
import { foldWorkgroups, type MatmulTarget, up } from './matmul-plan.js'

/** Height, then width. */
export type Pair = readonly [number, number]

export interface ConvGeometry {
  stride: Pair
  padding: Pair
  dilation: Pair
  groups: number
}

/** A convolution input [batch, inChannels, ...input] → output [batch, outChannels, ...output] with a weight [outChannels, inChannels / groups, ...kernel]. */
export interface ConvShape extends ConvGeometry {
  batch: number
  inChannels: number
  outChannels: number
  input: Pair
  output: Pair
  kernel: Pair
}

/**
 * `forward`: a = weight, b = input, result = output. `input`: a = weight, b = output gradient, result = input gradient. `weight`: a = output gradient,
 * b = input, result = weight gradient.
 */
export type ConvPass = 'forward' | 'input' | 'weight'

export type ConvAlgorithm = 'lanes' | 'rows' | 'tiles'

export interface ConvPlan {
  kernel: `conv_${ConvAlgorithm}`
  constants: Record<string, number | boolean>
  params: Record<string, number>
  workgroups: [number, number, number]
  /** A weight gradient is summed in so many parts, each a result of its own. */
  splits: number
  flops: number
}

const area = ([y, x]: Pair): number => y * x

/** One output size of a convolution: ⌊(input + 2 padding - dilation (kernel - 1) - 1) / stride⌋ + 1. */
export const convSize = (input: number, kernel: number, stride: number, padding: number, dilation: number): number =>
  Math.floor((input + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1

/** Sizes and steps of the product, by the names of the kernels' uniforms. */
export function convParams(s: ConvShape, pass: ConvPass): Record<string, number> {
  const [inside, outside] = [s.inChannels / s.groups, s.outChannels / s.groups]
  const taps = area(s.kernel)
  const forward = pass !== 'input'
  const [source, target] = forward ? [s.input, s.output] : [s.output, s.input]
  const sides = (name: string, [y, x]: Pair): Record<string, number> => ({ [`${name}_y`]: y, [`${name}_x`]: x })
  const shared = {
    groups: s.groups,
    batch: s.batch,
    source_height: source[0],
    source_width: source[1],
    target_height: target[0],
    target_width: target[1],
    kernel_height: s.kernel[0],
    kernel_width: s.kernel[1],
    ...sides('mul', forward ? s.stride : [1, 1]),
    ...sides('origin', forward ? [-s.padding[0], -s.padding[1]] : s.padding),
    ...sides('step', forward ? s.dilation : [-s.dilation[0], -s.dilation[1]]),
    ...sides('div', forward ? [1, 1] : s.stride),
  }
  if (pass === 'weight') {
    const plane = area(s.output)
    return {
      ...shared,
      m: outside,
      n: inside * taps,
      outer: s.batch * s.output[0],
      inner: s.output[1],
      source_channels: inside,
      a_row: plane,
      a_inner: 1,
      a_group: outside * plane,
      b_inner: s.stride[1],
    }
  }
  const [rows, summed] = forward ? [outside, inside] : [inside, outside]
  return {
    ...shared,
    m: rows,
    n: s.batch * up(target[0], forward ? 1 : s.stride[0]) * up(target[1], forward ? 1 : s.stride[1]),
    outer: taps,
    inner: summed,
    source_channels: summed,
    a_row: forward ? inside * taps : taps,
    a_inner: forward ? taps : inside * taps,
    a_group: inside * outside * taps,
    b_inner: area(source),
  }
}

/** Rows and columns of a workgroup, and the constants that make them. */
function tileOf(algorithm: ConvAlgorithm, rows: number): { down: number; across: number; constants: Record<string, number> } {
  if (algorithm === 'rows') return { down: 16, across: 64, constants: { WIDTH: 8 } }
  if (algorithm === 'lanes') {
    const down = rows <= 8 ? 8 : rows <= 16 ? 16 : 32
    return { down, across: 64, constants: { WIDTH: 8, ROWS: down } }
  }
  const side = rows <= 32 ? 32 : 64
  return { down: side, across: 64, constants: { TILE_M: side, TILE_N: 64, TILE_K: 16, PER_M: side / 16, PER_N: 4 } }
}

/** Workgroups that fill a GPU, roughly, and the least number of terms worth a part of a sum. */
const ENOUGH = 512
const PART = 256

/** Chooses an algorithm, or takes the forced one. */
export function planConv(shape: ConvShape, pass: ConvPass, target: MatmulTarget, forced?: ConvAlgorithm): ConvPlan {
  const params = convParams(shape, pass)
  const fits = target.limits.maxComputeInvocationsPerWorkgroup >= 256 && target.limits.maxComputeWorkgroupStorageSize >= 16384
  const algorithm = forced ?? (target.kind === 'gpu' && fits ? 'tiles' : target.kind === 'software' && target.subgroupSize === 8 ? 'lanes' : 'rows')
  if (algorithm === 'lanes' && target.subgroupSize !== 8)
    throw new RangeError(`'lanes' needs a fixed subgroup size of 8, this device has ${target.subgroupSize ?? 'none'}; use 'rows'`)
  if (algorithm === 'tiles' && !fits) throw new RangeError("'tiles' does not fit the limits of this device; use 'rows'")
  const { down, across, constants } = tileOf(algorithm, params['m']!)
  const phases = pass === 'input' ? area(shape.stride) : 1
  const tiles = up(params['m']!, down) * up(params['n']!, across) * phases * shape.groups
  const depth = shape.batch * area(shape.output)
  const splits = algorithm === 'tiles' && pass === 'weight' ? Math.max(1, Math.min(Math.floor(ENOUGH / tiles), Math.floor(depth / PART))) : 1
  return {
    kernel: `conv_${algorithm}`,
    constants: { ...constants, WEIGHT: pass === 'weight' },
    params: { ...params, splits },
    workgroups: foldWorkgroups(tiles * splits, target.limits.maxComputeWorkgroupsPerDimension),
    splits,
    flops: 2 * depth * shape.outChannels * (shape.inChannels / shape.groups) * area(shape.kernel),
  }
}
