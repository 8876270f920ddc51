// The worker behind imageLoader: makes the batches that it is asked for, one after another. It runs in Node and in pages,
// and as a file of its own: like batch-order.ts it imports no package.
import { assembleBatch, type BatchPlan, uncheckedOrder } from './batch-order.js'
import type { ImageSet } from './image-set.js'
import type { FromWorker, ToWorker } from './loader.js'

interface Port {
  onmessage: ((event: { data: ToWorker }) => void) | null
  postMessage(message: FromWorker, transfer: readonly unknown[]): void
}

const port = (globalThis.process?.getBuiltinModule?.('node:worker_threads').parentPort ?? globalThis) as unknown as Port
let set: ImageSet
let order: (step: number) => BatchPlan

port.onmessage = ({ data }) => {
  if (data.kind === 'open') {
    set = data.set
    order = uncheckedOrder(set.count, data.options)
    port.postMessage({ kind: 'ready' }, [])
  } else {
    const batch = assembleBatch(set, order(data.step))
    port.postMessage({ kind: 'batch', step: data.step, batch }, [batch.buffer])
  }
}
