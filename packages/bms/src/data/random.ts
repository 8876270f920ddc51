// A small seeded generator for the host: figures, tests and target samples need reproducible numbers without a GPU.
// Training draws from the device's Philox stream instead; the two are unrelated.

/** A stream of numbers. Same seed, same stream, on every machine. */
export interface HostRandom {
  /** Uniform in [0, 1), 32 bits of resolution. */
  uniform(): number
  /** Standard normal. */
  normal(): number
  /** Uniform whole number in 0 … n - 1. */
  below(n: number): number
}

/**
 * sfc32 (PractRand's "small fast counting" generator) seeded from all 53 bits of `seed`, with Box-Muller normals.
 * @param seed whole number from 0 to 2⁵³ - 1
 */
export function hostRandom(seed: number): HostRandom {
  let a = seed >>> 0
  let b = Math.floor(seed / 2 ** 32) >>> 0
  let c = 0x9e3779b9
  let counter = 1
  const next = () => {
    const out = (a + b + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + out) | 0
    return out >>> 0
  }
  // Nearby seeds start alike; sfc32's author advises 12 rounds of mixing.
  for (let i = 0; i < 15; i++) next()
  const uniform = () => next() / 2 ** 32
  let spare: number | undefined
  const normal = () => {
    if (spare !== undefined) {
      const value = spare
      spare = undefined
      return value
    }
    const radius = Math.sqrt(-2 * Math.log(1 - uniform()))
    const angle = 2 * Math.PI * uniform()
    spare = radius * Math.sin(angle)
    return radius * Math.cos(angle)
  }
  return { uniform, normal, below: (n) => Math.floor(uniform() * n) }
}
