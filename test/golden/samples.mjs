// Writes what the rows of the table ask of PyTorch, for one part of the goldens: the Python text, the inputs. For generate.py, which calls it.
// node test/golden/samples.mjs PART FILE.json
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const [part, file] = process.argv.slice(2)
const root = join(import.meta.dirname, '../..')
const bundle = join(root, '.build/golden-samples.mjs')
await build({
  stdin: { contents: "export * from './test/table/index.ts'\nexport * from './test/table/goldens.ts'", resolveDir: root },
  outfile: bundle,
  bundle: true,
  format: 'esm',
  platform: 'node',
  packages: 'external',
  logLevel: 'error',
})
const { rows, fingerprint } = await import(pathToFileURL(bundle).href)
rmSync(bundle)

const requests = rows
  .flatMap((row) => row.requests ?? [])
  .filter((request) => request.part === part)
  .map(({ key, spec }) => ({ ...spec, key, fingerprint: fingerprint(spec) }))
mkdirSync(dirname(file), { recursive: true })
writeFileSync(file, JSON.stringify(requests))
