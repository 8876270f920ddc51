// Everything public is proven somewhere: an op, module, loss or optimiser by a row of the table, the rest by a test file that names it.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as bms from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { count } from './support/figures.js'
import { options } from './support/options.js'
import { rows } from './table/index.js'

const test = suite('what the table covers')

/** Public names that are no ops, by the file under test/ that proves them. */
const elsewhere: Record<string, readonly string[]> = {
  autograd: ['backward', 'customFunction', 'enableGrad', 'grad', 'isGradEnabled', 'noGrad', 'Tensor.backward', 'Tensor.requiresGrad_', 'Tensor.requiresGrad'],
}

const functionsOf = (o: object, prefix = ''): string[] =>
  Object.entries(Object.getOwnPropertyDescriptors(o))
    .filter(([name, d]) => typeof d.value === 'function' && name !== 'constructor')
    .map(([name]) => prefix + name)

const isModule = (x: unknown): boolean => typeof x === 'function' && /^class/.test(String(x))

const names = [
  ...functionsOf(bms),
  ...functionsOf(bms.Tensor.prototype, 'Tensor.'),
  ...functionsOf(bms.nn, 'nn.'),
  ...functionsOf(bms.nn.init, 'init.'),
  ...functionsOf(bms.losses, 'losses.'),
  ...functionsOf(bms.optim, 'optim.'),
  ...functionsOf(bms.data, 'data.'),
]

test('every public name has a row or a test that names it', () => {
  const covered = new Set([...rows.flatMap((r) => r.covers), ...Object.values(elsewhere).flat()])
  assert.equal(
    names.filter((n) => !covered.has(n)),
    [],
    'public, but neither a row of test/table covers it nor is it listed here',
  )
  assert.equal(
    [...covered].filter((n) => !names.includes(n)),
    [],
    'covered, but not public',
  )
  const modules = Object.values(bms.nn).filter(isModule).length
  count('public ops and modules', rows.flatMap((r) => r.covers).length)
  count('public modules', modules)
})

test('no name is covered twice', () => {
  const all = [...rows.flatMap((r) => r.covers), ...Object.values(elsewhere).flat()]
  assert.equal(
    all.filter((n, i) => all.indexOf(n) !== i),
    [],
  )
})

test('tests that are named exist and call what they are named for', () => {
  for (const [file, list] of Object.entries(elsewhere)) {
    const path = ['', 'everywhere'].map((folder) => join(options.root, 'test', folder, `${file}.test.ts`)).find(existsSync)
    assert.ok(path, `test/${file}.test.ts does not exist`)
    const text = readFileSync(path!, 'utf8')
    for (const name of list) assert.match(text, new RegExp(`\\b${name.replace(/^\w+\./, '')}\\b`), `${file}.test.ts does not name ${name}`)
  }
})

test('rows have inputs of every kind, or a reason', () => {
  assert.equal(
    rows.flatMap((r) => r.gaps().map((g) => `${r.name} ${g}`)),
    [],
  )
})

test.run()
