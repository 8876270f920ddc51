// Convolutions and pooling of images in float64, in the plainest way: one walk over all that meets, of which each pass sums another part.
import { product } from './arrays.js'
import type { Nd } from './nd.js'

type Pair = readonly [number, number]

export interface Geometry {
  stride: Pair
  padding: Pair
  dilation: Pair
  groups: number
}

/** stride 1, no padding. */
export const plainly: Geometry = { stride: [1, 1], padding: [0, 0], dilation: [1, 1], groups: 1 }

export type ConvShapes = Readonly<Record<'x' | 'w' | 'y', readonly number[]>>

/** The shape of conv2d's result. */
export function convShape(x: readonly number[], w: readonly number[], g: Geometry): number[] {
  const size = (d: 0 | 1): number => Math.floor((x[2 + d]! + 2 * g.padding[d] - g.dilation[d] * (w[2 + d]! - 1) - 1) / g.stride[d]) + 1
  return [x[0]!, w[0]!, size(0), size(1)]
}

/** Places in x, w and y that are multiplied and summed with each other. */
function walk({ x, w, y }: ConvShapes, g: Geometry, visit: (x: number, w: number, y: number) => void): void {
  const [, channels, height, width] = x as [number, number, number, number]
  const [outs, per, tall, wide] = w as [number, number, number, number]
  const [batch, , rows, columns] = y as [number, number, number, number]
  for (let n = 0; n < batch; n++)
    for (let o = 0; o < outs; o++)
      for (let c = 0; c < per; c++) {
        const from = n * channels + Math.floor(o / (outs / g.groups)) * per + c
        for (let i = 0; i < rows * columns; i++)
          for (let k = 0; k < tall * wide; k++) {
            const v = Math.floor(i / columns) * g.stride[0] + Math.floor(k / wide) * g.dilation[0] - g.padding[0]
            const u = (i % columns) * g.stride[1] + (k % wide) * g.dilation[1] - g.padding[1]
            if (v < 0 || v >= height || u < 0 || u >= width) continue
            visit((from * height + v) * width + u, (o * per + c) * tall * wide + k, (n * outs + o) * rows * columns + i)
          }
      }
}

const zeros = (shape: readonly number[]): number[] => Array.from({ length: product(shape) }, () => 0)

export function conv(x: Nd, w: Nd, g: Geometry): Nd {
  const shape = convShape(x.shape, w.shape, g)
  const data = zeros(shape)
  walk({ x: x.shape, w: w.shape, y: shape }, g, (i, k, o) => {
    data[o]! += x.data[i]! * w.data[k]!
  })
  return { shape, data }
}

/** The input gradient; with `size` of conv_transpose2d's result, that. */
export function convInput(y: Nd, w: Nd, size: Pair, g: Geometry): Nd {
  const shape = [y.shape[0]!, w.shape[1]! * g.groups, ...size]
  const data = zeros(shape)
  walk({ x: shape, w: w.shape, y: y.shape }, g, (i, k, o) => {
    data[i]! += y.data[o]! * w.data[k]!
  })
  return { shape, data }
}

export function convWeight(x: Nd, y: Nd, kernel: Pair, g: Geometry): Nd {
  const shape = [y.shape[1]!, x.shape[1]! / g.groups, ...kernel]
  const data = zeros(shape)
  walk({ x: x.shape, w: shape, y: y.shape }, g, (i, k, o) => {
    data[k]! += x.data[i]! * y.data[o]!
  })
  return { shape, data }
}

/** What `of` makes of each window's elements: without padding, windows side by side. */
export function pool(x: Nd, kernel: Pair, of: (window: readonly number[]) => number): Nd {
  const [height, width] = x.shape.slice(-2) as [number, number]
  const [rows, columns] = [Math.floor(height / kernel[0]), Math.floor(width / kernel[1])]
  const shape = [...x.shape.slice(0, -2), rows, columns]
  const data = zeros(shape).map((_, e) => {
    const plane = Math.floor(e / (rows * columns)) * height * width
    const [row, column] = [Math.floor(e / columns) % rows, e % columns]
    return of(
      Array.from({ length: kernel[0] * kernel[1] }, (__, k) => {
        const [y, z] = [row * kernel[0] + Math.floor(k / kernel[1]), column * kernel[1] + (k % kernel[1])]
        return x.data[plane + y * width + z]!
      }),
    )
  })
  return { shape, data }
}
