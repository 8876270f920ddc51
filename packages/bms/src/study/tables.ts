// The tables of a study: the paper's (modes and HQ%, with the published values beside them), what separates the methods, and the runs that are in neither.
import { duration, speed } from '../report/words.js'
import type { MixtureName } from '../data/mixtures.js'
import { mixture } from '../data/mixtures.js'
import type { Collected } from './collect.js'
import { type Published, publishedSource } from './published.js'
import { type Cell, type Measure, type Row, type Stat, type Summary, summarise } from './summary.js'
import type { Column, TextTable } from './text-table.js'

const none = '-'

/** All tables of what was found. */
export function studyTables(collected: Collected): TextTable[] {
  const summary = summarise(collected.finished)
  const tables = summary.rows.length > 0 ? [qualityTable(summary, collected), detailTable(summary)] : []
  return collected.others.length > 0 ? [...tables, othersTable(collected)] : tables
}

const setTitle = (set: MixtureName): string => `${set[0]!.toUpperCase()}${set.slice(1)}, ${mixture(set).means.length} modes`

/** The same columns for every set. */
function tableOf(summary: Summary, rest: Omit<TextTable, 'columns' | 'rows'>, columns: readonly { name: string; of: (cell: Cell) => string }[]): TextTable {
  const all: Column[] = [{ name: 'method', text: true }, ...summary.sets.flatMap((set) => columns.map(({ name }) => ({ name, group: setTitle(set) })))]
  const cells = ({ cells }: Row): string[] => summary.sets.flatMap((set) => columns.map(({ of }) => (cells[set] ? of(cells[set]) : none)))
  return { ...rest, columns: all, rows: summary.rows.map((row) => [row.title, ...cells(row)]) }
}

function qualityTable(summary: Summary, { finished }: Collected): TextTable {
  const length = Object.entries(summary.length).map(([name, value]) => `${name} ${value.toLocaleString('en-US')}`)
  const adapters = [...new Set(finished.map(({ result }) => result.adapter))]
  const notes = [
    'n: seeds. Ours: mean±sample standard deviation over the seeds (no ± for one seed), of 2,500 samples of the averaged generator at the last step. ' +
      'HQ: percent of the samples within 3σ of a mode (true data: 98.89). A mode is found where at least one such sample is nearest to it.',
    `paper: ${publishedSource}.`,
    ...(length.length > 0 ? [`All runs: ${length.join(', ')}, where the defaults are others.`] : []),
    `Computed on ${adapters.join('; ')}.`,
  ]
  return tableOf(summary, { title: 'Modes and HQ%', notes }, [
    { name: 'n', of: ({ runs }) => String(runs.length) },
    { name: 'modes', of: ({ stats }) => shown(stats.modes, 1, true) },
    { name: 'paper', of: ({ published }) => paperText(published?.modes) },
    { name: 'HQ %', of: ({ stats }) => shown(stats.hq, 1) },
    { name: 'paper', of: ({ published }) => paperText(published?.hq) },
  ])
}

function detailTable(summary: Summary): TextTable {
  const mean = (measure: Measure, digits: number) => (cell: Cell) => (cell.stats[measure] ? cell.stats[measure].mean.toFixed(digits) : none)
  const two = (a: Measure, b: Measure) => (cell: Cell) => {
    const [first, second] = [mean(a, 2)(cell), mean(b, 2)(cell)]
    return first === none && second === none ? none : `${first}/${second}`
  }
  const notes = [
    'Means over the seeds. transit: percent of the samples farther than 10σ from every mode, ± sample standard deviation. mass: the least and the greatest share of the good samples that a mode has ' +
      '(1 is even). displ.: distance of a mode’s samples from its centre in σ, mean and worst mode. q sd: standard deviation of q(z|x), mean and least of the 32 directions (1 is the prior’s). time: of one run.',
  ]
  return tableOf(summary, { title: 'What separates the methods', notes }, [
    { name: 'transit %', of: ({ stats }) => shown(stats.transit, 1) },
    { name: 'mass', of: two('massMin', 'massMax') },
    { name: 'displ.', of: two('displacementMean', 'displacementMax') },
    { name: 'q sd', of: two('posteriorMean', 'posteriorMin') },
    { name: 'steps', of: ({ stats }) => (stats.steps ? Math.round(stats.steps.mean).toLocaleString('en-US') : none) },
    { name: 'steps/s', of: ({ stats }) => (stats.rate ? speed(stats.rate.mean) : none) },
    { name: 'time', of: ({ stats }) => (stats.seconds ? duration(stats.seconds.mean) : none) },
  ])
}

function othersTable({ others }: Collected): TextTable {
  const column = (name: string): Column => ({ name, text: true })
  return {
    title: 'Not in the tables',
    columns: [column('run'), column('state'), column('why')],
    rows: others.map(({ dir, state, why }) => [dir, state, why]),
  }
}

/** 94.3±1.2; where `whole`, without fractions that are none: 25±0. */
function shown(stat: Stat | undefined, digits: number, whole = false): string {
  if (!stat) return none
  const bare = whole && Number.isInteger(stat.mean) && Number.isInteger(stat.std ?? 0)
  const text = (value: number): string => value.toFixed(bare ? 0 : digits)
  return stat.std === undefined ? text(stat.mean) : `${text(stat.mean)}±${text(stat.std)}`
}

/** As printed: one decimal, which goes where there is no ±. */
function paperText(value: Published | undefined): string {
  if (!value) return none
  return value.std === undefined ? String(value.mean) : `${value.mean.toFixed(1)}±${value.std.toFixed(1)}`
}
