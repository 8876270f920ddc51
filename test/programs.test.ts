// Random programs against float64: whatever is computed in whatever order, eagerly or compiled with any rewrites, in three runs with new inputs, must be
// what the same program gives on the host; tensors outside that it overwrites included.
import type { DType, Rewrites } from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ready } from './helpers/device.js'
import { forAll } from './helpers/fuzz.js'
import { compareProgram } from './programs/compare.js'
import type { ProgramOp } from './programs/op.js'
import { elementwiseOps } from './programs/ops/elementwise.js'
import { programOps } from './programs/ops/index.js'
import { viewOps } from './programs/ops/view.js'
import { type Kind, programs } from './programs/program.js'
import { count } from './support/figures.js'

const test = suite('random programs')

const halves = (await ready()).features.has('shader-f16')
const off: Rewrites = { dead: false, equal: false, epilogues: false, maps: false, reductions: false, copies: false }
const numbers: readonly DType[] = ['f32', 'f32', 'i32', 'bool']
const kind: Kind = {
  ops: programOps(halves),
  inputs: halves ? [...numbers, 'f16'] : numbers,
  states: ['f32', 'f32'],
  most: 400,
  lines: { min: 2, max: 12 },
  ties: true,
  floats: false,
}

/** Dispatches of a compiled step, from its listing. */
const dispatches = (listing: string): number => Number(/^program: (\d+)/.exec(listing)![1])

test('values and states', async () => {
  const switches = Object.keys(off) as (keyof Rewrites)[]
  const used = new Set<ProgramOp>()
  const worked = new Set<string>()
  let next = 0
  await forAll(programs(kind), { runs: 150, seed: 1 }, async (program) => {
    const only = switches[next++ % switches.length]!
    const found = await compareProgram(program, { all: {}, none: off, [`only ${only}`]: { ...off, [only]: true } })
    for (const { op } of program.lines) used.add(op)
    // Those of maps and reductions drop dead calls as well, and show in the names of kernels.
    if (only !== 'maps' && only !== 'reductions' && dispatches(found[`compiled, only ${only}`]!) < dispatches(found['compiled, none']!)) worked.add(only)
    if (/= \w+·\w+.*# /.test(found['compiled, all']!)) worked.add('maps')
    if (/·(sum|max|min|prod) \(/.test(found['compiled, all']!)) worked.add('reductions')
    count('programs')
  })
  assert.equal(
    kind.ops.filter((op) => !used.has(op)).map((op) => op.name),
    [],
    'no op is left out',
  )
  assert.equal([...worked].sort(), [...switches].sort(), 'every rewrite changed something')
})

test('values and states where few tensors fit a binding, and a kernel takes few buffers', async () => {
  const limits = { maxStorageBufferBindingSize: 512, maxStorageBuffersPerShaderStage: 4, maxComputeWorkgroupsPerDimension: 7 }
  const small = { ...kind, ops: [...elementwiseOps, ...viewOps], inputs: numbers }
  let [full, crowded] = [0, 0]
  await forAll(programs(small), { runs: 50, seed: 3, limits }, async (program, { seen }) => {
    await compareProgram(program, { all: {}, none: off })
    full += seen.filter((s) => s.largest > 400).length
    crowded += seen.filter((s) => s.bindings === 4).length
    count('programs')
  })
  assert.ok(full > 0 && crowded > 0, 'the limits were met')
})

test.run()
