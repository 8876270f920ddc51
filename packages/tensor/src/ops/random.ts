// Random numbers. Each draw takes ceil(n / 4) blocks of the device's Philox stream, whatever it makes of them, so that
// eager and compiled runs see the same numbers. None of these is differentiable; none has tensor inputs but bernoulli.
import { KernelCall, elementAlias } from '../calls/kernel.js'
import type { Device } from '../device/device.js'
import { currentDevice } from '../device/init.js'
import { checkDType, type DType, isFloat } from '../dtype.js'
import { ArgumentError, DTypeError } from '../errors.js'
import { type Kernel, randomBitsKernel, randomIntegerKernel, randomMaskKernel, randomNormalKernel, randomUniformKernel } from '../generated/shaders.js'
import { checkShape, contiguous } from '../layout.js'
import { isTensor, type Tensor } from '../tensor.js'
import { traced } from '../trace.js'
import { cast } from './copy.js'
import type { CreateOptions } from './create.js'
import { lt } from './elementwise.js'
import { checkTensor, empty } from './launch.js'
import { rowsOf } from './rows.js'
import { sortRows } from './sort-rows.js'

type RandomKernel = Kernel<'random.bits' | 'random.uniform_' | 'random.normal' | 'random.integer' | 'random.mask'>

interface Own {
  low?: number
  range?: number
  threshold?: number
  value?: number
}

function draw(op: string, kernel: RandomKernel, device: Device, shape: readonly number[], dtype: DType, own: Own = {}): Tensor {
  const out = empty(op, device, checkShape(op, shape), dtype)
  if (out.size === 0) return out
  const blocks = Math.ceil(out.size / 4)
  const { base, offset } = device.random.take(blocks)
  device.stream.run(
    new KernelCall({
      op,
      kernel,
      buffers: { base: { storage: base, layout: contiguous([4]), dtype: 'u32' }, out },
      params: {
        count: out.size,
        first_lo: offset % 2 ** 32,
        first_hi: Math.floor(offset / 2 ** 32),
        low: own.low ?? 0,
        range: own.range ?? 0,
        threshold: own.threshold ?? 0,
        value: own.value ?? 0,
      },
      invocations: blocks,
      constants: { BITS: dtype === 'f16' ? 11 : 24 },
      aliases: { T: elementAlias(out) },
    }),
  )
  return out
}

function floatType(op: string, dtype: DType | undefined): DType {
  const t = checkDType(op, dtype ?? 'f32')
  if (!isFloat(t)) throw new DTypeError(op, `gives f32 or f16, not ${t}; for whole numbers use randint`, { dtype: t })
  return t
}

const deviceOf = (options: CreateOptions): Device => options.device ?? currentDevice()

/** Restarts the random numbers of a device (default: the current one) from a seed, a whole number from 0 to 2^53-1. */
export function manualSeed(seed: number, device: Device = currentDevice()): void {
  device.random.manualSeed(seed)
}

/** Uniform in [0, 1): multiples of 2^-24 (f16: 2^-11). f32 or f16. */
export const rand = (shape: readonly number[], options: CreateOptions = {}): Tensor =>
  draw('rand', randomUniformKernel, deviceOf(options), shape, floatType('rand', options.dtype))

/** Standard normal. f32 or f16. */
export const randn = (shape: readonly number[], options: CreateOptions = {}): Tensor =>
  draw('randn', randomNormalKernel, deviceOf(options), shape, floatType('randn', options.dtype))

/** Uniform in [0, 1), of the shape, device and (if float, else f32) dtype of another tensor. */
export const randLike = (x: Tensor): Tensor => rand(checkTensor('randLike', x).shape, like(x))

/** Standard normal, of the shape, device and (if float, else f32) dtype of another tensor. */
export const randnLike = (x: Tensor): Tensor => randn(checkTensor('randnLike', x).shape, like(x))

const like = (x: Tensor): CreateOptions => ({ device: x.device, dtype: isFloat(x.dtype) ? x.dtype : 'f32' })

/** Whole numbers from `low` to `high` - 1. i32 by default; u32, f32 and f16 hold them too. */
export function randint(low: number, high: number, shape: readonly number[], options: CreateOptions = {}): Tensor {
  const dtype = checkDType('randint', options.dtype ?? 'i32')
  const [least, most] = dtype === 'u32' ? [0, 2 ** 32] : dtype === 'f32' ? [-(2 ** 24), 2 ** 24 + 1] : dtype === 'f16' ? [-2048, 2049] : [-(2 ** 31), 2 ** 31]
  if (dtype === 'bool') throw new DTypeError('randint', 'gives i32, u32, f32 or f16; for booleans compare rand with a probability', { dtype })
  if (!Number.isInteger(low) || !Number.isInteger(high) || low >= high || low < least || high > most)
    throw new ArgumentError('randint', `whole numbers with low < high from ${least} to ${most} (for ${dtype}) are needed, got ${low} and ${high}`, {
      low,
      high,
      dtype,
    })
  return draw('randint', randomIntegerKernel, deviceOf(options), shape, dtype, { low: low >>> 0, range: (high - low) % 2 ** 32 })
}

/** Raw 32-bit words of the stream, u32: what everything else is made of. */
export const randomBits = (shape: readonly number[], options: CreateOptions = {}): Tensor =>
  draw('randomBits', randomBitsKernel, deviceOf(options), shape, 'u32')

/** 0 to n-1 in random order, i32. */
export function randperm(n: number, options: CreateOptions = {}): Tensor {
  if (!Number.isInteger(n) || n < 0 || n > 2 ** 31) throw new ArgumentError('randperm', `a whole number ≥ 0 is needed, got ${n}`, { n })
  const keys = randomBits([n], options)
  const [values, indices] = sortRows('randperm', keys, rowsOf('randperm', [n], 0), false)
  values.dispose()
  keys.dispose()
  return indices
}

function checkProbability(op: string, p: unknown): number {
  if (typeof p === 'number' && p >= 0 && p <= 1) return p
  throw new ArgumentError(op, `a probability from 0 to 1 is needed, got ${String(p)}`, { p })
}

/**
 * 1 with probability `p`, else 0; f32 by default. `p` is a number (then `shape` is needed), or a tensor of probabilities, whose shape
 * the result has (or `shape`, which it then broadcasts to).
 */
export function bernoulli(p: number | Tensor, shape?: readonly number[], options: CreateOptions = {}): Tensor {
  const dtype = floatType('bernoulli', options.dtype)
  if (!isTensor(p)) {
    if (shape === undefined) throw new ArgumentError('bernoulli', 'a shape is needed beside a number: bernoulli(0.5, [2, 3])')
    return draw('bernoulli', randomMaskKernel, deviceOf(options), shape, dtype, { threshold: checkProbability('bernoulli', p), value: 1 })
  }
  return traced('bernoulli', [p], {}, () => {
    const uniform = rand(shape ?? p.shape, { device: p.device })
    const below = lt(uniform, p)
    const out = cast(below, dtype)
    uniform.dispose()
    below.dispose()
    return out
  })
}

/** What dropout multiplies with: 0 with probability `p`, else 1 / (1 - p). f32 by default. */
export function dropoutMask(shape: readonly number[], p: number, options: CreateOptions = {}): Tensor {
  const keep = 1 - checkProbability('dropoutMask', p)
  return draw('dropoutMask', randomMaskKernel, deviceOf(options), shape, floatType('dropoutMask', options.dtype), {
    threshold: keep,
    value: keep === 0 ? 0 : 1 / keep,
  })
}
