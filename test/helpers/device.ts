// What the tests of the GPU share: one device for the whole run, and comparisons of numbers that know NaN and infinity.
import type { Device } from '@bms/tensor'
import { collectGarbage, openDevice } from './host.js'

let device: Promise<Device> | null = null

/** The device that all tests use. */
export function ready(): Promise<Device> {
  device ??= openDevice()
  return device
}

/** Throws unless every number is within tolerance · max(1, |expected|); NaN equals NaN, infinities equal themselves. Tolerance 0: the same numbers. */
export function close(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-5): void {
  if (actual.length !== expected.length) throw new Error(`${actual.length} numbers, expected ${expected.length}`)
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i]!, expected[i]!]
    if (a === e || (Number.isNaN(a) && Number.isNaN(e))) continue
    if (!Number.isFinite(e) || !(Math.abs(a - e) <= tolerance * Math.max(1, Math.abs(e))))
      throw new Error(`element ${i} is ${a}, expected ${e} (tolerance ${tolerance})`)
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
  for (let quiet = 0; quiet < 3; ) {
    const before = device.memory().storages
    collectGarbage()
    await new Promise((done) => setTimeout(done, 10))
    quiet = device.memory().storages === before ? quiet + 1 : 0
  }
}
