// Properties on random cases: seeded, so that every run sees the same ones; fast-check makes a failing case small and prints it with its seed.
// BMS_FUZZ=20 in the environment makes the runs twenty times as long (the first cases are the same).
import fc from 'fast-check'
import { type Limits, Watched } from './watched.js'

const effort = Number(process.env['BMS_FUZZ'] ?? 1)

/** Cases on one device: it keeps every pipeline that it ever made. */
const PER_DEVICE = 50

/** Throws unless `check` passes for `runs` cases, on devices of its own that are told these limits. */
export async function forAll<T>(
  cases: fc.Arbitrary<T>,
  { runs, seed, limits = {} }: { runs: number; seed: number; limits?: Limits },
  check: (value: T, watched: Watched) => Promise<void>,
): Promise<void> {
  let watched = await Watched.open()
  let left = PER_DEVICE
  const run = async (value: T): Promise<void> => {
    if (left-- === 0) {
      watched.close()
      watched = await Watched.open()
      left = PER_DEVICE
    }
    watched.seen.length = 0
    await watched.limited(limits, () => check(value, watched))
  }
  try {
    await fc.assert(fc.asyncProperty(cases, run), { seed, numRuns: Math.ceil(runs * effort), includeErrorInReport: true })
  } finally {
    watched.close()
  }
}
