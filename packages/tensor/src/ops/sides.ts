// What ops on images take for height and width: one number for both, or two.
import { ArgumentError, show } from '../errors.js'
import type { Pair } from '../kernels/conv-plan.js'

/** One number for height and width, or both. */
export type Sides = number | Pair

/** Height and width from one number or two, each a whole number of at least `least`. */
export function pair(op: string, name: string, value: Sides, least: number): Pair {
  const p = typeof value === 'number' ? ([value, value] as const) : value
  if (!Array.isArray(p) || p.length !== 2 || !p.every((v) => Number.isInteger(v) && v >= least))
    throw new ArgumentError(op, `${name} is a whole number ≥ ${least} or two of them [height, width], got ${show(value)}`, { [name]: value })
  return p as Pair
}
