// Values, names and texts from anywhere in the texts of errors: legible, on one line, and short however large, deep or hostile they are.
import { formatShape, oneLine, show, showName } from '@bms/tensor'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const test = suite('show')

const nested = (depth: number): unknown => {
  let value: unknown = 0
  for (let i = 0; i < depth; i++) value = i % 2 ? { a: value } : [value]
  return value
}
const cyclic: Record<string, unknown> = {}
cyclic['self'] = cyclic

const values: [unknown, string][] = [
  ['text', '"text"'],
  ['with "quotes"\nand lines', '"with \\"quotes\\"\\nand lines"'],
  ['\u001b[2J\u009b\u202e\ud800', '"\\u001b[2J\\u{9b}\\u{202e}\\ud800"'],
  ['x'.repeat(61), `"${'x'.repeat(58)}…`],
  ['x'.repeat(1e7), `"${'x'.repeat(58)}…`],
  [Number.NaN, 'NaN'],
  [-0, '0'],
  [12n, '12'],
  [null, 'null'],
  [undefined, 'undefined'],
  [Symbol('s'), 'Symbol(s)'],
  [() => 1, '() => 1'],
  [[1, [2, 'a'], {}], '[1,[2,"a"],{}]'],
  [{ a: 1, 'b c': [true] }, '{"a":1,"b c":[true]}'],
  [Object.create(null), '{}'],
  [new Float32Array(1e6), 'a Float32Array'],
  [nested(9), '[{"a":[{"a":[…]}]}]'],
  [nested(200_000), '{"a":[{"a":[{…}]}]}'],
  [cyclic, '{"self":{"self":{"self":{"self":{…}}}}}'],
]
for (const [i, [value, text]] of values.entries()) test(`a value, ${i}: ${text}`, () => assert.is(show(value), text))

test('large lists and objects are cut, at once', () => {
  const start = process.cpuUsage()
  for (const large of [new Array(1e6).fill(7), Object.fromEntries(Array.from({ length: 1e5 }, (_, i) => [`key${i}`, i]))])
    for (let i = 0; i < 10; i++) assert.is(show(large).length, 60)
  assert.ok(process.cpuUsage(start).user < 2e6, 'what is cut off was written out first')
})

test('names are bare where they are plain, and quoted else', () => {
  assert.is(showName('body.0.weight_orig'), 'body.0.weight_orig')
  assert.is(showName(''), '""')
  assert.is(showName('a, b'), '"a, b"')
  assert.is(showName('a'.repeat(61)).length, 60)
})

test('a text keeps its words and loses what a terminal obeys', () => {
  assert.is(oneLine('Unexpected token'), 'Unexpected token')
  assert.is(oneLine('a\nb\u001b[0m'), 'a\\u{a}b\\u{1b}[0m')
  assert.is(oneLine('x'.repeat(300), 10), 'xxxxxxxxx…')
})

test('shapes of many dims are cut', () => {
  assert.is(formatShape([2, 3]), '[2, 3]')
  assert.is(formatShape([]), '[]')
  assert.is(formatShape(new Array(100_000).fill(1)), `[${'1, '.repeat(16)}… (100000 dims)]`)
})

test.run()
