// Writes what PyTorch is to compute for the table of ops: for each sample with a `torch` text its inputs. For generate.py, which calls it.
// node test/golden/samples.mjs FILE.json
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'

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

const samples = rows
  .flatMap((row) => row.samples ?? [])
  .filter((s) => s.torch)
  .map(({ key, torch, values, noGradient }) => ({
    key,
    torch,
    fingerprint: fingerprint(torch, values),
    // JSON has no NaN and no infinity: Python's float() reads their names.
    inputs: values.map(({ shape, dtype, data, grad }) => ({ shape, dtype, grad: grad && !noGradient, data: data.map((v) => (Object.is(v, -0) ? "-0" : String(v))) })),
  }))
mkdirSync(dirname(process.argv[2]), { recursive: true })
writeFileSync(process.argv[2], JSON.stringify(samples))
