// What a row feeds to its op: arrays on the host, made from a seed, so that every run, every adapter and the PyTorch that made the goldens see the same
// numbers. The tensors are made from them in several memory layouts.
import { type DType, tensor, type Tensor } from '@bms/nn'
import { at, product, seeded } from '../helpers/arrays.js'
import { flip, from, narrow, type Nd, permute, pick } from '../helpers/nd.js'

/** One argument: a host array and how the op gets it. */
export interface Input extends Nd {
  dtype: DType
  /** Is a gradient wanted? */
  grad: boolean
}

/** Makes an argument from uniform random numbers. */
export type Maker = (random: () => number) => Input

function hash(text: string): number {
  let h = 2166136261
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16777619)
  return h >>> 0
}

/** The arguments of a sample: the same in every process. `variant` gives others. */
export const make = (key: string, makers: readonly Maker[], variant = 0): Input[] => {
  const random = seeded(hash(key) + variant)
  return makers.map((maker) => maker(random))
}

const input = (shape: readonly number[], data: readonly number[], dtype: DType = 'f32', grad = dtype === 'f32'): Input => ({
  shape,
  data: dtype === 'f32' ? data.map(Math.fround) : data,
  dtype,
  grad,
})

/**
 * Floats from `low` to `high` in random order, evenly spaced and 0.1 or more away from 0: no ties, and no kink within the reach of finite differences
 * (of small arrays).
 */
export const real =
  (shape: readonly number[], low = -1.5, high = 1.5): Maker =>
  (random) => {
    const n = product(shape)
    const order = Array.from({ length: n }, (_, i) => [random(), i] as const).sort((a, b) => a[0] - b[0])
    const values = order.map(([, i]) => low + ((i + 0.5) * (high - low)) / n)
    return input(
      shape,
      values.map((v) => (Math.abs(v) < 0.1 && low < 0 ? v + 0.2 : v)),
    )
  }

/** Kinds of input that make no sense for a row, each with its reason. */
export type Lacks = Partial<Record<'empty' | 'one' | 'odd' | 'ranks', string>>

/** The kinds of input that a row lacks without a reason, from the shapes of all its inputs. */
export function shapeGaps(shapes: readonly (readonly number[])[], lacks: Lacks): string[] {
  const has = {
    empty: shapes.some((s) => s.includes(0)),
    one: shapes.some((s) => s.includes(1)),
    odd: shapes.some((s) => s.some((n) => n > 1 && n % 2 === 1)),
    ranks: new Set(shapes.map((s) => s.length)).size >= 3,
  }
  return Object.entries(has)
    .filter(([kind, found]) => found === (lacks[kind as keyof typeof has] !== undefined))
    .map(([kind, found]) => (found ? `gives a reason for lacking '${kind}' but has it` : `has no sample of kind '${kind}' (sizes 0, 1, odd; three ranks)`))
}

/** Floats from 0.5 to 2. */
export const positive = (shape: readonly number[]): Maker => real(shape, 0.5, 2)

/** Whole numbers from `low` to `high` - 1: i32 unless said otherwise. */
export const whole =
  (shape: readonly number[], low: number, high: number, dtype: DType = 'i32'): Maker =>
  (random) =>
    input(
      shape,
      Array.from({ length: product(shape) }, () => low + Math.floor(random() * (high - low))),
      dtype,
    )

/** Booleans. */
export const truths = (shape: readonly number[]): Maker => whole(shape, 0, 2, 'bool')

/** Just these numbers; the shape is a list's unless given. */
export const given =
  (data: readonly number[], shape: readonly number[] = [data.length], dtype: DType = 'f32'): Maker =>
  () =>
    input(shape, data, dtype)

/** The same without a gradient. */
export const fixed =
  (maker: Maker): Maker =>
  (random) => ({ ...maker(random), grad: false })

/** How an argument lies in memory. `expanded` repeats its first slice: it has other values, `expandedValues`. */
export const layouts = ['transposed', 'narrowed', 'flipped', 'expanded'] as const
export type LayoutName = (typeof layouts)[number]

/** What stands beside a narrowed argument, where no op may look. */
const poison: Record<DType, number> = { f32: Number.NaN, f16: Number.NaN, i32: 1 << 20, u32: 1 << 20, bool: 1 }

const host = (x: Nd, dtype: DType): Tensor => tensor(Float64Array.from(x.data), { shape: x.shape, dtype })

/** The argument as it is, row by row. */
export const dense = (x: Input, dtype: DType = x.dtype): Tensor => host(x, dtype)

const allDims = (x: Nd): number[] => x.shape.map((_, d) => d)

/** The first slice along the first dim that has something to repeat; the whole where there is none. */
function slice(x: Nd): Nd {
  const dim = x.shape.findIndex((s) => s > 1)
  return dim < 0 ? x : narrow(x, dim, 0, 1)
}

/** The values that `strided(x, 'expanded')` has. */
export const expandedValues = (x: Input): Input => ({ ...x, ...from(x.shape, (c) => pick(slice(x), c)) })

/** The argument with one element more on every side, none of them fit to be seen. */
function framed(x: Input): Nd {
  return from(
    x.shape.map((s) => s + 2),
    (c) =>
      c.every((v, d) => v > 0 && v <= x.shape[d]!)
        ? x.data[
            at(
              x.shape,
              c.map((v) => v - 1),
            )
          ]!
        : poison[x.dtype],
  )
}

/** The argument in another memory layout. */
export function strided(x: Input, layout: LayoutName): Tensor {
  const dims = allDims(x)
  const back = [...dims].reverse()
  if (layout === 'transposed') return host(permute(x, back), x.dtype).permute(back)
  if (layout === 'flipped') return host(flip(x, dims), x.dtype).flip(dims)
  if (layout === 'expanded') return host(slice(x), x.dtype).expand(x.shape)
  return dims.reduce((t, d) => t.narrow(d, 1, x.shape[d]!), host(framed(x), x.dtype))
}
