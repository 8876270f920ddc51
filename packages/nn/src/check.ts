// What every constructor with options asks of them: known names, finite numbers, ranges; one wording for all errors.
import { ArgumentError, show } from '@bms/autograd'

/** A range: `min` and `max` belong to it unless `open` says which ends do not. */
export interface Range {
  min?: number
  max?: number
  open?: 'min' | 'max' | 'both'
  integer?: boolean
}

/** Throws unless `value` is a finite number in the range. The error names the option and the value. */
export function checkNumber(op: string, name: string, value: unknown, range: Range = {}): number {
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY, open, integer } = range
  const n = value as number
  const low = open === 'min' || open === 'both' ? n > min : n >= min
  const high = open === 'max' || open === 'both' ? n < max : n <= max
  if (typeof value === 'number' && Number.isFinite(n) && low && high && (!integer || Number.isInteger(n))) return n
  const parts = [
    integer ? 'a whole number' : 'a finite number',
    Number.isFinite(min) ? `${open === 'min' || open === 'both' ? '>' : '≥'} ${min}` : '',
    Number.isFinite(max) ? `${open === 'max' || open === 'both' ? '<' : '≤'} ${max}` : '',
  ].filter((s) => s !== '')
  const wanted = parts.length === 3 ? `${parts[0]} ${parts[1]} and ${parts[2]}` : parts.join(' ')
  throw new ArgumentError(op, `${name} must be ${wanted}, got ${show(value)}`, { option: name, value })
}

/** A whole number ≥ 1. */
export const checkCount = (op: string, name: string, value: unknown, min = 1): number => checkNumber(op, name, value, { min, integer: true })

export function checkFlag(op: string, name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value
  throw new ArgumentError(op, `${name} must be true or false, got ${show(value)}`, { option: name, value })
}

/** Throws for an option that the constructor does not have; PyTorch's spelling gets a hint. */
export function checkNames(op: string, given: object | null | undefined, known: readonly string[]): void {
  if (given === undefined) return
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new ArgumentError(op, `options are an object such as { ${known[0] ?? ''} }, got ${show(given)}`, { value: given })
  }
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue
    const camel = name.replace(/_(\w)/g, (_, c: string) => c.toUpperCase())
    const hint = known.includes(camel) ? `; it is called ${camel} here` : `; known: ${known.join(', ') || 'none'}`
    throw new ArgumentError(op, `unknown option ${JSON.stringify(name)}${hint}`, { option: name })
  }
}

/** A number as Python prints a float: 1.0, 1e-05. */
export function pythonFloat(x: number): string {
  if (Number.isInteger(x) && Math.abs(x) < 1e16) return x.toFixed(1)
  const small = x !== 0 && Math.abs(x) < 1e-4 ? x.toExponential() : String(x)
  return small.replace(/e([-+])(\d)$/, 'e$10$2')
}

/** A boolean as Python prints it. */
export const pythonFlag = (x: boolean): string => (x ? 'True' : 'False')
