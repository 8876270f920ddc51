// Batches of a data set, shuffled by a seed of their own and made ready while the ones before are used.
import { ArgumentError } from '@bms/autograd'
import { checkCount, checkFlag, checkNames, checkNumber } from '../check.js'
import { hostRandom } from '../host-random.js'
import { type Batch, collate, type Dataset, type Sample, upload } from './dataset.js'

export interface DataLoaderOptions {
  /** Samples in a batch; default 1. */
  batchSize?: number
  /** Another order in each epoch; default false. */
  shuffle?: boolean
  /** Of the order, a whole number ≥ 0; default 0. The order is a function of seed and epoch, whatever else draws random numbers. */
  seed?: number
  /** Leave out a last batch that is not full; default false. */
  dropLast?: boolean
  /** Batches made ready in advance; default 2. 0: none. */
  prefetch?: number
}

/** Iterate over it with `for await (const batch of loader)`; each iteration is an epoch. */
export class DataLoader implements AsyncIterable<Batch> {
  readonly batchSize: number
  readonly shuffle: boolean
  readonly seed: number
  readonly dropLast: boolean
  readonly prefetch: number
  /** The epoch that the next iteration runs, from 0; settable, for resuming. */
  epoch = 0

  constructor(
    readonly dataset: Dataset,
    options: DataLoaderOptions = {},
  ) {
    checkNames('DataLoader', options, ['batchSize', 'shuffle', 'seed', 'dropLast', 'prefetch'])
    if (!Number.isInteger(dataset?.length) || (typeof dataset.get !== 'function' && typeof dataset.batch !== 'function')) {
      throw new ArgumentError('DataLoader', 'a data set has a length and get(index)')
    }
    this.batchSize = checkCount('DataLoader', 'batchSize', options.batchSize ?? 1)
    this.shuffle = checkFlag('DataLoader', 'shuffle', options.shuffle ?? false)
    this.seed = checkNumber('DataLoader', 'seed', options.seed ?? 0, { min: 0, max: Number.MAX_SAFE_INTEGER, integer: true })
    this.dropLast = checkFlag('DataLoader', 'dropLast', options.dropLast ?? false)
    this.prefetch = checkCount('DataLoader', 'prefetch', options.prefetch ?? 2, 0)
  }

  /** Batches in an epoch. */
  get length(): number {
    const n = this.dataset.length / this.batchSize
    return this.dropLast ? Math.floor(n) : Math.ceil(n)
  }

  /** The numbers of the samples in the order of an epoch. */
  order(epoch = this.epoch): Int32Array {
    const order = Int32Array.from({ length: this.dataset.length }, (_, i) => i)
    if (!this.shuffle) return order
    const random = hostRandom(this.seed, epoch)
    for (let i = order.length - 1; i > 0; i--) {
      const j = random.below(i + 1)
      const x = order[i]!
      order[i] = order[j]!
      order[j] = x
    }
    return order
  }

  /** Gives a function that makes the batch: reading is done, uploading is left for when the batch is wanted. */
  private async fetch(indices: Int32Array): Promise<() => Batch | Promise<Batch>> {
    const { dataset } = this
    if (dataset.batch) return () => dataset.batch!(indices)
    const samples: Sample[] = await Promise.all(Array.from(indices, (i) => dataset.get(i)))
    const host = collate(samples)
    return () => upload(host)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Batch> {
    const order = this.order(this.epoch++)
    const ahead: Promise<() => Batch | Promise<Batch>>[] = []
    const count = this.length
    const start = (i: number): void => {
      const batch = this.fetch(order.subarray(i * this.batchSize, (i + 1) * this.batchSize))
      // Whoever waits for it sees the error; until then it is nobody's unhandled rejection.
      batch.catch(() => {})
      ahead.push(batch)
    }
    for (let i = 0, next = 0; i < count; i++) {
      while (next < count && next <= i + this.prefetch) start(next++)
      yield (await ahead.shift()!)()
    }
  }
}
