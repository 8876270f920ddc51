// CIFAR-10's binary version: files of 10,000 rows, each a label and the red, green and blue planes of a 32x32 image.
// (A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.) Every row is checked before it is used.
import { badData, amount, type ImageSet, sharedBytes } from './image-set.js'

/** Where the set is described and offered. */
export const cifar10Page = 'https://www.cs.toronto.edu/~kriz/cifar.html'

/** The names of the ten classes, by label. */
export const cifar10Classes: readonly string[] = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck']

/** 50,000 images to train on, 10,000 to test with, or all of them in this order. */
export type Cifar10Split = 'train' | 'test' | 'both'

/** Images in one official file. */
export const cifar10Rows = 10_000

const side = 32
const imageBytes = 3 * side * side
const rowBytes = 1 + imageBytes

const trainFiles = [1, 2, 3, 4, 5].map((n) => `data_batch_${n}.bin`)
const testFiles = ['test_batch.bin']

/** The official files that hold a split, in order. */
export function cifar10Files(split: Cifar10Split): readonly string[] {
  if (split === 'train') return trainFiles
  return split === 'test' ? testFiles : [...trainFiles, ...testFiles]
}

/** Bytes of a file with so many images. */
export const batchBytes = (rows: number): number => rows * rowBytes

/**
 * Checks one binary batch and takes it apart.
 * @param source the file's name, for texts
 * @param rows images that it must have; without, any whole number of them
 * @throws BmsError `BAD_DATA` with `{ path, got, expected }` (bytes), or with `{ path, row, label }` for a label above 9
 */
export function parseCifar10Batch(bytes: Uint8Array, source: string, rows?: number): ImageSet {
  checkBatchSize(bytes.length, source, rows)
  const count = bytes.length / rowBytes
  const set = emptySet('cifar10', source, count)
  readRows(bytes, source, set, 0)
  return set
}

/** Refuses a file by its size alone, so that it need not be read. */
export function checkBatchSize(got: number, source: string, rows?: number): void {
  if (rows === undefined) {
    if (got > 0 && got % rowBytes === 0) return
    throw badData(source, `got ${amount(got)} bytes, expected a whole number of rows of ${amount(rowBytes)} (a label, then 3 planes of 32x32)`, {
      got,
      expected: `a multiple of ${rowBytes}`,
    })
  }
  const expected = batchBytes(rows)
  if (got === expected) return
  const why =
    got < expected
      ? `${amount(expected - got)} are missing, the file is cut short. Copy or download it again`
      : `${amount(got - expected)} are too many, this is no batch of CIFAR-10's binary version (${cifar10Page})`
  throw badData(source, `got ${amount(got)} bytes, expected ${amount(expected)} (${amount(rows)} rows of ${amount(rowBytes)}): ${why}`, { got, expected })
}

/** Puts the batches of a split in their places as they come, in any order and in one piece of memory. */
export class Cifar10Collector {
  readonly #names: readonly string[]
  readonly #set: ImageSet
  readonly #found = new Set<string>()

  /** @param rows images in each file; fewer than the official 10,000 in tests */
  constructor(
    split: Cifar10Split,
    readonly source: string,
    readonly rows = cifar10Rows,
  ) {
    this.#names = cifar10Files(split)
    this.#set = emptySet(`cifar10 ${split === 'both' ? 'train and test' : split}`, source, rows * this.#names.length)
  }

  /** Is it one of the files that hold the split? */
  wants(file: string): boolean {
    return this.#names.includes(file)
  }

  /** The files that have not come yet. */
  get missing(): readonly string[] {
    return this.#names.filter((name) => !this.#found.has(name))
  }

  /** Takes a file's bytes. `source` says in texts where they are from. Throws `BAD_DATA`. */
  add(file: string, bytes: Uint8Array, source: string): void {
    checkBatchSize(bytes.length, source, this.rows)
    readRows(bytes, source, this.#set, this.#names.indexOf(file) * this.rows)
    this.#found.add(file)
  }

  /** All images; call it when nothing is missing. */
  finish(): ImageSet {
    return this.#set
  }
}

function emptySet(name: string, source: string, count: number): ImageSet {
  return { name, source, count, channels: 3, height: side, width: side, pixels: sharedBytes(count * imageBytes), labels: new Uint8Array(count) }
}

function readRows(bytes: Uint8Array, source: string, set: ImageSet, first: number): void {
  const rows = bytes.length / rowBytes
  for (let row = 0; row < rows; row++) {
    const at = row * rowBytes
    const label = bytes[at]
    if (label > 9) {
      throw badData(source, `label ${label} in row ${amount(row)} (at byte ${amount(at)}), expected 0 to 9: these are other data, or they are damaged`, {
        row,
        label,
      })
    }
    set.labels![first + row] = label
    set.pixels.set(bytes.subarray(at + 1, at + rowBytes), (first + row) * imageBytes)
  }
}
