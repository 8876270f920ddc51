// The closest-match figure: every picture at its place, pixel for pixel, headings as given, and columns that do not fit refused.
import type { BmsError } from '@bms/tensor'
import { decode } from 'fast-png'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { closestMatchSvg } from '../packages/bms/src/figures/closest-match.js'
import { closestMatchFigure } from '../packages/bms/src/figures/png.js'

const test = suite('closest-match figure')

/** n images of 2 x 3 whose pixels count from `first` in steps of 1/40. */
const ramp = (n: number, first: number): Float32Array => Float32Array.from({ length: n * 18 }, (_, i) => first + (i % 18) / 40)
const columns = [
  { name: 'Test', images: ramp(2, -1) },
  { name: 'SN-GAN', detail: 'IoVM 0.0221', images: ramp(2, -0.5) },
  { name: 'BMS-VAE-GAN', detail: 'IoVM 0.0034', images: ramp(2, 0) },
]

/** The pictures in the SVG, in order: columns, then rows. */
const pictures = (svg: string) => Array.from(svg.matchAll(/href="data:image\/png;base64,([^"]+)"/g), ([, data]) => decode(Buffer.from(data!, 'base64')))

test('every image is there, its pixels repeated', () => {
  const svg = closestMatchSvg({ columns, height: 2, width: 3, title: 'Closest matches' })
  const found = pictures(svg)
  assert.is(found.length, 6)
  const factor = found[0]!.width / 3
  assert.ok(Number.isInteger(factor) && factor >= 16)
  found.forEach((picture, k) => {
    assert.equal([picture.width, picture.height, picture.channels], [3 * factor, 2 * factor, 3])
    const first = [-1, -0.5, 0][Math.floor(k / 2)]!
    for (const [x, y, c] of [
      [0, 0, 0],
      [2, 0, 1],
      [1, 1, 2],
    ] as const) {
      const value = Math.round((Math.fround(first + (c * 6 + y * 3 + x) / 40) + 1) * 127.5)
      for (const inside of [0, factor - 1]) {
        const at = ((y * factor + inside) * picture.width + x * factor + inside) * 3 + c
        assert.is(picture.data[at], value, `picture ${k}, pixel ${x}, ${y}, channel ${c}`)
      }
    }
  })
  for (const text of ['Closest matches', 'Test', 'SN-GAN', 'IoVM 0.0221', 'BMS-VAE-GAN', 'IoVM 0.0034']) assert.ok(svg.includes(`>${text}<`), text)
})

test('fewer rows, grey images, and numbers that are none', () => {
  assert.is(pictures(closestMatchSvg({ columns, height: 2, width: 3, rows: 1 })).length, 3)
  const [grey] = pictures(closestMatchSvg({ columns: [{ name: 'Test', images: Float32Array.of(-7, 0, Number.NaN, 9) }], height: 2, width: 2, channels: 1 }))
  const factor = grey!.width / 2
  const at = (x: number, y: number): number[] => [0, 1, 2].map((c) => grey!.data[(y * factor * grey!.width + x * factor) * 3 + c]!)
  assert.equal(
    [at(0, 0), at(1, 0), at(0, 1), at(1, 1)],
    [0, 128, 0, 255].map((v) => [v, v, v]),
  )
})

test('the picture has the images at their places on white', async () => {
  const png = decode(await closestMatchFigure({ columns, height: 2, width: 3 }))
  const colours = new Set<string>()
  for (let i = 0; i < png.data.length; i += png.channels) colours.add(Array.from(png.data.slice(i, i + 3)).join())
  assert.equal([...png.data.slice(0, 3)], [255, 255, 255])
  // The first test pixel and the last of the best column: (-1, -0.85, -0.7) and (0.125, 0.275, 0.425).
  for (const colour of [
    [-1, -0.85, -0.7],
    [0.125, 0.275, 0.425],
  ])
    assert.ok(colours.has(colour.map((v) => Math.round((Math.fround(v) + 1) * 127.5)).join()), colour.join())
})

test('columns that do not fit are named', () => {
  const code = (fn: () => unknown): [string, string] => {
    try {
      fn()
    } catch (error) {
      return [(error as BmsError).code, (error as BmsError).message]
    }
    return ['', '']
  }
  const odd = code(() => closestMatchSvg({ columns: [columns[0]!, { name: 'WAE', images: ramp(1, 0) }], height: 2, width: 3 }))
  assert.is(odd[0], 'BAD_ARGUMENT')
  assert.match(odd[1], 'column WAE: 18 values are not 2 images 3 x 2 x 3')
  assert.is(code(() => closestMatchSvg({ columns: [], height: 2, width: 3 }))[0], 'BAD_ARGUMENT')
  assert.is(code(() => closestMatchSvg({ columns: [{ name: 'Test', images: new Float32Array(0) }], height: 2, width: 3 }))[0], 'BAD_ARGUMENT')
})

test.run()
