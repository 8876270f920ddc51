// The table of ops, case by case: test/table. Runs in Node and in a browser.
import { currentDevice, gradientRules } from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ready } from '../helpers/device.js'
import { count } from '../support/figures.js'
import { rows } from '../table/index.js'

await ready()
const halves = currentDevice().features.has('shader-f16')

/** The gradient rules that the table ran. */
const ran = new Set<string>()
const known = Object.entries(gradientRules).flatMap(([name, rule]) => (rule ? [{ name, rule }] : []))
for (const { name, rule } of known) {
  gradientRules[name] = {
    ...rule,
    backward(ctx, gradients) {
      ran.add(name)
      return rule.backward(ctx, gradients)
    },
  }
}

for (const row of rows) {
  const test = suite(row.name)
  for (const { kind, name, half, run } of row.cases()) {
    const title = `${name}: ${kind}`
    if (half && !halves) test.skip(title)
    else {
      test(title, async () => {
        await run()
        count(kind)
      })
    }
  }
  test.run()
}

const test = suite('gradient rules')
test('every one ran', () => {
  for (const { name, rule } of known) gradientRules[name] = rule
  // A gradient passes a cast between floats only, and without half precision there is one kind of float.
  const can = (name: string): boolean => halves || name !== 'cast'
  assert.equal(
    known.filter(({ name }) => can(name) && !ran.has(name)).map(({ name }) => name),
    [],
  )
})
test.run()
