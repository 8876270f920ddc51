// Decompositions on the host in float64, by Jacobi's method: slow, and another way than the kernels'.
import { product, seeded } from './arrays.js'
import type { Nd } from './nd.js'

/** One symmetric matrix, of which the lower triangle is read: ascending eigenvalues, and eigenvectors as rows with their largest component positive. */
function jacobi(n: number, lower: (i: number, j: number) => number): { value: number; vector: number[] }[] {
  const a = Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => lower(Math.max(i, j), Math.min(i, j))))
  const v = Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => Number(i === j)))
  const all = Math.hypot(...a.flat())
  const off = (): number => Math.hypot(...a.flatMap((row, i) => row.filter((_, j) => j !== i)))
  while (off() > 1e-15 * all) {
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        const angle = 0.5 * Math.atan2(2 * a[p]![q]!, a[q]![q]! - a[p]![p]!)
        const [c, s] = [Math.cos(angle), Math.sin(angle)]
        const turn = (row: number[]): void => {
          const [x, y] = [row[p]!, row[q]!]
          row[p] = c * x - s * y
          row[q] = s * x + c * y
        }
        for (const row of a) turn(row)
        const [x, y] = [a[p]!, a[q]!]
        a[p] = x.map((e, j) => c * e - s * y[j]!)
        a[q] = x.map((e, j) => s * e + c * y[j]!)
        for (const row of v) turn(row)
      }
    }
  }
  return a
    .map((row, k) => {
      const vector = v.map((r) => r[k]!)
      const top = Math.max(...vector.map(Math.abs))
      const sign = Math.sign(vector.find((e) => Math.abs(e) > 0.999 * top)!)
      return { value: row[k]!, vector: vector.map((e) => sign * e) }
    })
    .sort((x, y) => x.value - y.value)
}

/** Eigenvalues [..., n] and eigenvectors [..., n, n] as columns. */
export function eigh(x: Nd): [Nd, Nd] {
  const n = x.shape.at(-1)!
  const count = product(x.shape.slice(0, -2))
  const found = Array.from({ length: n > 0 ? count : 0 }, (_, m) => jacobi(n, (i, j) => x.data[(m * n + i) * n + j]!))
  return [
    { shape: x.shape.slice(0, -1), data: found.flatMap((pairs) => pairs.map((p) => p.value)) },
    { shape: x.shape, data: found.flatMap((pairs) => pairs.flatMap((_, i) => pairs.map((p) => p.vector[i]!))) },
  ]
}

/** A symmetric matrix of numbers from -1 to 1. */
export function symmetric(n: number, seed = n): Nd {
  const random = seeded(seed)
  const data = new Array<number>(n * n)
  for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) data[i * n + j] = data[j * n + i] = Math.fround(2 * random() - 1)
  return { shape: [n, n], data }
}
