// Runs test files in a page of a Chromium: opens it, hands it the files one by one, brings back what it prints, counts and throws.
import { stripVTControlCharacters } from 'node:util'
import { ORIGIN, startChromium } from './chromium.mjs'
import { server, sourceMapper } from './serve.mjs'
import { shown } from './suites.mjs'

/** Seconds without a word from the page, beyond those that a test may take, after which it counts as hung. */
const GRACE = 30

export class BrowserRun {
  /** What is wrong with the page and belongs to no test. */
  #problems = []
  /** When the page was last heard of. */
  #heard = Number.POSITIVE_INFINITY
  #session = null
  #ended = null
  #say
  #options

  /** `options`: what run.mjs shares with test/support, and `outdir`, where the bundles are. */
  constructor(options) {
    this.#options = options
    const mapped = sourceMapper(options)
    const plain = process.stdout.isTTY ? (text) => text : stripVTControlCharacters
    this.#say = (text) => options.print(mapped(plain(text)))
  }

  /** Opens the browser and gives its name with that of the adapter; throws NoChromium. */
  async open() {
    const { root, adapter, timeout } = this.#options
    this.#session = await startChromium(root, adapter)
    const { browser, page, bundled } = this.#session
    this.#ended = new Promise((_, reject) => {
      page.once('crash', () => reject(new Error('the page crashed')))
      browser.once('disconnected', () => reject(new Error('the browser ended')))
      const watch = setInterval(() => {
        if (performance.now() - this.#heard > 1000 * (timeout + GRACE)) reject(new Error(`nothing was heard from the page for ${timeout + GRACE} s`))
      }, 1000)
      browser.once('disconnected', () => clearInterval(watch))
    })
    // It may end between two files.
    this.#ended.catch(() => {})
    page.on('pageerror', (error) => this.#problems.push(`uncaught: ${shown(error)}`))
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) this.#say(`\nconsole.${message.type()}: ${message.text()}\n`)
    })
    await page.exposeFunction('bmsPrint', (text) => {
      this.#heard = performance.now()
      this.#say(text)
    })
    await page.addInitScript((run) => Object.assign(globalThis, { BMS_TEST: run }), { adapter, timeout, hookErrors: [], times: [] })
    await page.route(/localhost\/./, server({ ...this.#options, bundled }))
    await page.goto(ORIGIN)
    await page.addScriptTag({ type: 'module', url: '/support/page.mjs' })
    return this.#session.name
  }

  async close() {
    const { browser } = this.#session ?? {}
    this.#session = null
    await browser?.close()
  }

  /** Runs a bundled test file; gives its counts, figures and times. A page that crashes or hangs is a failure, and the next file gets a new browser. */
  async runFile(file) {
    let result = { counts: { passed: 0, failed: 0, skipped: 0 }, figures: { counts: {}, worst: { error: 0, where: '' } }, times: [] }
    try {
      if (!this.#session) await this.open()
      this.#heard = performance.now()
      const running = this.#session.page.evaluate(([name, url]) => globalThis.bmsRunFile(name, url), [file, `/${file.replace(/\.ts$/, '.mjs')}`])
      result = await Promise.race([running, this.#ended])
    } catch (error) {
      this.#problems.push(`${file}: ${error.message}`)
      await this.close()
    }
    this.#heard = Number.POSITIVE_INFINITY
    for (const problem of this.#problems.splice(0)) {
      result.counts.failed++
      this.#say(`\nFAIL in the page: ${problem}\n`)
    }
    return result
  }
}
