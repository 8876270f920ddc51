// The arithmetic of batches: which images, mirrored or not, as numbers for a network. It imports nothing but the
// generator, because workers run it, and in a worker of a page a package's name means nothing.
import type { ImageSet } from './image-set.js'
import { hostRandom } from './random.js'

export interface BatchOptions {
  /** Images in a batch. */
  readonly batch: number
  /** Whole number from 0 to 2⁵³ - 1. */
  readonly seed: number
  /** Mirrors every other image, by chance; false. */
  readonly flips?: boolean
}

/** The images of one batch. */
export interface BatchPlan {
  /** Their numbers in the set. */
  readonly indices: Uint32Array
  /** 1 where an image is mirrored left to right, else 0. */
  readonly flips: Uint8Array
}

/** One pass over the set. */
interface Epoch {
  readonly order: Uint32Array
  readonly flips: Uint8Array
}

/** `batchOrder` of batches.ts, for options that were checked. */
export function uncheckedOrder(count: number, { batch, seed, flips: mirrored = false }: BatchOptions): (step: number) => BatchPlan {
  const epochs = new Map<number, Epoch>()
  const epochAt = (number: number): Epoch => {
    let epoch = epochs.get(number)
    if (!epoch) {
      // Two are enough for steps in order: a batch at the border of two needs both.
      if (epochs.size > 1) epochs.delete(epochs.keys().next().value!)
      epoch = makeEpoch(count, seed, number)
      epochs.set(number, epoch)
    }
    return epoch
  }
  return (step) => {
    const indices = new Uint32Array(batch)
    const flips = new Uint8Array(batch)
    for (let i = 0; i < batch; i++) {
      const position = step * batch + i
      const epoch = epochAt(Math.floor(position / count))
      indices[i] = epoch.order[position % count]
      flips[i] = mirrored ? epoch.flips[position % count] : 0
    }
    return { indices, flips }
  }
}

/**
 * The planned images as numbers for a network.
 * @returns [batch, channels, height, width] in [-1, 1]: a byte x becomes x / 127.5 - 1
 */
export function assembleBatch(set: ImageSet, plan: BatchPlan): Float32Array<ArrayBuffer> {
  const { channels, height, width, pixels } = set
  const size = channels * height * width
  const out = new Float32Array(plan.indices.length * size)
  plan.indices.forEach((index, i) => {
    const from = index * size
    const to = i * size
    if (plan.flips[i]) {
      for (let row = 0; row < size; row += width) {
        for (let x = 0; x < width; x++) out[to + row + x] = scaled[pixels[from + row + width - 1 - x]]
      }
    } else {
      for (let k = 0; k < size; k++) out[to + k] = scaled[pixels[from + k]]
    }
  })
  return out
}

const scaled = Float32Array.from({ length: 256 }, (_, byte) => byte / 127.5 - 1)

function makeEpoch(count: number, seed: number, number: number): Epoch {
  // A step so large and odd that the epochs of neighbouring seeds have nothing in common.
  const random = hostRandom(Number(BigInt.asUintN(53, BigInt(seed) + BigInt(number) * 0x1e3779b97f4a7dn)))
  const order = Uint32Array.from({ length: count }, (_, i) => i)
  for (let i = count - 1; i > 0; i--) {
    const j = random.below(i + 1)
    const other = order[j]
    order[j] = order[i]
    order[i] = other
  }
  // Always drawn after it, so that the order is the same with flips and without.
  return { order, flips: Uint8Array.from({ length: count }, () => random.below(2)) }
}
