// A plot's frame: a rectangle on the page, the range it shows on each axis, ticks and labels. Everything drawn inside
// goes through `x` and `y`, which map data to the page.
import { colours, decimal, element, label, type Theme } from './svg.js'

export interface Axes {
  /** Page coordinate of a data coordinate. */
  x(value: number): number
  y(value: number): number
  /** Whether a point lies inside the frame. False for NaN. */
  inside(x: number, y: number): boolean
  /** The rectangle on the page. */
  readonly box: Box
  /** Grid lines, to be drawn first. */
  readonly grid: string
  /** Frame, ticks and labels, to be drawn last. */
  readonly frame: string
}

export interface Box {
  readonly left: number
  readonly top: number
  readonly width: number
  readonly height: number
}

export interface AxisRange {
  readonly min: number
  readonly max: number
  readonly label: string
  /** Tick positions; `niceTicks` of the range when left out. */
  readonly ticks?: readonly number[]
  /** Text of a tick. */
  readonly format?: (value: number) => string
}

/** Between `count / 2` and about `count` round positions (1, 2 or 5 times a power of ten apart) inside the range. */
export function niceTicks(min: number, max: number, count = 6): number[] {
  const rough = (max - min) / count
  if (!(rough > 0) || !Number.isFinite(rough)) return [min]
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough * 0.999)!
  const first = Math.ceil(min / step - 1e-9)
  const last = Math.floor(max / step + 1e-9)
  // Multiplying whole numbers keeps 0 exactly 0 and 0.3 as near to 0.3 as can be.
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)))
}

/** Ticks as text, all with as many decimals as the finest of them needs, and a real minus sign. */
export function tickText(ticks: readonly number[]): (value: number) => string {
  const decimals = Math.max(0, ...ticks.map((tick) => (String(tick).split('.')[1] ?? '').length))
  return (value) =>
    value.toLocaleString('en-US', { minimumFractionDigits: Math.min(decimals, 6), maximumFractionDigits: Math.min(decimals, 6) }).replace('-', '−')
}

/** Axes over `box`. Ranges must not be empty. */
export function axes(box: Box, horizontal: AxisRange, vertical: AxisRange, theme: Theme = colours): Axes {
  const { left, top, width, height } = box
  const x = (value: number) => left + ((value - horizontal.min) / (horizontal.max - horizontal.min)) * width
  const y = (value: number) => top + height - ((value - vertical.min) / (vertical.max - vertical.min)) * height
  const xTicks = horizontal.ticks ?? niceTicks(horizontal.min, horizontal.max)
  const yTicks = vertical.ticks ?? niceTicks(vertical.min, vertical.max)
  const xText = horizontal.format ?? tickText(xTicks)
  const yText = vertical.format ?? tickText(yTicks)
  const bottom = top + height
  const gridPath =
    xTicks.map((tick) => `M${decimal(x(tick))} ${top}v${height}`).join('') + yTicks.map((tick) => `M${left} ${decimal(y(tick))}h${width}`).join('')
  const tickPath = xTicks.map((tick) => `M${decimal(x(tick))} ${bottom}v5`).join('') + yTicks.map((tick) => `M${left} ${decimal(y(tick))}h-5`).join('')
  const numbers = [
    ...xTicks.map((tick) => label(xText(tick), x(tick), bottom + 19, { anchor: 'middle', fill: theme.soft })),
    ...yTicks.map((tick) => label(yText(tick), left - 9, y(tick) + 4.2, { anchor: 'end', fill: theme.soft })),
  ]
  // The vertical label keeps clear of the longest tick text.
  const reach = Math.max(...yTicks.map((tick) => yText(tick).length)) * 5.8
  return {
    x,
    y,
    inside: (px, py) => px >= horizontal.min && px <= horizontal.max && py >= vertical.min && py <= vertical.max,
    box,
    grid: element('path', { d: gridPath, stroke: theme.hair, strokeWidth: 1, fill: 'none' }),
    frame: [
      element('path', { d: tickPath, stroke: theme.axis, strokeWidth: 1, fill: 'none' }),
      element('rect', { x: left, y: top, width, height, fill: 'none', stroke: theme.axis, strokeWidth: 1 }),
      ...numbers,
      label(horizontal.label, left + width / 2, bottom + 40, { anchor: 'middle', size: 13, fill: theme.ink }),
      label(vertical.label, left - 21 - reach, top + height / 2, { anchor: 'middle', size: 13, rotate: -90, fill: theme.ink }),
    ].join(''),
  }
}
