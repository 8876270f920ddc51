// Runs a program on the host in float64, memory and all: values are places in memory that views share and that writes change. Runs with noise in every
// result, as large as a few roundings, show how much each number of the program can be off for no one's fault.
import { product, seeded } from '../helpers/arrays.js'
import { iota, type Nd } from '../helpers/nd.js'
import type { DType } from '@bms/nn'
import type { Args, Meta, ProgramOp } from './op.js'

interface Memory {
  data: number[]
  /** May the program overwrite it? */
  writable: boolean
}

interface Slot extends Meta {
  memory: Memory
  /** Where each element lies; null: one after the other. */
  places: readonly number[] | null
}

/** Eight times the largest rounding error of one result, relative to it. */
const units: Partial<Record<DType, number>> = { f32: 2 ** -21, f16: 2 ** -8 }
/** Below this f16 has fewer digits. */
const SMALLEST_HALF = 2 ** -14

/** Beyond these numbers the device has others than float64. */
const RANGE: Record<Exclude<DType, 'bool'>, number> = { f32: 1e30, f16: 6e4, i32: 2 ** 31 - 1, u32: 2 ** 32 - 1 }

const settle: Partial<Record<DType, (v: number) => number>> = { i32: (v) => v | 0, u32: (v) => v >>> 0, bool: (v) => Number(v !== 0) }

/** Noise of some seed, or its opposite: what lies at an edge falls to one side with the one, to the other side with the other. */
export interface Noise {
  seed: number
  sign: 1 | -1
}

/** Pairs of opposites. */
export const noises = (pairs: number): Noise[] =>
  Array.from({ length: pairs }, (_, i) => [
    { seed: i + 1, sign: 1 as const },
    { seed: i + 1, sign: -1 as const },
  ]).flat()

/** One run of a program. Values are numbered as the program numbers them. */
export class Host {
  private readonly slots: Slot[] = []
  private readonly random: (() => number) | null

  /** The same noise gives the same numbers, so that a run with noise can be differentiated. Without: exact. */
  constructor(private readonly noise: Noise | null = null) {
    this.random = noise && seeded(noise.seed)
  }

  get metas(): readonly Meta[] {
    return this.slots
  }

  /** A value from outside; its content is `data` itself, so that a state lives on in it. */
  load(meta: Meta, data: number[], writable: boolean): void {
    this.slots.push({ shape: meta.shape, dtype: meta.dtype, memory: { data, writable }, places: null })
  }

  value(slot: number): Nd {
    const { shape, places, memory } = this.slots[slot]!
    return { shape, data: places ? places.map((p) => memory.data[p]!) : memory.data }
  }

  /** Can all elements be overwritten, each for itself? */
  writable(slot: number): boolean {
    const { memory, places } = this.slots[slot]!
    return memory.writable && (!places || new Set(places).size === places.length)
  }

  /** Does one line of a program. False, and nothing is done, where a result is not a number up to `most`, or more than its dtype holds. */
  apply(op: ProgramOp, operands: readonly number[], args: Args, most = Number.POSITIVE_INFINITY): boolean {
    const slots = operands.map((o) => this.slots[o]!)
    if (op.view) return this.share(op, slots[0]!, args)
    const inputs = operands.map((o) => this.value(o))
    const found = op.reference(inputs, args)
    const outs = (Array.isArray(found) ? found : [found]) as readonly Nd[]
    const given = op.dtype?.(slots, args) ?? slots[0]!.dtype
    const results = outs.map((out, k) => {
      const dtype = (Array.isArray(given) ? given[k] : given) as DType
      return { shape: out.shape, dtype, data: this.rounded(op, inputs, out, args, dtype), raw: out.data }
    })
    const within = (list: readonly number[], limit: number): boolean => list.every((v) => Math.abs(v) <= limit)
    if (!results.every(({ data, raw, dtype }) => within(data, most) && (dtype === 'bool' || within(raw, RANGE[dtype])))) return false
    if (op.writes) {
      const [{ memory, places }] = slots as [Slot]
      results[0]!.data.forEach((v, i) => {
        memory.data[places?.[i] ?? i] = v
      })
    } else for (const { data, ...meta } of results) this.load(meta, data, true)
    return true
  }

  private share(op: ProgramOp, from: Slot, args: Args): true {
    const found = op.reference([from.places ? { shape: from.shape, data: from.places } : iota(from.shape)], args)
    if (op.view === 'perhaps') from.memory.writable = false
    for (const { shape, data } of (Array.isArray(found) ? found : [found]) as readonly Nd[])
      this.slots.push({ shape, dtype: from.dtype, memory: from.memory, places: data })
    return true
  }

  /** A result as its dtype holds it, with noise where it is wanted. */
  private rounded(op: ProgramOp, inputs: readonly Nd[], out: Nd, args: Args, dtype: DType): number[] {
    const whole = settle[dtype]
    if (whole) return out.data.map(whole)
    const unit = units[dtype]
    const { random, noise } = this
    if (!random || !unit || op.exact) return [...out.data]
    const scale = unit * noise!.sign
    const sizes = op.magnitude?.(inputs, out, args) ?? out.data
    return out.data.map((v, i) => {
      const size = Math.abs(sizes[i]!)
      const r = random()
      const noisy = v + scale * (dtype === 'f16' && size > 0 ? Math.max(size, SMALLEST_HALF) : size) * (r < 0.5 ? -0.5 - r : r)
      // What can fall to the other side of 0 can also become 0, as gelu of -8 does.
      return v * noisy < 0 && noise!.seed % 2 === 0 ? 0 : noisy
    })
  }
}

/** Random content of a value. `coarse`: few different numbers, so that many are equal or zero. */
export function draw({ shape, dtype }: Meta, random: () => number, coarse: boolean): number[] {
  const one: Record<DType, () => number> = {
    f32: () => (coarse ? Math.round(random() * 8 - 4) / 2 : Math.fround(random() * 4 - 2)),
    f16: () => Math.round((random() * 4 - 2) * (coarse ? 2 : 64)) / (coarse ? 2 : 64),
    i32: () => Math.floor(random() * 9) - 4,
    u32: () => Math.floor(random() * 5),
    bool: () => Math.floor(random() * 2),
  }
  return Array.from({ length: product(shape) }, one[dtype])
}
