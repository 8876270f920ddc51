// Small files in CIFAR-10's binary layout, and archives of them: what the tests of data are made of, in Node and in a page.
import { packTar } from 'modern-tar'

export const rowBytes = 3073

/** Rows with labels 0 … 9 in turn and pixels that tell row, channel and place apart. */
export function batchOf(rows: number, first = 0): Uint8Array {
  const bytes = new Uint8Array(rows * rowBytes)
  for (let row = 0; row < rows; row++) {
    bytes[row * rowBytes] = (first + row) % 10
    for (let k = 0; k < 3072; k++) bytes[row * rowBytes + 1 + k] = pixelOf(first + row, k)
  }
  return bytes
}

/** Pixel k of [3, 32, 32] of an image of `batchOf`; like noise, so that archives of them do not shrink to nothing. */
export const pixelOf = (image: number, k: number): number => {
  const x = Math.imul(3072 * image + k + 1, 0x9e3779b1)
  return Math.imul(x ^ (x >>> 15), 0x85ebca6b) >>> 24
}

/** All six files, `rows` rows in each; image n of the set is image n of `batchOf`. */
export function officialFiles(rows: number): Record<string, Uint8Array> {
  const names = ['data_batch_1.bin', 'data_batch_2.bin', 'data_batch_3.bin', 'data_batch_4.bin', 'data_batch_5.bin', 'test_batch.bin']
  return Object.fromEntries(names.map((name, i) => [name, batchOf(rows, i * rows)]))
}

/** A tar archive of files by name. */
export function tarOf(files: Record<string, Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  return packTar(Object.entries(files).map(([name, data]) => ({ header: { name, size: data.length, type: 'file' }, body: data })))
}

export async function gzip(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const packed = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new CompressionStream('gzip'))
  return new Uint8Array(await new Response(packed).arrayBuffer())
}

/** The files of the official archive, in its folder and an order of its own, as a .tar.gz. */
export async function archiveOf(rows: number): Promise<Uint8Array<ArrayBuffer>> {
  const files = Object.entries(officialFiles(rows)).reverse()
  const text = new TextEncoder().encode('airplane\n')
  const inside = [['batches.meta.txt', text] as const, ...files, ['readme.html', text] as const].map(([name, bytes]) => [`cifar-10-batches-bin/${name}`, bytes])
  return gzip(await tarOf(Object.fromEntries(inside)))
}
