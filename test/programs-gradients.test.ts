// Gradients of random programs, and gradients of those, against differences in float64.
import { suite } from 'uvu'
import { ready } from './helpers/device.js'
import { forAll } from './helpers/fuzz.js'
import { compareGradients } from './programs/gradients.js'
import { programOps } from './programs/ops/index.js'
import { programs } from './programs/program.js'
import { count } from './support/figures.js'

const test = suite('gradients of random programs')

test.before(async () => {
  await ready()
})

const differentiable = programs({
  ops: programOps(false).filter((op) => !op.writes && !op.noGradient),
  inputs: ['i32', 'f32', 'f32'],
  states: [],
  most: 40,
  lines: { min: 3, max: 10 },
  ties: false,
  floats: true,
})

for (const [order, runs] of [
  ['first', 80],
  ['second', 60],
] as const) {
  test(`${order} derivatives`, async () => {
    await forAll(differentiable, { runs, seed: 2 }, async (program) => {
      await compareGradients(program, order)
      count('programs')
    })
  })
}

test.run()
