// The table of ops, case by case: test/table. Runs in Node and in a browser.
import { currentDevice } from '@bms/nn'
import { suite } from 'uvu'
import { ready } from '../helpers/device.js'
import { count } from '../support/figures.js'
import { rows } from '../table/index.js'

await ready()
const halves = currentDevice().features.has('shader-f16')

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
