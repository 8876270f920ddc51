// Properties on random cases: seeded, so that every run sees the same ones; fast-check makes a failing case small and prints it with its seed.
// BMS_FUZZ=20 in the environment makes the runs twenty times as long (the first cases are the same).
import fc from 'fast-check'
import { type Limits, Watched } from './watched.js'

const effort = Number(process.env['BMS_FUZZ'] ?? 1)

/** Cases on one device: it keeps every pipeline that it ever made. */
const PER_DEVICE = 50

/** Throws unless `check` passes for `runs` cases, the n-th of them drawn from `cases(n)`, on devices of its own that are told these limits. */
export async function forAll<T>(
  cases: (n: number) => fc.Arbitrary<T>,
  { runs, seed, limits = {} }: { runs: number; seed: number; limits?: Limits },
  check: (value: T, watched: Watched) => Promise<void>,
): Promise<void> {
  const total = Math.ceil(runs * effort)
  for (let first = 0; first < total; first += PER_DEVICE) {
    const watched = await Watched.open()
    const run = async (value: T): Promise<void> => {
      watched.seen.length = 0
      await watched.limited(limits, () => check(value, watched))
    }
    try {
      for (let n = first; n < Math.min(total, first + PER_DEVICE); n++)
        await fc.assert(fc.asyncProperty(cases(n), run), { seed: 10_000 * seed + n, numRuns: 1, unbiased: true, includeErrorInReport: true })
    } finally {
      watched.close()
    }
  }
}
