// A folder of pictures as a data set: every PNG and JPEG in it and below, in an order that is the same on every machine.
import { type Dirent, readdirSync, statSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { BmsError, oneLine } from '@bms/tensor'
import { readWhole } from '../run/atomic.js'
import type { Cifar10Split } from './cifar10.js'
import { decodeImage, type RgbImage } from './decode-image.js'
import { amount, badData, type ImageSet, sharedBytes, type SkippedImage, someOf } from './image-set.js'
import { squareOf } from './resize.js'

export interface ImageFolderOptions {
  /**
   * 'train' and 'test' are the sub folders of these names where both exist; else 'test' is every tenth image and 'train' the
   * others. 'both' is all images.
   */
  readonly split?: Cifar10Split
  /** What to do about files that cannot be read as images: refuse the folder, or leave them out and say so in `skipped`. */
  readonly corrupt?: 'fail' | 'skip'
  /** Scale the middle square of images of another size; else they are an error. */
  readonly resize?: boolean
  /** Pixels along an edge; 32. */
  readonly side?: number
  /** Called with images read and all there are. */
  readonly onProgress?: (images: number, total: number) => void
}

// The largest file that is taken for a picture.
const mostBytes = 256 << 20

/** The pictures in a folder and below, as paths from it, sorted by their characters' numbers. Hidden files and linked folders are left out. */
export function imageFiles(dir: string): string[] {
  const files: string[] = []
  const isFile = (entry: Dirent, path: string) => entry.isFile() || (entry.isSymbolicLink() && statSync(path, { throwIfNoEntry: false })?.isFile() === true)
  const visit = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name)
      if (entry.name.startsWith('.')) continue
      if (entry.isDirectory()) visit(path)
      else if (/\.(png|jpe?g)$/i.test(entry.name) && isFile(entry, path)) files.push(relative(dir, path).split(sep).join('/'))
    }
  }
  visit(dir)
  return files.sort((a, b) => (a < b ? -1 : 1))
}

/**
 * Reads a folder of pictures.
 * @param files its `imageFiles`, at least one
 * @returns RGB images, `side` x `side`, without labels
 * @throws BmsError `BAD_DATA` with fields `{ path, … }`: corrupt files (the first, their number, what to do), images of another size, no image in a split
 */
export async function openImageFolder(dir: string, files: readonly string[], options: ImageFolderOptions = {}): Promise<ImageSet> {
  const { split = 'train', corrupt = 'fail', resize = false, side = 32, onProgress } = options
  const chosen = chooseFiles(dir, files, split)
  const size = 3 * side * side
  const pixels = sharedBytes(chosen.length * size)
  const skipped: SkippedImage[] = []
  const otherSizes: { name: string; width: number; height: number }[] = []
  let count = 0
  for (const [i, name] of chosen.entries()) {
    const image = readImage(join(dir, name))
    if (typeof image === 'string') skipped.push({ name, why: image })
    else if (!resize && (image.width !== side || image.height !== side)) otherSizes.push({ name, width: image.width, height: image.height })
    else toPlanes(image.width === side && image.height === side ? image : squareOf(image, side), pixels.subarray(count * size, ++count * size))
    if (i % 100 === 99 || i === chosen.length - 1) {
      onProgress?.(i + 1, chosen.length)
      // Ctrl-C and timers get their turn.
      await turn()
    }
  }
  if (skipped.length > 0 && (corrupt === 'fail' || skipped.length === chosen.length)) throw corruptFiles(dir, skipped, chosen.length)
  if (otherSizes.length > 0) throw wrongSize(dir, otherSizes, chosen.length, side)
  return {
    name: `images ${split === 'both' ? 'train and test' : split}`,
    source: dir,
    count,
    channels: 3,
    height: side,
    width: side,
    pixels: pixels.subarray(0, count * size),
    skipped: skipped.length > 0 ? skipped : undefined,
  }
}

function chooseFiles(dir: string, files: readonly string[], split: Cifar10Split): readonly string[] {
  if (split === 'both') return files
  const within = (folder: string) => files.filter((name) => name.startsWith(`${folder}/`))
  const divided = within('train').length > 0 && within('test').length > 0
  const chosen = divided ? within(split) : files.filter((_, i) => (i % 10 === 9) === (split === 'test'))
  if (chosen.length > 0) return chosen
  throw badData(dir, `there is no image for the test part: every tenth is, and there are ${files.length}. Add some, or sub folders train and test`, {
    images: files.length,
    split,
  })
}

/** The image, or why it cannot be read. A disk that fails is no corrupt image. */
function readImage(path: string): RgbImage | string {
  const bytes = readWhole(path)
  if (!bytes) throw new BmsError('READ_FAILED', `could not read ${path}: it is gone`, { path, reason: 'it is gone' })
  if (bytes.length > mostBytes) return `it has ${amount(bytes.length)} bytes`
  try {
    return decodeImage(bytes)
  } catch (error) {
    return oneLine(error instanceof Error ? error.message : String(error))
  }
}

/** [height, width, 3] to [3, height, width]. */
function toPlanes({ rgb }: RgbImage, out: Uint8Array): void {
  const plane = out.length / 3
  for (let i = 0; i < plane; i++) {
    for (let c = 0; c < 3; c++) out[c * plane + i] = rgb[3 * i + c]
  }
}

function corruptFiles(dir: string, skipped: readonly SkippedImage[], total: number): BmsError {
  const [first] = skipped
  const what = `${amount(skipped.length)} of ${amount(total)} images cannot be read, the first is ${oneLine(first.name)} (${first.why})`
  const advice = skipped.length === total ? 'None is left' : "Repair or remove them, or leave them out with corrupt: 'skip'"
  return badData(dir, `${what}. ${advice}`, { file: first.name, why: first.why, corrupt: skipped.length, images: total, files: skipped.slice(0, 100) })
}

function wrongSize(dir: string, others: readonly { name: string; width: number; height: number }[], total: number, side: number): BmsError {
  const [first] = others
  const got = `${first.width}x${first.height}`
  const expected = `${side}x${side}`
  return badData(
    dir,
    `${amount(others.length)} of ${amount(total)} images are not ${expected}, the first is ${oneLine(first.name)} with ${got}. Scale them, or ask for it with resize: true`,
    { file: first.name, got, expected, others: someOf(others.map(({ name }) => name)), images: total },
  )
}
