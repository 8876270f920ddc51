// Gradients of the element-wise ops. A rule here works on argument positions (tensors or numbers); undoing the
// broadcasting and the dtype promotion is common to all and done once, in `mapRule`.
import {
  cast,
  type DType,
  exp,
  floorDivide,
  isFloat,
  leakyReluGrad,
  log,
  reluGrad,
  sigmoidGrad,
  sumTo,
  tanhGrad,
  type Tensor,
  where,
  zerosLike,
} from '@bms/tensor'
import type { Rule, RuleContext } from '../rule.js'

type Arg = Tensor | number

interface MapContext {
  /** The argument at a position, only if `uses` names it. */
  arg(position: number): Arg
  out(): Tensor
  needs(position: number): boolean
}

type Uses = readonly (number | 'out')[]
type MapBackward = (g: Tensor, ctx: MapContext) => readonly (Tensor | null)[]

/** The tensor inputs' positions among the arguments. */
const positions = (attrs: { scalars: (number | null)[] }): number[] => attrs.scalars.flatMap((s, i) => (s === null ? [i] : []))

function mapRule(uses: Uses | ((needs: (position: number) => boolean) => Uses), backward: MapBackward): Rule {
  return {
    saves(needs, attrs) {
      const at = positions(attrs as { scalars: (number | null)[] })
      const need = (p: number): boolean => needs[at.indexOf(p)] ?? false
      const list = typeof uses === 'function' ? uses(need) : uses
      return { inputs: list.flatMap((u) => (u === 'out' || !at.includes(u) ? [] : [at.indexOf(u)])), outputs: list.includes('out') ? [0] : [] }
    },
    backward(ctx, [g]) {
      const scalars = ctx.attrs['scalars'] as (number | null)[]
      const at = positions({ scalars })
      const gradients = backward(g!, {
        arg: (p) => scalars[p] ?? ctx.input(at.indexOf(p)),
        out: () => ctx.output(),
        needs: (p) => scalars[p] === null && ctx.needs(at.indexOf(p)),
      })
      return at.map((p, i) => (ctx.needs(i) && gradients[p] ? fit(gradients[p]!, ctx, i) : null))
    },
  }
}

/** A gradient in the shape and dtype of the input. */
function fit(g: Tensor, ctx: RuleContext, i: number): Tensor {
  const summed = sumTo(g, ctx.shape(i))
  return fitType(summed, ctx.dtype(i))
}

const fitType = (g: Tensor, dtype: DType): Tensor => (g.dtype !== dtype && isFloat(dtype) ? cast(g, dtype) : g)

const one =
  (f: (g: Tensor, ctx: MapContext) => Tensor): MapBackward =>
  (g, ctx) => [f(g, ctx)]
const flat: MapBackward = one((g) => zerosLike(g))
const x = (ctx: MapContext): Tensor => ctx.arg(0) as Tensor
const num = (a: Arg): number => a as number

/** As in PyTorch: half of the gradient to each where the two are equal; all of it to both where one is NaN, which is neither larger nor smaller. */
const extremum =
  (wins: 'gt' | 'lt'): MapBackward =>
  (g, ctx) => {
    const [a, b] = [ctx.arg(0), ctx.arg(1)]
    const ta = typeof a === 'number' ? (b as Tensor) : a
    const other = typeof a === 'number' ? a : b
    // Compared from the side of whichever is a tensor.
    const first = ta[wins](other)
    const second = ta[wins === 'gt' ? 'lt' : 'gt'](other)
    const shared = where(ta.eq(other), g.mul(0.5), g)
    const toFirst = where(second, 0, shared)
    const toSecond = where(first, 0, shared)
    return typeof a === 'number' ? [null, toFirst] : [toFirst, toSecond]
  }

const TWO_OVER_ROOT_PI = 2 / Math.sqrt(Math.PI)

/** Derivative of GELU: Φ(x) + x·φ(x). */
const geluSlope = (v: Tensor): Tensor =>
  v
    .mul(Math.SQRT1_2)
    .erf()
    .add(1)
    .mul(0.5)
    .add(v.mul(exp(v.square().mul(-0.5))).mul(1 / Math.sqrt(2 * Math.PI)))

function geluTanhSlope(v: Tensor): Tensor {
  const c = Math.sqrt(2 / Math.PI)
  const t = v.add(v.square().mul(v).mul(0.044715)).mul(c).tanh()
  const inner = v
    .square()
    .mul(3 * 0.044715)
    .add(1)
    .mul(c)
  return t
    .add(1)
    .mul(0.5)
    .add(v.mul(0.5).mul(t.square().neg().add(1)).mul(inner))
}

export const elementwiseRules: Record<string, Rule | null> = {
  neg: mapRule(
    [],
    one((g) => g.neg()),
  ),
  abs: mapRule(
    [0],
    one((g, c) => g.mul(x(c).sign())),
  ),
  sign: mapRule([], flat),
  floor: mapRule([], flat),
  ceil: mapRule([], flat),
  round: mapRule([], flat),
  trunc: mapRule([], flat),
  square: mapRule(
    [0],
    one((g, c) => g.mul(x(c)).mul(2)),
  ),
  exp: mapRule(
    ['out'],
    one((g, c) => g.mul(c.out())),
  ),
  expm1: mapRule(
    ['out'],
    one((g, c) => g.mul(c.out().add(1))),
  ),
  log: mapRule(
    [0],
    one((g, c) => g.div(x(c))),
  ),
  log1p: mapRule(
    [0],
    one((g, c) => g.div(x(c).add(1))),
  ),
  sqrt: mapRule(
    ['out'],
    one((g, c) => g.div(c.out()).mul(0.5)),
  ),
  rsqrt: mapRule(
    ['out'],
    one((g, c) => g.mul(c.out().square().mul(c.out())).mul(-0.5)),
  ),
  reciprocal: mapRule(
    ['out'],
    one((g, c) => g.mul(c.out().square()).neg()),
  ),
  sin: mapRule(
    [0],
    one((g, c) => g.mul(x(c).cos())),
  ),
  cos: mapRule(
    [0],
    one((g, c) => g.mul(x(c).sin()).neg()),
  ),
  tanh: mapRule(
    ['out'],
    one((g, c) => tanhGrad(g, c.out())),
  ),
  sigmoid: mapRule(
    ['out'],
    one((g, c) => sigmoidGrad(g, c.out())),
  ),
  softplus: mapRule(
    [0],
    one((g, c) => g.mul(x(c).sigmoid())),
  ),
  silu: mapRule(
    [0],
    one((g, c) => {
      const s = x(c).sigmoid()
      return g.mul(s.mul(x(c).mul(s.neg().add(1)).add(1)))
    }),
  ),
  gelu: mapRule(
    [0],
    one((g, c) => g.mul(geluSlope(x(c)))),
  ),
  geluTanh: mapRule(
    [0],
    one((g, c) => g.mul(geluTanhSlope(x(c)))),
  ),
  erf: mapRule(
    [0],
    one((g, c) => g.mul(exp(x(c).square().neg())).mul(TWO_OVER_ROOT_PI)),
  ),
  relu: mapRule(
    ['out'],
    one((g, c) => reluGrad(g, c.out())),
  ),
  // The sign of the result is that of the input while the slope is positive; otherwise the input decides.
  leakyRelu: mapRule([0, 'out'], (g, c) => [num(c.arg(1)) > 0 ? leakyReluGrad(g, c.out(), num(c.arg(1))) : where(x(c).gt(0), g, g.mul(num(c.arg(1))))]),
  elu: mapRule([0, 'out'], (g, c) => [where(x(c).gt(0), g, g.mul(c.out().add(num(c.arg(1)))))]),
  add: mapRule([], (g) => [g, g]),
  sub: mapRule([], (g, c) => [g, c.needs(1) ? g.neg() : null]),
  mul: mapRule(
    (needs) => [...(needs(0) ? [1] : []), ...(needs(1) ? [0] : [])],
    (g, c) => [c.needs(0) ? g.mul(c.arg(1)) : null, c.needs(1) ? g.mul(c.arg(0)) : null],
  ),
  div: mapRule(
    (needs) => (needs(1) ? [1, 'out'] : [1]),
    (g, c) => [c.needs(0) ? g.div(c.arg(1)) : null, c.needs(1) ? c.out().div(c.arg(1)).mul(g).neg() : null],
  ),
  floorDivide: mapRule([], (g) => [zerosLike(g), zerosLike(g)]),
  remainder: mapRule([0, 1], (g, c) => [g, c.needs(1) ? g.mul(floorDivide(c.arg(0), c.arg(1))).neg() : null]),
  pow: mapRule(
    (needs) => (needs(1) ? [0, 1, 'out'] : [0, 1]),
    (g, c) => {
      const [base, exponent] = [c.arg(0), c.arg(1)]
      let toBase: Tensor | null = null
      if (c.needs(0)) {
        const b = base as Tensor
        if (exponent === 0) toBase = zerosLike(g)
        else if (typeof exponent === 'number')
          toBase = b
            .pow(exponent - 1)
            .mul(exponent)
            .mul(g)
        else toBase = where(exponent.eq(0), 0, g.mul(exponent.mul(b.pow(exponent.sub(1)))))
      }
      let toExponent: Tensor | null = null
      if (c.needs(1)) {
        const e = exponent as Tensor
        // 0 to a power that is not negative stays 0 nearby, whatever log 0 is. (As a factor: no infinity comes back through the mask.)
        if (base === 0) toExponent = g.mul(where(e.ge(0), 0, c.out().neg()))
        else if (typeof base === 'number') toExponent = g.mul(c.out()).mul(Math.log(base))
        else {
          const flat = base.eq(0).logicalAnd(e.ge(0))
          toExponent = where(flat, 0, g.mul(c.out()).mul(log(where(flat, 1, base))))
        }
      }
      return [toBase, toExponent]
    },
  ),
  maximum: mapRule([0, 1], extremum('gt')),
  minimum: mapRule([0, 1], extremum('lt')),
  clamp: mapRule(
    [0],
    one((g, c) =>
      where(
        x(c)
          .ge(num(c.arg(1)))
          .logicalAnd(x(c).le(num(c.arg(2)))),
        g,
        0,
      ),
    ),
  ),
  where: mapRule([0], (g, c) => [null, c.needs(1) ? where(x(c), g, 0) : null, c.needs(2) ? where(x(c), 0, g) : null]),
  // Derivatives of activations, so that they can be differentiated again: linear in the gradient they are given.
  reluGrad: mapRule([1], (g, c) => [reluGrad(g, c.arg(1) as Tensor), null]),
  leakyReluGrad: mapRule([1], (g, c) => [leakyReluGrad(g, c.arg(1) as Tensor, num(c.arg(2))), null, null]),
  tanhGrad: mapRule([0, 1], (g, c) => {
    const out = c.arg(1) as Tensor
    return [tanhGrad(g, out), c.needs(1) ? g.mul(c.arg(0)).mul(out).mul(-2) : null]
  }),
  sigmoidGrad: mapRule([0, 1], (g, c) => {
    const out = c.arg(1) as Tensor
    return [sigmoidGrad(g, out), c.needs(1) ? g.mul(c.arg(0)).mul(out.mul(-2).add(1)) : null]
  }),
  eq: null,
  ne: null,
  lt: null,
  le: null,
  gt: null,
  ge: null,
  isnan: null,
  isinf: null,
  logicalNot: null,
  logicalAnd: null,
  logicalOr: null,
}
