// One table, three forms: aligned for a terminal, Markdown, HTML. Cells are plain text and are escaped by the form.
import { oneLine } from '@bms/tensor'
import { type Html, html } from '../report/html.js'

export interface Column {
  readonly name: string
  /** Stands above neighbouring columns that have it in common. */
  readonly group?: string
  /** Text reads from the left, numbers stand below each other. */
  readonly text?: boolean
}

export interface TextTable {
  readonly title: string
  readonly columns: readonly Column[]
  readonly rows: readonly (readonly string[])[]
  /** Remarks below it. */
  readonly notes?: readonly string[]
}

const gap = '  '
const groupGap = '    '

/** At most `columns` wide where that can be: groups that do not fit beside each other stand one below the other. */
export function terminalTable(given: TextTable, columns = 100): string {
  const table = printable(given)
  const notes = (table.notes ?? []).flatMap((note) => wrapped(note, columns))
  const whole = aligned(table)
  const blocks = whole.some((line) => line.length > columns) ? byGroup(table).map(aligned) : [whole]
  return [table.title, '', ...blocks.flatMap((lines, i) => (i > 0 ? ['', ...lines] : lines)), ...(notes.length > 0 ? ['', ...notes] : [])].join('\n')
}

/** Without what a terminal would take as a command. */
const printable = ({ title, columns, rows, notes = [] }: TextTable): TextTable => ({
  title: oneLine(title),
  columns: columns.map(({ name, group, text }) => ({ name: oneLine(name), ...(group !== undefined && { group: oneLine(group) }), text })),
  rows: rows.map((row) => row.map((cell) => oneLine(cell, 1000))),
  notes: notes.map((note) => oneLine(note, 2000)),
})

/** A table for each group, with the columns that are in none; the table itself where there are no groups. */
function byGroup(table: TextTable): TextTable[] {
  const groups = [...new Set(table.columns.flatMap(({ group }) => group ?? []))]
  if (groups.length === 0) return [table]
  return groups.map((group) => {
    const kept = table.columns.flatMap((column, i) => (column.group === undefined || column.group === group ? [i] : []))
    return { ...table, columns: kept.map((i) => table.columns[i]!), rows: table.rows.map((row) => kept.map((i) => row[i]!)) }
  })
}

interface Span {
  readonly group: string | undefined
  readonly from: number
  /** Behind the last column. */
  readonly to: number
}

/** Neighbouring columns of one group. */
function spans(columns: readonly Column[]): Span[] {
  const starts = columns.flatMap(({ group }, i) => (i === 0 || group !== columns[i - 1]!.group ? [i] : []))
  return starts.map((from, k) => ({ group: columns[from]!.group, from, to: starts[k + 1] ?? columns.length }))
}

function aligned({ columns, rows }: TextTable): string[] {
  const widths = columns.map(({ name }, i) => Math.max(name.length, ...rows.map((row) => row[i]!.length)))
  const together = ({ from, to }: Span): number => widths.slice(from, to).reduce((sum, width) => sum + width + gap.length, -gap.length)
  const all = spans(columns)
  for (const span of all) widths[span.to - 1]! += Math.max(0, (span.group ?? '').length - together(span))
  const join = (texts: readonly string[]): string => all.map(({ from, to }) => texts.slice(from, to).join(gap)).join(groupGap)
  const line = (texts: readonly string[]): string =>
    join(texts.map((text, i) => (columns[i]!.text ? text.padEnd(widths[i]!) : text.padStart(widths[i]!)))).trimEnd()
  const groups = all.map((span) => (span.group ?? '').padEnd(together(span))).join(groupGap)
  const rule = all.map((span) => '─'.repeat(together(span))).join(groupGap)
  return [...(groups.trim() === '' ? [] : [groups.trimEnd()]), line(columns.map(({ name }) => name)), rule, ...rows.map(line)]
}

function wrapped(text: string, columns: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= columns) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

/** A GitHub table under a heading; a table for each group, since a page is narrow and a header cannot span columns. */
export function markdownTable(table: TextTable): string {
  const { title, notes = [] } = table
  const parts = byGroup(table).map((part) => {
    const group = part.columns.find((column) => column.group !== undefined)?.group
    return [...(group === undefined ? [] : [`### ${markdownText(group)}`, '']), ...pipes(part), '']
  })
  return [`## ${markdownText(title)}`, '', ...parts.flat(), ...notes.flatMap((note) => [markdownText(note), ''])].join('\n')
}

function pipes({ columns, rows }: TextTable): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.map(markdownText).join(' | ')} |`
  return [line(columns.map(({ name }) => name)), `|${columns.map(({ text }) => (text ? ':--' : '--:')).join('|')}|`, ...rows.map(line)]
}

/** Text that Markdown takes as it is. */
export const markdownText = (text: string): string =>
  oneLine(text, 2000)
    .replace(/[\\`*_[\]<>|#~]/g, '\\$&')
    .replaceAll('&', '&amp;')

/** A page is as wide as so many columns. */
const columnsOfPage = 12

/** A card with the table; with one for each group where all together are too wide. */
export function htmlTable(table: TextTable): Html {
  const { title, columns, notes = [] } = table
  const parts = columns.length > columnsOfPage ? byGroup(table) : [table]
  return html`<div class="card"><h3>${title}</h3>
${parts.map((part) => html`<div class="scroll">${tableElement(part)}</div>\n`)}${notes.map((note) => html`<p class="soft">${note}</p>`)}</div>`
}

function tableElement({ columns, rows }: TextTable): Html {
  const all = spans(columns)
  const first = new Set(all.slice(1).map(({ from }) => from))
  const look = (i: number): string => [columns[i]!.text && 'text', first.has(i) && 'first'].filter(Boolean).join(' ')
  const groups = html`<tr>${all.map(({ group, from, to }) => html`<th scope="colgroup" colspan="${to - from}" class="${look(from)}">${group ?? ''}</th>`)}</tr>\n`
  return html`<table class="numbers">
<thead>
${all.length > 1 && groups}<tr>${columns.map(({ name }, i) => html`<th scope="col" class="${look(i)}">${name}</th>`)}</tr>
</thead>
<tbody>
${rows.map((row) => html`<tr>${row.map((cell, i) => (i === 0 ? html`<th scope="row">${cell}</th>` : html`<td class="${look(i)}">${cell}</td>`))}</tr>\n`)}</tbody></table>`
}
