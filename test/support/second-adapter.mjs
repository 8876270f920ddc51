// The table of ops once more, on another driver than the tests before: in a process of its own, since Vulkan looks for drivers once.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const LAVAPIPE = ['/usr/share/vulkan/icd.d/lvp_icd.json', '/usr/share/vulkan/icd.d/lvp_icd.x86_64.json', '/usr/share/vulkan/icd.d/lvp_icd.aarch64.json']

/** What a process must have in its environment to get the other adapter; null where there is none. `source`: where the first came from. */
function environment(source) {
  const { VK_DRIVER_FILES: _, ...env } = process.env
  if (source !== 'bundled SwiftShader') return { ...env, VK_ICD_FILENAMES: 'none' }
  const driver = LAVAPIPE.find((path) => existsSync(path))
  return driver ? { ...env, VK_ICD_FILENAMES: driver } : null
}

/**
 * Runs the files in Node on the other adapter. Gives what the run reported, or `{ skipped: why }`. `first`: name and source of the adapter that was used
 * before.
 */
export async function runOnSecondAdapter({ root, folder, timeout, first, files }) {
  const env = environment(first.source)
  if (!env) return { skipped: "there is no second adapter: Mesa's lavapipe is not installed" }
  const report = join(folder, 'second-adapter.json')
  const args = [join(root, 'test/run.mjs'), ...files, '--in', 'node', '--timeout', String(timeout), '--report', report]
  const status = await new Promise((done) => {
    spawn(process.execPath, args, { cwd: root, env, stdio: 'inherit' })
      .on('error', (error) => done(error.message))
      .on('exit', (code, signal) => done(code ?? signal))
  })
  if (!existsSync(report)) throw new Error(`the tests on the second adapter ended with ${status} and left no report`)
  const result = JSON.parse(readFileSync(report, 'utf8'))
  if (result.adapterName === first.name) return { skipped: `the second adapter's driver gave no adapter, ${first.name} was found again` }
  return result
}
