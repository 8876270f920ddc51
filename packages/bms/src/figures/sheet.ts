// Batches of images as one PNG: sheets of samples, and originals beside their reconstructions. Pixels are repeated, never
// smoothed, because a sheet is there to be examined.
import { BmsError, show } from '@bms/tensor'
import { encode } from 'fast-png'

export interface SheetOptions {
  /** Size of each image. */
  width: number
  height: number
  /** Images in a row; of pairs, pairs in a row. As near to a square as may be when left out. */
  columns?: number
  /** Pixels of the sheet for each pixel of an image, in both directions. Enlarges small images to about 64 pixels when left out. */
  scale?: number
  /** Pixels of the sheet between two images; 2. */
  gap?: number
}

/** Sheets are no wider and no higher: more than this many viewers do not open. */
const longestSide = 16_384
const channels = 3
/** The gaps: a grey that passes for neither black nor white parts of an image, on light and on dark paper. */
const neutral = 128
/** What stands for a pixel that is not finite; hardly any image has it. */
const alarm = [255, 0, 255] as const

/**
 * Images in rows, from left to right and from top to bottom.
 * @param images [n, 3, height, width]: floats in [-1, 1] (others are clamped; NaN and infinities are drawn magenta), or bytes
 * @returns a PNG file, RGB
 * @throws BmsError `BAD_ARGUMENT` for sizes that are no positive integers, values that do not make whole images, and a sheet beyond 16,384 pixels
 */
export function sheetPng(images: Float32Array | Uint8Array, options: SheetOptions): Uint8Array {
  const { width, height, scale, gap } = checked(options)
  const n = count('images', images, options)
  const columns = options.columns ?? Math.ceil(Math.sqrt((n * height) / width))
  const across = Math.min(n, columns)
  const [stepX, stepY] = [width * scale + gap, height * scale + gap]
  const sheet = new Sheet(across * stepX - gap, Math.ceil(n / across) * stepY - gap)
  for (let i = 0; i < n; i++) sheet.draw(images, i, options, scale, (i % across) * stepX, Math.floor(i / across) * stepY)
  return sheet.png()
}

/**
 * Originals, each with its reconstruction to the right, pair after pair. Between pairs the gap is four times as wide as within.
 * @param originals [n, 3, height, width], values as in `sheetPng`
 * @param reconstructions as many, of the same size; one set may be floats and the other bytes
 * @returns a PNG file, RGB
 * @throws BmsError `BAD_ARGUMENT` as `sheetPng`, and for unequal numbers of images
 */
export function pairsPng(originals: Float32Array | Uint8Array, reconstructions: Float32Array | Uint8Array, options: SheetOptions): Uint8Array {
  const { width, height, scale, gap } = checked(options)
  const n = count('originals', originals, options)
  const m = count('reconstructions', reconstructions, options)
  if (n !== m) throw bad('reconstructions', m, `${n} images, one for each original`)
  const columns = options.columns ?? Math.ceil(Math.sqrt((n * height) / (2 * width)))
  const across = Math.min(n, columns)
  const second = width * scale + gap
  const [stepX, stepY] = [second + width * scale + 4 * gap, height * scale + gap]
  const sheet = new Sheet(across * stepX - 4 * gap, Math.ceil(n / across) * stepY - gap)
  for (let i = 0; i < n; i++) {
    const [x, y] = [(i % across) * stepX, Math.floor(i / across) * stepY]
    sheet.draw(originals, i, options, scale, x, y)
    sheet.draw(reconstructions, i, options, scale, x + second, y)
  }
  return sheet.png()
}

/** A canvas of RGB bytes. */
class Sheet {
  private readonly bytes: Uint8Array

  constructor(
    private readonly width: number,
    private readonly height: number,
  ) {
    const size = `${width.toLocaleString('en-US')} x ${height.toLocaleString('en-US')} pixels`
    if (Math.max(width, height) > longestSide)
      throw bad('sheet', size, `at most ${longestSide.toLocaleString('en-US')} on each side: take fewer images or a smaller scale`)
    this.bytes = new Uint8Array(width * height * channels).fill(neutral)
  }

  /** Image `index` of a batch, its corner at (left, top). */
  draw(images: Float32Array | Uint8Array, index: number, { width, height }: SheetOptions, scale: number, left: number, top: number): void {
    const plane = width * height
    const start = index * channels * plane
    const rowBytes = width * scale * channels
    for (let y = 0; y < height; y++) {
      const row = ((top + y * scale) * this.width + left) * channels
      for (let x = 0; x < width; x++) {
        const pixel = start + y * width + x
        const rgb = colour(images, pixel, plane)
        for (let i = 0; i < scale; i++) this.bytes.set(rgb, row + (x * scale + i) * channels)
      }
      for (let i = 1; i < scale; i++) this.bytes.copyWithin(row + i * this.width * channels, row, row + rowBytes)
    }
  }

  png(): Uint8Array {
    return encode({ width: this.width, height: this.height, channels, data: this.bytes }, { zlib: { level: 6 } })
  }
}

function colour(images: Float32Array | Uint8Array, pixel: number, plane: number): readonly number[] {
  const values = [images[pixel], images[pixel + plane], images[pixel + 2 * plane]]
  if (images instanceof Uint8Array) return values
  return values.every(Number.isFinite) ? values.map((value) => Math.round(127.5 * (Math.min(1, Math.max(-1, value)) + 1))) : alarm
}

function checked(options: SheetOptions): { width: number; height: number; scale: number; gap: number } {
  const { width, height, columns = 1, gap = 2 } = options
  const scale = options.scale ?? Math.max(1, Math.round(64 / Math.max(width, height)))
  for (const [name, value] of Object.entries({ width, height, columns, scale })) {
    if (!Number.isSafeInteger(value) || value < 1) throw bad(name, value, 'a positive integer')
  }
  if (!Number.isSafeInteger(gap) || gap < 0) throw bad('gap', gap, 'an integer, at least 0')
  return { width, height, scale, gap }
}

function count(name: string, images: Float32Array | Uint8Array, { width, height }: SheetOptions): number {
  const size = channels * width * height
  if (images.length === 0 || images.length % size !== 0)
    throw bad(name, `${images.length} values`, `a positive multiple of ${size} (3 channels of ${height} x ${width} pixels)`)
  return images.length / size
}

function bad(option: string, got: unknown, allowed: string): BmsError {
  return new BmsError('BAD_ARGUMENT', `${option}: got ${typeof got === 'string' ? got : show(got)}, allowed is ${allowed}`, { option, got, allowed })
}
