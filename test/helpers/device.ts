// What the tests of the GPU share: one device for the whole run, and comparisons of numbers that know NaN and infinity.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type Device, init, type InitOptions, useDevice } from '@bms/tensor/node'
import { options } from '../support/options.js'

let device: Promise<Device> | null = null

/** The device that all tests use, on the adapter that BMS_TEST_ADAPTER or the test run's --adapter names. */
export function ready(): Promise<Device> {
  device ??= init({ adapter })
  return device
}

/** The adapter of this test run. */
export const adapter = (process.env['BMS_TEST_ADAPTER'] as 'auto' | undefined) ?? options.adapter

/** Runs with a device of its own, to be broken; the one of the other tests comes back. */
export async function withDevice(fn: (device: Device) => Promise<void>, how: InitOptions = { adapter }): Promise<void> {
  const shared = await ready()
  const device = await init(how)
  try {
    await fn(device)
  } finally {
    device.destroy()
    useDevice(shared)
  }
}

/** Throws unless every number is within tolerance · max(1, |expected|); NaN equals NaN, infinities equal themselves. Tolerance 0: the same numbers. */
export function close(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-5): void {
  if (actual.length !== expected.length) throw new Error(`${actual.length} numbers, expected ${expected.length}`)
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i]!, expected[i]!]
    if (a === e || (Number.isNaN(a) && Number.isNaN(e))) continue
    if (!(Math.abs(a - e) <= tolerance * Math.max(1, Math.abs(e)))) throw new Error(`element ${i} is ${a}, expected ${e} (tolerance ${tolerance})`)
  }
}

/** The typed error that `fn` throws or rejects with; fails where there is none. */
export async function thrown(fn: () => unknown): Promise<Error & { code: string; fields: Record<string, unknown> }> {
  try {
    await fn()
  } catch (error) {
    return error as Error & { code: string; fields: Record<string, unknown> }
  }
  throw new Error('nothing was thrown')
}

/** Lets the collector free what earlier tests forgot, so that a test can count memory. */
export async function settle(device: Device): Promise<void> {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  for (let quiet = 0; quiet < 3; ) {
    const before = device.memory().storages
    gc()
    await new Promise((done) => setTimeout(done, 10))
    quiet = device.memory().storages === before ? quiet + 1 : 0
  }
}
