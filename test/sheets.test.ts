// Sheets of images, pixel by pixel: what stands where, how values become colours, and which input is refused.
import { decode } from 'fast-png'
import { BmsError } from '@bms/tensor'
import { pairsPng, sheetPng } from '@bms/bms'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const test = suite('sheets')

const grey = [128, 128, 128]

function opened(png: Uint8Array) {
  const { width, height, channels, data } = decode(png)
  assert.is(channels, 3)
  return { width, height, at: (x: number, y: number) => [...data.slice(3 * (y * width + x), 3 * (y * width + x) + 3)] }
}

/** n images of one colour each, [n, 3, h, w]. */
function plain(colours: readonly (readonly number[])[], height: number, width: number): Uint8Array {
  return Uint8Array.from(colours.flatMap((rgb) => rgb.flatMap((value) => Array(height * width).fill(value))))
}

test('every pixel is repeated in both directions and stands where it stood', () => {
  // Two images of 2 x 3 pixels, each byte another.
  const images = Uint8Array.from({ length: 2 * 3 * 2 * 3 }, (_, i) => 5 * i)
  const sheet = opened(sheetPng(images, { width: 3, height: 2, columns: 2, scale: 4, gap: 3 }))
  assert.equal([sheet.width, sheet.height], [2 * 12 + 3, 8])
  for (let y = 0; y < sheet.height; y++) {
    for (let x = 0; x < sheet.width; x++) {
      const image = x >= 15 ? 1 : 0
      const gap = x >= 12 && x < 15
      const at = (channel: number) => 5 * (((image * 3 + channel) * 2 + Math.floor(y / 4)) * 3 + Math.floor((x - 15 * image) / 4))
      assert.equal(sheet.at(x, y), gap ? grey : [at(0), at(1), at(2)], `pixel ${x}, ${y}`)
    }
  }
})

test('floats: -1 is 0, 1 is 255, 0 is the middle; beyond is clamped; what is not finite is magenta', () => {
  const pixels = [
    [-1, 0, 1],
    [-7, 0.5, 7],
    [0, NaN, 0],
    [Infinity, 0, 0],
    [0, 0, -Infinity],
  ]
  const images = new Float32Array(3 * 5)
  pixels.forEach((rgb, i) => rgb.forEach((value, channel) => (images[channel * 5 + i] = value)))
  const sheet = opened(sheetPng(images, { width: 5, height: 1, scale: 1 }))
  assert.equal(sheet.at(0, 0), [0, 128, 255])
  assert.equal(sheet.at(1, 0), [0, 191, 255])
  for (const x of [2, 3, 4]) assert.equal(sheet.at(x, 0), [255, 0, 255])
})

test('nearly square, small images enlarged, the rest of the last row neutral', () => {
  const five = plain(
    [
      [10, 0, 0],
      [20, 0, 0],
      [30, 0, 0],
      [40, 0, 0],
      [50, 0, 0],
    ],
    32,
    32,
  )
  const sheet = opened(sheetPng(five, { width: 32, height: 32 }))
  assert.equal([sheet.width, sheet.height], [3 * 64 + 2 * 2, 2 * 64 + 2])
  assert.equal(
    [0, 66, 132].map((x) => sheet.at(x, 0)[0]),
    [10, 20, 30],
  )
  assert.equal(
    [0, 66].map((x) => sheet.at(x, 66)[0]),
    [40, 50],
  )
  assert.equal(sheet.at(132, 66), grey)
  assert.equal(sheet.at(195, 129), grey)
  const size = (n: number, height: number, width: number) => {
    const { width: w, height: h } = opened(sheetPng(new Uint8Array(n * 3 * height * width), { width, height, gap: 0 }))
    return [w, h]
  }
  assert.equal(size(64, 64, 64), [512, 512])
  assert.equal(size(1, 128, 128), [128, 128])
  // Wide images: fewer in a row.
  assert.equal(size(16, 8, 32), [2 * 64, 8 * 16])
  // No more columns than images.
  const few = opened(sheetPng(plain([[1, 1, 1]], 4, 4), { width: 4, height: 4, columns: 10, scale: 1 }))
  assert.is(few.width, 4)
})

test('pairs: original left, reconstruction right, a wider gap before the next', () => {
  const originals = plain(
    [
      [10, 0, 0],
      [20, 0, 0],
      [30, 0, 0],
    ],
    4,
    4,
  )
  const floats = new Float32Array(3 * 3 * 16).fill(1)
  const sheet = opened(pairsPng(originals, floats, { width: 4, height: 4, columns: 2, scale: 1, gap: 1 }))
  assert.equal([sheet.width, sheet.height], [2 * 9 + 4, 9])
  const reds = Array.from({ length: sheet.width }, (_, x) => sheet.at(x, 0)[0])
  const pair = (red: number) => [...Array(4).fill(red), 128, ...Array(4).fill(255)]
  assert.equal(reds, [...pair(10), 128, 128, 128, 128, ...pair(20)])
  assert.equal([sheet.at(0, 5)[0], sheet.at(5, 5)[0], sheet.at(13, 5)], [30, 255, grey])
  const usual = opened(pairsPng(new Uint8Array(32 * 3072), new Uint8Array(32 * 3072), { width: 32, height: 32 }))
  assert.equal([usual.width, usual.height], [4 * 130 + 3 * 8, 8 * 64 + 7 * 2])
})

test('what is wrong with the input is named', () => {
  const image = new Uint8Array(3 * 4)
  const size = { width: 2, height: 2 }
  const cases: [() => unknown, RegExp][] = [
    [() => sheetPng(new Uint8Array(0), size), /^images: got 0 values, allowed is a positive multiple of 12 \(3 channels of 2 x 2 pixels\)$/],
    [() => sheetPng(new Float32Array(13), size), /^images: got 13 values/],
    [() => sheetPng(image, { ...size, width: 0 }), /^width: got 0, allowed is a positive integer/],
    [() => sheetPng(image, { ...size, height: 1.5 }), /^height: got 1\.5/],
    [() => sheetPng(image, { ...size, columns: NaN }), /^columns: got NaN/],
    [() => sheetPng(image, { ...size, scale: -1 }), /^scale: got -1/],
    [() => sheetPng(image, { ...size, gap: -1 }), /^gap: got -1, allowed is an integer, at least 0/],
    [() => sheetPng(image, { ...size, scale: 10_000 }), /^sheet: got 20,000 x 20,000 pixels, allowed is at most 16,384 on each side/],
    [() => pairsPng(image, new Uint8Array(24), size), /^reconstructions: got 2, allowed is 1 images?, one for each original/],
    [() => pairsPng(image, new Uint8Array(5), size), /^reconstructions: got 5 values/],
  ]
  for (const [action, expected] of cases) {
    assert.throws(action, (error: unknown) => error instanceof BmsError && error.code === 'BAD_ARGUMENT' && expected.test(error.message), String(expected))
  }
})

test.run()
