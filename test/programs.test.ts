// Random programs against float64: whatever is computed in whatever order, eagerly or compiled with any rewrites, in three runs with new inputs, must be
// what the same program gives on the host; tensors outside that it overwrites included.
import type { DType, Rewrites } from '@bms/nn'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ready } from './helpers/device.js'
import { forAll } from './helpers/fuzz.js'
import { compareProgram, dispatches } from './programs/compare.js'
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

test('every op finds operands', () => {
  const used = new Set(
    Array.from({ length: 600 }, (_, n) => fc.sample(programs(kind)(n), { seed: n, numRuns: 1 })[0]!).flatMap((p) => p.lines.map((l) => l.op)),
  )
  assert.equal(
    kind.ops.filter((op) => !used.has(op)).map((op) => op.name),
    [],
  )
})

test('values and states', async () => {
  const switches = Object.keys(off) as (keyof Rewrites)[]
  const worked = new Set<string>()
  let next = 0
  await forAll(programs(kind), { runs: 150, seed: 1 }, async (program) => {
    const only = switches[next++ % switches.length]!
    const listing = await compareProgram(program, { all: {}, none: off, [`only ${only}`]: { ...off, [only]: true } })
    if (/= \w+·\w+.*# /.test(listing['all']!)) worked.add('maps')
    if (/·(sum|max|min|prod) \(/.test(listing['all']!)) worked.add('reductions')
    if (/= (matmul|conv) .*(bias|relu|tanh|sigmoid|leakyRelu|gate|rowsum)/.test(listing['all']!)) worked.add('epilogues')
    const before = await dispatches(program, off)
    for (const rewrite of ['dead', 'equal', 'copies'] as const)
      if (!worked.has(rewrite) && (await dispatches(program, { ...off, [rewrite]: true })) < before) worked.add(rewrite)
    count('programs')
  })
  assert.equal([...worked].sort(), [...switches].sort(), 'every rewrite had work')
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
