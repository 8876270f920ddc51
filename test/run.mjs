// Runs the tests: bundles test/**/*.test.ts against the built packages and runs them one after another in this one process, as a GPU device wants it.
// node test/run.mjs [part of a file name]... [--adapter auto|gpu|software] [--build] [--slow how many of the slowest to list] [--timeout seconds a test]
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { build } from 'esbuild'

const root = join(import.meta.dirname, '..')
const start = performance.now()
const results = { passed: 0, failed: 0, skipped: 0 }

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    adapter: { type: 'string', default: 'auto' },
    build: { type: 'boolean', default: false },
    slow: { type: 'string', default: '0' },
    timeout: { type: 'string', default: '300' },
  },
})
if (!['auto', 'gpu', 'software'].includes(values.adapter)) {
  console.error(`--adapter is auto, gpu or software, not '${values.adapter}'`)
  process.exit(2)
}

/** Shared with test/support. */
const run = { adapter: values.adapter, root, timeout: Number(values.timeout), hookErrors: [], times: [] }
globalThis.BMS_TEST = run

function fail(what, error) {
  results.failed++
  console.error(`\nFAIL ${what}\n${error instanceof Error ? error.stack : error}\n`)
}

function testFiles() {
  const all = readdirSync(join(root, 'test'), { recursive: true }).filter((f) => f.endsWith('.test.ts'))
  const named = all.map((f) => f.split(sep).join('/')).sort()
  return positionals.length ? named.filter((f) => positionals.some((p) => f.includes(p.replace(/^test\//, '')))) : named
}

/** Tests import 'uvu' and get test/support/uvu.mjs. */
const uvuPlugin = {
  name: 'uvu',
  setup(b) {
    const wrapper = join(root, 'test/support/uvu.mjs')
    b.onResolve({ filter: /^uvu$/ }, ({ importer }) => (importer === wrapper ? { path: 'uvu', external: true } : { path: wrapper }))
  },
}

async function bundle(files, outdir) {
  await build({
    absWorkingDir: root,
    entryPoints: files.map((f) => join(root, 'test', f)),
    outbase: join(root, 'test'),
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    outExtension: { '.js': '.mjs' },
    sourcemap: 'inline',
    plugins: [uvuPlugin],
    logLevel: 'error',
  })
}

async function runSuite(file, suite) {
  let clean = true
  try {
    const [errors, passed, skipped, total] = await suite()
    results.passed += passed
    results.failed += total - passed
    results.skipped += skipped
    clean = passed === total
    if (typeof errors === 'string') console.log(`\n${errors}`)
  } catch (error) {
    // uvu lets only an after hook's error through, and it is reported below.
    if (!run.hookErrors.length) fail(file, error)
  }
  for (const { suite: name, hook, error } of run.hookErrors.splice(0)) {
    // A hook around tests that all passed has no test to blame: it counts for itself.
    if (clean) results.failed++
    console.error(`FAIL ${hook} hook of ${name || file}\n${error?.stack ?? error}\n`)
  }
}

async function runFile(file, outdir) {
  console.log(`\n${file}`)
  const before = performance.now()
  const group = []
  globalThis.UVU_QUEUE = [group]
  globalThis.UVU_INDEX = 0
  try {
    await import(pathToFileURL(join(outdir, file.replace(/\.ts$/, '.mjs'))).href)
    if (!group.length) fail(file, 'no suite was run: end the file with suite.run() or test.run()')
  } catch (error) {
    fail(`${file} threw on import`, error)
  }
  for (const suite of group) await runSuite(file, suite)
  console.log(`  ${((performance.now() - before) / 1000).toFixed(1)} s`)
}

function summary() {
  const slow = run.times.sort((a, b) => b.seconds - a.seconds).slice(0, Number(values.slow))
  if (slow.length) console.log(`\nslowest:\n${slow.map((t) => `  ${t.seconds.toFixed(2)} s  ${t.name}`).join('\n')}`)
  console.log(`\n${((performance.now() - start) / 1000).toFixed(1)} seconds${results.skipped ? `, ${results.skipped} skipped` : ''}`)
  console.log(`${results.passed} passed, ${results.failed} failed`)
}

let finished = false
process.on('unhandledRejection', (error) => fail('unhandled rejection', error))
process.on('uncaughtException', (error) => fail('uncaught exception', error))
process.on('exit', () => {
  if (finished) return
  fail('the run', 'ended before the tests did: a test awaits something that never comes, or called process.exit')
  summary()
  process.exitCode = 1
})

if (values.build) {
  const { status } = spawnSync(process.execPath, [join(root, 'scripts/build.mjs')], { stdio: 'inherit' })
  if (status !== 0) process.exit(1)
}
globalThis.UVU_DEFER = 1
process.setSourceMapsEnabled(true)
const files = testFiles()
// A folder of its own for each run: two runs side by side do not disturb each other.
const outdir = join(root, '.build/test', String(process.pid))
mkdirSync(outdir, { recursive: true })
process.on('exit', () => rmSync(outdir, { recursive: true, force: true }))
try {
  if (!files.length)
    fail('the run', `no test file ${positionals.length ? `matches ${positionals.join(', ')}` : `in ${relative(process.cwd(), join(root, 'test')) || '.'}`}`)
  else await bundle(files, outdir)
  for (const file of files) await runFile(file, outdir)
} catch (error) {
  fail('the bundle of the tests', error)
}
// Let rejections that are on their way arrive.
await new Promise((done) => setTimeout(done, 20))
if (files.length && results.passed + results.failed === 0) fail('the run', 'no test ran')
finished = true
summary()
process.exit(results.failed ? 1 : 0)
