// The paper's figure of the latent space: a column a method, above a map of prior samples, below their images, those flagged where the aggregated posterior
// is low. What is flagged is decided by analysis/latent.ts.
import { BmsError } from '@bms/tensor'
import type { LatentReport } from '../analysis/latent.js'
import type { Mixture } from '../data/mixtures.js'
import { type Axes, axes, type Box } from './axes.js'
import { extent } from './lines.js'
import { crosses, dots, legend, modeCircles } from './marks.js'
import { atLeastOne, chunks, dataAxes, margin, type Panels, panels, panelsPerLine, titles } from './panels.js'
import { colours, label, page } from './svg.js'

/** A method's column. The first n of the report's prior samples are drawn; its numbers are those of all. */
export interface LatentColumn {
  readonly name: string
  /** Where the map has the prior samples, n x 2. */
  readonly map: Float32Array
  /** Their images G(z), at least n x 2, raw coordinates; may hold NaN. */
  readonly images: Float32Array
  readonly report: Pick<LatentReport, 'flagged' | 'fraction' | 'images'>
}

export interface LatentFigureOptions {
  readonly columns: readonly LatentColumn[]
  readonly mixture: Mixture
  title: string
  subtitle?: string
}

const heading = 26
const between = 14
/** Below the images: numbers, axis, three lines of text, air. */
const below = 116

/**
 * Prior samples by t-SNE (above) and their images (below), a column a method, at most four side by side. Flagged ones are vermillion crosses.
 * @returns SVG text, 680 units wide with three methods: 17 cm
 * @throws BmsError `BAD_ARGUMENT` without a column, or where a map, its images and the flags do not fit
 */
export function latentSvg({ columns, mixture, title, subtitle = '' }: LatentFigureOptions): string {
  atLeastOne('columns', columns)
  for (const { name, map, images, report } of columns) {
    if (map.length === 0 || map.length % 2 !== 0 || images.length < map.length || report.flagged.length < map.length / 2) {
      throw new BmsError('BAD_ARGUMENT', `column ${name}: ${map.length / 2} points on the map, ${images.length / 2} images, ${report.flagged.length} flags`, {
        option: 'columns',
        got: name,
      })
    }
  }
  const lines = chunks(columns, panelsPerLine)
  const grid = panels(columns.length)
  const step = heading + 2 * grid.side + between + below
  const drawn = lines.map((line, i) => line.map((column, k) => columnPanels(grid, margin.top + i * step, k, column, mixture)).join(''))
  const key = legend(margin.left + 4, 66, 'prior sample z', 'flagged: low q(z)')
  return page(grid.width, margin.top + lines.length * step - 12, titles(title, subtitle), key, ...drawn)
}

function columnPanels(grid: Panels, top: number, column: number, { name, map, images, report }: LatentColumn, mixture: Mixture): string {
  const upper = grid.box(column, top + heading)
  const lower = grid.box(column, top + heading + grid.side + between)
  const first = column === 0
  const n = map.length / 2
  const mapped = mapAxes(upper, map)
  const data = dataAxes(lower, mixture, first)
  const centre = lower.left + lower.width / 2
  const bottom = lower.top + lower.height
  const { flagged, unflagged } = report.images
  const line = (text: string, y: number, weight?: number): string =>
    label(text, centre, bottom + y, { size: weight ? 12 : 11.5, weight, anchor: 'middle', fill: weight ? colours.ink : colours.soft })
  return [
    label(name, centre, top + heading - 9, { size: 13, weight: 600, anchor: 'middle' }),
    first ? label('t-SNE of z', upper.left - 12, upper.top + upper.height / 2, { size: 13, anchor: 'middle', rotate: -90 }) : '',
    samplesOf(mapped, map, report.flagged),
    mapped.frame,
    data.grid,
    modeCircles(mixture, data),
    samplesOf(data, images.subarray(0, 2 * n), report.flagged),
    data.frame,
    line(`${(100 * report.fraction).toFixed(1)} % flagged`, 62, 600),
    line(`HQ of flagged: ${score(flagged.hq)}`, 78),
    line(`of unflagged: ${score(unflagged.hq)}`, 93),
  ].join('')
}

/** The fewer of flagged and unflagged samples lie on top, so that neither hides the other. */
function samplesOf(frame: Axes, points: Float32Array, flagged: Uint8Array): string {
  const n = points.length / 2
  const below = dots(frame, points, (i) => flagged[i] === 0, colours.blue, 0.75, 1.2)
  const low = crosses(frame, points, (i) => flagged[i] === 1, 1.4, 0.8)
  return 2 * flagged.subarray(0, n).reduce((sum, f) => sum + f, 0) > n ? low + below : below + low
}

/** A map has no axes: distances across it mean nothing. */
function mapAxes(box: Box, map: Float32Array): Axes {
  const [x, y] = [0, 1].map((axis) => extent(map.filter((_, i) => i % 2 === axis)) ?? { min: -1, max: 1 })
  const half = 0.54 * Math.max(x.max - x.min, y.max - y.min, 1e-9)
  const range = ({ min, max }: { min: number; max: number }) => ({ min: (min + max) / 2 - half, max: (min + max) / 2 + half, label: '', ticks: [] })
  return axes(box, range(x), range(y))
}

/** HQ% of no images at all is "-". */
const score = (hq: number | null): string => (hq === null ? '-' : `${hq.toFixed(1)} %`)
