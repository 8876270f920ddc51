// PNG and JPEG files as RGB bytes. Whatever is wrong with a file is an error with a plain reason; a header that promises
// more pixels than a picture has is refused before they are made.
import { convertIndexedToRgb, decode as decodePng, type DecodedPng } from 'fast-png'
import jpeg from 'jpeg-js'
import { kindOf } from './byte-stream.js'

/** An image as rows of [red, green, blue] bytes. */
export interface RgbImage {
  readonly width: number
  readonly height: number
  readonly rgb: Uint8Array
}

/** Pixels that a picture may have, in millions. */
const mostMegapixels = 100

/**
 * Decodes a PNG (any depth; an alpha channel is dropped) or a JPEG, told by its first bytes.
 * @throws Error with the reason as its message; the caller says of which file
 */
export function decodeImage(bytes: Uint8Array): RgbImage {
  const kind = kindOf(bytes)
  if (kind === 'png') return rgbOfPng(bytes)
  if (kind === 'jpeg') return rgbOfJpeg(bytes)
  throw new Error(kind === 'empty' ? 'the file is empty' : 'it is neither PNG nor JPEG')
}

function rgbOfJpeg(bytes: Uint8Array): RgbImage {
  const { width, height, data } = jpeg.decode(bytes, {
    useTArray: true,
    formatAsRGBA: false,
    tolerantDecoding: false,
    maxResolutionInMP: mostMegapixels,
    maxMemoryUsageInMB: 1024,
  })
  return { width, height, rgb: data }
}

function rgbOfPng(bytes: Uint8Array): RgbImage {
  if (bytes.length < 33) throw new Error('the file is cut short')
  const header = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const [width, height] = [header.getUint32(16), header.getUint32(20)]
  if (width * height > mostMegapixels * 1e6) throw new Error(`its header says ${width}x${height} pixels, at most ${mostMegapixels} million are read`)
  let png: DecodedPng
  try {
    png = decodePng(bytes, { checkCrc: true })
  } catch (cause) {
    // The reader runs over the end of what there is.
    if (cause instanceof RangeError) throw new Error('the file is cut short', { cause })
    throw new Error(`its data are damaged: ${(cause as Error).message}`, { cause })
  }
  return { width: png.width, height: png.height, rgb: toRgb(png) }
}

function toRgb(png: DecodedPng): Uint8Array {
  const pixels = png.width * png.height
  let { data, channels } = png
  if (png.palette || png.depth < 8) {
    // Few shades of grey lie as densely packed as colours of a palette.
    const palette = png.palette ?? greys(2 ** png.depth)
    data = convertIndexedToRgb({ ...png, palette })
    channels = palette[0].length
  }
  const shift = png.depth === 16 ? 8 : 0
  const rgb = new Uint8Array(pixels * 3)
  for (let i = 0; i < pixels; i++) {
    for (let c = 0; c < 3; c++) rgb[3 * i + c] = data[i * channels + (channels < 3 ? 0 : c)] >> shift
  }
  return rgb
}

const greys = (n: number): number[][] => Array.from({ length: n }, (_, i) => new Array<number>(3).fill(Math.round((255 * i) / (n - 1))))
