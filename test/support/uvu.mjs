// What tests get when they import 'uvu': uvu itself, but with the errors of hooks, which uvu swallows, kept for the report, the time of each test
// noted, and an end put to tests that hang.
import { suite as plainSuite } from 'uvu'

const run = globalThis.BMS_TEST ?? { timeout: 300, hookErrors: [], times: [] }

function watched(name, label, handler) {
  return async (context) => {
    try {
      return await handler(context)
    } catch (error) {
      run.hookErrors.push({ suite: name, hook: label, error })
      throw error
    }
  }
}

function timed(name, title, handler) {
  return async (context) => {
    const start = performance.now()
    let timer
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`took more than ${run.timeout} s`)), run.timeout * 1000)
    })
    // In Node unreferenced: where nothing else is under way the process ends at once, and the runner says so.
    timer.unref?.()
    try {
      return await Promise.race([handler(context), late])
    } finally {
      clearTimeout(timer)
      run.times.push({ name: name ? `${name}: ${title}` : title, seconds: (performance.now() - start) / 1000 })
    }
  }
}

export function suite(name = '', state) {
  const inner = plainSuite(name, state)
  const outer = (title, handler) => inner(title, timed(name, title, handler))
  outer.only = (title, handler) => inner.only(title, timed(name, title, handler))
  outer.skip = inner.skip
  outer.run = inner.run
  for (const hook of ['before', 'after']) {
    outer[hook] = (handler) => inner[hook](watched(name, hook, handler))
    outer[hook].each = (handler) => inner[hook].each(watched(name, `${hook}.each`, handler))
  }
  return outer
}

export const test = suite()
export { exec } from 'uvu'
