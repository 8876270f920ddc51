// What a random program gives on the device against float64, run after run.
import { compile, formatShape, noGrad, type Rewrites, type Tensor, tidy } from '@bms/nn'
import { type Noise, noises } from './host.js'
import type { Program } from './program.js'

/** Pairs of runs with noise beside the exact one. */
const PAIRS = 4
/** Of the change that noise of eight roundings an op makes. */
const FACTOR = 4
const ROUNDINGS = 2 ** -21
/** Below the smallest normal number results may be flushed to zero. */
const TINY = 2 ** -126

/** What is right, and by how much each number may be off. */
export interface Expected {
  values: readonly number[]
  allowed: readonly number[]
}

/**
 * The exact numbers, and as tolerance what noise changes of each: conditioning, cancellation and choices between almost equal values are all in it. Noise
 * may cancel out in one number by chance, so the middle one of the list and a few roundings of the number itself are added.
 */
export function withTolerance(exact: readonly number[], noisy: readonly (readonly number[])[]): Expected {
  const changes = exact.map((v, i) => noisy.reduce((most, n) => Math.max(most, Math.abs(n[i]! - v)), 0))
  const middle = [...changes].sort((a, b) => a - b)[exact.length >> 1] ?? 0
  const allowed = changes.map((c, i) => {
    if (Number.isNaN(c)) return Number.POSITIVE_INFINITY
    return (c === 0 ? 0 : FACTOR * (c + middle) + ROUNDINGS * Math.abs(exact[i]!)) + TINY
  })
  return { values: exact, allowed }
}

const whole = <T>(list: readonly (T | null)[]): list is T[] => !list.includes(null)

/** The program on the host, with its states: exact, and several times with noise. */
class Oracle {
  private readonly states: number[][][]
  private readonly noises: readonly (Noise | null)[] = [null, ...noises(PAIRS)]

  constructor(private readonly program: Program) {
    this.states = this.noises.map(() => program.draw(0).filter((_, i) => program.sources[i]!.state))
  }

  /** Outputs, then states; null where numbers leave what the device holds. */
  run(turn: number, values: readonly number[][]): Expected[] | null {
    const runs = this.noises.map((noise, k) => {
      let next = 0
      const own = this.program.sources.map((s, i) => (s.state ? this.states[k]![next++]! : values[i]!))
      const outputs = this.program.evaluate(own, noise && { ...noise, seed: noise.seed + 1000 * turn })
      return outputs && [...outputs, ...this.states[k]!.map((s) => [...s])]
    })
    if (!whole(runs)) return null
    return runs[0]!.map((exact, i) =>
      withTolerance(
        exact,
        runs.slice(1).map((r) => r[i]!),
      ),
    )
  }
}

/** Throws unless the tensor is as expected. */
export async function check(what: string, actual: Tensor, shape: readonly number[], { values, allowed }: Expected): Promise<void> {
  if (formatShape(actual.shape) !== formatShape(shape)) throw new Error(`${what} has shape ${formatShape(actual.shape)}, expected ${formatShape(shape)}`)
  const data = await actual.data()
  if (data.length !== values.length) throw new Error(`${what} has ${data.length} elements, expected ${values.length}`)
  for (let i = 0; i < data.length; i++) {
    const [a, e] = [data[i]!, values[i]!]
    if (a === e || !Number.isFinite(e) || Math.abs(a - e) <= allowed[i]!) continue
    throw new Error(`${what}: element ${i} of ${formatShape(shape)} is ${a}, in float64 ${e} (off by ${Math.abs(a - e)}, allowed ${allowed[i]})`)
  }
}

/** One way to run a program on the device. */
interface Way {
  name: string
  states: Tensor[]
  run(inputs: Tensor[]): Tensor[]
  /** The listing of a compiled step. */
  listing(): string
  dispose(): void
}

function ways(program: Program, rewrites: Readonly<Record<string, Rewrites>>): Way[] {
  const start = program.draw(0)
  const states = (): Tensor[] => program.sources.flatMap((s, i) => (s.state ? [program.put(i, start[i]!)] : []))
  const own = states()
  const eager: Way = { name: 'eager', states: own, run: (inputs) => program.run([...inputs, ...own]), listing: () => '', dispose: () => {} }
  return [
    eager,
    ...Object.entries(rewrites).map(([name, settings]): Way => {
      const outside = states()
      const step = compile((...inputs: Tensor[]) => program.run([...inputs, ...outside]), { rewrites: settings })
      return { name, states: outside, run: (inputs) => step(...inputs), listing: () => step.toString(), dispose: () => step.dispose() }
    }),
  ]
}

/** Runs a program three times with new inputs, eagerly and compiled in several ways, and compares outputs and states with float64 each time. Gives the listings. */
export async function compareProgram(program: Program, rewrites: Readonly<Record<string, Rewrites>>): Promise<Record<string, string>> {
  const oracle = new Oracle(program)
  const all = ways(program, rewrites)
  try {
    for (let turn = 0; turn < 3; turn++) {
      const values = program.draw(turn)
      const expected = oracle.run(turn, values)
      if (!expected) break
      for (const way of all) await runOnce(program, way, turn, values, expected)
    }
    return Object.fromEntries(all.map((way) => [way.name, way.listing()]))
  } finally {
    for (const { states, dispose } of all) {
      dispose()
      for (const s of states) s.dispose()
    }
  }
}

async function runOnce(program: Program, way: Way, turn: number, values: readonly number[][], expected: readonly Expected[]): Promise<void> {
  const inputs = program.sources.flatMap((s, i) => (s.state ? [] : [program.put(i, values[i]!)]))
  const outputs = tidy(() => noGrad(() => way.run(inputs)))
  const shapes = [...program.outputs.map((o) => program.metas[o]!.shape), ...way.states.map((s) => s.shape)]
  const named = [...program.outputs.map((o) => `output ${program.name(o)}`), ...way.states.map((_, i) => `state ${i}`)]
  const tensors = [...outputs, ...way.states]
  await Promise.all(
    tensors.map((t, i) =>
      check(`run ${turn + 1}, ${way.name === 'eager' ? 'eager' : `compiled, rewrites: ${way.name}`}: ${named[i]}`, t, shapes[i]!, expected[i]!),
    ),
  )
  for (const t of inputs) t.dispose()
}

/** Dispatches of the program compiled with these rewrites. */
export async function dispatches(program: Program, rewrites: Rewrites): Promise<number> {
  const sources = program.draw(0).map((values, i) => program.put(i, values))
  const states = sources.filter((_, i) => program.sources[i]!.state)
  const step = compile((...inputs: Tensor[]) => program.run([...inputs, ...states]), { rewrites })
  await step.prepare(...sources.filter((_, i) => !program.sources[i]!.state))
  const found = step.stats().dispatches
  step.dispose()
  for (const s of sources) s.dispose()
  return found
}
