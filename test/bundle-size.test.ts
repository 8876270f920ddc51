// What a web page downloads for a model of its own stays small, and nothing of Node is in it.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import * as assert from 'uvu/assert'
import { suite } from 'uvu'
import { options } from './support/options.js'

interface Bundle {
  gzipped: number
  text: string
  imports: string[]
  parts: Record<string, number>
}

const test = suite('bundle of examples/mlp.ts for a browser')
let bundle: Bundle

test.before(async () => {
  // By a computed path: the bundler of the tests would take it in, and with it esbuild.
  const { bundleExample } = (await import(pathToFileURL(join(options.root, 'bench/bundle.mjs')).href)) as {
    bundleExample: (name: string, root: string) => Promise<Bundle>
  }
  bundle = await bundleExample('mlp', options.root)
})

test('is at most 63 kB, gzipped', () => {
  const largest = Object.entries(bundle.parts)
    .sort((a, b) => b[1] - a[1])
    .slice(0, 3)
  assert.ok(bundle.gzipped <= 63_000, `${bundle.gzipped} bytes; the largest parts, before gzip: ${largest.map(([file, n]) => `${file} ${n}`).join(', ')}`)
})

test('brings the kernels that it uses, and no others', () => {
  assert.match(bundle.text, /matmul_tiles\.wgsl/)
  assert.not.match(bundle.text, /(conv_\w+|max_pool|spectral_norm|optim_ema|eigh)\.wgsl/)
})

test('imports nothing, of Node least of all', () => {
  assert.equal(bundle.imports, [])
  assert.not.match(bundle.text, /["'`]node:|process\.dlopen/)
  for (const file of Object.keys(bundle.parts)) assert.not.match(file, /dist\/node\.js$|\/node_modules\/(?!@bms)|\/node\//)
})

test.run()
