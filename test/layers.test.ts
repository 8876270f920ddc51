// The layer check is itself checked: it must pass a clean tree and name file and line for each thing it forbids.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { options } from './support/options.js'

const test = suite('layers')
const script = join(options.root, 'scripts/check-layers.mjs')
const trees: string[] = []

const clean: Record<string, string> = {
  'packages/tensor/src/index.ts': "// Why the index exists.\nexport { a } from './a.js'\n",
  'packages/tensor/src/a.ts': "// Why this file exists.\nimport type { B } from './b.js'\nexport const a: B = 1\n",
  'packages/tensor/src/b.ts': "// Why that file exists.\nimport { a } from './a.js'\nexport type B = number\nexport const b = () => a\n",
  'packages/tensor/src/node.ts': "// Why Node's part exists.\nimport { readFileSync } from 'node:fs'\nexport const read = () => readFileSync('x')\n",
  'packages/autograd/src/index.ts': "// Why the index exists.\nexport * from '@bms/tensor'\n",
  'packages/bms/src/index.ts': "// Why the index exists.\nexport * from './c.js'\n",
  'packages/bms/src/c.ts': '// Why this file exists.\nexport const c = 1\n',
}

function plant(changes: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), 'bms-layers-'))
  trees.push(root)
  for (const [file, text] of Object.entries({ ...clean, ...changes })) {
    mkdirSync(dirname(join(root, file)), { recursive: true })
    writeFileSync(join(root, file), text)
  }
  return root
}

async function problemsOf(root: string): Promise<string[]> {
  const { checkLayers } = await import(pathToFileURL(script).href)
  return checkLayers(root).problems
}

async function allows(changes: Record<string, string>) {
  assert.equal(await problemsOf(plant(changes)), [])
}

async function forbids(changes: Record<string, string>, expected: string) {
  const problems = await problemsOf(plant(changes))
  assert.is(problems.filter((p) => p.includes(expected)).length, 1, `expected '${expected}' in:\n${problems.join('\n')}`)
  assert.is(problems.length, 1, problems.join('\n'))
}

const because = '// Why this file exists.\n'

test.after(() => {
  for (const t of trees) rmSync(t, { recursive: true, force: true })
})

test('a clean tree passes', () => allows({}))

test('the packages of this workspace pass, and fail once an upward import is added', async () => {
  const root = mkdtempSync(join(tmpdir(), 'bms-layers-'))
  trees.push(root)
  for (const name of ['tensor', 'autograd', 'nn', 'bms']) {
    cpSync(join(options.root, 'packages', name, 'src'), join(root, 'packages', name, 'src'), { recursive: true })
  }
  assert.equal(await problemsOf(root), [])
  writeFileSync(join(root, 'packages/tensor/src/upward.ts'), `${because}import '@bms/nn'\n`)
  assert.equal(await problemsOf(root), ['packages/tensor/src/upward.ts:2: upward import: @bms/tensor must not know @bms/nn'])
})

test('the command prints the problems and fails', () => {
  const run = (root: string) => spawnSync(process.execPath, [script, '--root', root], { encoding: 'utf8' })
  assert.is(run(plant({})).status, 0)
  const { status, stderr } = run(plant({ 'packages/nn/src/c.ts': `${because}import '@bms/bms'\n` }))
  assert.is(status, 1)
  assert.match(stderr, 'packages/nn/src/c.ts:2: upward import')
})

test('upward by name, as a type, by path', async () => {
  await forbids({ 'packages/tensor/src/c.ts': `${because}import { grad } from '@bms/autograd'\n` }, 'packages/tensor/src/c.ts:2: upward import')
  await forbids({ 'packages/autograd/src/c.ts': `${because}import type { nn } from '@bms/nn'\n` }, 'packages/autograd/src/c.ts:2: upward import')
  await forbids(
    { 'packages/tensor/src/c.ts': `${because}export * from '../../nn/src/index.js'\n` },
    'packages/tensor/src/c.ts:2: ../../nn/src/index.js leaves the package',
  )
  await forbids({ 'packages/autograd/src/c.ts': `${because}\nexport const f = () => import('@bms/bms')\n` }, 'packages/autograd/src/c.ts:3: upward import')
})

test('a cycle', async () => {
  await forbids(
    { 'packages/tensor/src/c.ts': `${because}import './d.js'\n`, 'packages/tensor/src/d.ts': `${because}import './c.js'\n` },
    'import cycle: packages/tensor/src/c.ts → packages/tensor/src/d.ts → packages/tensor/src/c.ts',
  )
})

test('Node in browser code', async () => {
  await forbids({ 'packages/tensor/src/c.ts': `${because}import 'node:fs'\n` }, 'packages/tensor/src/c.ts:2: node:fs belongs in a node.ts')
  await forbids({ 'packages/nn/src/c.ts': `${because}import type { GPU } from 'webgpu'\n` }, 'packages/nn/src/c.ts:2: webgpu belongs in a node.ts')
  await allows({ 'packages/tensor/src/node/c.ts': `${because}import 'node:fs'\n` })
  await allows({ 'packages/bms/src/cli.ts': `${because}import 'node:fs'\n` })
  await forbids(
    { 'packages/bms/src/c.ts': `${because}import 'node:fs'\n` },
    'packages/bms/src/c.ts:2: index.ts must run in a browser, but this reaches node:fs',
  )
  await forbids(
    { 'packages/tensor/src/a.ts': `${because}import './node.js'\nexport const a = 1\n` },
    'packages/tensor/src/node.ts:2: index.ts must run in a browser',
  )
})

test('sizes, headers, endings, markers', async () => {
  await forbids({ 'bench/c.ts': because + 'export {}\n'.repeat(800) }, 'bench/c.ts:801: 801 lines')
  await forbids({ 'shaders/c.wgsl': 'const A: u32 = 1u;\n' }, 'shaders/c.wgsl:1: begins without a comment')
  await forbids({ 'packages/nn/src/c.ts': `${because}import './d'\n` }, "packages/nn/src/c.ts:2: write the ending: './d.js'")
  await forbids({ 'scripts/c.mjs': `${because}\n// ${'TO'}${'DO'}: later\n` }, 'scripts/c.mjs:3: leftover')
})

test.run()
