// report.html of a study: its tables, figures and learning curves as one page that opens anywhere.
import type { Curve } from '../figures/lines.js'
import { meanCurve as meanOf, palette } from '../figures/lines.js'
import { chunks } from '../figures/panels.js'
import { chart } from '../report/chart.js'
import { type Html, html, picture } from '../report/html.js'
import { page } from '../report/page.js'
import { type ChartContent, curveOf } from '../report/series.js'
import { tiles } from '../report/tables.js'
import { duration } from '../report/words.js'
import type { Collected, FinishedRun } from './collect.js'
import { type Row, type Summary, summarise } from './summary.js'
import { htmlTable, type TextTable } from './text-table.js'
import { variants } from './variants.js'

export interface StudyReport {
  collected: Collected
  tables: readonly TextTable[]
  figures: readonly { name: string; png: Uint8Array }[]
  /** Time spent on the study. */
  seconds: number
}

/** The report as the text of an HTML file. */
export function studyReport({ collected, tables, figures, seconds }: StudyReport): string {
  const summary = summarise(collected.finished)
  const { finished, others } = collected
  const computed = finished.reduce((sum, { result }) => sum + result.seconds, 0)
  const facts = [`${summary.rows.length} methods`, summary.sets.join(' and '), [...new Set(finished.map(({ result }) => result.adapter))].join(', ')]
  return page({
    title: 'The study of 2D mixtures',
    state: { text: others.length === 0 ? 'complete' : `${finished.length} of ${finished.length + others.length} runs`, done: others.length === 0 },
    facts: facts.filter((fact) => fact !== '').join(' · '),
    head: tiles([
      { name: 'Runs', text: String(finished.length), more: others.length > 0 ? `and ${others.length} not in the tables` : undefined },
      { name: 'Time of all runs', text: duration(computed) },
      { name: 'Time of the study', text: duration(seconds) },
    ]),
    sections: [
      ['tables', 'Tables', tables.length > 0 ? html`${tables.map(htmlTable)}` : html`<p class="soft">No run has ended yet.</p>`],
      ['figures', 'Figures', figures.length > 0 ? html`<div class="images">${figures.map(figure)}</div>` : undefined],
      ['curves', 'Learning curves', curves(summary)],
    ],
  })
}

const figure = ({ name, png }: { name: string; png: Uint8Array }): Html => {
  const title = name.replace(/\.png$/i, '').replaceAll('-', ' ')
  return html`<figure class="card">${picture(png, title)}<figcaption>${title}</figcaption></figure>\n`
}

/** HQ% and modes over steps, of each set; a chart has as many lines as there are colours. */
function curves({ sets, rows }: Summary): Html | undefined {
  const charts = sets.flatMap((set) => {
    const here = rows.flatMap((row) => {
      const cell = row.cells[set]
      return cell ? [{ row, runs: cell.runs }] : []
    })
    const steps = Math.max(0, ...here.flatMap(({ runs }) => runs.map(({ result }) => result.steps)))
    return groupsOf(here).flatMap(({ group, name }) =>
      [
        { measure: 'hq', title: 'HQ%', axis: 'HQ %' },
        { measure: 'modes', title: 'modes', axis: 'modes' },
      ].map(({ measure, title, axis }): Html => {
        const content: ChartContent = {
          title: `${set}: ${title}${name}`,
          axis,
          note: 'means over the seeds',
          curves: group.map(({ row, runs }) => meanCurve(row.title, runs, measure)),
          fromZero: true,
        }
        return chart(content, { min: 0, max: Math.max(1, steps) })
      }),
    )
  })
  return charts.length > 0 ? html`<div class="grid charts">${charts}</div>` : undefined
}

/** The methods of the paper, then the others, as many at once as there are colours. */
function groupsOf<T extends { row: Row }>(list: readonly T[]): { name: string; group: T[] }[] {
  const inPaper = (one: T): boolean => variants.some(({ name, group }) => group === 'paper' && name === one.row.variant)
  return [
    { name: '', all: list.filter(inPaper) },
    { name: ', ablations', all: list.filter((one) => !inPaper(one)) },
  ].flatMap(({ name, all }) => chunks(all, palette.length).map((group, i) => ({ name: i > 0 ? `${name} (${i + 1})` : name, group })))
}

/** The mean over runs at the steps that all of them have. */
export const meanCurve = (name: string, runs: readonly FinishedRun[], measure: string): Curve => ({
  ...meanOf(runs.map(({ lines }) => curveOf(lines, measure))),
  name,
})
