// From finished runs to the rows of the study's table: means and deviations over seeds, of runs that differ in nothing else.
import type { MixtureName } from '../data/mixtures.js'
import type { FinishedRun } from './collect.js'
import { published, type PublishedRow } from './published.js'
import { studySets, variants } from './variants.js'

/** A mean over seeds. */
export interface Stat {
  readonly mean: number
  /** The sample standard deviation (n - 1); undefined for one seed. */
  readonly std?: number
}

/** What is told of each row, and where it stands in a run's result. The mass in transit is what lies farther than 10σ from every mode. */
const sources = {
  modes: (run: FinishedRun) => field(run, 'modes'),
  hq: (run: FinishedRun) => field(run, 'hq'),
  transit: (run: FinishedRun) => minus(100, field(run, 'near')),
  massMin: (run: FinishedRun) => field(run, 'mass', 'min'),
  massMax: (run: FinishedRun) => field(run, 'mass', 'max'),
  displacementMean: (run: FinishedRun) => field(run, 'displacement', 'mean'),
  displacementMax: (run: FinishedRun) => field(run, 'displacement', 'max'),
  posteriorMean: (run: FinishedRun) => field(run, 'posterior', 'mean'),
  posteriorMin: (run: FinishedRun) => field(run, 'posterior', 'min'),
  steps: ({ result }: FinishedRun) => result.steps,
  rate: ({ result }: FinishedRun) => (result.seconds > 0 ? result.steps / result.seconds : undefined),
  seconds: ({ result }: FinishedRun) => result.seconds,
} as const

export type Measure = keyof typeof sources

/** The runs of one row on one data set. */
export interface Cell {
  readonly runs: readonly FinishedRun[]
  readonly seeds: readonly number[]
  /** Undefined where not every run has it. */
  readonly stats: Readonly<Record<Measure, Stat | undefined>>
  readonly published?: PublishedRow
}

export interface Row {
  readonly title: string
  /** The name of the study's variant, if it is one. */
  readonly variant?: string
  readonly cells: Readonly<Partial<Record<MixtureName, Cell>>>
}

export interface Summary {
  readonly sets: readonly MixtureName[]
  readonly rows: readonly Row[]
  /** Steps or batch where all rows have the same, other than the defaults. */
  readonly length: Readonly<Record<string, number>>
}

/** Rows in the order of the study, then all others in the order in which they are found. */
export function summarise(finished: readonly FinishedRun[]): Summary {
  const sets = studySets.filter((set) => finished.some(({ config }) => config.dataset === set))
  const lengths = new Set(finished.map(({ length }) => JSON.stringify(length)))
  const common = lengths.size === 1 ? finished[0]!.length : {}
  const groups = new Map<string, FinishedRun[]>()
  for (const run of finished) groups.set(run.key, [...(groups.get(run.key) ?? []), run])
  const rank = (run: FinishedRun): number => (run.variant ? variants.indexOf(run.variant) : variants.length)
  const ordered = [...groups.values()].sort(([a], [b]) => rank(a!) - rank(b!))
  const rows = ordered.map((runs): Row => {
    const { title, variant, length } = runs[0]!
    const own = lengths.size === 1 ? [] : Object.entries(length).map(([name, value]) => `${name} ${value.toLocaleString('en-US')}`)
    const cells = studySets.flatMap((set) => {
      const here = runs.filter(({ config }) => config.dataset === set).sort((a, b) => a.config.seed - b.config.seed)
      return here.length > 0 ? [[set, cellOf(here, variant && published[variant.name]?.[set])] as const] : []
    })
    return { title: [title, ...own].join(', '), variant: variant?.name, cells: Object.fromEntries(cells) }
  })
  return { sets, rows, length: common }
}

function cellOf(runs: readonly FinishedRun[], paper: PublishedRow | undefined): Cell {
  const stats = Object.fromEntries(Object.entries(sources).map(([name, of]) => [name, statOf(runs.map(of))]))
  return { runs, seeds: runs.map(({ config }) => config.seed), stats: stats as Record<Measure, Stat | undefined>, ...(paper && { published: paper }) }
}

/** Mean and sample standard deviation; undefined where a value is missing. */
export function statOf(values: readonly (number | undefined)[]): Stat | undefined {
  if (values.length === 0 || !values.every((value) => typeof value === 'number' && Number.isFinite(value))) return undefined
  const all = values as number[]
  const mean = all.reduce((sum, value) => sum + value, 0) / all.length
  if (all.length === 1) return { mean }
  return { mean, std: Math.sqrt(all.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (all.length - 1)) }
}

/** A number of a run's result; undefined where it has none. */
function field({ result }: FinishedRun, ...path: string[]): number | undefined {
  let value: unknown = result.metrics
  for (const name of path)
    value = value !== null && typeof value === 'object' && Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined
  return typeof value === 'number' ? value : undefined
}

const minus = (a: number, b: number | undefined): number | undefined => (b === undefined ? undefined : a - b)
