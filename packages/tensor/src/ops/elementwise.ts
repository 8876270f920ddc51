// Element-wise ops: unary, binary with broadcasting, comparison, selection. Each is one entry of the table in
// map/ops.ts; numbers may stand for tensors and become constants of the kernel.
import { isFloat, type DType } from '../dtype.js'
import { ArgumentError } from '../errors.js'
import { broadcastShapes, broadcastTo } from '../layout.js'
import { apply, constant, type Expr, input } from '../map/expr.js'
import type { MapOpName } from '../map/ops.js'
import { isTensor, type Tensor } from '../tensor.js'
import { traced } from '../trace.js'
import { commonDevice, launchMap } from './launch.js'

/** A tensor, or a number that stands for one. */
export type Arg = Tensor | number

/** The dtype a plain number takes beside a tensor of dtype `t`: its own where the value fits. */
function numberType(value: number, t: DType): DType {
  if (isFloat(t)) return t
  if (!Number.isInteger(value)) return 'f32'
  return t === 'u32' && value >= 0 ? 'u32' : 'i32'
}

/** Applies a scalar op to tensors and numbers, broadcasting. `attrs.scalars` holds the numbers by position. */
export function mapOp(op: MapOpName, args: readonly Arg[]): Tensor {
  const tensors = args.filter(isTensor)
  args.forEach((a, i) => {
    if (!isTensor(a) && typeof a !== 'number')
      throw new ArgumentError(op, `argument ${i + 1} is ${a === null ? 'null' : typeof a}; a Tensor or a number is needed`)
  })
  const device = commonDevice(op, tensors)
  const scalars = args.map((a) => (isTensor(a) ? null : a))
  return traced(op, tensors, { scalars }, () => {
    const shape = tensors.length === 1 ? tensors[0]!.shape : tensors.map((t) => t.shape).reduce((a, b) => broadcastShapes(op, a, b))
    // The condition of `where` has no say in the dtype of the values.
    const values = op === 'where' ? tensors.filter((t) => t !== args[0] || t === args[1] || t === args[2]) : tensors
    const lead = (values.find((t) => isFloat(t.dtype)) ?? values.find((t) => t.dtype !== 'bool') ?? values[0])?.dtype ?? 'bool'
    let next = 0
    const exprs = args.map((a): Expr => (isTensor(a) ? input(next++, a.dtype) : constant(a, numberType(a, lead))))
    const inputs = tensors.map((t) => ({ storage: t.storage, dtype: t.dtype, layout: t.shape === shape ? t.layout : broadcastTo(op, t.layout, shape) }))
    return launchMap(op, device, shape, apply(op, exprs), inputs)
  })
}

const unary =
  (op: MapOpName) =>
  (x: Tensor): Tensor =>
    mapOp(op, [x])
const binary =
  (op: MapOpName) =>
  (a: Arg, b: Arg): Tensor =>
    mapOp(op, [a, b])

export const neg = unary('neg')
export const abs = unary('abs')
export const sign = unary('sign')
export const floor = unary('floor')
export const ceil = unary('ceil')
/** To the nearest whole number, halves to even. */
export const round = unary('round')
export const trunc = unary('trunc')
export const square = unary('square')
export const exp = unary('exp')
export const expm1 = unary('expm1')
export const log = unary('log')
export const log1p = unary('log1p')
export const sqrt = unary('sqrt')
export const rsqrt = unary('rsqrt')
export const reciprocal = unary('reciprocal')
/** Of radians; to 1e-6 for arguments up to 10,000, beyond them as the driver has it. */
export const sin = unary('sin')
/** Of radians; see `sin`. */
export const cos = unary('cos')
export const tanh = unary('tanh')
export const sigmoid = unary('sigmoid')
/** log(1 + exp(x)) without overflow. */
export const softplus = unary('softplus')
export const silu = unary('silu')
export const erf = unary('erf')
export const relu = unary('relu')
export const isnan = unary('isnan')
export const isinf = unary('isinf')
export const logicalNot = unary('logicalNot')

/** GELU, exact (by erf) or with the tanh approximation, as in PyTorch. */
export function gelu(x: Tensor, approximate: 'none' | 'tanh' = 'none'): Tensor {
  if (approximate !== 'none' && approximate !== 'tanh')
    throw new ArgumentError('gelu', `approximate is 'none' or 'tanh', got '${approximate}'`, { approximate })
  return mapOp(approximate === 'tanh' ? 'geluTanh' : 'gelu', [x])
}
export const leakyRelu = (x: Tensor, negativeSlope = 0.01): Tensor => mapOp('leakyRelu', [x, negativeSlope])
export const elu = (x: Tensor, alpha = 1): Tensor => mapOp('elu', [x, alpha])

export const add = binary('add')
export const sub = binary('sub')
export const mul = binary('mul')
export const div = binary('div')
export const floorDivide = binary('floorDivide')
/** The remainder with the sign of the divisor, as in Python; of floats too it is exact. */
export const remainder = binary('remainder')
/** x^y; where x is negative only whole y give a number. x^0.5, with the exponent as a number, is sqrt, as in PyTorch. */
export const pow = (base: Arg, exponent: Arg): Tensor => (exponent === 0.5 && isTensor(base) ? sqrt(base) : mapOp('pow', [base, exponent]))
/** The larger of two; NaN wins. */
export const maximum = binary('maximum')
export const minimum = binary('minimum')
export const eq = binary('eq')
export const ne = binary('ne')
export const lt = binary('lt')
export const le = binary('le')
export const gt = binary('gt')
export const ge = binary('ge')
export const logicalAnd = binary('logicalAnd')
export const logicalOr = binary('logicalOr')

/** `a` where the condition holds, else `b`; all three broadcast. */
export const where = (condition: Tensor, a: Arg, b: Arg): Tensor => mapOp('where', [condition, a, b])

/** Values below `min` become `min`, above `max` become `max` (also where `min` is larger); either may be left out. NaN stays. */
export function clamp(x: Tensor, min?: number | null, max?: number | null): Tensor {
  if (min == null && max == null) throw new ArgumentError('clamp', 'give min, max or both')
  // Integers have no infinity. For floats this is another op than maximum: at the bound its gradient is whole.
  if (!isTensor(x) || isFloat(x.dtype)) return mapOp('clamp', [x, min ?? Number.NEGATIVE_INFINITY, max ?? Number.POSITIVE_INFINITY])
  if (max == null) return maximum(x, min!)
  return min == null ? minimum(x, max) : mapOp('clamp', [x, min, max])
}

/** Gradients of activations by their outputs; gradient rules use them, compiled steps fold them into products. */
export const reluGrad = binary('reluGrad')
export const leakyReluGrad = (g: Tensor, out: Tensor, slope: number): Tensor => mapOp('leakyReluGrad', [g, out, slope])
export const tanhGrad = binary('tanhGrad')
export const sigmoidGrad = binary('sigmoidGrad')
