// What the tests of image models share: small configurations, and batches that are the same in every run.
import { type BatchSource, type ImageConfig, type ImageSet, resolveConfig, type RunOptions } from '@bms/bms'
import { tensor, type Tensor } from '@bms/nn'
import { batchOf } from './cifar10.js'

/** A run on images with small networks. */
export function smallImageRun(options: Partial<RunOptions> = {}): ImageConfig {
  const { hyper, ...rest } = options
  return resolveConfig({ steps: 10, batch: 4, width: 2, ...rest, dataset: 'cifar10', hyper: { latent: 4, hiddenL: [8], ...hyper } })
}

/** `count` images like noise, each other than the others. */
export function noiseImages(count: number, first = 0): Float32Array {
  const rows = batchOf(count, first)
  return Float32Array.from({ length: count * 3072 }, (_, i) => rows[Math.floor(i / 3072) * 3073 + 1 + (i % 3072)]! / 127.5 - 1)
}

/** Such images as a batch. */
export const imageBatch = (count: number, first = 0): Tensor => tensor(noiseImages(count, first), { shape: [count, 3, 32, 32] })

/** Batches of such images, another one for each step; `asked` gathers the numbers of those that were asked for. */
export function noiseBatches(batch: number, asked: number[] = []): BatchSource {
  return {
    async next(step) {
      asked.push(step)
      return noiseImages(batch, step * batch)
    },
  }
}

/** Images of `batchOf` as a set. */
export function noiseSet(count: number): ImageSet {
  const rows = batchOf(count)
  const pixels = Uint8Array.from({ length: count * 3072 }, (_, i) => rows[Math.floor(i / 3072) * 3073 + 1 + (i % 3072)]!)
  return { name: 'noise', source: 'noise', count, channels: 3, height: 32, width: 32, pixels }
}
