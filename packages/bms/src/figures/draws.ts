// What the number of draws T does: quality, mass between modes, and the narrowest dim of q(z|x), against T.
import { axes } from './axes.js'
import { type Curve, linePath, padded, palette } from './lines.js'
import { atLeastOne, margin, titles } from './panels.js'
import { colours, element, label, page } from './svg.js'

/** A finished run. */
export interface DrawsRun {
  readonly T: number
  readonly seed: number
  /** Within 3σ and within 10σ, in percent. */
  readonly hq: number
  readonly near: number
  /** Standard deviation of q(z|x) in the dim where it is smallest; NaN where it is not known. */
  readonly smallest: number
}

export interface DrawsOptions {
  /** A line each. */
  readonly sets: readonly { readonly name: string; readonly runs: readonly DrawsRun[] }[]
  title: string
  subtitle?: string
}

const measures: readonly { name: string; of: (run: DrawsRun) => number }[] = [
  { name: 'within 3σ (%)', of: (run) => run.hq },
  { name: 'in transit, beyond 10σ (%)', of: (run) => 100 - run.near },
  { name: 'smallest posterior sd', of: (run) => run.smallest },
]
const [width, gap] = [680, 46]

/**
 * Three plots over T (a logarithmic axis): a dot a run, and a line through the means over seeds, one for each data set.
 * @returns SVG text, 17 cm wide at 40 units a centimetre
 * @throws BmsError `BAD_ARGUMENT` without sets, or where none has a run
 */
export function drawsSvg({ sets, title, subtitle = '' }: DrawsOptions): string {
  atLeastOne('sets', sets)
  atLeastOne(
    'runs',
    sets.flatMap(({ runs }) => runs),
  )
  const side = Math.floor((width - margin.left - margin.right - (measures.length - 1) * gap) / measures.length)
  const all = [...new Set(sets.flatMap(({ runs }) => runs.map(({ T }) => T)))].sort((a, b) => a - b)
  const room = 0.08 * Math.max(1, Math.log(all.at(-1)! / all[0]!))
  const horizontal = {
    min: Math.log(all[0]!) - room,
    max: Math.log(all.at(-1)!) + room,
    label: 'draws T',
    ticks: all.map(Math.log),
    format: (at: number) => String(Math.round(Math.exp(at))),
  }
  const top = margin.top + 24
  const drawn = measures.map(({ name, of }, i) => {
    const box = { left: margin.left + i * (side + gap), top, width: side, height: side }
    const range = padded(sets.flatMap(({ runs }) => runs.map(of)))
    const frame = axes(box, horizontal, { ...range, min: Math.max(0, range.min), label: '' })
    const marks = sets.map(({ runs }, k) => {
      const mean = meanOver(runs, of)
      const dots = runs
        .filter((run) => Number.isFinite(of(run)))
        .map((run) => element('circle', { cx: frame.x(Math.log(run.T)), cy: frame.y(of(run)), r: 2.6, fill: palette[k], fillOpacity: 0.55 }))
      return (
        element('path', { d: linePath(frame, mean), stroke: palette[k], strokeWidth: 1.6, strokeDasharray: k === 0 ? undefined : '6 3', fill: 'none' }) +
        dots.join('')
      )
    })
    return label(name, box.left + side / 2, top - 9, { size: 12.5, weight: 600, anchor: 'middle' }) + frame.grid + marks.join('') + frame.frame
  })
  const key = sets.map(({ name }, k) => {
    const x = margin.left + 110 * k
    return (
      element('path', { d: `M${x} 66h28`, stroke: palette[k], strokeWidth: 2, strokeDasharray: k === 0 ? undefined : '6 3' }) +
      label(name, x + 36, 70, { fill: colours.ink })
    )
  })
  return page(width, top + side + 56, titles(title, subtitle), ...key, ...drawn)
}

function meanOver(runs: readonly DrawsRun[], of: (run: DrawsRun) => number): Curve {
  const draws = [...new Set(runs.map(({ T }) => T))].sort((a, b) => a - b)
  const values = draws.map((T) => {
    const own = runs.filter((run) => run.T === T).map(of)
    return own.reduce((sum, value) => sum + value, 0) / own.length
  })
  return { name: '', steps: draws.map(Math.log), values }
}
