// A folder of pictures as data: formats, order and parts, sizes, and files that are no pictures among those that are.
import fs from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import type { BmsError } from '@bms/tensor'
import { openCifar10, type OpenCifar10Options } from '@bms/bms/node'
import { encode, type ImageData } from 'fast-png'
import jpeg from 'jpeg-js'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { decodeImage } from '../packages/bms/src/data/decode-image.js'
import { squareOf } from '../packages/bms/src/data/resize.js'

const test = suite('folder of pictures')

let base = ''
test.before.each(() => {
  base = fs.mkdtempSync(join(os.tmpdir(), 'bms-pictures-'))
})
test.after.each(() => {
  fs.rmSync(base, { recursive: true, force: true })
})

function put(files: Record<string, Uint8Array | string>): void {
  for (const [name, content] of Object.entries(files)) {
    fs.mkdirSync(join(base, name, '..'), { recursive: true })
    fs.writeFileSync(join(base, name), content)
  }
}
async function caught(options: OpenCifar10Options = {}): Promise<BmsError> {
  try {
    await openCifar10(base, options)
  } catch (error) {
    return error as BmsError
  }
  throw new Error('nothing was thrown')
}

/** A PNG whose pixels are [red, row, column]. */
function png(red: number, width = 32, height = 32): Uint8Array {
  const data = new Uint8Array(width * height * 3)
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) data.set([red, y, x], 3 * (y * width + x))
  return encode({ width, height, channels: 3, depth: 8, data })
}
/** A JPEG of one colour. */
function jpg(colour: [number, number, number], width = 32, height = 32): Uint8Array {
  const data = new Uint8Array(width * height * 4)
  for (let i = 0; i < data.length; i += 4) data.set([...colour, 255], i)
  return jpeg.encode({ width, height, data }, 95).data
}
const reds = async (options: OpenCifar10Options = {}): Promise<number[]> => {
  const set = await openCifar10(base, options)
  return Array.from({ length: set.count }, (_, n) => set.pixels[n * 3072])
}

test('every PNG and JPEG in it and below, sorted by path', async () => {
  put({ 'b/1.png': png(3), 'a.PNG': png(1), 'b/0.jpeg': jpg([2, 2, 2]), 'c.jpg': jpg([40, 40, 40]), 'notes.txt': 'x', '.hidden.png': 'x', '._a.png': 'x' })
  fs.symlinkSync(join(base, 'a.PNG'), join(base, 'd.png'))
  fs.symlinkSync(base, join(base, 'round'))
  assert.equal(await reds({ split: 'both' }), [1, 2, 3, 40, 1])
  const set = await openCifar10(base, { split: 'both' })
  assert.equal([set.name, set.channels, set.height, set.width, set.labels, set.skipped], ['images train and test', 3, 32, 32, undefined, undefined])
  const image = set.pixels.subarray(2 * 3072)
  assert.equal([image[1024 + 32 * 5 + 7], image[2048 + 32 * 5 + 7]], [5, 7], 'planes of rows')
})

test('parts: train and test where there are such folders, else every tenth', async () => {
  for (let i = 0; i < 21; i++) put({ [`${String(i).padStart(2, '0')}.png`]: png(i) })
  assert.equal(await reds({ split: 'test' }), [9, 19])
  assert.equal(await reds(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20])
  put({ 'test/a.png': png(101), 'train/b.png': png(102), 'train/c/d.png': png(103) })
  assert.equal([await reds(), await reds({ split: 'test' })], [[102, 103], [101]])
})

test('too few images to leave some out', async () => {
  put({ 'a.png': png(1), 'b.png': png(2) })
  const error = await caught({ split: 'test' })
  assert.is(error.message, `${base}: there is no image for the test part: every tenth is, and there are 2. Add some, or sub folders train and test`)
})

test('images of another size: an error, or scaled when that is asked for', async () => {
  put({ 'a.png': png(1), 'b/wide.png': png(2, 48, 32), 'c.jpg': jpg([3, 3, 3], 16, 16) })
  const error = await caught({ split: 'both' })
  assert.is(error.code, 'BAD_DATA')
  assert.is(error.message, `${base}: 2 of 3 images are not 32x32, the first is b/wide.png with 48x32. Scale them, or ask for it with resize: true`)
  assert.equal([error.fields.path, error.fields.file, error.fields.got, error.fields.expected], [base, 'b/wide.png', '48x32', '32x32'])
  assert.equal(await reds({ split: 'both', resize: true }), [1, 2, 3])
  const wide = (await openCifar10(base, { split: 'both', resize: true })).pixels.subarray(3072, 2 * 3072)
  assert.equal([wide[2048], wide[2048 + 31]], [8, 39], 'of a wide image the middle')
})

test('corrupt files among good ones: named and counted, or left out and listed', async () => {
  const whole = png(5)
  put({
    'a.png': png(1),
    'b.jpg': jpg([9, 9, 9]).subarray(0, 300),
    'c.jpg': jpg([20, 20, 20]),
    'd.png': whole.subarray(0, whole.length - 3),
    'd2.png': whole.subarray(0, whole.length - 30),
    'e.png': 'no picture',
    'f.png': '',
  })
  const error = await caught({ split: 'both' })
  assert.is(error.code, 'BAD_DATA')
  assert.match(error.message, /: 5 of 7 images cannot be read, the first is b\.jpg \([\w ]+\)\. Repair or remove them, or leave them out with corrupt: 'skip'$/)
  assert.ok(error.message.startsWith(base))
  assert.equal([error.fields.path, error.fields.file, error.fields.corrupt, error.fields.images], [base, 'b.jpg', 5, 7])
  const set = await openCifar10(base, { split: 'both', corrupt: 'skip' })
  assert.is(set.count, 2)
  assert.is(set.pixels.length, 2 * 3072)
  assert.equal([set.pixels[0], set.pixels[3072]], [1, 20])
  assert.equal(
    set.skipped!.map(({ name }) => name),
    ['b.jpg', 'd.png', 'd2.png', 'e.png', 'f.png'],
  )
  assert.equal(
    set.skipped!.slice(1).map(({ why }) => why),
    ['the file is cut short', 'the file is cut short', 'it is neither PNG nor JPEG', 'the file is empty'],
  )
})

test('nothing is left where all are corrupt', async () => {
  put({ 'a.png': 'x', 'b.jpg': 'y' })
  for (const corrupt of ['fail', 'skip'] as const) {
    const error = await caught({ split: 'both', corrupt })
    assert.is(error.message, `${base}: 2 of 2 images cannot be read, the first is a.png (it is neither PNG nor JPEG). None is left`)
  }
})

test('a header that promises too much is refused before memory is taken', async () => {
  const huge = png(1).slice()
  new DataView(huge.buffer).setUint32(16, 10_000_000)
  put({ 'a.png': huge })
  assert.match((await caught({ split: 'both' })).message, 'a.png (its header says 10000000x32 pixels, at most 100 million are read)')
  const flipped = png(1).slice()
  flipped[flipped.length - 30] ^= 1
  assert.throws(() => decodeImage(flipped), /its data are damaged/)
})

test('PNGs of every depth become RGB', () => {
  const pixel = (image: Omit<ImageData, 'width' | 'height'>, palette?: number[][]) => {
    const bytes = encode({ width: 8, height: 1, ...image, ...(palette ? { palette } : {}) })
    return [...decodeImage(bytes).rgb.subarray(0, 9)]
  }
  const fill = (n: number, ...values: number[]) => Uint8Array.from({ length: n }, (_, i) => values[i % values.length])
  assert.equal(pixel({ channels: 3, depth: 8, data: fill(24, 1, 2, 3) }), [1, 2, 3, 1, 2, 3, 1, 2, 3])
  assert.equal(pixel({ channels: 4, depth: 8, data: fill(32, 1, 2, 3, 0) }), [1, 2, 3, 1, 2, 3, 1, 2, 3], 'alpha is dropped')
  assert.equal(pixel({ channels: 1, depth: 8, data: fill(8, 7, 9) }), [7, 7, 7, 9, 9, 9, 7, 7, 7])
  assert.equal(pixel({ channels: 2, depth: 8, data: fill(16, 7, 0, 9, 1) }), [7, 7, 7, 9, 9, 9, 7, 7, 7])
  assert.equal(pixel({ channels: 3, depth: 16, data: Uint16Array.from({ length: 24 }, (_, i) => 256 * i + 200) }), [0, 1, 2, 3, 4, 5, 6, 7, 8])
  assert.equal(pixel({ channels: 1, depth: 1, data: fill(1, 0b10100000) }), [255, 255, 255, 0, 0, 0, 255, 255, 255])
  assert.equal(pixel({ channels: 1, depth: 2, data: fill(2, 0b00011011) }), [0, 0, 0, 85, 85, 85, 170, 170, 170])
  assert.equal(pixel({ channels: 1, depth: 4, data: fill(4, 0x0f) }), [0, 0, 0, 255, 255, 255, 0, 0, 0])
})

test('JPEGs become RGB, grey ones too', () => {
  const image = decodeImage(jpg([200, 100, 50], 16, 8))
  assert.equal([image.width, image.height, image.rgb.length], [16, 8, 384])
  for (const [c, value] of [200, 100, 50].entries()) assert.ok(Math.abs(image.rgb[c] - value) < 4)
})

test('scaling keeps means, edges and lines', () => {
  const ramp = (side: number) => ({
    width: side,
    height: side,
    rgb: Uint8Array.from({ length: side * side * 3 }, (_, i) => Math.round((255 * (Math.floor(i / 3) % side)) / (side - 1))),
  })
  for (const [from, to] of [
    [64, 32],
    [100, 32],
    [16, 32],
    [32, 32],
  ]) {
    const { rgb } = squareOf(ramp(from), to)
    for (let x = 1; x < to - 1; x++) {
      const exact = (255 * ((x + 0.5) * (from / to) - 0.5)) / (from - 1)
      assert.ok(Math.abs(rgb[3 * (5 * to + x)] - exact) <= 2, `${from} to ${to}: column ${x} is ${rgb[3 * (5 * to + x)]}, not ${exact}`)
    }
    const flat = squareOf({ width: from + 4, height: from, rgb: new Uint8Array((from + 4) * from * 3).fill(255) }, to)
    assert.ok(flat.rgb.every((value) => value === 255))
  }
})

test.run()
