// Runs the suites of a bundled test file, in Node and in a page alike.

/** An error as the report shows it. */
export const shown = (error) => (error instanceof Error ? error.stack : error)

/**
 * Loads a test file and runs the suites that it hands to uvu; gives what they came to. `run` is what test/support shares: `print` takes text, `hookErrors`
 * has what hooks threw.
 */
export async function runFile(file, load, run) {
  const counts = { passed: 0, failed: 0, skipped: 0 }
  const fail = (what, error) => {
    counts.failed++
    run.print(`\nFAIL ${what}\n${shown(error)}\n`)
  }

  async function runSuite(suite) {
    let clean = true
    try {
      const [errors, passed, skipped, total] = await suite()
      counts.passed += passed
      counts.failed += total - passed
      counts.skipped += skipped
      clean = passed === total
      if (typeof errors === 'string') run.print(`\n${errors}\n`)
    } catch (error) {
      // uvu lets only an after hook's error through, and it is reported below.
      if (!run.hookErrors.length) fail(file, error)
    }
    for (const { suite: name, hook, error } of run.hookErrors.splice(0)) {
      // A hook around tests that all passed has no test to blame: it counts for itself.
      if (clean) counts.failed++
      run.print(`FAIL ${hook} hook of ${name || file}\n${shown(error)}\n\n`)
    }
  }

  run.print(`\n${file}\n`)
  const start = performance.now()
  const group = []
  globalThis.UVU_QUEUE = [group]
  globalThis.UVU_INDEX = 0
  try {
    await load()
    if (!group.length) fail(file, 'no suite was run: end the file with suite.run() or test.run()')
  } catch (error) {
    fail(`${file} threw on import`, error)
  }
  for (const suite of group) await runSuite(suite)
  run.print(`  ${((performance.now() - start) / 1000).toFixed(1)} s\n`)
  return counts
}
