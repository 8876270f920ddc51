// Element-wise ops of random programs, and what overwrites memory element by element.
import type { MapOpName, Tensor } from '@bms/nn'
import { expand, flip, transpose } from '../../helpers/nd.js'
import { each } from '../../helpers/nd-more.js'
import { scalar } from '../../table/scalar.js'
import { type Accept, any, arithmetic, bool, both, fits, float, floating, isFloat, number, type ProgramOp, promoted, rank, within } from '../op.js'

type Scalars = Parameters<typeof each>[0]

/** An entry of the table of scalar ops. */
const scalarOp = (name: MapOpName, takes: readonly Accept[], more: Partial<ProgramOp> = {}): ProgramOp => ({
  name,
  takes,
  reference: (x, args) => each((...v) => scalar[name].of(...v, ...(args as number[])), ...x),
  dtype: arithmetic,
  ...more,
})

/** Several scalar ops in a row. */
const chain = (name: string, takes: readonly Accept[], run: (...x: Tensor[]) => Tensor, of: Scalars, more: Partial<ProgramOp> = {}): ProgramOp => ({
  name,
  takes,
  run: (x) => run(...x),
  reference: (x) => each(of, ...x),
  dtype: floating,
  ...more,
})

/** Approximations are good to units of 1, not of the result; and so are their slopes, as numbers that grow with x show. */
const units: ProgramOp['magnitude'] = ([x], out) => out.data.map((v, i) => Math.abs(v) + 1 + Math.abs(x!.data[i]!))
const times =
  (factor: number): ProgramOp['magnitude'] =>
  (_, out) =>
    out.data.map((v) => factor * v)
/** SwiftShader's are off by 2^-11, as WGSL allows. */
const coarse: Partial<ProgramOp> = { magnitude: (_, out) => out.data.map(() => 2 ** 10), noGradient: 'the gradient would be as coarse' }

const selecting: Partial<ProgramOp> = { exact: true }
const truth: Partial<ProgramOp> = { dtype: () => 'bool' }
const stepwise = { noGradient: 'constant between its steps' }
const rounded = { dtype: floating, magnitude: units }
const oneOf =
  (...values: number[]): ProgramOp['args'] =>
  (_, pick) => [values[pick(values.length)]!]

const bends: MapOpName[] = ['neg', 'abs', 'relu']
const steps: MapOpName[] = ['sign', 'floor', 'ceil', 'round', 'trunc']
const curves: MapOpName[] = ['tanh', 'sigmoid', 'softplus', 'silu', 'erf', 'gelu']
const comparisons: MapOpName[] = ['lt', 'ge', 'le', 'eq', 'ne']

/** Can elements of one dtype be stored as the other without leaving its range? */
const storable: Accept = (x, [target]) => isFloat(target!) || target!.dtype === 'bool' || x.dtype === target!.dtype || (target!.dtype === 'i32' && isFloat(x))

export const elementwiseOps: readonly ProgramOp[] = [
  scalarOp('add', [any, fits]),
  scalarOp('mul', [any, fits]),
  scalarOp('sub', [any, fits]),
  scalarOp('maximum', [any, fits], selecting),
  scalarOp('minimum', [any, fits], selecting),
  scalarOp('add', [float], { args: oneOf(0.5, -1, 0.001) }),
  scalarOp('mul', [float], { args: oneOf(0.5, -1, 2) }),
  scalarOp('sub', [number], { args: () => [1] }),
  scalarOp('square', [any]),
  ...bends.map((name) => scalarOp(name, [any], selecting)),
  ...steps.map((name) => scalarOp(name, [any], { ...selecting, ...stepwise })),
  ...curves.map((name) => scalarOp(name, [any], rounded)),
  scalarOp('leakyRelu', [any], { args: oneOf(0.125, 0.5), dtype: floating }),
  scalarOp('elu', [any], { args: oneOf(1, 0.75), ...rounded }),
  scalarOp('clamp', [float], { args: (_, pick) => [-1, [1, 0.25][pick(2)]!], ...selecting }),
  scalarOp('sin', [float], coarse),
  scalarOp('cos', [float], coarse),
  chain(
    '$0.clamp(-4, 2).exp()',
    [any],
    (x) => x.clamp(-4, 2).exp(),
    (x) => Math.exp(Math.min(Math.max(x!, -4), 2)),
    { magnitude: times(5) },
  ),
  chain(
    '$0.clamp(-4, 2).expm1()',
    [any],
    (x) => x.clamp(-4, 2).expm1(),
    (x) => Math.expm1(Math.min(Math.max(x!, -4), 2)),
    { magnitude: units },
  ),
  chain(
    '$0.abs().add(0.5).log()',
    [any],
    (x) => x.abs().add(0.5).log(),
    (x) => Math.log(Math.abs(x!) + 0.5),
    { magnitude: units },
  ),
  chain(
    '$0.abs().log1p()',
    [any],
    (x) => x.abs().log1p(),
    (x) => Math.log1p(Math.abs(x!)),
    { magnitude: units },
  ),
  chain(
    '$0.square().add(0.25).sqrt()',
    [any],
    (x) => x.square().add(0.25).sqrt(),
    (x) => Math.sqrt(x! * x! + 0.25),
  ),
  chain(
    '$0.square().add(0.25).rsqrt()',
    [any],
    (x) => x.square().add(0.25).rsqrt(),
    (x) => 1 / Math.sqrt(x! * x! + 0.25),
  ),
  chain(
    '$0.abs().add(0.5).reciprocal()',
    [any],
    (x) => x.abs().add(0.5).reciprocal(),
    (x) => 1 / (Math.abs(x!) + 0.5),
  ),
  chain(
    '$0.abs().add(0.5).pow($1.tanh())',
    [any, fits],
    (x, y) => x.abs().add(0.5).pow(y.tanh()),
    (x, y) => (Math.abs(x!) + 0.5) ** Math.tanh(y!),
    {
      magnitude: times(16),
    },
  ),
  chain(
    '$0.div($1.abs().add(0.5))',
    [any, fits],
    (x, y) => x.div(y.abs().add(0.5)),
    (x, y) => x! / (Math.abs(y!) + 0.5),
  ),
  // Of floats a quotient within rounding of a whole number may fall on either side.
  ...(['remainder', 'floorDivide'] as const).map((name) =>
    chain(
      `$0.${name}($1.abs().add(1))`,
      [(x) => x.dtype === 'i32', (x, before) => x.dtype === 'i32' && fits(x, before)],
      (x, y) => x[name](y.abs().add(1)),
      (x, y) => scalar[name].of(x!, Math.abs(y!) + 1),
      { dtype: () => 'i32', ...stepwise },
    ),
  ),
  ...comparisons.map((name) => scalarOp(name, [any, fits], { ...truth, ...stepwise })),
  scalarOp('gt', [any, fits], truth),
  scalarOp('gt', [float], { args: oneOf(0.25), ...truth }),
  scalarOp('logicalNot', [any], { ...truth, ...stepwise }),
  scalarOp('logicalAnd', [any, fits], { ...truth, ...stepwise }),
  scalarOp('logicalOr', [any, fits], { ...truth, ...stepwise }),
  scalarOp('where', [bool, fits, fits], { ...selecting, dtype: (x) => promoted(x.slice(1)) }),
  {
    name: 'to',
    takes: [any],
    args: ([x], pick) => [(['f32', 'i32', 'bool', 'f32'] as const).filter((t) => t !== x!.dtype)[pick(2)]!],
    reference: ([x], [dtype]) => each(dtype === 'i32' ? Math.trunc : (v) => v, x!),
    dtype: (_, [dtype]) => dtype,
    exact: true,
  },
  { name: 'copy_', takes: [any, both(within, storable)], reference: ([to, x]) => expand(x!, to!.shape), writes: true, exact: true },
  { name: 'copy_', takes: [any, both(within, storable)], reference: ([to, x]) => expand(x!, to!.shape), writes: true, exact: true },
  // As running averages are updated, and from itself in another order: no kernel may write what others of its invocations still read.
  {
    name: '$0.copy_($0.mul(0.5).add($1))',
    takes: [float, both(float, within)],
    run: ([to, x]) => to!.copy_(to!.mul(0.5).add(x!)),
    reference: ([to, x]) => each((v, u) => 0.5 * v! + u!, to!, x!),
    writes: true,
  },
  {
    name: '$0.copy_($0.flip(dim).mul(0.5).add($1))',
    takes: [both(float, rank(1)), both(float, within)],
    args: ([to], pick) => [pick(to!.shape.length)],
    run: ([to, x], [dim]) => to!.copy_(to!.flip(dim).mul(0.5).add(x!)),
    reference: ([to, x], [dim]) => each((v, u) => 0.5 * v! + u!, flip(to!, dim), x!),
    writes: true,
  },
  {
    name: '$0.copy_($0.flip(dims))',
    takes: [rank(1)],
    args: ([to], pick) => [pick(2) ? to!.shape.length - 1 : to!.shape.map((_, d) => d)],
    run: ([to], [dims]) => to!.copy_(to!.flip(dims)),
    reference: ([to], [dims]) => flip(to!, dims),
    writes: true,
    exact: true,
  },
  {
    name: '$0.copy_($0.transpose())',
    takes: [both(rank(2), (x) => x.shape.at(-1) === x.shape.at(-2))],
    run: ([to]) => to!.copy_(to!.transpose()),
    reference: ([to]) => transpose(to!),
    writes: true,
    exact: true,
  },
  { name: 'fill_', takes: [any], args: (_, pick) => [pick(2)], reference: ([to], [value]) => each(() => value, to!), writes: true, exact: true },
]

/** For adapters with f16. */
export const halfOps: readonly ProgramOp[] = [
  { name: 'to', takes: [(x) => x.dtype !== 'f16'], args: () => ['f16'], reference: ([x]) => each((v) => v, x!), dtype: () => 'f16' },
]
