// The report of a run as one HTML file: samples, scores, curves, memory and settings. It opens anywhere without a network, and
// says as much when the run has only begun.
import { lastFinite } from '../figures/lines.js'
import { chart } from './chart.js'
import { type Html, html } from './html.js'
import { type Page, page } from './page.js'
import { reconstructions, samples } from './pictures.js'
import { type ChartContent, charts, curveOf, hasStep, type Line, speedOf } from './series.js'
import { memoryCard, settings, type Tile, tiles } from './tables.js'
import type { MemoryPlan } from '../training/images.js'
import type { Sheet } from './thin.js'
import { duration, entries, number } from './words.js'

/** What is known of a run. All texts may come from anywhere: they are escaped. */
export interface RunReport {
  /** For instance the model's name. */
  title: string
  /** The run's settings: a plain object, nested as it likes. `dataset`, `model`, `T`, `seed`, `steps` and `batch` also stand in the head. */
  config: object
  /** The settings as they would be by default; what differs is marked. */
  defaults?: object
  /** metrics.jsonl: losses, lengths of gradients (`grad_…`), scores, `seconds` since the start. Null where a value was not finite. */
  lines: readonly Line[]
  /** Sheets of samples, any number; at most 24 of them go into the file. */
  sheets: readonly Sheet[]
  /** Originals beside their reconstructions. */
  reconstructions?: Sheet
  /** result.json of a finished run. Its `metrics` stand at the top. */
  result?: object
  /** The adapter's name. */
  adapter?: string
  /** Bytes of a step, known before the first. */
  memory?: MemoryPlan
  /** What a reader must know: that the run was stopped, that lines were damaged. */
  notes?: readonly string[]
  /** What made it: names to versions. */
  versions?: Readonly<Record<string, string>>
  /** When the report was made, as the reader is to see it. */
  time?: string
}

/**
 * The report as the text of an HTML file (UTF-8). Curves keep at most 2,000 points, spikes among them; sheets are thinned to 24 and about 3 MB, the
 * first and the last kept. A run without lines or sheets has a report as well.
 */
export function reportHtml(report: RunReport): string {
  const drawn = charts(report.lines)
  const step = reached(report)
  const grid = (contents: readonly ChartContent[], ...more: Html[]): Html | undefined => {
    const cards = [...contents.map((content) => chart(content, { min: 0, max: Math.max(1, step) })), ...more]
    return cards.length > 0 ? html`<div class="grid charts">${cards}</div>` : undefined
  }
  const speed = speedOf(report.lines)
  const speeds = lastFinite(speed) === undefined ? [] : [{ title: 'Speed', axis: 'steps a second', curves: [speed], fromZero: true }]
  const sections: Page['sections'] = [
    ['samples', 'Samples', samples(report.sheets)],
    ['reconstructions', 'Reconstructions', report.reconstructions && reconstructions(report.reconstructions)],
    ['scores', 'Scores', grid(drawn.scores)],
    ['losses', 'Losses and gradients', grid(drawn.losses)],
    ['others', 'Other curves', grid(drawn.others)],
    ['speed', report.memory ? 'Speed and memory' : 'Speed', grid(speeds, ...(report.memory ? [memoryCard(report.memory)] : []))],
    ['settings', 'Settings', settings(report.config, report.defaults)],
    ['result', 'Result', report.result && settings(report.result, undefined, report.config)],
  ]
  return page({
    title: report.title,
    state: state(report, step),
    facts: facts(report.config),
    head: html`${tiles(highlights(report, step, drawn.scores, speed))}
${report.notes && report.notes.length > 0 && html`<ul class="notes">${report.notes.map((note) => html`<li>${note}</li>`)}</ul>`}`,
    lead: report.lines.length === 0 ? html`<p class="empty soft">No step has been logged yet.</p>` : undefined,
    sections,
    footer: footer(report),
  })
}

/** The last step that anything tells of. */
function reached({ lines, result, sheets }: RunReport): number {
  return [field(result, 'steps'), lines.findLast(hasStep)?.step, ...sheets.map(({ step }) => step)].reduce<number>(
    (most, step) => (typeof step === 'number' && step > most ? step : most),
    0,
  )
}

function state({ config, result }: RunReport, step: number): Page['state'] {
  if (result) return { text: 'finished', done: true }
  const total = field(config, 'steps')
  return { text: typeof total === 'number' && total > 0 ? `${Math.min(100, Math.floor((100 * step) / total))} % done` : 'not finished', done: false }
}

function facts(config: object): string {
  const named = (name: string, before: string) => (field(config, name) === undefined ? undefined : `${before}${field(config, name)}`)
  const all = [named('model', ''), named('dataset', ''), named('arch', ''), named('T', 'T '), named('batch', 'batch '), named('seed', 'seed ')]
  // Each fact stays on one line.
  return all.flatMap((fact) => fact?.replaceAll(' ', '\u00a0') ?? []).join(' · ')
}

/** Step, scores, reconstruction loss, time and speed: what a reader looks for first. */
function highlights({ config, result, lines }: RunReport, step: number, scores: readonly ChartContent[], speed: ReturnType<typeof speedOf>): Tile[] {
  const total = field(config, 'steps')
  const finished = field(result, 'metrics')
  const metrics =
    finished !== null && typeof finished === 'object' ? Object.entries(finished) : scores.map(({ title, curves }) => [title, lastFinite(curves[0])])
  const rec = lastFinite(curveOf(lines, 'rec'))
  const seconds = field(result, 'seconds') ?? lastFinite(curveOf(lines, 'seconds'))
  const rate = mean(speed.values)
  return [
    { name: 'Step', text: number(step), more: typeof total === 'number' ? `of ${number(total)}` : undefined },
    ...metrics.flatMap(([name, value]) => (typeof value === 'number' ? { name: String(name), text: number(value) } : [])).slice(0, 6),
    ...(rec === undefined ? [] : [{ name: 'rec', text: number(rec) }]),
    ...(typeof seconds === 'number' ? [{ name: 'Time', text: duration(seconds) }] : []),
    ...(rate === undefined ? [] : [{ name: 'Speed', text: number(Number(rate.toPrecision(3))), more: 'steps/s' }]),
  ]
}

function footer({ adapter, versions = {}, time }: RunReport): string {
  const made = entries(versions).map(({ name, text }) => `${name} ${text}`)
  return [adapter && `Adapter: ${adapter}`, made.join(', '), time].filter(Boolean).join(' · ')
}

function mean(values: readonly number[]): number | undefined {
  const finite = values.filter(Number.isFinite)
  return finite.length === 0 ? undefined : finite.reduce((sum, value) => sum + value, 0) / finite.length
}

// Of an object that may be anybody's, a property of its own.
function field(object: object | undefined, name: string): unknown {
  return object !== undefined && Object.hasOwn(object, name) ? (object as Record<string, unknown>)[name] : undefined
}
