// Starts a worker in Node and in a browser, and gives both one face. Node's module is asked for by process and not by an
// import, so that pages can load this file.
import { oneLine } from '@bms/tensor'

/** A worker of either kind, made by whoever knows where its file is. */
export interface WorkerLike {
  postMessage(message: unknown): void
  terminate(): unknown
}

export interface WorkerPort {
  post(message: unknown): void
  /** While true, a process waits for the worker; it begins with false. A page never does. */
  hold(held: boolean): void
  end(): void
}

interface Listener {
  message(data: unknown): void
  /** The worker broke down, or could not be started. */
  failed(reason: string): void
}

/** What this file uses of Node's Worker. */
interface NodeWorker extends WorkerLike {
  on(event: string, listener: (value: unknown) => void): void
  ref(): void
  unref(): void
}

/**
 * Starts the worker that `make` gives, or batch-worker.js beside the package's own files.
 * @returns undefined where the host has no workers or refuses this one; some say so only later, by `failed`
 */
export function startWorker(make: (() => WorkerLike) | undefined, listener: Listener): WorkerPort | undefined {
  try {
    const worker = make ? make() : batchWorker()
    if (!worker) return undefined
    return 'on' in worker ? nodePort(worker as NodeWorker, listener) : pagePort(worker as Worker, listener)
  } catch {
    return undefined
  }
}

// The path is as seen from dist/, where all modules of the package end up; bundlers know the pattern.
function batchWorker(): WorkerLike | undefined {
  // Since Node 20.16.
  const threads = globalThis.process?.getBuiltinModule?.('node:worker_threads')
  // What Node was told about the program (--input-type, --import) is not meant for this file.
  if (threads) return new threads.Worker(new URL('./data/batch-worker.js', import.meta.url), { execArgv: [] })
  if (typeof Worker === 'undefined') return undefined
  return new Worker(new URL('./data/batch-worker.js', import.meta.url), { type: 'module' })
}

function nodePort(worker: NodeWorker, listener: Listener): WorkerPort {
  worker.on('message', (data) => listener.message(data))
  worker.on('messageerror', (error) => listener.failed(reasonOf(error)))
  worker.on('error', (error) => listener.failed(reasonOf(error)))
  worker.on('exit', (code) => listener.failed(`it ended with code ${code}`))
  worker.unref()
  return {
    post: (message) => worker.postMessage(message),
    hold: (held) => (held ? worker.ref() : worker.unref()),
    end: () => void worker.terminate(),
  }
}

function pagePort(worker: Worker, listener: Listener): WorkerPort {
  worker.onmessage = (event) => listener.message(event.data)
  worker.onmessageerror = () => listener.failed('its message could not be read')
  worker.onerror = (event) => {
    // It is told to the loader, and by that to whoever waits for a batch.
    event.preventDefault()
    listener.failed(event.message ? oneLine(event.message) : 'its file could not be loaded')
  }
  return { post: (message) => worker.postMessage(message), hold: () => {}, end: () => worker.terminate() }
}

const reasonOf = (error: unknown): string => oneLine(error instanceof Error ? error.message : String(error))
