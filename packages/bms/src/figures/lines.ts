// Lines of a plot: values over steps with gaps where there are none, thinned so that long runs stay small and spikes stay
// visible, and the range that shows them.
import { type Axes, niceTicks } from './axes.js'
import { colours, decimal } from './svg.js'

/** A line of a figure. Values that are not finite leave a gap. */
export interface Curve {
  readonly name: string
  readonly steps: readonly number[]
  readonly values: readonly number[]
}

/** Line colours in the order of their use. */
export const palette: readonly string[] = [colours.blue, colours.vermillion, colours.green, colours.orange, colours.purple, colours.sky, colours.target]

/**
 * A curve of at most `most` points (at least 8). Of neighbouring points the lowest and the highest stay, as do the first, the
 * last, and a gap wherever there was one; so every spike is seen.
 */
export function decimate(curve: Curve, most = 2000): Curve {
  const { steps, values } = curve
  const n = steps.length
  if (n <= most) return curve
  const buckets = Math.floor((most - 2) / 3)
  const kept = [0]
  for (let bucket = 0; bucket < buckets; bucket++) {
    const [from, to] = [0, 1].map((i) => 1 + Math.floor(((bucket + i) * (n - 2)) / buckets))
    let [low, high, gap] = [-1, -1, -1]
    for (let i = from; i < to; i++) {
      if (!Number.isFinite(values[i])) gap = i
      else {
        if (low < 0 || values[i] < values[low]) low = i
        if (high < 0 || values[i] > values[high]) high = i
      }
    }
    kept.push(...[...new Set([low, high, gap])].filter((i) => i >= 0).sort((a, b) => a - b))
  }
  kept.push(n - 1)
  return { ...curve, steps: kept.map((i) => steps[i]), values: kept.map((i) => values[i]) }
}

/** Medians of `count` stretches of equally many points, each in the middle of its steps; NaN where a stretch has no finite value. One spike does not move them. */
export function medians(curve: Curve, count: number): Curve {
  const steps: number[] = []
  const values: number[] = []
  for (let k = 0; k < count; k++) {
    const [from, to] = [0, 1].map((i) => Math.round(((k + i) * curve.steps.length) / count))
    if (from === to) continue
    steps.push((curve.steps[from] + curve.steps[to - 1]) / 2)
    values.push(median(curve.values.slice(from, to)))
  }
  return { ...curve, steps, values }
}

/** The median of the finite values (of two in the middle, the higher one); NaN where there is none. */
export function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values.filter(Number.isFinite)).sort()
  return sorted[Math.floor(sorted.length / 2)] ?? NaN
}

/** The line as an SVG path. A point between two gaps is a dot where line ends are round. */
export function linePath(frame: Axes, { steps, values }: Curve): string {
  let pen = false
  let d = ''
  values.forEach((value, i) => {
    if (!Number.isFinite(value)) {
      pen = false
      return
    }
    const alone = !pen && !Number.isFinite(values[i + 1])
    d += `${pen ? 'L' : 'M'}${decimal(frame.x(steps[i]))} ${decimal(frame.y(value))}${alone ? 'h0' : ''}`
    pen = true
  })
  return d
}

/** Of several curves, the steps that all of them have, with their values there. */
function common(curves: readonly Curve[]): { steps: number[]; values: number[][] } {
  const tables = curves.map(({ steps, values }) => new Map(steps.map((step, i) => [step, values[i]!])))
  const steps = [...tables[0]!.keys()].filter((step) => tables.every((table) => table.has(step))).sort((a, b) => a - b)
  return { steps, values: steps.map((step) => tables.map((table) => table.get(step)!)) }
}

/** The mean of curves, at the steps that all of them have; a gap where one has a gap. */
export function meanCurve(curves: readonly Curve[]): Curve {
  const { steps, values } = common(curves)
  return { name: curves[0]!.name, steps, values: values.map((at) => at.reduce((sum, value) => sum + value, 0) / at.length) }
}

/** The area between the lowest and the highest of curves as an SVG path, at the steps that all of them have with a finite value. */
export function bandPath(frame: Axes, curves: readonly Curve[]): string {
  const { steps, values } = common(curves)
  const kept = steps.map((_, i) => i).filter((i) => values[i]!.every(Number.isFinite))
  const corner = (i: number, value: number): string => `${decimal(frame.x(steps[i]!))} ${decimal(frame.y(value))}`
  const upper = kept.map((i) => corner(i, Math.max(...values[i]!)))
  const lower = kept.map((i) => corner(i, Math.min(...values[i]!))).reverse()
  return kept.length === 0 ? '' : `M${[...upper, ...lower].join('L')}Z`
}

/** The lowest and the highest finite value; undefined where there is none. */
export function extent(values: Iterable<number>): { min: number; max: number } | undefined {
  let min = Infinity
  let max = -Infinity
  for (const value of values) {
    if (!Number.isFinite(value)) continue
    if (value < min) min = value
    if (value > max) max = value
  }
  return min <= max ? { min, max } : undefined
}

/** A range that holds all finite values with some air, ending on ticks. */
export function padded(values: Iterable<number>): { min: number; max: number } {
  const { min, max } = extent(values) ?? { min: 0, max: 1 }
  // So near together that ticks between them would be one number.
  if (max - min <= 1e-9 * Math.max(Math.abs(min), Math.abs(max))) {
    const room = 0.5 * Math.abs(max) || 1
    return { min: min - room, max: max + room }
  }
  const air = 0.04 * (max - min)
  const step = niceTicks(min, max).reduce((gap, tick, i, ticks) => (i === 0 ? gap : Math.min(gap, tick - ticks[i - 1])), max - min)
  return { min: Math.floor((min - air) / step) * step, max: Math.ceil((max + air) / step) * step }
}

/** The last finite value. */
export const lastFinite = (curve: Curve): number | undefined => curve.values.findLast(Number.isFinite)
