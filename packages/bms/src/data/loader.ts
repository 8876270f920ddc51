// Makes batches ahead of the training step, in a worker, so that the step never waits for them. Where workers cannot be
// had (a page's policy, a bundle without the worker's file, an old Node) the same batches are made when they are asked for.
import { ArgumentError, BmsError, DisposedError, show } from '@bms/tensor'
import { assembleBatch, type BatchOptions, batchOrder, checkStep } from './batches.js'
import { checkImageSet, type ImageSet } from './image-set.js'
import { startWorker, type WorkerLike, type WorkerPort } from './worker-port.js'

/** Gives a run its batches. */
export interface BatchLoader {
  /** Are batches made in a worker? False until it has started, and where there is none; the batches are the same. */
  readonly threaded: boolean
  /**
   * The batch of a step: [batch, channels, height, width] in [-1, 1], the same whenever it is asked for. Those of the next
   * steps are then begun.
   * @throws BmsError `LOADER_FAILED` with `{ reason }` where the worker broke down, DisposedError after `close()`, ArgumentError
   */
  next(step: number): Promise<Float32Array<ArrayBuffer>>
  /** Ends the worker. A loader that is left open does not keep a process alive. */
  close(): void
}

export interface LoaderOptions extends BatchOptions {
  /** Batches made in advance, from 0 to 64; 2. */
  readonly ahead?: number
  /** Starts a worker with the file `@bms/bms/batch-worker`, where a bundler put it; false: no worker. By default the file is looked for beside the package's own. */
  readonly worker?: (() => WorkerLike) | false
}

/** What the worker is told. */
export type ToWorker = { kind: 'open'; set: ImageSet; options: BatchOptions } | { kind: 'make'; step: number }

/** What the worker answers. */
export type FromWorker = { kind: 'ready' } | { kind: 'batch'; step: number; batch: Float32Array<ArrayBuffer> }

/**
 * A loader of batches of `set`. The pixels are shared with the worker where they lie in shared memory, else copied to it once.
 * @throws ArgumentError, or BmsError `BAD_ARGUMENT` where the set contradicts itself
 */
export function imageLoader(set: ImageSet, options: LoaderOptions): BatchLoader {
  return new Loader(set, options)
}

/** A batch that the worker was asked for. */
interface Request {
  readonly promise: Promise<Float32Array<ArrayBuffer>>
  resolve(batch: Float32Array<ArrayBuffer>): void
  reject(error: BmsError): void
  /** Somebody waits for it; else it was begun in advance. */
  claimed: boolean
  arrived: boolean
}

class Loader implements BatchLoader {
  readonly #make: (step: number) => Float32Array<ArrayBuffer>
  readonly #ahead: number
  readonly #requests = new Map<number, Request>()
  #worker: WorkerPort | undefined
  #started = false
  /** Why there are no more batches. */
  #end: BmsError | undefined

  constructor(set: ImageSet, { batch, seed, flips, ahead = 2, worker }: LoaderOptions) {
    checkImageSet(set)
    if (!Number.isInteger(ahead) || ahead < 0 || ahead > 64)
      throw new ArgumentError('imageLoader', `ahead is a whole number from 0 to 64, got ${show(ahead)}`, { ahead })
    const order = batchOrder(set.count, { batch, seed, flips })
    this.#make = (step) => assembleBatch(set, order(step))
    this.#ahead = ahead
    if (worker === false) return
    this.#worker = startWorker(worker, { message: (data) => this.#receive(data as FromWorker), failed: (reason) => this.#fail(reason) })
    // Only what the worker needs: labels and the like would be copied.
    const { name, source, count, channels, height, width, pixels } = set
    const pruned = { name, source, count, channels, height, width, pixels }
    this.#worker?.post({ kind: 'open', set: pruned, options: { batch, seed, flips } } satisfies ToWorker)
  }

  get threaded(): boolean {
    return this.#started && this.#end === undefined
  }

  async next(step: number): Promise<Float32Array<ArrayBuffer>> {
    checkStep(step)
    if (this.#end) throw this.#end
    // The first batches need not wait until the worker has started.
    if (!this.#started) return this.#make(step)
    for (const [other, request] of this.#requests) {
      if (!request.claimed && (other < step || other > step + this.#ahead)) this.#requests.delete(other)
    }
    const request = this.#ask(step)
    for (let k = 1; k <= this.#ahead; k++) this.#ask(step + k)
    request.claimed = true
    if (request.arrived) this.#requests.delete(step)
    this.#hold()
    return request.promise
  }

  close(): void {
    this.#stop(new DisposedError('loader.next', 'the loader was closed. Make another one with imageLoader()'))
  }

  #ask(step: number): Request {
    let request = this.#requests.get(step)
    if (!request) {
      request = newRequest()
      this.#requests.set(step, request)
      this.#worker!.post({ kind: 'make', step } satisfies ToWorker)
    }
    return request
  }

  #receive(message: FromWorker): void {
    if (message.kind === 'ready') {
      this.#started = true
      return
    }
    const request = this.#requests.get(message.step)
    // None where another part of the set was asked for since.
    if (!request) return
    request.arrived = true
    request.resolve(message.batch)
    if (request.claimed) this.#requests.delete(message.step)
    this.#hold()
  }

  #fail(reason: string): void {
    // One that never started is not missed. One that breaks down later hides a mistake, or memory is short.
    if (!this.#started) this.#worker = undefined
    else this.#stop(new BmsError('LOADER_FAILED', `the worker that makes batches broke down: ${reason}. Resume from the last checkpoint`, { reason }))
  }

  #stop(end: BmsError): void {
    if (this.#end) return
    this.#end = end
    for (const request of this.#requests.values()) request.reject(end)
    this.#requests.clear()
    this.#worker?.end()
    this.#worker = undefined
  }

  // A process must not end while somebody waits for a batch, and may when nobody does.
  #hold(): void {
    this.#worker?.hold([...this.#requests.values()].some((request) => request.claimed))
  }
}

function newRequest(): Request {
  let resolve!: Request['resolve']
  let reject!: Request['reject']
  const promise = new Promise<Float32Array<ArrayBuffer>>((yes, no) => {
    resolve = yes
    reject = no
  })
  // Of a batch that nobody asked for yet, the failure is told by the next `next`.
  promise.catch(() => {})
  return { promise, resolve, reject, claimed: false, arrived: false }
}
