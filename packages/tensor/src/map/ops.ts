// The scalar operations that element-wise kernels are generated from: how each is written in WGSL, and the dtype of
// its result. Arguments are already in their compute types (f16 as f32, bool as bool).
import { type DType, isFloat, promote } from '../dtype.js'

export interface MapOp {
  /** WGSL of the result, given WGSL of the arguments and their common dtype. */
  wgsl: (args: readonly string[], dtype: DType) => string
  /**
   * `float`: arguments become f32/f16, so does the result. `same`: arguments are promoted to their common dtype, the result has it.
   * `compare`: arguments are promoted, the result is bool. `select`: the first argument is bool, the others are promoted. `logic`: bool in, bool out.
   */
  type: 'float' | 'same' | 'compare' | 'select' | 'logic' | 'test'
  /** Of a float and itself, where drivers would answer without looking: x - x as 0, also where x is infinite or NaN. */
  itself?: (arg: string) => string
}

const call =
  (name: string): MapOp['wgsl'] =>
  (args) =>
    `${name}(${args.join(', ')})`
const infix =
  (op: string): MapOp['wgsl'] =>
  (args) =>
    `(${args[0]} ${op} ${args[1]})`
const floatCall = (name: string): MapOp => ({ type: 'float', wgsl: call(name) })
/** Functions of map.wgsl that know about NaN; on integers the WGSL builtin. */
const nanAware = (helper: string, builtin: string): MapOp => ({ type: 'same', wgsl: (args, dtype) => call(isFloat(dtype) ? helper : builtin)(args, dtype) })

export const mapOps = {
  neg: { type: 'same', wgsl: (a, t) => (t === 'u32' ? `(0u - ${a[0]})` : `(-${a[0]})`) },
  abs: { type: 'same', wgsl: call('abs') },
  sign: { type: 'same', wgsl: (a, t) => (isFloat(t) ? `sign_(${a[0]})` : t === 'u32' ? `min(${a[0]}, 1u)` : `sign(${a[0]})`) },
  floor: { type: 'same', wgsl: (a, t) => (isFloat(t) ? `floor(${a[0]})` : a[0]!) },
  ceil: { type: 'same', wgsl: (a, t) => (isFloat(t) ? `ceil(${a[0]})` : a[0]!) },
  round: { type: 'same', wgsl: (a, t) => (isFloat(t) ? `round(${a[0]})` : a[0]!) },
  trunc: { type: 'same', wgsl: (a, t) => (isFloat(t) ? `trunc(${a[0]})` : a[0]!) },
  square: { type: 'same', wgsl: (a) => `(${a[0]} * ${a[0]})` },
  exp: floatCall('exp_'),
  expm1: floatCall('expm1_'),
  log: floatCall('log_'),
  log1p: floatCall('log1p_'),
  sqrt: floatCall('sqrt_'),
  rsqrt: floatCall('rsqrt_'),
  reciprocal: { type: 'float', wgsl: (a) => `(1.0 / ${a[0]})` },
  sin: floatCall('sin_'),
  cos: floatCall('cos_'),
  tanh: floatCall('tanh_'),
  sigmoid: floatCall('sigmoid_'),
  softplus: floatCall('softplus_'),
  silu: floatCall('silu_'),
  gelu: floatCall('gelu_'),
  geluTanh: floatCall('gelu_tanh_'),
  erf: floatCall('erf_'),
  relu: { type: 'same', wgsl: (a, t) => (isFloat(t) ? `relu_(${a[0]})` : t === 'u32' ? a[0]! : `max(${a[0]}, 0i)`) },
  leakyRelu: floatCall('leaky_relu_'),
  elu: floatCall('elu_'),
  add: { type: 'same', wgsl: infix('+') },
  sub: { type: 'same', wgsl: infix('-'), itself: (a) => `select(0.0, not_a_number(${a}), is_nan(${a}) || is_inf(${a}))` },
  mul: { type: 'same', wgsl: infix('*') },
  div: { type: 'float', wgsl: infix('/') },
  floorDivide: {
    type: 'same',
    wgsl: (a, t) => (isFloat(t) ? `floor_div_(${a[0]}, ${a[1]})` : t === 'u32' ? `(${a[0]} / ${a[1]})` : `floor_div_i(${a[0]}, ${a[1]})`),
  },
  remainder: {
    type: 'same',
    wgsl: (a, t) => (isFloat(t) ? `remainder_(${a[0]}, ${a[1]})` : t === 'u32' ? `(${a[0]} % ${a[1]})` : `remainder_i(${a[0]}, ${a[1]})`),
  },
  pow: floatCall('pow_'),
  maximum: nanAware('max_', 'max'),
  minimum: nanAware('min_', 'min'),
  clamp: { type: 'same', wgsl: (a, t) => (isFloat(t) ? `clamp_(${a.join(', ')})` : `clamp(${a.join(', ')})`) },
  eq: { type: 'compare', wgsl: infix('==') },
  // Drivers take != as ordered: false beside a NaN.
  ne: { type: 'compare', wgsl: (a) => `!(${a[0]} == ${a[1]})` },
  lt: { type: 'compare', wgsl: infix('<') },
  le: { type: 'compare', wgsl: infix('<=') },
  gt: { type: 'compare', wgsl: infix('>') },
  ge: { type: 'compare', wgsl: infix('>=') },
  isnan: { type: 'test', wgsl: call('is_nan') },
  isinf: { type: 'test', wgsl: call('is_inf') },
  logicalNot: { type: 'logic', wgsl: (a) => `(!${a[0]})` },
  logicalAnd: { type: 'logic', wgsl: infix('&&') },
  logicalOr: { type: 'logic', wgsl: infix('||') },
  where: { type: 'select', wgsl: (a) => `select(${a[2]}, ${a[1]}, ${a[0]})` },
  // Derivatives of activations, written with the activation's output: the gradient comes first.
  reluGrad: { type: 'float', wgsl: (a) => `select(${a[0]}, 0.0, ${a[1]} <= 0.0)` },
  leakyReluGrad: { type: 'float', wgsl: (a) => `(${a[0]} * select(${a[2]}, 1.0, ${a[1]} > 0.0))` },
  tanhGrad: { type: 'float', wgsl: (a) => `(${a[0]} * (1.0 - ${a[1]} * ${a[1]}))` },
  sigmoidGrad: { type: 'float', wgsl: (a) => `(${a[0]} * (${a[1]} * (1.0 - ${a[1]})))` },
} as const satisfies Record<string, MapOp>

export type MapOpName = keyof typeof mapOps

/** The dtype that arguments are converted to, and the dtype of the result. */
export function mapTypes(name: MapOpName, args: readonly DType[]): { args: DType[]; result: DType } {
  const { type } = mapOps[name] as MapOp
  const float = (t: DType): DType => (isFloat(t) ? t : 'f32')
  if (type === 'logic') return { args: args.map(() => 'bool'), result: 'bool' }
  if (type === 'select') {
    const common = promote(args[1]!, args[2]!)
    return { args: ['bool', common, common], result: common }
  }
  let common = args.reduce(promote)
  if (type === 'float' || type === 'test') common = float(common)
  else if ((type === 'same' || type === 'compare') && common === 'bool') common = 'i32'
  return { args: args.map(() => common), result: type === 'compare' || type === 'test' ? 'bool' : common }
}
