// Features of many images: batch by batch through a compiled step, with progress, and never more of them on the device than a batch.
import { compile, noGrad, type Tensor, tensor, tidy } from '@bms/nn'
import { BmsError, formatShape } from '@bms/tensor'
import { GaussianStatistics } from '../metrics/gaussian.js'
import type { ImageSource } from './images.js'
import type { FeatureNet } from './net.js'

export interface ExtractOptions {
  /** Images at once. Default 50. */
  batch?: number
  /** After every batch: images done so far, and in all. */
  onProgress?: (done: number, n: number) => void
}

/** Throws unless there is a whole number ≥ 1 of them. */
function checkCount(option: string, value: number): number {
  if (Number.isInteger(value) && value >= 1) return value
  throw new BmsError('BAD_ARGUMENT', `${option}: got ${value}, a whole number ≥ 1 is needed`, { option, got: value })
}

/**
 * What `see` makes of images, [count, …] a batch, in order. Images are rounded to the 256 levels that a file of them would have, so that generated
 * and real ones are looked at alike. The last batch is filled up, so that one program serves all.
 */
export async function* seenBatches(
  see: (images: Tensor) => Tensor,
  source: ImageSource,
  { batch = 50, onProgress }: ExtractOptions = {},
): AsyncGenerator<Float32Array> {
  const n = checkCount('images', source.n)
  const most = Math.min(checkCount('batch', batch), n)
  const step = compile((images: Tensor) => noGrad(() => see(images.clamp(-1, 1).add(1).mul(127.5).round().div(127.5).sub(1))))
  try {
    for (let start = 0; start < n; start += most) {
      const count = Math.min(most, n - start)
      const images = await source.batch(start, count)
      if (images.ndim !== 4 || images.shape[0] !== count || images.shape[1] !== 3)
        throw new BmsError('SHAPE', `images: a batch of ${count} is [${count}, 3, height, width], got ${formatShape(images.shape)}`, { shape: images.shape })
      const out = tidy(() => step(count === most ? images : images.pad([0, 0, 0, 0, 0, 0, 0, most - count])))
      images.dispose()
      const values = (await out.data()) as Float32Array
      yield values.subarray(0, (values.length / most) * count)
      onProgress?.(start + count, n)
    }
  } finally {
    step.dispose()
  }
}

/** Features of all images, [n, dims] row by row. */
export async function extractFeatures(net: FeatureNet, source: ImageSource, options: ExtractOptions = {}): Promise<Float32Array> {
  const out = new Float32Array(checkCount('images', source.n) * net.dims)
  let at = 0
  for await (const rows of seenBatches((x) => net.features(x), source, options)) {
    out.set(rows, at)
    at += rows.length
  }
  return out
}

/** Mean and covariance of the features of all images, for a Fréchet distance; the features themselves are not kept. */
export async function featureStatistics(net: FeatureNet, source: ImageSource, options: ExtractOptions = {}): Promise<GaussianStatistics> {
  const statistics = new GaussianStatistics(net.dims)
  for await (const rows of seenBatches((x) => net.features(x), source, options)) statistics.add(rows)
  return statistics
}

/** Class probabilities [n, classes] of features [n, dims], on the device in parts. */
export async function classProbabilities(net: FeatureNet, features: Float32Array, { batch = 500 }: { batch?: number } = {}): Promise<Float32Array> {
  if (!net.probabilities) throw new BmsError('BAD_ARGUMENT', `${net.description} has no classes`, { option: 'net', got: net.name })
  const rows = features.length / net.dims
  const parts: Float32Array[] = []
  for (let start = 0; start < rows; start += batch) {
    const count = Math.min(batch, rows - start)
    const out = tidy(() => {
      const part = tensor(features.subarray(start * net.dims, (start + count) * net.dims), { shape: [count, net.dims] })
      return noGrad(() => net.probabilities!(part))
    })
    parts.push((await out.data()) as Float32Array)
    out.dispose()
  }
  const all = new Float32Array(parts.reduce((sum, p) => sum + p.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
