// From the lines of metrics.jsonl to the charts of a report: which names there are, which of them share a chart, and their
// values over steps.
import type { Curve } from '../figures/lines.js'

/** A line of metrics.jsonl. What is no number is not drawn. */
export interface Line {
  readonly step: number
  readonly [name: string]: unknown
}

/** What a chart shows. */
export interface ChartContent {
  readonly title: string
  /** What its vertical axis measures. */
  readonly axis: string
  /** What to know about it, in a few words. */
  readonly note?: string
  readonly curves: readonly Curve[]
  /** Whether the axis begins at zero. */
  readonly fromZero?: boolean
}

export type Section = 'scores' | 'losses' | 'others'

interface Group {
  readonly section: Section
  readonly title: string
  readonly axis: string
  readonly note?: string
  readonly names: RegExp
  /** The name in the legend, where it is not the metric's own. */
  readonly legend?: (name: string) => string
}

// In the order of the report. A name belongs to the first that knows it.
const groups: readonly Group[] = [
  { section: 'losses', title: 'Reconstruction', axis: 'loss', note: 'distance of the chosen draw from its original', names: /^rec$/ },
  {
    section: 'losses',
    title: 'Data-space critic',
    axis: 'loss',
    note: 'the critic, and what it makes of reconstructions (syn) and samples (pri)',
    names: /^(critic|syn|pri)$/,
  },
  { section: 'losses', title: 'Latent critic', axis: 'loss', note: 'the critic, and its estimate of the KL divergence', names: /^(latent|kl)$/ },
  { section: 'losses', title: 'Gradient penalty', axis: 'loss', names: /^penalty$/ },
  {
    section: 'losses',
    title: 'Gradient lengths',
    axis: 'length',
    note: 'of each term, with respect to its network',
    names: /^grad_/,
    legend: (name) => name.slice('grad_'.length),
  },
  { section: 'others', title: 'Step sizes', axis: 'step size', names: /^lr[A-Z]?$/ },
]

// Names of scores, and which way is better where that is known.
const scores: readonly { names: RegExp; note?: string }[] = [
  { names: /^(fd|fid|kid)(_|$)/i, note: 'lower is better' },
  { names: /^iovm(_|$)/i, note: 'lower is better' },
  { names: /^(modes|hq|near)$/, note: 'higher is better' },
  { names: /^(is|lpips|diversity|score)(_|$)/i },
]

/** Of names that no group knows, so many get a chart. */
const mostOthers = 24

/** What is larger is drawn as a gap: no axis could be computed for it. */
const largest = 1e100

/** Whether the line's step is one. */
export const hasStep = (line: Line): boolean => Number.isSafeInteger(line.step) && line.step >= 0

/** The charts of a run, by section, in order. Names without a finite value have none. */
export function charts(lines: readonly Line[]): Record<Section, ChartContent[]> {
  const names = numericNames(lines)
  const out: Record<Section, ChartContent[]> = { scores: [], losses: [], others: [] }
  const taken = new Set(['step', 'seconds'])
  for (const { section, names: pattern, legend = (name: string) => name, ...content } of groups) {
    const own = names.filter((name) => pattern.test(name) && !taken.has(name))
    for (const name of own) taken.add(name)
    if (own.length > 0) out[section].push({ ...content, curves: own.map((name) => ({ ...curveOf(lines, name), name: legend(name) })) })
  }
  const rest = names.filter((name) => !taken.has(name))
  for (const name of rest) {
    const score = scores.find(({ names: pattern }) => pattern.test(name))
    if (score) out.scores.push({ title: name, axis: name, note: score.note, curves: [curveOf(lines, name)] })
    else if (out.others.length < mostOthers) out.others.push({ title: name, axis: name, curves: [curveOf(lines, name)] })
  }
  return out
}

/** Names that have a finite number in some line, in the order of their first one. */
function numericNames(lines: readonly Line[]): string[] {
  const names = new Set<string>()
  for (const line of lines)
    for (const [name, value] of Object.entries(line)) if (Number.isFinite(value) && Math.abs(value as number) <= largest) names.add(name)
  return [...names]
}

/**
 * Values of a name over steps. Null and what is no number leave a gap. Lines that do not have the name leave one where they are
 * many: scores come every thousand steps, and that is no gap.
 */
export function curveOf(lines: readonly Line[], name: string): Curve {
  const points = lines.filter((line) => hasStep(line) && line[name] !== undefined)
  const spaces = points.slice(1).map((line, i) => line.step - points[i].step)
  const usual = spaces.slice().sort((a, b) => a - b)[Math.floor(spaces.length / 2)] ?? Infinity
  const steps: number[] = []
  const values: number[] = []
  points.forEach((line, i) => {
    if (i > 0 && spaces[i - 1] > 5 * usual) {
      steps.push((points[i - 1].step + line.step) / 2)
      values.push(NaN)
    }
    steps.push(line.step)
    const value = line[name]
    values.push(typeof value === 'number' && Math.abs(value) <= largest ? value : NaN)
  })
  return { name, steps, values }
}

/** Steps a second between lines that are at least 1/`stretches` of the time and two seconds apart (clocks are rounded). Where the clock goes back, a gap. */
export function speedOf(lines: readonly Line[], stretches = 100): Curve {
  const clock = lines.filter((line): line is Line & { seconds: number } => hasStep(line) && Number.isFinite(line['seconds']))
  const steps: number[] = []
  const values: number[] = []
  if (clock.length > 1) {
    const least = Math.max(2, (clock.at(-1)!.seconds - clock[0].seconds) / stretches)
    let from = clock[0]
    for (const line of clock.slice(1)) {
      const [taken, time] = [line.step - from.step, line.seconds - from.seconds]
      // A rest at the end is too short to say anything, unless it is all there is.
      if (time >= 0 && time < least && !(line === clock.at(-1) && steps.length === 0)) continue
      steps.push((from.step + line.step) / 2)
      values.push(taken > 0 && time > 0 ? taken / time : NaN)
      from = line
    }
  }
  return { name: 'steps a second', steps, values }
}
