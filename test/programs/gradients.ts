// Gradients of a random program against differences in float64, which know nothing of gradient rules: first those of a weighted sum of its outputs, then
// those of a derivative of it, eagerly and compiled.
import { compile, grad, type Tensor, tensor, tidy } from '@bms/nn'
import { product, seeded } from '../helpers/arrays.js'
import { count } from '../support/figures.js'
import { withTolerance } from './compare.js'
import { type Noise, noises } from './host.js'
import { isFloat } from './op.js'
import type { Program } from './program.js'

/** Central differences in float64 are off by STEP² times the third derivative, 1e-10, and by 1e-16 / STEP. */
const STEP = 1e-5
/** Those of differences: by WIDE², and by 1e-16 / WIDE². */
const WIDE = 4e-4
const PAIRS = 1
/** Directions for each input. */
const DIRECTIONS = 2
/** Formulas of gradients round differently from the program itself: a few roundings in each of a dozen ops, of each term of what is compared. */
const ROUNDINGS = 2e-5

type Values = readonly (readonly number[])[]

/** Numbers from -1 to 1, but not near 0, the same in every run. */
function numbers(n: number, seed: number): number[] {
  const random = seeded(seed)
  return Array.from({ length: n }, () => (0.25 + Math.round(random() * 24) / 32) * (random() < 0.5 ? -1 : 1))
}

const weightsOf = (shape: readonly number[], k: number): number[] => numbers(product(shape), 100 + k)
const directionOf = (values: Values, input: number, k: number): number[] => numbers(values[input]!.length, 10 * input + k)

/** The inputs that gradients are taken of. */
const wanted = (program: Program): number[] => program.sources.flatMap((s, i) => (isFloat(s) ? [i] : []))

/** A number that is differentiated; the same noise in each call. */
type Scalar = (values: Values, noise: Noise | null) => number

/** The weighted sum of all outputs that are floats. */
const loss =
  (program: Program): Scalar =>
  (values, noise) =>
    (program.evaluate(values, noise) ?? [[Number.NaN]]).reduce((sum, out, k) => {
      const meta = program.metas[program.outputs[k]!]!
      if (!isFloat(meta)) return sum
      const weights = weightsOf(meta.shape, k)
      return sum + out.reduce((s, v, i) => s + v * weights[i]!, 0)
    }, 0)

/** Its derivative along the first direction of all inputs at once, by a difference of some width. */
const derivative =
  (program: Program, width: number): Scalar =>
  (values, noise) => {
    const at = (step: number): number => {
      const there = values.map((list, i) => (isFloat(program.sources[i]!) ? moved(list, directionOf(values, i, 0), step) : list))
      return loss(program)(there, noise)
    }
    return (at(width) - at(-width)) / (2 * width)
  }

const moved = (list: readonly number[], along: readonly number[], step: number): number[] => list.map((v, e) => v + step * along[e]!)

/** The slope of `scalar` along a direction of an input; null where a kink or a jump is near. */
function slope(scalar: Scalar, step: number, values: Values, input: number, along: readonly number[], noise: Noise | null): number | null {
  const at = (distance: number): number =>
    scalar(
      values.map((list, i) => (i === input ? moved(list, along, distance) : list)),
      noise,
    )
  const [here, before, after] = [at(0), at(-step), at(step)]
  const found = (after - before) / (2 * step)
  const bend = Math.abs(after + before - 2 * here) / step
  return bend <= 100 * step * Math.max(1, Math.abs(found)) ? found : null
}

interface Slope {
  input: number
  along: readonly number[]
  expected: number
  allowed: number
}

/** Slopes of equal `scalars` along a few directions of each input, and how far noise moves them; none where they do not agree. */
function slopes(program: Program, scalars: readonly Scalar[], step: number, values: Values): Slope[] {
  return wanted(program).flatMap((input) =>
    Array.from({ length: DIRECTIONS }, (_, k) => directionOf(values, input, k)).flatMap((along) => {
      const [expected, ...others] = scalars.map((s) => slope(s, step, values, input, along, null))
      const noisy = noises(PAIRS).map((noise) => slope(scalars[0]!, step, values, input, along, noise))
      const spread = others.reduce((most: number, o) => Math.max(most, o === null ? Number.POSITIVE_INFINITY : Math.abs(o - expected!)), 0)
      if (expected == null || noisy.includes(null) || spread > 1e-3 * Math.max(1, Math.abs(expected))) return []
      const { allowed } = withTolerance(
        [expected],
        noisy.map((n) => [n!]),
      )
      // The noise is in the values of the forward pass; a second derivative is made of a backward pass, which rounds as often, as well.
      const passes = scalars.length > 1 ? 4 : 1
      return [{ input, along, expected, allowed: passes * allowed[0]! + 2 * spread }]
    }),
  )
}

/** Throws unless a gradient leads where differences do. */
function checkSlope(what: string, { along, expected, allowed }: Slope, gradient: ArrayLike<number> | null): void {
  const terms = along.map((a, e) => a * (gradient?.[e] ?? 0))
  const found = terms.reduce((a, b) => a + b, 0)
  const limit = allowed + ROUNDINGS * terms.reduce((sum, t) => sum + Math.abs(t), Math.abs(expected))
  if (Math.abs(found - expected) <= limit) return
  const given = gradient ? `is [${Array.from(gradient)}]` : 'is missing'
  throw new Error(`${what} ${given}: ${found} along [${along}], in float64 ${expected} (may be off by ${limit})`)
}

/** The gradients of `weighted` tensors, those that have any. */
function gradients(weighted: readonly (readonly [Tensor, Tensor])[], inputs: readonly Tensor[], createGraph = false): (Tensor | null)[] {
  const flowing = weighted.filter(([y]) => y.requiresGrad)
  if (flowing.length === 0) return inputs.map(() => null)
  const gradOutputs = flowing.map(([, w]) => w)
  return grad(
    flowing.map(([y]) => y),
    inputs,
    { gradOutputs, allowUnused: true, createGraph },
  ) as (Tensor | null)[]
}

const constant = (values: readonly number[], shape: readonly number[]): Tensor => tensor(Float64Array.from(values), { shape })

/** What autograd gives for the same: gradients of the loss, and of its derivative. */
const orders = {
  first(program: Program, sources: readonly Tensor[], createGraph = false): (Tensor | null)[] {
    const weighted = program.run(sources).map((y, k) => [y, constant(weightsOf(y.shape, k), y.shape)] as const)
    return gradients(
      weighted,
      sources.filter((s) => s.requiresGrad),
      createGraph,
    )
  },
  second(program: Program, sources: readonly Tensor[]): (Tensor | null)[] {
    const weighted = orders
      .first(program, sources, true)
      .flatMap((g, k) => (g ? [[g, constant(numbers(g.size, 10 * wanted(program)[k]!), g.shape)] as const] : []))
    return gradients(
      weighted,
      sources.filter((s) => s.requiresGrad),
    )
  },
}

/** Compares gradients of a program in three runs with new inputs, eager and compiled. */
export async function compareGradients(program: Program, order: keyof typeof orders): Promise<void> {
  const [scalars, step] = order === 'first' ? ([[loss(program)], STEP] as const) : ([[derivative(program, WIDE), derivative(program, WIDE / 2)], WIDE] as const)
  const eager = (...sources: Tensor[]): (Tensor | null)[] => orders[order](program, sources)
  const compiled = compile(eager)
  try {
    for (let turn = 0; turn < 3; turn++) {
      const values = program.draw(turn)
      const expected = slopes(program, scalars, step, values)
      count('directions', expected.length)
      for (const [name, run] of Object.entries({ eager, compiled })) {
        const sources = program.sources.map((s, i) => (isFloat(s) ? program.put(i, values[i]!).requiresGrad_() : program.put(i, values[i]!)))
        const found = tidy(() => run(...sources))
        const data = await Promise.all(found.map((g) => g?.data() ?? null))
        for (const e of expected) checkSlope(`run ${turn + 1}, ${name}: gradient of ${program.name(e.input)}`, e, data[wanted(program).indexOf(e.input)]!)
        for (const s of sources) s.dispose()
      }
    }
  } finally {
    compiled.dispose()
  }
}
