// Reductions, softmax and running sums of random programs.
import { variance } from '@bms/nn'
import { product } from '../../helpers/arrays.js'
import * as nd from '../../helpers/nd.js'
import type { Nd } from '../../helpers/nd.js'
import { cumsum } from '../../helpers/nd-order.js'
import { each } from '../../helpers/nd-more.js'
import { any, type Args, arithmetic, filled, floating, type Meta, number, type Pick, type ProgramOp } from '../op.js'

type Reference = (x: Nd, ...args: any[]) => Nd

const absolute = (x: Nd): Nd => each(Math.abs, x)
const largest = (x: Nd): number => x.data.reduce((a, b) => Math.max(a, Math.abs(b)), 0)

/** Sums are rounded as the sums of the magnitudes are large. */
const summed =
  (reference: Reference): ProgramOp['magnitude'] =>
  ([x], _, args) =>
    reference(absolute(x!), ...args).data

/** Dims, all where none are given, and whether they stay. */
function dims([x]: readonly Meta[], pick: Pick): Args {
  const rank = x!.shape.length
  const bits = pick(2 ** rank)
  const list = x!.shape.map((_, d) => d).filter((d) => bits & (1 << d))
  return [bits === 0 ? undefined : list.map((d) => (pick(2) ? d - rank : d)), pick(2) === 1]
}

/** How many elements come together in a result. */
const count = ([x]: readonly Meta[], [which]: Args): number => (which as number[] | undefined)?.reduce((n, d) => n * x!.shape.at(d)!, 1) ?? product(x!.shape)

const reduction = (name: string, reference: Reference, more: Partial<ProgramOp> = {}): ProgramOp => ({
  name,
  takes: [any],
  args: dims,
  reference: ([x], args) => reference(x!, ...args),
  ...more,
})

/** The same where there must be at least and at most so many elements to reduce. */
const between =
  (least: number, most: number): ProgramOp['args'] =>
  (x, pick) => {
    const args = dims(x, pick)
    const n = count(x, args)
    return n >= least && n <= most ? args : null
  }

/** One dim. */
export const dimOf = (x: Meta, pick: Pick): number => {
  const rank = Math.max(1, x.shape.length)
  return pick(2 * rank) - rank
}

const along = (name: string, reference: Reference, more: Partial<ProgramOp>): ProgramOp => ({
  name,
  takes: [any],
  args: ([x], pick) => [dimOf(x!, pick)],
  reference: ([x], args) => reference(x!, ...args),
  ...more,
})

/** Exponents are rounded as large as they are, and so are relative errors of what they give. */
const exponents: ProgramOp['magnitude'] = ([x], out) => out.data.map((v) => (Math.abs(v) + 1) * (1 + largest(x!)))
const squares: ProgramOp['magnitude'] = ([x], out) => out.data.map(() => largest(x!) ** 2)

export const reduceOps: readonly ProgramOp[] = [
  reduction('sum', nd.sum, { dtype: ([x]) => (x!.dtype === 'bool' ? 'i32' : x!.dtype), magnitude: summed(nd.sum) }),
  reduction('mean', nd.mean, { args: between(1, 400), dtype: floating, magnitude: summed(nd.mean) }),
  reduction('max', nd.max, { args: between(1, 400), exact: true }),
  reduction('min', nd.min, { args: between(1, 400), exact: true }),
  reduction('prod', nd.prod, { args: between(0, 6), dtype: ([x]) => (x!.dtype === 'bool' ? 'i32' : x!.dtype) }),
  reduction('all', nd.all, { dtype: () => 'bool', noGradient: 'a truth value' }),
  reduction('any', nd.any, { dtype: () => 'bool', noGradient: 'a truth value' }),
  reduction('var', nd.variance, { takes: [number], args: between(2, 400), dtype: floating, magnitude: squares }),
  {
    ...reduction('$0.var(…, 0)', nd.variance, { takes: [number], args: between(1, 400), dtype: floating, magnitude: squares }),
    run: ([x], [which, keepdim]) => variance(x!, which, keepdim, 0),
    reference: ([x], [which, keepdim]) => nd.variance(x!, which, keepdim, 0),
  },
  reduction('std', nd.std, {
    takes: [number],
    args: between(2, 400),
    dtype: floating,
    magnitude: ([x], out) => out.data.map(() => largest(x!)),
    noGradient: 'has none where all elements are equal',
  }),
  reduction('norm', nd.norm, { takes: [number], dtype: floating, noGradient: 'has none at 0' }),
  reduction('logsumexp', nd.logsumexp, { args: between(1, 400), dtype: floating, magnitude: exponents }),
  along('softmax', nd.softmax, { dtype: floating, magnitude: exponents }),
  along('logSoftmax', nd.logSoftmax, { dtype: floating, magnitude: exponents }),
  along('cumsum', cumsum, { dtype: arithmetic, magnitude: summed(cumsum), takes: [filled] }),
]
