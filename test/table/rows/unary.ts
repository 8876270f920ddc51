// Element-wise functions of one tensor.
import * as bms from '@bms/nn'
import type { Tensor } from '@bms/nn'
import { unary } from '../elementwise.js'
import type { Sample } from '../op.js'
import { erf } from '../scalar.js'
import { fixed, given, positive, real } from '../values.js'

const above0 = { values: [positive] } as const

/** Near 0 the quotient by the argument stays near a constant: a formula that loses digits there shows. */
const precise = (name: 'expm1' | 'log1p' | 'tanh' | 'erf', of: (x: number) => number): { more: Sample[] } => ({
  more: [
    {
      name: 'small results keep their digits',
      inputs: [fixed(given([1e-7, -1e-7, 3e-4, -3e-4, 0.01, -0.2, 0.24]))],
      run: (x) => bms[name](x!).div(x!),
      reference: (x) => ({ ...x!, data: x!.data.map((v) => of(v) / v) }),
      tolerance: { value: 1e-6, why: 'what is asked here is relative precision' },
      skip: { f16: 'arguments below the smallest f16' },
    },
  ],
})

/** Slopes for which the sign of the result does not tell that of the argument. */
const leaky = (slope: number): Sample => ({
  name: `slope ${slope}`,
  inputs: [given([0, 1, -1, 0.5, -2])],
  run: (x) => bms.leakyRelu(x!, slope),
  torch: `F.leaky_relu(a, ${slope})`,
  skip: { gradcheck: 'a kink at 0', gradgradcheck: 'as gradcheck' },
})

const truth = { result: 'truth', noGradient: 'truths have no gradient' } as const

export const unaryRows = [
  unary('neg', '-a', { result: 'same' }),
  unary('abs', 'a.abs()', { result: 'same' }),
  unary('sign', 'a.sign()', { result: 'same' }),
  unary('floor', 'a.floor()', { result: 'same' }),
  unary('ceil', 'a.ceil()', { result: 'same' }),
  unary('round', 'a.round()', { result: 'same' }),
  unary('trunc', 'a.trunc()', { result: 'same' }),
  unary('square', 'a.square()', { result: 'same' }),
  unary('exp', 'a.exp()', { reach: 8 }),
  unary('expm1', 'a.expm1()', { reach: 8, ...precise('expm1', Math.expm1) }),
  unary('log', 'a.log()', above0),
  unary('log1p', 'a.log1p()', { ...above0, ...precise('log1p', Math.log1p) }),
  unary('sqrt', 'a.sqrt()', above0),
  unary('rsqrt', 'a.rsqrt()', above0),
  unary('reciprocal', 'a.reciprocal()', above0),
  unary('sin', 'a.sin()', { reach: 3 }),
  unary('cos', 'a.cos()', { reach: 3 }),
  unary('tanh', 'a.tanh()', { reach: 30, ...precise('tanh', Math.tanh) }),
  unary('sigmoid', 'a.sigmoid()', { reach: 30 }),
  unary('softplus', 'F.softplus(a, threshold=1000)', { reach: 30 }),
  unary('silu', 'F.silu(a)', { reach: 30 }),
  unary('gelu', 'F.gelu(a)', {
    reach: 5,
    more: [{ name: "approximate: 'none'", inputs: [real([7], -3, 3)], run: (x) => x!.gelu('none'), torch: 'F.gelu(a)' }],
    errors: [[() => bms.gelu(bms.ones([2]), 'erf' as 'none'), 'ARGUMENT', "gelu: approximate is 'none' or 'tanh', got 'erf'"]],
  }),
  unary('geluTanh', "F.gelu(a, approximate='tanh')", {
    reach: 5,
    covers: [],
    calls: [(x) => bms.gelu(x as Tensor, 'tanh'), (x) => (x as Tensor).gelu('tanh')],
  }),
  unary('erf', 'a.erf()', { reach: 5, ...precise('erf', erf) }),
  unary('relu', 'a.relu()', { result: 'same' }),
  unary('leakyRelu', 'F.leaky_relu(a, 0.2)', {
    more: [leaky(-0.5), leaky(0), { name: 'default slope', inputs: [real([7])], run: (x) => x!.leakyRelu(), torch: 'F.leaky_relu(a)' }],
  }),
  unary('elu', 'F.elu(a, 1.5)', {
    reach: 30,
    more: [{ name: 'default alpha', inputs: [real([7])], run: (x) => x!.elu(), torch: 'F.elu(a)' }],
  }),
  unary('isnan', 'a.isnan()', truth),
  unary('isinf', 'a.isinf()', truth),
  unary('logicalNot', 'a.logical_not()', truth),
]
