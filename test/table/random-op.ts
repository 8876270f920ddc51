// Rows for random numbers, which have no reference but a law: shapes and dtypes, the stream of a seed, the distribution, compiled steps, f16, memory
// and error texts. test/random.test.ts compares the bits themselves with Philox.
import { compile, currentDevice, type DType, formatShape, manualSeed, type Tensor, tidy } from '@bms/nn'
import { product } from '../helpers/arrays.js'
import { type ErrorCase, errorCases } from './errors.js'
import type { Case, Row } from './row.js'

/** Throws unless the numbers may well have been drawn as they should. `rounding`: how far off a probability may be for the dtype's sake. */
export type Law = (values: readonly number[], rounding: number) => void

/** One way to call the function. */
export interface Draw {
  name: string
  draw: (shape: readonly number[], options: { dtype?: DType }) => Tensor
  dtype?: DType
  law: Law
  /** How many numbers the law is tried on. */
  count?: number
  /** Others than the usual: a scalar, sizes 0 and 1, odd, 5 dims. */
  shapes?: readonly (readonly number[])[]
  /** Why there are none in f16. */
  noHalf?: string
}

export interface RandomSpec {
  /** Public names; default: the row's name. */
  covers?: readonly string[]
  draws: readonly Draw[]
  errors: readonly ErrorCase[]
}

export interface Distribution {
  /** All numbers lie there. */
  low: number
  high: number
  mean: number
  variance: number
  /** The fourth central moment. */
  fourth: number
  /** The probability of a number up to x. */
  below: (x: number) => number
}

/** Of a right generator, each bound on a moment fails for one seed in 1.7 million: the normal distribution's tails beyond 5 standard errors. */
const ERRORS = 5
/** And the bound on the distribution function for one in a million, by the inequality of Dvoretzky, Kiefer and Wolfowitz with Massart's constant. */
const ALARM = 1e-6

function within(what: string, actual: number, expected: number, bound: number): void {
  if (!(Math.abs(actual - expected) <= bound)) throw new Error(`${what} is ${actual}, expected ${expected} ± ${bound}`)
}

const meanOf = (v: readonly number[], of: (x: number, i: number) => number = (x) => x): number => v.reduce((sum, x, i) => sum + of(x, i), 0) / v.length

/** Independent numbers of a distribution. */
export const independent =
  ({ low, high, mean, variance, fourth, below }: Distribution): Law =>
  (values, rounding) => {
    const n = values.length
    for (const v of values) if (!(v >= low && v <= high)) throw new Error(`${v} is not between ${low} and ${high}`)
    within('the mean', meanOf(values), mean, ERRORS * Math.sqrt(variance / n))
    const centred = values.map((v) => v - mean)
    within(
      'the variance',
      meanOf(centred, (v) => v * v),
      variance,
      ERRORS * Math.sqrt((fourth - variance ** 2) / n) + rounding * variance,
    )
    const neighbours = meanOf(centred.slice(1), (v, i) => v * centred[i]!)
    within('the correlation of neighbours', neighbours / variance, 0, ERRORS / Math.sqrt(n - 1))
    const sorted = [...values].sort((a, b) => a - b)
    const allowed = Math.sqrt(Math.log(2 / ALARM) / (2 * n)) + rounding
    sorted.forEach((v, i) => {
      if (sorted[i + 1] !== v) within(`the share of numbers up to ${v}`, (i + 1) / n, below(v), allowed)
    })
  }

/** 0 to n - 1 in random order. */
export const permutation: Law = (values) => {
  const n = values.length
  const seen = new Set(values)
  for (let i = 0; i < n; i++) if (!seen.has(i)) throw new Error(`${i} is missing`)
  const middle = (n - 1) / 2
  const trend = meanOf(values, (v, i) => (v - middle) * (i - middle)) / ((n * n - 1) / 12)
  within('the correlation of places and numbers', trend, 0, ERRORS / Math.sqrt(n - 1))
}

const usual = [[], [1], [0, 3], [3, 5], [2, 1, 3, 2, 5]]

const bits = async (t: Tensor): Promise<string> => Array.from(await t.data()).join()

async function shaped({ draw, dtype = 'f32' }: Draw, shape: readonly number[]): Promise<void> {
  const x = draw(shape, {})
  if (formatShape(x.shape) !== formatShape(shape)) throw new Error(`shape ${formatShape(x.shape)}, expected ${formatShape(shape)}`)
  if (x.dtype !== dtype) throw new Error(`${x.dtype}, expected ${dtype}`)
  if (x.requiresGrad) throw new Error('random numbers have no gradient')
  if ((await x.data()).length !== product(shape)) throw new Error('numbers are missing')
}

async function seeded(draw: () => Tensor): Promise<void> {
  const after = (seed: number): Promise<string> => {
    manualSeed(seed)
    return bits(draw())
  }
  const [first, second, again, other] = [await after(5), await bits(draw()), await after(5), await after(6)]
  if (first !== again) throw new Error('the same seed gives other numbers')
  if (first === second) throw new Error('the second draw repeats the first')
  if (first === other) throw new Error('another seed gives the same numbers')
}

/** A compiled step draws anew in each run, and what eager calls would draw. */
async function compiled(draw: () => Tensor): Promise<void> {
  manualSeed(9)
  const eager = [await bits(draw()), await bits(draw()), await bits(draw())]
  const step = compile(draw)
  try {
    manualSeed(9)
    for (const [i, expected] of eager.entries()) if ((await bits(step())) !== expected) throw new Error(`run ${i + 1} draws other numbers than eager calls do`)
  } finally {
    step.dispose()
  }
  if (new Set(eager).size < 3) throw new Error('draws repeat themselves')
}

function memory(draw: () => Tensor): void {
  const device = currentDevice()
  const pass = (): number => {
    tidy(() => {
      draw()
      return null
    })
    return device.memory().storages
  }
  // What an op makes once and keeps is made in the first pass.
  const before = pass()
  const after = pass()
  if (after > before) throw new Error(`${after - before} storages are left behind`)
}

function casesOf(row: string, of: Draw): Case[] {
  const { draw, law, shapes = usual, count = 7001, noHalf } = of
  const name = `${row}, ${of.name}`
  const many = (options = {}): Tensor => draw([count], options)
  const lawful = async (options: { dtype?: DType }, rounding: number): Promise<void> => {
    manualSeed(7)
    const x = many(options)
    if (options.dtype && x.dtype !== options.dtype) throw new Error(`${options.dtype} gives ${x.dtype}`)
    law(Array.from(await x.data()), rounding)
  }
  const list: [kind: string, run: () => unknown][] = [
    ['random stream', () => seeded(many)],
    ['distribution', () => lawful({}, 0)],
    ['compiled', () => compiled(many)],
    ['memory', () => memory(many)],
  ]
  if (!noHalf) list.push(['f16', () => lawful({ dtype: 'f16' }, 1e-3)])
  return [
    ...shapes.map((shape) => ({ kind: 'forward', name: `${name}, [${shape}]`, run: () => shaped(of, shape) })),
    ...list.map(([kind, run]) => ({ kind, name, half: kind === 'f16', run: async () => void (await run()) })),
  ]
}

export class RandomRow implements Row {
  readonly covers: readonly string[]

  constructor(
    readonly name: string,
    readonly spec: RandomSpec,
  ) {
    this.covers = spec.covers ?? [name]
  }

  cases(): Case[] {
    const { draws, errors } = this.spec
    return [...draws.flatMap((d) => casesOf(this.name, d)), ...errorCases(this.name, errors)]
  }

  gaps(): string[] {
    const shapes = this.spec.draws.flatMap((d) => d.shapes ?? usual)
    return [0, 1].filter((size) => !shapes.some((s) => s.includes(size))).map((size) => `has no shape with a size of ${size}`)
  }
}

/** A row of the table for a function that draws random numbers. */
export const randomOp = (name: string, spec: RandomSpec): RandomRow => new RandomRow(name, spec)
