// One description of a field (what it may hold) serves the command line, where everything arrives as text, and
// config.json, where everything arrives as JSON from a file that anybody may have edited.
import { show } from '@bms/tensor'

/** What a field may hold. `describe` is the "allowed" of an error text; `read` returns undefined for anything else. */
export interface Field<T> {
  readonly describe: string
  /** From JSON: the type must be right already. */
  read(value: unknown): T | undefined
  /** From the command line. */
  parse(text: string): T | undefined
}

/** Fields by name, for an object that holds just these. */
export type Fields<T> = { readonly [K in keyof T]-?: Field<T[K]> }

// Only plain decimal notation: Number() alone would take '', '0x10' and ' 1 '.
const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i
const toNumber = (text: string): number => (decimal.test(text) ? Number(text) : NaN)

/** A whole number from `min` to `max`. (+ 0, here and below: JSON knows a -0.) */
export function integer(min: number, max: number = Number.MAX_SAFE_INTEGER): Field<number> {
  const read = (value: unknown) => (typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max ? value + 0 : undefined)
  return { describe: `a whole number from ${min} to ${max === Number.MAX_SAFE_INTEGER ? '2^53 - 1' : max}`, read, parse: (text) => read(toNumber(text)) }
}

/** A finite number from `min` to `max`; with `open`, an end that is not itself allowed. */
export function number(min: number, max: number, open: 'none' | 'low' | 'high' = 'none'): Field<number> {
  const inside = (value: number) => (open === 'low' ? value > min : value >= min) && (open === 'high' ? value < max : value <= max)
  const read = (value: unknown) => (typeof value === 'number' && Number.isFinite(value) && inside(value) ? value + 0 : undefined)
  const low = open === 'low' ? `greater than ${min}` : `from ${min}`
  const high = open === 'high' ? `less than ${max}` : `at most ${max}`
  return { describe: `a finite number ${low}, ${high}`, read, parse: (text) => read(toNumber(text)) }
}

/** One of a few values. */
export function oneOf<T extends string | number>(...choices: readonly T[]): Field<T> {
  return {
    describe: `one of ${choices.join(', ')}`,
    read: (value) => choices.find((choice) => choice === value),
    parse: (text) => choices.find((choice) => String(choice) === text),
  }
}

/** true or false. */
export function flag(): Field<boolean> {
  return {
    describe: 'true or false',
    read: (value) => (typeof value === 'boolean' ? value : undefined),
    parse: (text) => (text === 'true' ? true : text === 'false' ? false : undefined),
  }
}

/** What `of` takes, or null (in JSON; not on the command line). */
export function orNull<T>(of: Field<T>): Field<T | null> {
  return { describe: of.describe, read: (value) => (value === null ? null : of.read(value)), parse: of.parse }
}

/** A list of `min` to `max` values of one kind; on the command line, separated by commas. */
export function list<T>(of: Field<T>, min: number, max: number): Field<T[]> {
  const every = (values: readonly (T | undefined)[]) =>
    values.length >= min && values.length <= max && !values.includes(undefined) ? (values as T[]) : undefined
  return {
    describe: `${min === max ? min : `${min} to ${max}`} values, each ${of.describe}`,
    read: (value) => (Array.isArray(value) && value.length <= max ? every(Array.from(value, (entry) => of.read(entry))) : undefined),
    parse: (text) => every(text.split(',', max + 1).map((entry) => of.parse(entry.trim()))),
  }
}

/** Text of 1 to 4,096 characters without control characters: a path. */
export function text(): Field<string> {
  const read = (value: unknown) => (typeof value === 'string' && value.length >= 1 && value.length <= 4096 && !/\p{Cc}/u.test(value) ? value : undefined)
  return { describe: 'text of 1 to 4096 characters', read, parse: read }
}

/** How reading an object can fail. `field` is the dotted path, empty for the object itself. */
export interface FieldProblem {
  readonly kind: 'unknown' | 'missing' | 'wrong' | 'shape'
  readonly field: string
  readonly got: unknown
  readonly expected: string
  /** The names that exist, where the problem is an unknown one. */
  readonly known?: readonly string[]
}

/**
 * Reads an object into exactly the fields given: a fresh object, own known fields only, so that a `__proto__` or
 * `constructor` in the input is just one more unknown name.
 * @returns the values, or the first problem met
 */
export function readFields<T extends object>(value: unknown, fields: Fields<T>, path = ''): { value: T } | { problem: FieldProblem } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { problem: { kind: 'shape', field: path, got: value, expected: 'an object' } }
  }
  const at = (name: string) => (path === '' ? name : `${path}.${name}`)
  const known = Object.keys(fields)
  const own = Object.keys(value)
  const stranger = own.find((name) => !known.includes(name))
  if (stranger !== undefined) {
    return { problem: { kind: 'unknown', field: at(stranger), got: (value as Record<string, unknown>)[stranger], expected: `only ${known.join(', ')}`, known } }
  }
  const out: Partial<T> = {}
  for (const name of known as (keyof T & string)[]) {
    if (!own.includes(name)) return { problem: { kind: 'missing', field: at(name), got: undefined, expected: fields[name].describe } }
    const got = (value as Record<string, unknown>)[name]
    const read = fields[name].read(got)
    if (read === undefined) return { problem: { kind: 'wrong', field: at(name), got, expected: fields[name].describe } }
    out[name] = read
  }
  return { value: out as T }
}

/** A problem as one sentence: the field, what was got, what was expected. */
export function describeProblem(problem: FieldProblem): string {
  const name = problem.field === '' ? 'the whole' : `field ${show(problem.field)}`
  if (problem.kind === 'unknown') return `${name} is not known; expected ${problem.expected}`
  if (problem.kind === 'missing') return `${name} is missing; expected ${problem.expected}`
  return `${name}: got ${show(problem.got)}, expected ${problem.expected}`
}
