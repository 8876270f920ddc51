// One chart of a report: a card with heading, legend and an SVG that takes its colours from the page. Readable without script;
// with it, page and pointer meet through the data- attributes (script.ts).
import { type Axes, type AxisRange, axes, type Box, niceTicks, tickText } from '../figures/axes.js'
import { type Curve, decimate, extent, lastFinite, linePath, median, medians, padded, palette } from '../figures/lines.js'
import { element } from '../figures/svg.js'
import { Html, html } from './html.js'
import type { ChartContent } from './series.js'
import { number } from './words.js'

const theme = { ink: 'var(--ink)', soft: 'var(--soft)', axis: 'var(--axis)', hair: 'var(--hair)' }
const [width, height] = [520, 272]
const box: Box = { left: 70, top: 10, width: 422, height: 212 }

/** Longer curves are drawn as their medians, over a thin line of all values. */
const plainPoints = 300
/** Shorter ones have their points marked. */
const markedPoints = 60
const mediansDrawn = 130

/** A chart as a figure element. `steps`: what its horizontal axis spans. */
export function chart({ title, axis, note, curves, fromZero }: ChartContent, steps: { min: number; max: number }): Html {
  const logarithmic = !fromZero && spansDecades(curves)
  const scaled = logarithmic ? curves.map((curve) => ({ ...curve, values: curve.values.map((value) => (value > 0 ? Math.log10(value) : NaN)) })) : curves
  const { range, cut } = vertical(scaled, logarithmic, fromZero)
  const frame = axes(box, { ...horizontal(steps), label: 'step' }, { ...range, label: logarithmic ? `${axis}, logarithmic` : axis }, theme)
  const drawn = scaled.map((curve, i) => lines(frame, curve, i))
  const svg = element(
    'svg',
    {
      viewBox: `0 0 ${width} ${height}`,
      role: 'img',
      ariaLabel: `${title}: ${curves.map(({ name }) => name).join(', ')}`,
      dataX: [steps.min, steps.max, box.left, box.width].join(' '),
      dataY: [range.min, range.max, box.top, box.height].join(' '),
      dataScale: logarithmic ? 'log' : 'linear',
    },
    frame.grid,
    // A svg inside a svg clips, and needs no name that the page would have to keep unique. Dots on the edge stay whole.
    element(
      'svg',
      { x: box.left - 4, y: box.top, width: box.width + 8, height: box.height, viewBox: `${box.left - 4} ${box.top} ${box.width + 8} ${box.height}` },
      ...drawn.map(({ faint }) => faint),
      ...drawn.map(({ strong }) => strong),
    ),
    frame.frame,
  )
  const smoothed = curves.map(({ values }) => values.length).filter((n) => n > plainPoints)
  const remarks = [note, cut, smoothed.length > 0 && `bold: medians of ${number(Math.max(1, Math.round(Math.max(...smoothed) / mediansDrawn)))} lines`]
  return html`<figure class="card chart">
<figcaption><h3>${title}</h3>${legend(curves)}</figcaption>
<div class="plot">${new Html(svg)}</div>
${remarks.some(Boolean) && html`<p class="soft">${remarks.filter(Boolean).join('; ')}</p>`}
</figure>`
}

function legend(curves: readonly Curve[]): Html {
  return html`<ul class="legend">${curves.map((curve, i) => {
    const last = lastFinite(curve)
    return html`<li><svg viewBox="0 0 18 8" aria-hidden="true"><path d="M2 4h14" stroke="${colour(i)}" stroke-width="3.5" stroke-linecap="round"/></svg><b>${curve.name}</b> ${last === undefined ? '–' : number(last)}</li>`
  })}</ul>`
}

const colour = (i: number): string => `var(--line-${i % palette.length})`

function lines(frame: Axes, curve: Curve, i: number): { faint: string; strong: string } {
  const style = { fill: 'none', stroke: colour(i), strokeLinejoin: 'round', strokeLinecap: 'round' }
  const all = linePath(frame, decimate(curve, curve.values.length > plainPoints ? 1500 : 2000))
  const strong = (d: string) => element('path', { ...style, d, strokeWidth: 2, dataName: curve.name })
  if (curve.values.length > plainPoints)
    return { faint: element('path', { ...style, d: all, strokeWidth: 1, strokeOpacity: 0.32 }), strong: strong(linePath(frame, medians(curve, mediansDrawn))) }
  const dots = curve.values.flatMap((value, at) => (Number.isFinite(value) ? linePath(frame, { ...curve, steps: [curve.steps[at]], values: [value] }) : []))
  const marks = dots.length <= markedPoints ? element('path', { ...style, d: dots.join(''), strokeWidth: 6.5 }) : ''
  return { faint: '', strong: strong(all) + marks }
}

function horizontal({ min, max }: { min: number; max: number }): Omit<AxisRange, 'label'> {
  const ticks = niceTicks(min, max, 5).filter(Number.isInteger)
  const text = tickText(ticks)
  const thousands = ticks.every((tick) => tick % 1000 === 0) && max >= 10_000
  return { min, max, ticks, format: (tick) => (thousands && tick !== 0 ? `${number(tick / 1000)}k` : text(tick)) }
}

// All values where they fit. A few that are far from all the others would flatten the rest to a line: they leave the frame, and `cut` says so.
function vertical(curves: readonly Curve[], logarithmic: boolean, fromZero = false): { range: Omit<AxisRange, 'label'>; cut?: string } {
  const values = curves.flatMap((curve) => curve.values.filter(Number.isFinite))
  const all = extent(values) ?? { min: 0, max: 1 }
  const sorted = Float64Array.from(values).sort()
  const [low, high] = [0.01, 0.99].map((share) => sorted[Math.round(share * (sorted.length - 1))])
  const room = 0.75 * (high - low)
  const crowded = sorted.length >= 100 && high > low && all.max - all.min > 8 * (high - low)
  const held = padded(crowded ? [Math.max(all.min, low - room), Math.min(all.max, high + room)] : [all.min, all.max])
  const { min, max } = { ...held, ...(fromZero && { min: 0 }) }
  const real = logarithmic ? (value: number) => 10 ** value : (value: number) => value
  const outside = [all.min < min && `down to ${number(real(all.min))}`, all.max > max && `up to ${number(real(all.max))}`].filter(Boolean)
  const cut = outside.length > 0 ? `values ${outside.join(' and ')} leave the frame` : undefined
  if (logarithmic) return { range: { min, max, ticks: decades(min, max), format: (tick) => number(10 ** tick) }, cut }
  const ticks = niceTicks(min, max, 5)
  const size = Math.max(Math.abs(min), Math.abs(max))
  return { range: { min, max, ticks, format: size >= 1e5 || size < 1e-3 ? number : tickText(ticks) }, cut }
}

// At most about six powers of ten; where there are fewer than two, their doubles and fives as well.
function decades(min: number, max: number): number[] {
  const whole = Array.from({ length: Math.floor(max) - Math.floor(min) + 1 }, (_, i) => Math.floor(min) + i)
  const every = Math.ceil(whole.length / 6)
  const coarse = whole.filter((tick) => tick >= min && tick % every === 0)
  return coarse.length >= 2 ? coarse : whole.flatMap((tick) => [1, 2, 5].map((digit) => tick + Math.log10(digit))).filter((tick) => tick >= min && tick <= max)
}

// Lengths of gradients and the like: never negative, and too far apart for one scale. A zero leaves a gap then.
function spansDecades(curves: readonly Curve[]): boolean {
  if (curves.some(({ values }) => values.some((value) => value < 0))) return false
  const typical = curves.map(({ values }) => median(values)).filter((value) => value > 0)
  return Math.max(...typical) > 30 * Math.min(...typical)
}
