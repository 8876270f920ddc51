// The numbers that Node gets on SwiftShader, for tests in a page that compare with them.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What the driver that npm installs is called; it comes out of the same package as the bundled Chromium. */
const BUNDLED = 'bundled SwiftShader'

/** What test/helpers/host.ts wrote: the adapter's source, and bits by name. */
const written = (file) => (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : null)

/** Runs the test file in a process of its own, which finds no installed driver. */
function runOnBundled(root, file) {
  return new Promise((resolve, reject) => {
    const { BMS_TEST_ADAPTER, ...inherited } = process.env
    const env = { ...inherited, VK_DRIVER_FILES: 'none', BMS_TEST_NUMBERS: file }
    const child = spawn(process.execPath, [join(root, 'test/run.mjs'), 'everywhere/same-as-node', '--in', 'node'], { env })
    let out = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (out += chunk))
    child.on('error', reject)
    child.on('close', (code) => (code === 0 ? resolve(written(file)) : reject(new Error(`same-as-node failed in Node:\n${out}`))))
  })
}

/** Those that this run has already got on the bundled driver, else those of another process; and whether the page runs on the very same build. */
export async function numbersOfNode({ root, numbers, adapter, bundled }) {
  const own = written(numbers)
  const { source, bits } = own?.source === BUNDLED ? own : await runOnBundled(root, numbers)
  return { bits, sameBuild: bundled && adapter !== 'gpu' && source === BUNDLED }
}
