// Images in memory, in the one form that every source is brought into (CIFAR-10's files, its archive, a folder of
// pictures, the sample in the package) and that batches are taken from. Bytes, since floats would be four times as many.
import { BmsError, formatShape, oneLine, show } from '@bms/tensor'

/** A set of images of one size. */
export interface ImageSet {
  readonly name: string
  readonly count: number
  readonly channels: number
  readonly height: number
  readonly width: number
  /** [count, channels, height, width], bytes 0 … 255, RGB. In shared memory where there is such, so that a worker reads it without a copy. */
  readonly pixels: Uint8Array
  /** The class of each image, where it is known. */
  readonly labels?: Uint8Array
  /** Where it came from, for texts. */
  readonly source: string
  /** What was left out on the way, each with why. */
  readonly skipped?: readonly SkippedImage[]
}

/** An image that was left out of a set. */
export interface SkippedImage {
  readonly name: string
  readonly why: string
}

/** `n` bytes that workers can share, where the host allows it; a page must be cross-origin isolated for that. */
export function sharedBytes(n: number): Uint8Array {
  return typeof SharedArrayBuffer === 'undefined' ? new Uint8Array(n) : new Uint8Array(new SharedArrayBuffer(n))
}

/** The sizes of one image: [channels, height, width]. */
export const imageShape = (set: ImageSet): [number, number, number] => [set.channels, set.height, set.width]

/** Numbers in one image. */
export const imageSize = (set: ImageSet): number => set.channels * set.height * set.width

/**
 * Joins sets of images of one size, in the order given.
 * @throws BmsError `BAD_ARGUMENT` on no set, or sets of different sizes
 */
export function joinImageSets(name: string, source: string, sets: readonly ImageSet[]): ImageSet {
  const [first] = sets
  if (!first) throw new BmsError('BAD_ARGUMENT', 'joinImageSets: got no set, needs at least one', { option: 'sets', got: 0 })
  const other = sets.find((set) => imageShape(set).join() !== imageShape(first).join())
  if (other) {
    const [got, expected] = [formatShape(imageShape(other)), formatShape(imageShape(first))]
    throw new BmsError('BAD_ARGUMENT', `joinImageSets: images of ${oneLine(other.source)} are ${got}, those of ${oneLine(first.source)} ${expected}`, {
      option: 'sets',
      got,
      expected,
    })
  }
  const count = sets.reduce((sum, set) => sum + set.count, 0)
  const pixels = sharedBytes(count * imageSize(first))
  const labels = sets.every((set) => set.labels) ? new Uint8Array(count) : undefined
  let at = 0
  for (const set of sets) {
    pixels.set(set.pixels, at * imageSize(first))
    labels?.set(set.labels!, at)
    at += set.count
  }
  const skipped = sets.flatMap((set) => set.skipped ?? [])
  return { ...first, name, source, count, pixels, labels, skipped: skipped.length > 0 ? skipped : undefined }
}

/** Refuses a set whose numbers contradict each other, before a worker reads beyond its end. Throws BmsError `BAD_ARGUMENT`. */
export function checkImageSet(set: ImageSet): void {
  const sizes = [set.count, ...imageShape(set)]
  const whole = sizes.every((size) => Number.isSafeInteger(size) && size > 0)
  if (whole && set.pixels.length === sizes.reduce((a, b) => a * b)) return
  const problem = whole ? `${amount(set.pixels.length)} bytes do not fill ${formatShape(sizes)}` : `there is no image in ${show(sizes)}`
  throw new BmsError('BAD_ARGUMENT', `images of ${oneLine(set.source)}: ${problem}`, { option: 'set', got: sizes, bytes: set.pixels.length })
}

/** The error for data that are not what they should be: a `BmsError` `BAD_DATA` with fields `{ path, … }`. */
export function badData(path: string, problem: string, fields: Record<string, unknown> = {}, cause?: unknown): BmsError {
  return new BmsError('BAD_DATA', `${oneLine(path)}: ${problem}`, { path, ...fields }, cause === undefined ? undefined : { cause })
}

/** 30730000 as people read it: 30,730,000. */
export const amount = (n: number): string => String(n).replace(/\B(?=(\d{3})+$)/g, ',')

/** Names for a text: the first few, and how many more there are. */
export function someOf(names: readonly string[], most = 5): string {
  const shown = names.slice(0, most).map((name) => oneLine(name, 80))
  return shown.join(', ') + (names.length > most ? ` and ${amount(names.length - most)} more` : '')
}
