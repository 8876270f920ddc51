// Starts a Chromium for the tests: the one that BMS_CHROMIUM names, else an installed one, else the one inside the npm package @sparticuz/chromium, which
// is unpacked once into a cache folder together with the libraries that it needs.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { brotliDecompressSync } from 'node:zlib'
import { chromium } from 'playwright-core'

const COMMANDS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
/** Browsers that playwright knows the usual places of. */
const CHANNELS = ['chrome', 'msedge']

/** WebGPU wants a secure context, which this is. Nothing listens there: playwright answers the page. */
export const ORIGIN = 'http://localhost'
const PAGE = '<!doctype html><meta charset="utf-8"><title>tests</title><link rel="icon" href="data:,">'

const flags = (adapter) => [
  '--enable-unsafe-webgpu',
  // A slow kernel on a busy machine is no hang.
  '--disable-gpu-watchdog',
  // For tests that count memory.
  '--js-flags=--expose-gc',
  ...(adapter === 'gpu' ? [] : ['--use-webgpu-adapter=swiftshader']),
]

function onPath() {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean)
  return COMMANDS.flatMap((name) => folders.map((folder) => join(folder, name))).filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile())
}

function untar(archive, folder) {
  const { status, error, stderr } = spawnSync('tar', ['-x', '-C', folder], { input: brotliDecompressSync(readFileSync(archive)) })
  if (status !== 0) throw new Error(`tar cannot unpack ${archive}: ${error?.message ?? stderr}`)
}

/** Unpacks the archives in `bin` as the folder `target`: the whole, or nothing. */
function unpack(bin, target) {
  const staging = `${target}.${process.pid}`
  mkdirSync(staging, { recursive: true })
  try {
    for (const archive of ['al2023.tar.br', 'swiftshader.tar.br']) untar(join(bin, archive), staging)
    writeFileSync(join(staging, 'chromium'), brotliDecompressSync(readFileSync(join(bin, 'chromium.br'))), { mode: 0o755 })
    renameSync(staging, target)
  } finally {
    rmSync(staging, { recursive: true, force: true })
  }
}

/** How to launch the browser of @sparticuz/chromium, which is unpacked on first use. */
function bundled(root) {
  if (process.platform !== 'linux' || process.arch !== 'x64') throw new Error('is for Linux on x64')
  const source = join(root, 'node_modules/@sparticuz/chromium')
  const { version } = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'))
  const problems = []
  const caches = [join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'bms'), join(tmpdir(), `bms-${process.getuid()}`)]
  for (const folder of caches.map((cache) => join(cache, `chromium-${version}`))) {
    const executablePath = join(folder, 'chromium')
    try {
      if (!existsSync(executablePath)) unpack(join(source, 'bin'), folder)
    } catch (error) {
      problems.push(error.message)
    }
    // Another process may have been first.
    if (!existsSync(executablePath)) continue
    const libraries = [join(folder, 'lib'), process.env.LD_LIBRARY_PATH].filter(Boolean).join(':')
    return { executablePath, env: { ...process.env, LD_LIBRARY_PATH: libraries } }
  }
  throw new Error(`cannot be unpacked: ${problems.join('; ')}`)
}

/** What to try, in this order: names, and functions that say how to launch. */
function candidates(root) {
  const named = process.env.BMS_CHROMIUM
  if (named) return [{ name: named, how: () => ({ executablePath: named }) }]
  return [
    ...onPath().map((path) => ({ name: path, how: () => ({ executablePath: path }) })),
    ...CHANNELS.map((channel) => ({ name: channel, how: () => ({ channel }) })),
    { name: 'bundled', how: () => bundled(root) },
  ]
}

/** None can be started; the message has what was wrong with each. */
export class NoChromium extends Error {}

/** Runs in the page. */
async function describeAdapter() {
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: 'high-performance' })
  return adapter ? [adapter.info.vendor, adapter.info.architecture, adapter.info.description].filter(Boolean).join(' ') : null
}

async function start({ name, how }, adapter) {
  const browser = await chromium.launch({ ...how(), args: flags(adapter), chromiumSandbox: false, timeout: 60_000 })
  try {
    const page = await browser.newPage()
    await page.route(`${ORIGIN}/`, (route) => route.fulfill({ contentType: 'text/html', body: PAGE }))
    await page.goto(ORIGIN)
    const info = await page.evaluate(describeAdapter)
    if (!info) throw new Error(`version ${browser.version()} has no WebGPU adapter`)
    return { browser, page, name: `Chromium ${browser.version()} (${name}) on ${info}`, bundled: name === 'bundled' }
  } catch (error) {
    await browser.close()
    throw error
  }
}

/** What playwright says of a browser that does not start, and the first thing that the browser says itself. */
function reason(error) {
  const lines = stripVTControlCharacters(error.message).split('\n')
  const own = lines.find((l) => l.includes('[err]'))?.replace(/.*\[err\]\s*/, '')
  return [lines[0].replace(/^browserType\.launch: /, ''), own].filter(Boolean).join('; ')
}

/** The first Chromium that starts and has WebGPU, with an empty page at `ORIGIN`; throws NoChromium. */
export async function startChromium(root, adapter) {
  const problems = []
  for (const candidate of candidates(root)) {
    try {
      return await start(candidate, adapter)
    } catch (error) {
      problems.push(`  ${candidate.name}: ${reason(error)}`)
    }
  }
  throw new NoChromium(`no Chromium with WebGPU can be started (BMS_CHROMIUM may name one):\n${problems.join('\n')}`)
}
