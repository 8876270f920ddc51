// `bms table`: the table of runs that there are, whoever made them.
import { collectRuns } from '../study/collect.js'
import { StudyFolder } from '../study/folder.js'
import { markdownTables, writeOutputs } from '../study/outputs.js'
import { summarise } from '../study/summary.js'
import { studyTables } from '../study/tables.js'
import { terminalTable } from '../study/text-table.js'

export interface TableOptions {
  markdown?: boolean
  json?: boolean
}

/**
 * The text of `bms table`. Of one study's folder, table.md and report.html are brought up to date as well, unless the text is for another program.
 * @throws BmsError `NO_RUNS`, `BAD_STUDY`, `READ_FAILED`, `WRITE_FAILED`
 */
export function table(dirs: readonly string[], { markdown, json }: TableOptions = {}): string {
  const collected = collectRuns(dirs)
  if (json) return JSON.stringify(tableJson(collected), null, 2)
  const tables = studyTables(collected)
  if (markdown) return markdownTables(tables).trimEnd()
  const text = tables.length > 0 ? tables.map((one) => terminalTable(one)).join('\n\n') : 'No run has ended yet.'
  const [dir] = dirs
  if (dirs.length !== 1 || !StudyFolder.exists(dir!)) return text
  const folder = StudyFolder.read(dir!)
  writeOutputs(folder)
  return `${text}\n\ntable:  ${folder.path('table')}\nreport: ${folder.path('report')}`
}

/** Rows with the numbers of every seed, and the runs that are in none. */
function tableJson(collected: ReturnType<typeof collectRuns>): object {
  const { rows } = summarise(collected.finished)
  const cellJson = (cell: NonNullable<(typeof rows)[number]['cells']['grid']>) => ({
    n: cell.runs.length,
    seeds: cell.seeds,
    ...cell.stats,
    published: cell.published,
    runs: cell.runs.map(({ dir, result }) => ({ dir, ...result })),
  })
  return {
    rows: rows.map(({ title, variant, cells }) => ({
      title,
      variant,
      sets: Object.fromEntries(Object.entries(cells).map(([set, cell]) => [set, cellJson(cell)])),
    })),
    others: collected.others,
  }
}
