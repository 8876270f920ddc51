// Random programs: made of numbers that fast-check draws and makes smaller, printed as code, and run on tensors. Which operands a line takes depends on
// shapes and dtypes alone, so a program stays the same when its inputs change.
import { strided, type LayoutName } from '../table/values.js'
import { type DType, type Tensor, tensor } from '@bms/nn'
import fc from 'fast-check'
import { product, seeded } from '../helpers/arrays.js'
import { draw, Host, type Noise } from './host.js'
import { type Args, isFloat, type Meta, type Pick, type ProgramOp } from './op.js'

interface Line {
  op: ProgramOp
  operands: readonly number[]
  args: Args
  /** The values that it makes. */
  results: readonly number[]
}

/** A value from outside. */
interface Source extends Meta {
  layout: LayoutName | 'dense'
  /** Lives on from run to run, and may be overwritten. */
  state: boolean
}

/** Numbers that a program is made of. */
interface Choices {
  sizes: readonly number[]
  sources: readonly (readonly [shape: number, layout: number])[]
  lines: readonly (readonly [op: number, operands: readonly number[], args: number])[]
  outputs: readonly number[]
  seed: number
}

export interface Kind {
  ops: readonly ProgramOp[]
  /** Dtypes of inputs. */
  inputs: readonly DType[]
  /** Dtypes of tensors outside that the program may overwrite. */
  states: readonly DType[]
  /** Elements of an input. */
  most: number
  lines: { min: number; max: number }
  /** Stands in the middle of every program in which it finds operands. */
  must?: ProgramOp
  /** Are some inputs to have only few different values, so that many elements are equal or zero? */
  ties: boolean
  /** Of floats as far as possible: gradients flow through all that it returns, and other operands are taken only where floats are not. */
  floats: boolean
}

/** Small first: fast-check makes numbers smaller. */
const SIZES = [2, 3, 1, 4, 5, 7, 6, 8, 9, 11, 13, 16, 17, 20, 2, 3, 4, 5, 7, 0]

/** A number from 0 to n - 1 at each call, all 0 from the number 0. */
function picker(digits: number): Pick {
  let left = digits
  return (n) => {
    if (n <= 1) return 0
    const digit = left % n
    left = Math.floor(left / n)
    return digit
  }
}

/** Shapes that go together: all of one list of sizes, or parts of it, or with ones in it. */
function shapeOf(sizes: readonly number[], choice: number): number[] {
  const pick = picker(choice)
  const kind = pick(6)
  const at = pick(sizes.length)
  if (kind === 2) return sizes.map((s, d) => (d === at ? 1 : s))
  if (kind === 3) return sizes.slice(at)
  if (kind === 4) return [...sizes.slice(0, -2), ...sizes.slice(-2).reverse()]
  return kind === 5 ? (pick(2) ? [] : [sizes.at(-1)!, sizes.at(-1)!]) : [...sizes]
}

const LAYOUTS: readonly Source['layout'][] = ['dense', 'dense', 'transposed', 'narrowed', 'flipped']

/** Chances, beside one for each op, that an earlier line comes again: what is computed twice may be computed once, unless its operands changed. */
const AGAIN = 5

/** How far back an operand is sought: mostly near, so that lines build on each other. The last ones mean states. */
const NEAR = [0, 1, 0, 2, 0, 1, 3, 0, 4, 1, 0, 6, 2, 9, 0, 13]
const STATES_FROM = 13

/** The operands of an op, sought from the chosen values on. */
function findOperands(op: ProgramOp, host: Host, choices: readonly number[], states: readonly number[], floats: boolean): number[] | null {
  const { metas } = host
  /** How far back to begin: what overwrites mostly overwrites states. */
  const start = (at: number): number => {
    const choice = choices[at]!
    const state = states[choice % states.length]
    const wanted = choice >= STATES_FROM || (at === 0 && op.writes && choice % 4 > 0)
    return state !== undefined && wanted ? metas.length - 1 - state : NEAR[choice]!
  }
  const search = (found: readonly number[]): number[] | null => {
    const at = found.length
    const take = op.takes[at]
    if (!take) return [...found]
    const before = found.map((f) => metas[f]!)
    const accept = (x: Meta): boolean => take(x, before) && (!floats || isFloat(x) || !take({ ...x, dtype: 'f32' }, before))
    for (let i = 0; i < metas.length; i++) {
      // The latest first.
      const slot = metas.length - 1 - ((start(at) + i) % metas.length)
      const free = at > 0 || !op.writes || host.writable(slot)
      const rest = free && accept(metas[slot]!) ? search([...found, slot]) : null
      if (rest) return rest
    }
    return null
  }
  return search([])
}

/** Larger numbers are not made: their squares and sums would leave what f16 holds. */
const MOST = 500

const show = (x: unknown): string => (Array.isArray(x) ? `[${x.map(show).join(', ')}]` : x === undefined ? 'undefined' : JSON.stringify(x))

export class Program {
  readonly sources: readonly Source[]
  readonly lines: Line[] = []
  readonly outputs: readonly number[]
  readonly metas: readonly Meta[]
  private readonly states: readonly number[]

  constructor(
    private readonly kind: Kind,
    private readonly choices: Choices,
  ) {
    const sizes: number[] = []
    for (const s of choices.sizes) sizes.push(Math.min(SIZES[s % SIZES.length]!, Math.floor(kind.most / Math.max(1, product(sizes)))))
    const source = (dtype: DType, state: boolean, i: number): Source => {
      const [shape, layout] = choices.sources[i]!
      return { shape: shapeOf(sizes, shape), dtype, layout: LAYOUTS[layout % LAYOUTS.length]!, state }
    }
    this.sources = [...kind.inputs.map((t, i) => source(t, false, i)), ...kind.states.map((t, i) => source(t, true, kind.inputs.length + i))]
    this.states = this.sources.flatMap((s, i) => (s.state ? [i] : []))
    const host = new Host()
    const values = this.draw(0)
    this.sources.forEach((s, i) => host.load(s, [...values[i]!], s.state))
    for (const [i, [op, operands, args]] of choices.lines.entries()) {
      if (kind.must && i >= choices.lines.length / 2 && this.lines.every((l) => l.op !== kind.must)) this.extend(kind.must, host, operands, picker(args))
      const again = this.lines[this.lines.length - 1 - (operands[0]! % this.lines.length)]
      if (op < kind.ops.length) this.extend(kind.ops[op]!, host, operands, picker(args))
      else if (again) this.append(again.op, host, again.operands, again.args)
    }
    this.metas = host.metas
    this.outputs = this.chooseOutputs()
  }

  /** Appends the op if it fits anywhere. */
  private extend(op: ProgramOp, host: Host, choices: readonly number[], pick: Pick): void {
    const operands = findOperands(op, host, choices, this.states, this.kind.floats)
    if (!operands) return
    const metas = operands.map((o) => host.metas[o]!)
    const args = op.args ? op.args(metas, pick) : []
    if (args) this.append(op, host, operands, args)
  }

  private append(op: ProgramOp, host: Host, operands: readonly number[], args: Args): void {
    const first = host.metas.length
    if (!host.apply(op, operands, args, MOST)) return
    this.lines.push({ op, operands, args, results: Array.from({ length: host.metas.length - first }, (_, k) => first + k) })
  }

  /** Mostly what no other line reads, so that the lines before matter; the latest first. */
  private chooseOutputs(): number[] {
    const read = new Set(this.lines.flatMap((l) => l.operands))
    const all = this.metas.map((_, i) => this.metas.length - 1 - i)
    const latest = all.filter((v) => !this.kind.floats || isFloat(this.metas[v]!))
    const list = [...latest.filter((v) => !read.has(v) && !this.sources[v]), ...latest.filter((v) => read.has(v)), ...latest]
    return this.choices.outputs.map((o) => list[NEAR[o]! % list.length]!)
  }

  /** Content of all sources for the n-th run; that of states only matters in the first. */
  draw(turn: number): number[][] {
    const { seed } = this.choices
    const random = seeded(seed * 31 + turn)
    return this.sources.map((s) => draw(s, random, this.kind.ties && seed % 3 === 0))
  }

  /** Runs it in float64: the content of the outputs, null where a number is more than its dtype holds. That of states is overwritten. */
  evaluate(values: readonly (readonly number[])[], noise: Noise | null = null): number[][] | null {
    const host = new Host(noise)
    this.sources.forEach((s, i) => host.load(s, values[i] as number[], s.state))
    for (const { op, operands, args } of this.lines) if (!host.apply(op, operands, args)) return null
    return this.outputs.map((o) => [...host.value(o).data])
  }

  /** A source on the device, in its layout. */
  put(i: number, values: readonly number[]): Tensor {
    const { shape, dtype, layout } = this.sources[i]!
    if (layout !== 'dense') return strided({ shape, dtype, data: values, grad: false }, layout)
    return tensor(Float64Array.from(values), { shape, dtype })
  }

  /** Runs it on tensors. */
  run(sources: readonly Tensor[]): Tensor[] {
    const slots = [...sources]
    for (const { op, operands, args } of this.lines) {
      const inputs = operands.map((o) => slots[o]!)
      const [first, ...others] = inputs
      const result: Tensor | readonly Tensor[] = op.run?.(inputs, args) ?? (first as any)[op.name](...others, ...args)
      if (!op.writes) slots.push(...(Array.isArray(result) ? result : [result]))
    }
    return this.outputs.map((o) => slots[o]!)
  }

  name(slot: number): string {
    const source = this.sources[slot]
    return `${source ? (source.state ? 's' : 'x') : 'v'}${slot}`
  }

  /** As code. */
  toString(): string {
    const type = ({ dtype, shape }: Meta): string => `${dtype}[${shape.join(', ')}]`
    const head = this.sources.map((s, i) => `${this.name(i)}: ${type(s)}${s.layout === 'dense' ? '' : ` ${s.layout}`}`)
    const body = this.lines.map(({ op, operands, args, results }) => {
      const names = operands.map((o) => this.name(o))
      const rest = args.map(show)
      const call = op.name.includes('$')
        ? `${names.reduce((text, name, i) => text.replaceAll(`$${i}`, name), op.name)}${rest.length > 0 ? `   // ${rest.join(', ')}` : ''}`
        : `${names[0]}.${op.name}(${[...names.slice(1), ...rest].join(', ')})`
      if (op.writes) return `  ${call}`
      return `  const ${results.map((r) => this.name(r)).join(', ')} = ${call}   // ${results.map((r) => type(this.metas[r]!)).join(', ')}`
    })
    return [
      `(${head.join(', ')}) => {`,
      ...body,
      `  return ${this.outputs.map((o) => this.name(o)).join(', ')}`,
      `}   // values of seed ${this.choices.seed}`,
    ].join('\n')
  }

  [fc.toStringMethod](): string {
    return `\n${this}\n`
  }
}

/** Draws programs; one op after the other has its turn to be in them. */
export const programs = (kind: Kind) => {
  const distinct = [...new Set(kind.ops)]
  return (n: number): fc.Arbitrary<Program> => programsWith({ ...kind, must: distinct[n % distinct.length] })
}

function programsWith(kind: Kind): fc.Arbitrary<Program> {
  const operand = fc.noBias(fc.nat(NEAR.length - 1))
  const line = fc.tuple(fc.noBias(fc.nat(kind.ops.length - 1 + AGAIN)), fc.tuple(operand, operand, operand), fc.noBias(fc.nat(2 ** 30)))
  const sources = kind.inputs.length + kind.states.length
  return fc
    .record({
      sizes: fc.array(fc.noBias(fc.nat(SIZES.length - 1)), { minLength: 1, maxLength: 5 }),
      sources: fc.array(fc.tuple(fc.nat(1000), fc.nat(LAYOUTS.length - 1)), { minLength: sources, maxLength: sources }),
      lines: fc.array(line, { minLength: kind.lines.min, maxLength: kind.lines.max }),
      outputs: fc.array(operand, { minLength: 1, maxLength: 5 }),
      seed: fc.nat(1_000_000),
    })
    .map((choices) => new Program(kind, choices))
}
