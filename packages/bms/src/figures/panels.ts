// Small multiples: equal panels side by side, in as many lines as they need. A line is as wide as a page's text (17 cm at 4 units a millimetre), so that
// the text of 12 units is printed at 8.5 points.
import { BmsError } from '@bms/tensor'
import type { Mixture } from '../data/mixtures.js'
import { type Axes, axes, type Box } from './axes.js'
import { colours, label } from './svg.js'

/** Panels a line holds at most. */
export const panelsPerLine = 4

export const margin = { left: 50, right: 10, gutter: 14, top: 88 } as const
const fullWidth = 680

/** Where panels stand. */
export interface Panels {
  /** Side of a panel, which is square. */
  readonly side: number
  /** Width of the page. */
  readonly width: number
  /** The panel in a column, its top at `top`. */
  box(column: number, top: number): Box
}

/** Lines of `count` panels each, at most four: these fill the width; one or two do not grow beyond half of it. */
export function panels(count: number): Panels {
  const columns = Math.min(count, panelsPerLine)
  const { left, right, gutter } = margin
  const side = Math.min(220, Math.floor((fullWidth - left - right - (columns - 1) * gutter) / columns))
  const width = left + columns * side + (columns - 1) * gutter + right
  return { side, width: Math.max(width, 340), box: (column, top) => ({ left: left + column * (side + gutter), top, width: side, height: side }) }
}

/** Title, and a line below it. */
export function titles(title: string, subtitle: string): string {
  return label(title, margin.left, 26, { size: 16, weight: 600 }) + label(subtitle, margin.left, 45, { size: 12, fill: colours.soft })
}

/** Square axes that hold all modes of a mixture; the first of a line is the one with numbers and name on its vertical axis. */
export function dataAxes(box: Box, mixture: Mixture, first: boolean): Axes {
  const reach = Math.max(...mixture.means.flat().map(Math.abs))
  const range = { min: -1.25 * reach, max: 1.25 * reach, ticks: [-reach, 0, reach] }
  return axes(box, { ...range, label: 'x_1' }, { ...range, label: first ? 'x_2' : '', ...(first ? {} : { format: () => '' }) })
}

/** `list` in parts of at most `size`. */
export function chunks<T>(list: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, i) => list.slice(i * size, (i + 1) * size))
}

/** @throws BmsError `BAD_ARGUMENT` for an empty list */
export function atLeastOne(option: string, list: readonly unknown[]): void {
  if (list.length === 0) throw new BmsError('BAD_ARGUMENT', `${option}: got none, a figure needs at least one`, { option, got: 0 })
}
