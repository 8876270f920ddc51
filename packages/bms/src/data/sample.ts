// The 1,000 images of CIFAR-10 that come with the package, so that a first run needs no data: one lossless PNG sheet and
// the labels. Read from bytes or fetched here; from the package's files in sample-files.ts.
import { BmsError, oneLine } from '@bms/tensor'
import type { Cifar10Split } from './cifar10.js'
import { badData, type ImageSet, sharedBytes } from './image-set.js'

/** cifar10-sample.json: what is on the sheet. */
export interface SampleSheet {
  /** Images in all; the first `train` are for training, the others, of the official test batch, to test with. */
  readonly images: number
  readonly train: number
  /** Images side by side, 32x32 each. */
  readonly columns: number
  /** A digit for each image. */
  readonly labels: string
}

/** The sample's files, as seen from dist/, where all modules of the package end up. */
export const sampleFiles = (): { sheet: URL; labels: URL } => ({
  sheet: new URL('../assets/cifar10-sample.png', import.meta.url),
  labels: new URL('../assets/cifar10-sample.json', import.meta.url),
})

const side = 32

/**
 * Takes the sample's sheet apart.
 * @returns 900 images to train on (90 of each class), 100 to test with (10 of each), or both in this order
 * @throws BmsError `BAD_DATA` where the files are not those of the package
 */
export async function parseCifar10Sample(png: Uint8Array, sheet: SampleSheet, split: Cifar10Split = 'train'): Promise<ImageSet> {
  const { decode } = await import('fast-png')
  const source = 'the sample of CIFAR-10 in @bms/bms'
  let image: ReturnType<typeof decode>
  try {
    image = decode(png, { checkCrc: true })
  } catch (cause) {
    throw badData(source, `the sheet cannot be read (${oneLine((cause as Error).message)}). Install the package again`, {}, cause)
  }
  const fits = image.width === side * sheet.columns && image.height * sheet.columns === side * sheet.images
  if (!fits || image.channels !== 3 || image.depth !== 8 || !/^\d*$/.test(sheet.labels) || sheet.labels.length !== sheet.images)
    throw badData(source, `a sheet of ${image.width}x${image.height} and ${sheet.labels.length} labels do not belong together. Install the package again`)
  const first = split === 'test' ? sheet.train : 0
  const count = (split === 'train' ? sheet.train : sheet.images) - first
  const pixels = sharedBytes(count * 3 * side * side)
  for (let n = 0; n < count; n++) {
    const top = Math.floor((first + n) / sheet.columns) * side
    const left = ((first + n) % sheet.columns) * side
    for (let c = 0; c < 3; c++) {
      for (let y = 0; y < side; y++) {
        for (let x = 0; x < side; x++) pixels[((n * 3 + c) * side + y) * side + x] = image.data[3 * ((top + y) * image.width + left + x) + c]
      }
    }
  }
  const labels = Uint8Array.from(sheet.labels.slice(first, first + count), Number)
  return { name: `cifar10 sample, ${split === 'both' ? 'train and test' : split}`, source, count, channels: 3, height: side, width: side, pixels, labels }
}

/**
 * Fetches the sample.
 * @param files where a page keeps its two files; by default beside the package's own, which bundlers find by themselves
 * @throws BmsError `FETCH_FAILED` with `{ url, status?, reason }`, `BAD_DATA`
 */
export async function fetchCifar10Sample(
  split: Cifar10Split = 'train',
  files: { sheet: string | URL; labels: string | URL } = sampleFiles(),
): Promise<ImageSet> {
  const [png, json] = await Promise.all([get(files.sheet), get(files.labels)])
  let sheet: SampleSheet
  try {
    sheet = JSON.parse(new TextDecoder().decode(json)) as SampleSheet
  } catch (cause) {
    throw badData(String(files.labels), `no JSON (${oneLine((cause as Error).message)})`, {}, cause)
  }
  return parseCifar10Sample(png, sheet, split)
}

async function get(address: string | URL): Promise<Uint8Array> {
  const url = String(address)
  const failed = (reason: string, status?: number, cause?: unknown) =>
    new BmsError('FETCH_FAILED', `could not fetch the sample of CIFAR-10 from ${oneLine(url)}: ${reason}`, { url, status, reason }, { cause })
  try {
    const response = await fetch(url)
    if (response.ok) return new Uint8Array(await response.arrayBuffer())
    throw failed(`the server answered ${response.status} ${response.statusText}`.trim(), response.status)
  } catch (cause) {
    if (cause instanceof BmsError) throw cause
    throw failed(oneLine((cause as Error).message), undefined, cause)
  }
}
