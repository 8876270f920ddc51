// Random numbers of the host, for what is decided there: the order of a data set, an orthogonal matrix. Apart from the
// device's stream, so that neither disturbs the other.

export interface HostRandom {
  /** Uniform in [0, 1), 32 random bits. */
  uniform(): number
  /** Standard normal. */
  normal(): number
  /** A whole number from 0 to n-1, each equally likely; n ≤ 2^32. */
  below(n: number): number
}

/** A generator (sfc32) that is a function of the seeds alone: whole numbers up to 2^53. */
export function hostRandom(...seeds: readonly number[]): HostRandom {
  let [a, b, c, counter] = [0x9e3779b9 | 0, 0x243f6a88 | 0, 0xb7e15162 | 0, 1]
  const next = (): number => {
    const t = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + t) | 0
    return t >>> 0
  }
  for (const seed of seeds) {
    a ^= seed | 0
    b ^= Math.floor(seed / 2 ** 32) | 0
    for (let i = 0; i < 16; i++) next()
  }
  let spare: number | null = null
  const uniform = (): number => next() / 2 ** 32
  return {
    uniform,
    normal() {
      if (spare !== null) {
        const x = spare
        spare = null
        return x
      }
      const r = Math.sqrt(-2 * Math.log((next() + 0.5) / 2 ** 32))
      const angle = 2 * Math.PI * uniform()
      spare = r * Math.sin(angle)
      return r * Math.cos(angle)
    },
    below(n) {
      // Numbers beyond the last whole multiple of n would favour the small ones.
      const end = 2 ** 32 - (2 ** 32 % n)
      let x = next()
      while (x >= end) x = next()
      return x % n
    },
  }
}
