// The shader build: what it writes for a file of two entry points, and that each mistake is named with its file and line.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { transformSync } from 'esbuild'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { options } from './support/options.js'

const test = suite('shader build')
const script = join(options.root, 'scripts/build-shaders.mjs')
const folders: string[] = []

function build(files: Record<string, string>): { code: number | null; text: string; out: string } {
  const folder = mkdtempSync(join(tmpdir(), 'bms-shaders-'))
  folders.push(folder)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  const out = join(folder, 'shaders.ts')
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, folder, out], { encoding: 'utf8' })
  return { code: status, text: stdout + stderr, out }
}

function fails(text: string, expected: string) {
  const result = build({ 'bad.wgsl': text })
  assert.is(result.code, 1, result.text)
  assert.ok(result.text.includes(expected), `expected '${expected}' in:\n${result.text}`)
}

async function table(out: string): Promise<any> {
  const js = transformSync(readFileSync(out, 'utf8'), { loader: 'ts', format: 'esm' }).code
  return (await import(`data:text/javascript,${encodeURIComponent(js)}`)).shaders
}

const entry = '@compute @workgroup_size(1) fn main() {}\n'

const pair = `// Two entry points. /* not a block
/* a /* nested */ block */ alias T = f32;
const WG: u32 = 64u;
const TILE: u32 = WG * 2u;
const EPS : f32=1.5e-3;
const FLAG: bool = true;
struct Params { size: u32, shift: i32, dims: array<vec4<u32>, 2>, scale: f32, offset: vec4f }
@group(0) @binding(2) var<uniform> params: Params;
@group(0) @binding(0) var<storage, read> x: array<T>;
@group(0) @binding(1) var<storage, read_write> out: array<T>;
@group(0) @binding(3) var<storage, read_write> count: array<atomic<u32>>;

fn load(i: u32) -> T { return x[i] * T(EPS); } // in a helper
@compute @workgroup_size(WG)
fn scale(@builtin(global_invocation_id) id: vec3u) {
  // <body>
  out[id.x] = load(id.x + params.size);
  // </body>
}
@compute @workgroup_size(8, TILE, 1)
fn tally(@builtin(global_invocation_id) id: vec3u) { atomicAdd(&count[id.x], 1u); }
`

test('the text loses no space that means something', async () => {
  const body = 'fn f(a: f32, b: f32) -> f32 {\n  let c = a - -b + 2.0 / 10.0 - 1.05;\n  return c + vec4<f32>(1.5e-3).x;\n}\n'
  const { code, out } = build({ 'spaces.wgsl': `// Why.\n${body}${entry}` })
  assert.is(code, 0)
  const { source } = (await table(out)).spaces
  assert.ok(source.includes('fn f(a:f32,b:f32)->f32{\nlet c=a - -b+2./10.-1.05;\nreturn c+vec4f(1.5e-3).x;}'), source)
})

test.after(() => {
  for (const f of folders) rmSync(f, { recursive: true, force: true })
})

test('the table', async () => {
  const { code, text, out } = build({ 'pair.wgsl': pair, 'one.wgsl': entry })
  assert.is(code, 0, text)
  const shaders = await table(out)
  assert.equal(Object.keys(shaders), ['one', 'pair.scale', 'pair.tally'])
  const { source, ...scale } = shaders['pair.scale']
  assert.equal(scale, {
    name: 'pair.scale',
    file: 'pair.wgsl',
    entry: 'scale',
    bindings: [
      { name: 'x', index: 0, access: 'read' },
      { name: 'out', index: 1, access: 'read_write' },
      { name: 'params', index: 2, access: 'uniform' },
    ],
    paramBytes: 80,
    params: {
      size: { offset: 0, type: 'u32', count: 1 },
      shift: { offset: 4, type: 'i32', count: 1 },
      dims: { offset: 16, type: 'u32', count: 8 },
      scale: { offset: 48, type: 'f32', count: 1 },
      offset: { offset: 64, type: 'f32', count: 4 },
    },
    constants: { WG: 64, EPS: 1.5e-3, FLAG: true },
    aliases: { T: 'f32' },
    workgroupSize: ['WG', '1', '1'],
  })
  assert.equal(shaders['pair.tally'].bindings, [{ name: 'count', index: 3, access: 'read_write' }])
  assert.equal(shaders['pair.tally'].workgroupSize, ['8', 'TILE', '1'])
  assert.is(shaders['pair.tally'].paramBytes, 0)
  assert.not.match(source, /Two|nested|helper|\n\n|\n /)
  assert.match(source, /^alias T=f32;\nconst WG:u32=64u;/)
  assert.match(source, /const EPS:f32=1\.5e-3;/)
  assert.match(source, /\/\/ <body>\nout\[id\.x\]=.*\n\/\/ <\/body>\n/)
})

test('a uniform without a struct is one list by its own name', async () => {
  const list = '@group(0) @binding(0) var<uniform> params: array<vec4<u32>, 3>;\n@compute @workgroup_size(1) fn main() { _ = params[0].x; }\n'
  const { code, text, out } = build({ 'list.wgsl': list })
  assert.is(code, 0, text)
  const { list: kernel } = await table(out)
  assert.is(kernel.paramBytes, 48)
  assert.equal(kernel.params, { params: { offset: 0, type: 'u32', count: 12 } })
})

test('names that wgsl_reflect takes for keywords are plain names', async () => {
  const block =
    'struct P { block: u32, read: f32 }\n@group(0) @binding(0) var<uniform> p: P;\n@group(0) @binding(1) var<storage, read_write> out: array<u32>;\n'
  const { code, text, out } = build({
    'block.wgsl': `${block}@compute @workgroup_size(1) fn main() { let block = p.block * 2u; out[block] = (block + 1u) * 3u; }\n`,
  })
  assert.is(code, 0, text)
  const { block: kernel } = await table(out)
  assert.equal(kernel.params, { block: { offset: 0, type: 'u32', count: 1 }, read: { offset: 4, type: 'f32', count: 1 } })
  assert.match(kernel.source, 'let block=p.block*2u;')
})

test('an unchanged table is left alone; an empty one still has its types', () => {
  const { out } = build({ 'one.wgsl': entry })
  const { mtimeMs } = statSync(out)
  spawnSync(process.execPath, [script, join(out, '..'), out])
  assert.is(statSync(out).mtimeMs, mtimeMs)
  const empty = build({})
  assert.is(empty.code, 0, empty.text)
  assert.match(readFileSync(empty.out, 'utf8'), /export type KernelName/)
})

test('mistakes', () => {
  fails('// c\n\nfn main( {\n', 'bad.wgsl:3: does not parse')
  fails(`${entry}\nconst x: u32 = ;\n`, 'bad.wgsl:3: does not parse')
  fails('/* open\n', 'bad.wgsl:1: comment is never closed')
  fails('fn f() {}\n', 'bad.wgsl:1: has no @compute entry point')
  fails(
    `@group(0) @binding(0) var<storage> x: array<f32>;\n@group(0) @binding(0) var<storage> y: array<f32>;\n${entry}`,
    "bad.wgsl:2: 'y' and 'x' both have binding 0",
  )
  fails(
    `struct P { a: u32 }\n@group(0) @binding(0) var<uniform> p: P;\n@group(0) @binding(1) var<uniform> q: P;\n${entry}`,
    "bad.wgsl:3: 'q' is a second uniform beside 'p'",
  )
  fails(
    `struct P {\n  a: u32,\n  m: mat2x2<f32>,\n}\n@group(0) @binding(0) var<uniform> p: P;\n${entry}`,
    "bad.wgsl:3: parameter 'm: mat2x2<f32>' has an unsupported type",
  )
  fails(`@group(0) @binding(0) var<uniform> p: u32;\n${entry}`, "bad.wgsl:1: uniform 'p' must be a struct")
  fails(`@group(1) @binding(0) var<storage> x: array<f32>;\n${entry}`, "bad.wgsl:1: 'x' is in group 1")
  fails(`override N: u32 = 1u;\n${entry}`, "bad.wgsl:1: override 'N'")
  fails(
    '@group(0) @binding(0) var<storage> x: array<f32>;\n\n@compute @workgroup_size(1)\nfn main() {\n  let x = 1u;\n}\n',
    "bad.wgsl:5: 'x' hides the binding",
  )
})

test.run()
