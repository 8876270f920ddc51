// Initialisers, PyTorch's: each overwrites a tensor in place from the device's random numbers, so that manualSeed makes
// them repeatable, and returns it.
import { ArgumentError, formatShape, noGrad, rand, randn, ShapeError, sizeOf, tensor, type Tensor, tidy } from '@bms/autograd'
import { checkNames, checkNumber } from '../check.js'
import { hostRandom } from '../host-random.js'

export type Nonlinearity = 'linear' | 'conv1d' | 'conv2d' | 'conv3d' | 'sigmoid' | 'tanh' | 'relu' | 'leaky_relu' | 'selu'

const write = (x: Tensor, make: () => Tensor): Tensor => {
  noGrad(() =>
    tidy(() => {
      x.copy_(make())
    }),
  )
  return x
}

/** Uniform in [low, high). */
export function uniform_(x: Tensor, low = 0, high = 1): Tensor {
  checkNumber('uniform_', 'low', low)
  checkNumber('uniform_', 'high', high)
  return write(x, () =>
    rand(x.shape, { device: x.device })
      .mul(high - low)
      .add(low),
  )
}

/** Normal with the given mean and standard deviation. */
export function normal_(x: Tensor, mean = 0, std = 1): Tensor {
  checkNumber('normal_', 'mean', mean)
  checkNumber('normal_', 'std', std, { min: 0 })
  return write(x, () => randn(x.shape, { device: x.device }).mul(std).add(mean))
}

export function constant_(x: Tensor, value: number): Tensor {
  return noGrad(() => x.fill_(value))
}

export const zeros_ = (x: Tensor): Tensor => constant_(x, 0)
export const ones_ = (x: Tensor): Tensor => constant_(x, 1)

/** Ones on the diagonal of a matrix, zeros elsewhere. */
export function eye_(x: Tensor): Tensor {
  if (x.ndim !== 2) throw new ShapeError('eye_', `a matrix is needed, got ${formatShape(x.shape)}`, { shape: x.shape })
  const [n, m] = x.shape as [number, number]
  const values = new Float32Array(n * m)
  for (let i = 0; i < Math.min(n, m); i++) values[i * m + i] = 1
  return write(x, () => tensor(values, { shape: x.shape, device: x.device }))
}

/** Inputs and outputs that one weight connects: of [out, in, ...kernel], in·kernel and out·kernel. */
export function fans(op: string, x: Tensor): { fanIn: number; fanOut: number } {
  if (x.ndim < 2) throw new ShapeError(op, `a tensor of at least 2 dims is needed for fan in and fan out, got ${formatShape(x.shape)}`, { shape: x.shape })
  const field = sizeOf(x.shape.slice(2))
  return { fanIn: x.shape[1]! * field, fanOut: x.shape[0]! * field }
}

/** The factor that keeps the variance through a nonlinearity. `param`: leaky_relu's negative slope, default 0.01. */
export function calculateGain(nonlinearity: Nonlinearity, param?: number): number {
  switch (nonlinearity) {
    case 'linear':
    case 'conv1d':
    case 'conv2d':
    case 'conv3d':
    case 'sigmoid':
      return 1
    case 'tanh':
      return 5 / 3
    case 'relu':
      return Math.SQRT2
    case 'leaky_relu':
      return Math.sqrt(2 / (1 + checkNumber('calculateGain', 'param', param ?? 0.01) ** 2))
    case 'selu':
      return 3 / 4
    default:
      throw new ArgumentError(
        'calculateGain',
        `unknown nonlinearity ${JSON.stringify(nonlinearity)}; known: linear, conv1d, conv2d, conv3d, sigmoid, tanh, relu, leaky_relu, selu`,
      )
  }
}

/** U(-a, a) with a = gain·√(6 / (fanIn + fanOut)). */
export function xavierUniform_(x: Tensor, gain = 1): Tensor {
  const { fanIn, fanOut } = fans('xavierUniform_', x)
  const bound = gain * Math.sqrt(6 / (fanIn + fanOut))
  return uniform_(x, -bound, bound)
}

/** N(0, gain²·2 / (fanIn + fanOut)). */
export function xavierNormal_(x: Tensor, gain = 1): Tensor {
  const { fanIn, fanOut } = fans('xavierNormal_', x)
  return normal_(x, 0, gain * Math.sqrt(2 / (fanIn + fanOut)))
}

export interface KaimingOptions {
  /** Negative slope of the leaky_relu that follows; default 0. */
  a?: number
  /** Keep the variance forwards (fan_in, default) or backwards. */
  mode?: 'fan_in' | 'fan_out'
  /** Default leaky_relu. */
  nonlinearity?: Nonlinearity
}

function kaimingStd(op: string, x: Tensor, options: KaimingOptions): number {
  checkNames(op, options, ['a', 'mode', 'nonlinearity'])
  const { a = 0, mode = 'fan_in', nonlinearity = 'leaky_relu' } = options
  if (mode !== 'fan_in' && mode !== 'fan_out')
    throw new ArgumentError(op, `mode must be fan_in or fan_out, got ${JSON.stringify(mode)}`, { option: 'mode', value: mode })
  const { fanIn, fanOut } = fans(op, x)
  return calculateGain(nonlinearity, a) / Math.sqrt(mode === 'fan_in' ? fanIn : fanOut)
}

/** U(-a, a) with a = gain·√(3 / fan). */
export function kaimingUniform_(x: Tensor, options: KaimingOptions = {}): Tensor {
  const bound = Math.sqrt(3) * kaimingStd('kaimingUniform_', x, options)
  return uniform_(x, -bound, bound)
}

/** N(0, gain² / fan). */
export const kaimingNormal_ = (x: Tensor, options: KaimingOptions = {}): Tensor => normal_(x, 0, kaimingStd('kaimingNormal_', x, options))

/** Orthonormal rows or columns, whichever are fewer (dims after the first are flattened), times `gain`. Computed on the host. */
export function orthogonal_(x: Tensor, gain = 1): Tensor {
  if (x.ndim < 2) throw new ShapeError('orthogonal_', `a tensor of at least 2 dims is needed, got ${formatShape(x.shape)}`, { shape: x.shape })
  const rows = x.shape[0]!
  const columns = x.size / Math.max(1, rows)
  const [count, length] = rows <= columns ? [rows, columns] : [columns, rows]
  // A host generator that continues the device's stream: one block of it is used up.
  const { seed, counter } = x.device.random.snapshot()
  x.device.random.take(1)
  const vectors = orthonormal(count, length, hostRandom(seed, counter).normal)
  const values = Float32Array.from({ length: x.size }, (_, i) => {
    const [r, c] = [Math.floor(i / columns), i % columns]
    return gain * (rows <= columns ? vectors[r]![c]! : vectors[c]![r]!)
  })
  return write(x, () => tensor(values, { shape: x.shape, device: x.device }))
}

/** `count` random orthonormal vectors: Gram-Schmidt, twice for accuracy. */
function orthonormal(count: number, length: number, normal: () => number): Float64Array[] {
  const done: Float64Array[] = []
  while (done.length < count) {
    const v = Float64Array.from({ length }, normal)
    for (let pass = 0; pass < 2; pass++) {
      for (const u of done) {
        let dot = 0
        for (let i = 0; i < length; i++) dot += u[i]! * v[i]!
        for (let i = 0; i < length; i++) v[i]! -= dot * u[i]!
      }
    }
    const norm = Math.sqrt(v.reduce((sum, a) => sum + a * a, 0))
    if (norm > 1e-6) done.push(v.map((a) => a / norm))
  }
  return done
}
