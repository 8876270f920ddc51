// Training curves: quality on top, loss terms below, over the same steps.
import { BmsError } from '@bms/tensor'
import { type Axes, axes } from './axes.js'
import { type Curve, extent, lastFinite, linePath, padded, palette } from './lines.js'
import { colours, decimal, page, element, label } from './svg.js'

export type { Curve } from './lines.js'

export interface CurvesOptions {
  title: string
  subtitle?: string
  /** HQ% over steps, 0 to 100. */
  quality: readonly Curve[]
  /** Loss terms over steps, at most seven. */
  losses: readonly Curve[]
  /** A level to mark in the upper plot, for instance `trueHq`. */
  reference?: { readonly value: number; readonly name: string }
}

const left = 78
const plotWidth = 700
const right = 150
const width = left + plotWidth + right

/**
 * Two stacked plots with a common horizontal axis; each line is named at its right end.
 * @returns SVG text, 928 x 644 units
 * @throws BmsError `BAD_ARGUMENT` when no curve has a finite point, or a curve has unequal numbers of steps and values
 */
export function curvesSvg({ title, subtitle = '', quality, losses, reference }: CurvesOptions): string {
  const every = [...quality, ...losses]
  const uneven = every.find((curve) => curve.steps.length !== curve.values.length)
  if (uneven)
    throw new BmsError('BAD_ARGUMENT', `curve ${uneven.name}: ${uneven.steps.length} steps for ${uneven.values.length} values`, {
      option: 'curves',
      got: uneven.name,
    })
  const steps = every.flatMap((curve) => curve.steps.filter((_, i) => Number.isFinite(curve.values[i])))
  if (steps.length === 0) throw new BmsError('BAD_ARGUMENT', 'curves: got no finite point to draw', { option: 'curves', got: 0 })
  const horizontal = { min: 0, max: Math.max(1, extent(steps)!.max), label: '' }
  const upper = axes({ left, top: 92, width: plotWidth, height: 210 }, horizontal, {
    min: 0,
    max: 100,
    label: 'samples within 3σ (%)',
    ticks: [0, 20, 40, 60, 80, 100],
  })
  const lossRange = padded(losses.flatMap((curve) => curve.values))
  const lower = axes({ left, top: 346, width: plotWidth, height: 240 }, { ...horizontal, label: 'training step' }, { ...lossRange, label: 'loss terms' })
  const line =
    reference === undefined
      ? ''
      : element('path', { d: `M${left} ${decimal(upper.y(reference.value))}h${plotWidth}`, stroke: colours.soft, strokeDasharray: '5 4', fill: 'none' }) +
        label(reference.name, left + 8, upper.y(reference.value) + 15, { size: 11, fill: colours.soft })
  return page(
    width,
    644,
    label(title, left, 38, { size: 20, weight: 600 }),
    label(subtitle, left, 60, { size: 13, fill: colours.soft }),
    upper.grid + line + plot(upper, quality) + upper.frame,
    lower.grid + plot(lower, losses) + lower.frame,
  )
}

function plot(frame: Axes, curves: readonly Curve[]): string {
  const lines = curves.map((curve, i) => ({ curve, colour: palette[i % palette.length], end: lastFinite(curve) }))
  // Names stand at the line's end, pushed apart where lines end close together.
  const named = lines.filter((line) => line.end !== undefined).map((line) => ({ ...line, y: frame.y(line.end!) + 4 }))
  named.sort((a, b) => a.y - b.y)
  for (let round = 0; round < 100; round++) {
    for (let i = 1; i < named.length; i++) {
      const lack = 16 - (named[i].y - named[i - 1].y)
      if (lack <= 0) continue
      named[i - 1].y -= lack / 2
      named[i].y += lack / 2
    }
  }
  const end = frame.box.left + frame.box.width
  return [
    ...lines.map(({ curve, colour }) =>
      element('path', { d: linePath(frame, curve), stroke: colour, strokeWidth: 1.75, strokeLinejoin: 'round', strokeLinecap: 'round', fill: 'none' }),
    ),
    ...named.map(({ curve, colour, y }) => label(curve.name, end + 10, y, { fill: colour, weight: 600 })),
  ].join('')
}
