// The page's side of a browser run: gives uvu something to write with, then runs the test files that Node names, one by one.
import { takeFigures } from './figures.mjs'
import { runFile } from './suites.mjs'

const run = globalThis.BMS_TEST
run.print = globalThis.bmsPrint
// uvu writes with console.log where there is no process, a dot at a time.
console.log = (text) => void run.print(String(text))
globalThis.UVU_DEFER = 1

globalThis.bmsRunFile = async (file, url) => {
  const counts = await runFile(file, () => import(url), run)
  return { counts, figures: takeFigures(), times: run.times.splice(0) }
}
