// Runs an example in Node: `node scripts/example.mjs mlp [--adapter …]`. The example itself knows nothing of Node; the adapters come from '@bms/nn/node', which is imported first.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const root = join(import.meta.dirname, '..')
const name = process.argv[2] ?? ''
const source = join(root, 'examples', `${name}.ts`)
if (!/^[\w-]+$/.test(name) || !existsSync(source)) {
  const known = readdirSync(join(root, 'examples')).flatMap((f) => (f.endsWith('.ts') ? [f.slice(0, -3)] : []))
  console.error(`usage: npm run example <${known.join('|')}>`)
  process.exit(1)
}
const outfile = join(root, '.build/examples', `${name}.mjs`)
await build({
  entryPoints: [source],
  outfile,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  packages: 'external',
  sourcemap: 'inline',
  logLevel: 'error',
})
await import('@bms/nn/node')
const { run } = await import(pathToFileURL(outfile).href)
await run()
const { currentDevice } = await import('@bms/nn')
currentDevice().destroy()
