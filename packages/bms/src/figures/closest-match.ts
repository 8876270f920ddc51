// The figure of the IoVM: test images in the first column, and beside each what every model came closest to it with.
import { encode } from 'fast-png'
import { BmsError } from '@bms/tensor'
import { colours, element, label, page } from './svg.js'

/** Images under a heading, one a row. */
export interface ImageColumn {
  readonly name: string
  /** A line below the heading: the model's score. */
  readonly detail?: string
  /** [n, 3, height, width] or [n, 1, height, width], in [-1, 1]. */
  readonly images: Float32Array
}

export interface ClosestMatchOptions {
  /** The first is the test images. */
  columns: readonly ImageColumn[]
  height: number
  width: number
  /** 3 (default) or 1. */
  channels?: 1 | 3
  /** At most this many rows. Default: all. */
  rows?: number
  title?: string
}

/** Pixels of a picture for each unit, as `renderPng` draws it: nothing is left to smooth. */
const DENSITY = 2
/** Of a cell, at least; images grow by whole factors up to it. */
const CELL = 64
const GAP = 6
const MARGIN = 24

/** One image as a data URL, each pixel `factor` wide: pictures this small are looked at pixel by pixel, and renderers would blur them. */
function picture(values: Float32Array, { height, width, channels = 3 }: ClosestMatchOptions, factor: number): string {
  const [h, w] = [height * factor, width * factor]
  const data = new Uint8Array(h * w * 3)
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const from = Math.floor(y / factor) * width + Math.floor(x / factor)
      for (let c = 0; c < 3; c++) {
        const v = values[(channels === 3 ? c * height * width : 0) + from]!
        // Clamped to bytes, NaN to black, by the array.
        data[(y * w + x) * 3 + c] = Math.max(0, Math.min(255, Math.round((v + 1) * 127.5)))
      }
    }
  }
  const bytes = encode({ data, width: w, height: h, channels: 3, depth: 8 })
  return `data:image/png;base64,${btoa(Array.from(bytes, (b) => String.fromCharCode(b)).join(''))}`
}

/**
 * Rows of images under headings, the first column set apart.
 * @returns SVG text; `closestMatchFigure` draws it as a PNG
 * @throws BmsError `BAD_ARGUMENT` without columns or rows, or where a column has another number of images
 */
export function closestMatchSvg(options: ClosestMatchOptions): string {
  const { columns, height, width, channels = 3, title = '' } = options
  const size = channels * height * width
  const counts = columns.map(({ images }) => images.length / size)
  const n = counts[0] ?? 0
  const odd = columns.find((_, i) => counts[i] !== n || !Number.isInteger(n))
  if (odd)
    throw new BmsError(
      'BAD_ARGUMENT',
      `column ${odd.name}: ${odd.images.length} values are not ${Math.floor(n)} images ${channels} x ${height} x ${width}, as the first column has`,
      {
        option: 'columns',
        got: odd.images.length,
      },
    )
  const rows = Math.min(n, options.rows ?? n)
  if (rows < 1) throw new BmsError('BAD_ARGUMENT', 'columns: got no images to draw', { option: 'columns', got: 0 })
  const factor = Math.max(1, Math.ceil(CELL / Math.max(height, width)))
  const [w, h] = [width * factor, height * factor]
  // Wide enough for the headings, at about 7.2 units a letter.
  const pitch = 2 * Math.ceil(Math.max(w + GAP, ...columns.map(({ name, detail = '' }) => 7.2 * Math.max(name.length, 0.9 * detail.length) + 16)) / 2)
  const top = MARGIN + (title ? 34 : 0) + (columns.some((c) => c.detail) ? 38 : 22)
  const apart = 14
  const left = (column: number): number => MARGIN + column * pitch + (column > 0 ? apart : 0)
  const cells = columns.flatMap(({ images }, c) =>
    Array.from({ length: rows }, (_, r) =>
      element('image', {
        x: left(c) + (pitch - w) / 2,
        y: top + r * (h + GAP),
        width: w,
        height: h,
        href: picture(images.subarray(r * size, (r + 1) * size), options, factor * DENSITY),
      }),
    ),
  )
  const headings = columns.map(({ name, detail = '' }, c) => {
    const centre = left(c) + pitch / 2
    const last = top - 10
    return (
      label(name, centre, detail ? last - 16 : last, { anchor: 'middle', size: 13, weight: 600 }) +
      label(detail, centre, last, { anchor: 'middle', size: 11, fill: colours.soft })
    )
  })
  const bottom = top + rows * (h + GAP) - GAP
  const rule = columns.length > 1 ? element('path', { d: `M${left(1) - apart / 2} ${top}V${bottom}`, stroke: colours.axis, strokeWidth: 1, fill: 'none' }) : ''
  return page(
    left(columns.length - 1) + pitch + MARGIN,
    bottom + MARGIN,
    title ? label(title, MARGIN, MARGIN + 16, { size: 18, weight: 600 }) : '',
    ...headings,
    ...cells,
    rule,
  )
}
