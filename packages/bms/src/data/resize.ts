// Brings a picture to the size that a network wants: its middle square, averaged or interpolated.
import type { RgbImage } from './decode-image.js'

/**
 * The middle square of an image at `side` x `side` pixels. Going down, each pixel is a weighted mean over all that it
 * covers (a triangle filter as wide as the scale); going up, it is bilinear.
 */
export function squareOf(image: RgbImage, side: number): RgbImage {
  const edge = Math.min(image.width, image.height)
  const [left, top] = [(image.width - edge) >> 1, (image.height - edge) >> 1]
  const taps = Array.from({ length: side }, (_, i) => weights(i, edge, side))
  // Along rows first, as floats, then along columns.
  const narrow = new Float32Array(edge * side * 3)
  for (let y = 0; y < edge; y++) {
    const row = 3 * ((top + y) * image.width + left)
    for (let x = 0; x < side; x++) {
      for (const [from, weight] of taps[x]) {
        for (let c = 0; c < 3; c++) narrow[3 * (y * side + x) + c] += weight * image.rgb[row + 3 * from + c]
      }
    }
  }
  const rgb = new Uint8Array(side * side * 3)
  for (let y = 0; y < side; y++) {
    for (let k = 0; k < 3 * side; k++) {
      let sum = 0
      for (const [from, weight] of taps[y]) sum += weight * narrow[from * 3 * side + k]
      rgb[y * 3 * side + k] = Math.min(255, Math.round(sum))
    }
  }
  return { width: side, height: side, rgb }
}

/** Which of `from` pixels make pixel `i` of `to`, and how much each counts; together 1. */
function weights(i: number, from: number, to: number): [number, number][] {
  const scale = from / to
  const reach = Math.max(1, scale)
  const centre = (i + 0.5) * scale - 0.5
  const taps: [number, number][] = []
  for (let j = Math.max(0, Math.ceil(centre - reach)); j <= Math.min(from - 1, Math.floor(centre + reach)); j++) {
    const weight = 1 - Math.abs(j - centre) / reach
    if (weight > 0) taps.push([j, weight])
  }
  const sum = taps.reduce((total, [, weight]) => total + weight, 0)
  return taps.map(([j, weight]) => [j, weight / sum])
}
