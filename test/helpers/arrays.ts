// Plain arrays with shapes, for reference computations on the host: index arithmetic, lines along a dim, seeded numbers.

/** Numbers 0 ≤ u < 1 that are the same in every run (mulberry32). */
export function seeded(seed: number): () => number {
  let a = seed >>> 0
  return () => {
    a = (a + 0x6d2b79f5) >>> 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

export const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

export const stridesOf = (shape: readonly number[]): number[] => shape.map((_, d) => product(shape.slice(d + 1)))

/** All coordinates of a shape, row-major. */
export function coordinates(shape: readonly number[]): number[][] {
  const strides = stridesOf(shape)
  return Array.from({ length: product(shape) }, (_, e) => shape.map((s, d) => Math.floor(e / strides[d]!) % s))
}

/** The flat position of coordinates. */
export const at = (shape: readonly number[], c: readonly number[]): number => shape.reduce((sum, s, d) => sum * s + c[d]!, 0)

/** For each line along `dim`: the flat positions of its elements. */
export function lines(shape: readonly number[], dim: number): number[][] {
  const stride = stridesOf(shape)[dim] ?? 1
  const n = shape[dim] ?? 1
  const starts = coordinates(shape.map((s, d) => (d === dim ? Math.min(s, 1) : s)))
  return starts.map((c) => Array.from({ length: n }, (_, j) => at(shape, c) + j * stride))
}
