// Runs the tests: bundles test/**/*.test.ts against the built packages and runs them one after another in this one process, as a GPU device wants it; then
// those of test/everywhere again, in a page of a Chromium; and the table of ops again, on a second adapter.
// node test/run.mjs [part of a file name]... [--in both|node|browser] [--adapter auto|gpu|software] [--build] [--slow how many of the slowest to list]
//   [--timeout seconds a test] [--report file.json, for what runs it]
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { bundle } from './support/bundle.mjs'
import { addFigures, figureLines, takeFigures } from './support/figures.mjs'
import { runOnSecondAdapter } from './support/second-adapter.mjs'
import { runFile, shown } from './support/suites.mjs'

const root = join(import.meta.dirname, '..')
const start = performance.now()
const results = { passed: 0, failed: 0, skipped: 0 }
/** What ran where, for the summary. */
const places = []

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    in: { type: 'string', default: 'both' },
    adapter: { type: 'string', default: 'auto' },
    build: { type: 'boolean', default: false },
    slow: { type: 'string', default: '0' },
    timeout: { type: 'string', default: '300' },
    report: { type: 'string' },
  },
})
for (const [option, allowed] of Object.entries({ in: ['both', 'node', 'browser'], adapter: ['auto', 'gpu', 'software'] })) {
  if (allowed.includes(values[option])) continue
  console.error(`--${option} is ${allowed.join(' or ')}, not '${values[option]}'`)
  process.exit(2)
}

const print = (text) => process.stdout.write(text)
// A folder of its own for each run: two runs side by side do not disturb each other.
const folder = join(root, '.build/test', String(process.pid))
const numbers = process.env.BMS_TEST_NUMBERS ?? join(folder, 'numbers.json')
/** Shared with test/support. */
const run = { adapter: values.adapter, root, timeout: Number(values.timeout), numbers, print, hookErrors: [], times: [] }
globalThis.BMS_TEST = run

function fail(what, error) {
  results.failed++
  print(`\nFAIL ${what}\n${shown(error)}\n\n`)
}

function testFiles() {
  const all = readdirSync(join(root, 'test'), { recursive: true }).filter((f) => f.endsWith('.test.ts'))
  const named = all.map((f) => f.split(sep).join('/')).sort()
  return positionals.length ? named.filter((f) => positionals.some((p) => f.includes(p.replace(/^test\//, '')))) : named
}

/** Runs files one after another and adds up what they come to. */
async function runAll(files, where, runOne) {
  const place = { where, passed: 0, failed: 0, skipped: 0, figures: takeFigures() }
  places.push(place)
  for (const file of files) {
    const counts = await runOne(file)
    for (const [name, n] of Object.entries(counts)) {
      place[name] += n
      results[name] += n
    }
  }
  return place
}

async function runInNode(files) {
  const outdir = join(folder, 'node')
  await bundle(join(root, 'test'), files, outdir, 'node')
  const place = await runAll(files, 'Node', (file) => runFile(file, () => import(pathToFileURL(join(outdir, file.replace(/\.ts$/, '.mjs'))).href), run))
  place.figures = takeFigures()
  if (run.adapterName) place.where += ` on ${run.adapterName}`
}

async function runInBrowser(files) {
  const outdir = join(folder, 'browser')
  await bundle(join(root, 'test'), [...files, 'support/page.mjs', 'support/batch-worker.mjs'], outdir, 'browser')
  const { BrowserRun } = await import('./support/browser.mjs')
  const { NoChromium } = await import('./support/chromium.mjs')
  const browser = new BrowserRun({ ...run, outdir })
  try {
    const where = await browser.open()
    print(`\n== ${where}\n`)
    await runAll(files, where, async (file) => {
      const { counts, figures, times } = await browser.runFile(file)
      const place = places.at(-1)
      place.figures = addFigures(place.figures, figures)
      run.times.push(...times.map(({ name, seconds }) => ({ name: `${name} (in the browser)`, seconds })))
      return counts
    })
  } catch (error) {
    if (!(error instanceof NoChromium)) throw error
    if (values.in === 'browser') return fail('the browser', error.message)
    results.skipped += files.length
    print(`\nSKIPPED in a browser: ${files.join(', ')}\n${error.message}\n`)
  } finally {
    await browser.close()
  }
}

async function runElsewhere(files) {
  const first = { name: run.adapterName, source: run.adapterSource }
  print('\n== second adapter\n')
  const report = await runOnSecondAdapter({ root, folder, timeout: values.timeout, first, files })
  if (report.skipped) {
    results.skipped += files.length
    print(`\nSKIPPED on a second adapter: ${files.join(', ')}: ${report.skipped}\n`)
    return
  }
  places.push(...report.places)
  for (const name of Object.keys(results)) results[name] += report.results[name]
}

function summary() {
  const slow = run.times.sort((a, b) => b.seconds - a.seconds).slice(0, Number(values.slow))
  if (slow.length) console.log(`\nslowest:\n${slow.map((t) => `  ${t.seconds.toFixed(2)} s  ${t.name}`).join('\n')}`)
  console.log()
  for (const { where, passed, failed } of places) console.log(`${where}: ${passed} passed, ${failed} failed`)
  if (!values.report) for (const line of figureLines(places)) console.log(line)
  console.log(`${((performance.now() - start) / 1000).toFixed(1)} seconds${results.skipped ? `, ${results.skipped} skipped` : ''}`)
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
const inBrowser = values.in === 'node' ? [] : files.filter((f) => f.startsWith('everywhere/'))
const inNode = values.in === 'browser' ? [] : files
mkdirSync(folder, { recursive: true })
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
if (!inNode.length && !inBrowser.length)
  fail('the run', `no test file in test${values.in === 'browser' ? '/everywhere' : ''}${positionals.length ? ` matches ${positionals.join(', ')}` : ''}`)
// What a newcomer runs of a single file is quick: the second adapter is for whole runs.
const inTable = positionals.length || values.in !== 'both' ? [] : files.filter((f) => f.startsWith('everywhere/table'))
for (const [files, runIn] of [
  [inNode, runInNode],
  [inBrowser, runInBrowser],
  [inTable, runElsewhere],
]) {
  try {
    if (files.length) await runIn(files)
  } catch (error) {
    fail('the bundle of the tests', error)
  }
}
// Let rejections that are on their way arrive.
await new Promise((done) => setTimeout(done, 20))
if (places.length && results.passed + results.failed === 0) fail('the run', 'no test ran')
finished = true
if (values.report) writeFileSync(values.report, JSON.stringify({ results, places, adapterName: run.adapterName }))
summary()
process.exit(results.failed ? 1 : 0)
