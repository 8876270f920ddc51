// Points of a scatter plot: dots for good samples, crosses for the others (two shapes, for readers without colours), rings around modes, and the legend of both.
import type { Mixture } from '../data/mixtures.js'
import { goodRadius } from '../metrics/modes.js'
import type { Axes } from './axes.js'
import { colours, element, label } from './svg.js'

type Wanted = (i: number) => boolean

/** Dots, one element each, so that the opacity of dots on top of each other adds up. Points outside of the axes and NaN are left out. */
export function dots(frame: Axes, points: Float32Array, wanted: Wanted, fill: string, opacity: number, radius = 1.5): string {
  const marks: string[] = []
  visible(frame, points, wanted, (x, y) => marks.push(`<circle cx="${x}" cy="${y}" r="${radius}"/>`))
  return marks.length === 0 ? '' : element('g', { fill, fillOpacity: opacity }, ...marks)
}

/** Vermillion crosses, in one path. */
export function crosses(frame: Axes, points: Float32Array, wanted: Wanted, arm = 2, strokeWidth = 1.1): string {
  const marks: string[] = []
  visible(frame, points, wanted, (x, y) => marks.push(cross(x, y, arm)))
  return marks.length === 0
    ? ''
    : element('path', { d: marks.join(''), stroke: colours.vermillion, strokeWidth, strokeLinecap: 'round', strokeOpacity: 0.9, fill: 'none' })
}

function cross(x: number, y: number, arm: number): string {
  return `M${x - arm} ${y - arm}l${2 * arm} ${2 * arm}m0 ${-2 * arm}l${-2 * arm} ${2 * arm}`
}

/** A circle in the coordinates of the axes. */
export function circle(frame: Axes, x: number, y: number, radius: number, style: Record<string, string | number>): string {
  return element('circle', { cx: frame.x(x), cy: frame.y(y), r: frame.x(radius) - frame.x(0), fill: 'none', ...style })
}

/** The 3σ circles of a mixture's modes. */
export function modeCircles(
  mixture: Mixture,
  frame: Axes,
  style: { strokeWidth: number; strokeOpacity: number } = { strokeWidth: 0.6, strokeOpacity: 0.8 },
): string {
  return mixture.means.map(([x, y]) => circle(frame, x, y, goodRadius * mixture.sigma, { stroke: colours.axis, ...style })).join('')
}

/** A dot and a cross with a text behind each, from (x, y) to the right. */
export function legend(x: number, y: number, dot: string, cross: string): string {
  const second = x + 19 + 6.6 * dot.length + 14
  return [
    element('circle', { cx: x, cy: y, r: 3.5, fill: colours.blue }),
    label(dot, x + 10, y + 4, { fill: colours.soft }),
    legendCross(second, y),
    label(cross, second + 10, y + 4, { fill: colours.soft }),
  ].join('')
}

function legendCross(x: number, y: number): string {
  return element('path', { d: cross(x, y, 3.2), stroke: colours.vermillion, strokeWidth: 1.6, strokeLinecap: 'round', fill: 'none' })
}

function visible(frame: Axes, points: Float32Array, wanted: Wanted, draw: (x: number, y: number) => void): void {
  for (let i = 0; i < points.length / 2; i++) {
    const x = points[2 * i]
    const y = points[2 * i + 1]
    if (frame.inside(x, y) && wanted(i)) draw(Math.round(frame.x(x) * 100) / 100, Math.round(frame.y(y) * 100) / 100)
  }
}

/** How many points pass a test. */
export function count(points: Float32Array, test: (x: number, y: number) => boolean): number {
  let found = 0
  for (let i = 0; i < points.length; i += 2) if (test(points[i], points[i + 1])) found++
  return found
}

/** 25000 → 25,000 */
export const whole = (value: number): string => value.toLocaleString('en-US')
/** 0.993 → 99.3 % */
export const percent = (ratio: number): string => `${(100 * ratio).toFixed(1)} %`
