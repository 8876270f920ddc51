// t-SNE of codes, for a picture of a space of 32 dims. The algorithm is druidjs's; here are its settings, what makes a map the same each time, and room for
// others to run meanwhile. The library is loaded when the first map is made.
import { BmsError } from '@bms/tensor'

export interface TsneOptions {
  /** Neighbours that a point counts as near, about. Default 30. */
  perplexity?: number
  /** Default 1,000. */
  iterations?: number
  /** Default 200. */
  learningRate?: number
  /** Told now and then: iterations done. */
  onProgress?: (done: number, total: number) => void
}

/** Standard deviation of the first map, so small that its shape weighs nothing against the gradients'. */
const initialSpread = 1e-4
/** Iterations between turns for others. */
const stretch = 20

/**
 * A map of points to the plane by t-SNE (van der Maaten & Hinton 2008), exact, from the first two principal components. Nothing in it is random: the same points
 * give the same map. 1,000 points take about seven seconds.
 * @param points [n, dims], row-major
 * @returns [n, 2], row-major
 * @throws BmsError `BAD_ARGUMENT` unless n is more than three times the perplexity, `NOT_FINITE`
 */
export async function tsne(points: Float32Array, dims: number, options: TsneOptions = {}): Promise<Float32Array> {
  const { perplexity = 30, iterations = 1000, learningRate = 200, onProgress } = options
  const n = points.length / dims
  if (!Number.isInteger(n) || !(n > 3 * perplexity) || !(perplexity > 1)) {
    throw new BmsError('BAD_ARGUMENT', `points: got ${n} of ${dims} dims, t-SNE with perplexity ${perplexity} needs more than ${3 * perplexity}`, {
      option: 'points',
      got: n,
    })
  }
  const bad = points.findIndex((value) => !Number.isFinite(value))
  if (bad >= 0)
    throw new BmsError('NOT_FINITE', `points: number ${Math.floor(bad / dims)} has a coordinate that is ${points[bad]}`, { point: Math.floor(bad / dims) })
  const { Matrix, PCA, TSNE } = await import('@saehrimnir/druidjs')
  const rows = Array.from({ length: n }, (_, i) => Float64Array.from(points.subarray(i * dims, (i + 1) * dims)))
  // The map's axes are those of the largest variance; its size is not that of the points.
  const components = new PCA(rows, { d: 2, seed: 0 }).transform()
  const spread = Math.sqrt(components.reduce((sum, row) => sum + row[0]! ** 2, 0) / n) || 1
  const map = new TSNE(rows, { d: 2, perplexity, epsilon: learningRate, seed: 0 })
  map.Y = Matrix.from(components.map((row) => row.map((x) => (x / spread) * initialSpread)))
  const steps = map.generator(iterations)
  for (let done = 1; !steps.next().done; done++) {
    if (done % stretch !== 0 && done !== iterations) continue
    onProgress?.(done, iterations)
    await new Promise((go) => setTimeout(go, 0))
  }
  return Float32Array.from(map.projection.flatMap((row) => [row[0]!, row[1]!]))
}
