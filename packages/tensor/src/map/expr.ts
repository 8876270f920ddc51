// Element-wise expressions: small trees over inputs and constants. One op is a tree of one node; a compiled step grows
// bigger ones by putting one expression into another. Nodes may be shared, and shared work is done once.
import type { DType } from '../dtype.js'
import { type MapOpName, mapTypes } from './ops.js'

export type Expr =
  | { readonly kind: 'input'; readonly index: number; readonly dtype: DType }
  | { readonly kind: 'const'; readonly value: number; readonly dtype: DType }
  | { readonly kind: 'cast'; readonly args: readonly [Expr]; readonly dtype: DType }
  | { readonly kind: 'op'; readonly op: MapOpName; readonly args: readonly Expr[]; readonly dtype: DType }

export const input = (index: number, dtype: DType): Expr => ({ kind: 'input', index, dtype })
export const constant = (value: number, dtype: DType): Expr => ({ kind: 'const', value, dtype })

/** The expression in another dtype; a constant is converted on the spot. */
export function cast(arg: Expr, dtype: DType): Expr {
  if (arg.dtype === dtype) return arg
  if (arg.kind === 'const')
    return constant(dtype === 'bool' ? Number(arg.value !== 0) : dtype === 'f32' || dtype === 'f16' ? arg.value : Math.trunc(arg.value), dtype)
  return { kind: 'cast', args: [arg], dtype }
}

/** An op on expressions, its arguments promoted by the op's rule. */
export function apply(op: MapOpName, args: readonly Expr[]): Expr {
  const types = mapTypes(
    op,
    args.map((a) => a.dtype),
  )
  return { kind: 'op', op, args: args.map((a, i) => cast(a, types.args[i]!)), dtype: types.result }
}

/** The expressions with each input replaced; what was shared stays shared. */
export function substitute(exprs: readonly Expr[], of: (index: number, dtype: DType) => Expr): Expr[] {
  const done = new Map<Expr, Expr>()
  const walk = (e: Expr): Expr => {
    const known = done.get(e)
    if (known) return known
    let out: Expr = e
    if (e.kind === 'input') out = of(e.index, e.dtype)
    else if (e.kind === 'cast') out = cast(walk(e.args[0]), e.dtype)
    else if (e.kind === 'op') out = { ...e, args: e.args.map(walk) }
    done.set(e, out)
    return out
  }
  return exprs.map(walk)
}

/** One line of an expression written out: what it computes, from which earlier lines. */
export interface Line {
  expr: Expr
  args: number[]
}

/** The expressions as a list of lines in the order of evaluation, equal ones once, and the lines of the roots. */
export function linearize(exprs: readonly Expr[]): { lines: Line[]; roots: number[] } {
  const lines: Line[] = []
  const byExpr = new Map<Expr, number>()
  const byKey = new Map<string, number>()
  const walk = (e: Expr): number => {
    const known = byExpr.get(e)
    if (known !== undefined) return known
    const args = 'args' in e ? e.args.map(walk) : []
    const key = `${head(e, true)}(${args.join(',')})`
    let at = byKey.get(key)
    if (at === undefined) {
      at = lines.push({ expr: e, args }) - 1
      byKey.set(key, at)
    }
    byExpr.set(e, at)
    return at
  }
  return { roots: exprs.map(walk), lines }
}

function head(e: Expr, full: boolean): string {
  if (e.kind === 'input') return `$${e.index}`
  if (e.kind === 'const') return full ? `${Object.is(e.value, -0) ? '-0' : e.value}:${e.dtype}` : `#${e.dtype}`
  return e.kind === 'cast' ? `as ${e.dtype}` : e.op
}

/** Text equal for equal expressions; without `full`, constants count by their places only (pipelines are shared across values). */
export function exprKey(exprs: readonly Expr[], full: boolean): string {
  const { lines, roots } = linearize(exprs)
  return `${lines.map((l) => `${head(l.expr, full)}(${l.args.join(',')})`).join(';')}=>${roots.join(',')}`
}

/** The inputs that expressions read. */
export function inputsOf(exprs: readonly Expr[]): number[] {
  const { lines } = linearize(exprs)
  return [...new Set(lines.flatMap((l) => (l.expr.kind === 'input' ? [l.expr.index] : [])))].sort((a, b) => a - b)
}

/** For people: the ops of an expression in order, "sub·square". */
export function exprName(exprs: readonly Expr[]): string {
  const ops = linearize(exprs).lines.flatMap((l) => (l.expr.kind === 'op' ? [l.expr.op] : l.expr.kind === 'cast' ? [l.expr.dtype] : []))
  return ops.length > 0 ? ops.join('·') : 'copy'
}
