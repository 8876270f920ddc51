// What a study leaves beside its runs: table.md and report.html, made of what is in the folder at that moment.
import { collectRuns } from './collect.js'
import type { StudyFolder } from './folder.js'
import { studyReport } from './report.js'
import { studyTables } from './tables.js'
import { markdownTable, type TextTable } from './text-table.js'

/** Tables as one Markdown document. */
export const markdownTables = (tables: readonly TextTable[]): string =>
  tables.length > 0 ? `# The study of 2D mixtures\n\n${tables.map(markdownTable).join('\n')}` : '# The study of 2D mixtures\n\nNo run has ended yet.\n'

/** Brings table.md and report.html up to date; returns what is in them. Throws `WRITE_FAILED`, `READ_FAILED`. */
export function writeOutputs(folder: StudyFolder): TextTable[] {
  const collected = collectRuns([folder.dir])
  const tables = studyTables(collected)
  folder.writeTables(markdownTables(tables), studyReport({ collected, tables, figures: folder.figures(), seconds: folder.seconds }))
  return tables
}
