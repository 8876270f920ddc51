// Images that scores look at, wherever they come from: bytes of a data set, or a generator. Asked for batch by batch, so that a
// data set need not be on the device.
import { noGrad, type Tensor, tensor, tidy } from '@bms/nn'
import { BmsError } from '@bms/tensor'
import { hostRandom } from '../data/random.js'

/**
 * Images to be looked at. `batch(start, count)` gives a new tensor [count, 3, h, w] in [-1, 1], which is disposed of afterwards; it is asked for one part
 * after another, and all images have one size.
 */
export interface ImageSource {
  readonly n: number
  batch(start: number, count: number): Tensor | Promise<Tensor>
}

/** Images in memory: one after another, each as planes of red, green and blue. An image set of this package is such. */
export interface ImageBytes {
  /** [n, channels, height, width], bytes 0 … 255. */
  readonly pixels: Uint8Array
  readonly height: number
  readonly width: number
  /** Default 3. */
  readonly channels?: number
}

/** Images that are in memory. */
export function countImages({ pixels, channels = 3, height, width }: ImageBytes): number {
  const n = pixels.length / (channels * height * width)
  if (Number.isInteger(n)) return n
  throw new BmsError('BAD_ARGUMENT', `images: ${pixels.length} bytes are no whole number of images ${channels} x ${height} x ${width}`, {
    option: 'pixels',
    got: pixels.length,
  })
}

/**
 * Images in memory, 0 … 255 becoming -1 … 1: all of them, or those at the positions of `order`.
 * @throws BmsError `BAD_ARGUMENT` where the bytes are no whole number of images
 */
export function byteImages(images: ImageBytes, order?: Int32Array): ImageSource {
  const { pixels, channels = 3, height, width } = images
  const size = channels * height * width
  const n = order?.length ?? countImages(images)
  return {
    n,
    batch(start, count) {
      const values = new Float32Array(count * size)
      for (let i = 0, at = 0; i < count; i++) {
        const from = (order ? order[start + i]! : start + i) * size
        for (let k = 0; k < size; k++) values[at++] = pixels[from + k]! / 127.5 - 1
      }
      return tensor(values, { shape: [count, channels, height, width] })
    },
  }
}

/** 0 … n - 1 in an order that follows from the seed, each order equally likely. */
export function shuffled(n: number, seed: number): Int32Array {
  const order = Int32Array.from({ length: n }, (_, i) => i)
  const random = hostRandom(seed)
  for (let i = n - 1; i > 0; i--) {
    const j = random.below(i + 1)
    ;[order[i], order[j]] = [order[j]!, order[i]!]
  }
  return order
}

/**
 * `n` different images drawn at random by the seed: the real side of a Fréchet distance is usually a part of the training images.
 * @throws BmsError `BAD_ARGUMENT` where there are fewer
 */
export function randomImages(images: ImageBytes, n: number, seed = 0): ImageSource {
  const all = countImages(images)
  if (!Number.isInteger(n) || n < 1 || n > all)
    throw new BmsError('BAD_ARGUMENT', `images: asked for ${n} of ${all}; a whole number from 1 to ${all} is needed`, { option: 'n', got: n, allowed: all })
  return byteImages(images, shuffled(all, seed).subarray(0, n))
}

/** `n` images that `make(count)` generates, [count, 3, h, w] in [-1, 1]. Runs without gradients; what it returns may belong to a compiled step. */
export const generatedImages = (n: number, make: (count: number) => Tensor): ImageSource => ({
  n,
  batch: (_, count) => noGrad(() => tidy(() => make(count).clone())),
})
