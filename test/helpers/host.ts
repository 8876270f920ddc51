// What tests get from Node: a device, golden files, the garbage collector, an exchange of numbers with the browser. A page gets the same from host.browser.ts.
import { writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type AdapterChoice, currentDevice, type Device, init } from '@bms/tensor/node'
import { options } from '../support/options.js'

/** A new device on the adapter that BMS_TEST_ADAPTER or the test run's --adapter names; it becomes the current one. */
export async function openDevice(): Promise<Device> {
  const device = await init({ adapter: (process.env['BMS_TEST_ADAPTER'] as AdapterChoice | undefined) ?? options.adapter })
  options.adapterName = device.adapter.name
  options.adapterSource = device.adapter.source
  return device
}

/** A file of test/golden. */
export const goldenBytes = async (name: string): Promise<Uint8Array> => new Uint8Array(await readFile(join(options.root, 'test/golden', name)))

let gc: (() => void) | undefined

/** Collects garbage at once. */
export function collectGarbage(): void {
  if (!gc) {
    setFlagsFromString('--expose-gc')
    gc = runInNewContext('gc') as () => void
  }
  gc()
}

const kept: Record<string, number[]> = {}

/** Keeps bits for the page to compare with; gives null, where a page gets those that Node kept and whether they come from the same build of the same driver. */
export async function exchangeNumbers(name: string, bits: Uint32Array): Promise<{ bits: number[]; sameBuild: boolean } | null> {
  kept[name] = Array.from(bits)
  if (options.numbers) writeFileSync(options.numbers, JSON.stringify({ source: currentDevice().adapter.source, bits: kept }))
  return null
}
