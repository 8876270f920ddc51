// Streams of bytes as Node and browsers both have them: what is in one by its first bytes, all of one, and how far it got.
import { badData } from './image-set.js'

export type ByteStream = ReadableStream<Uint8Array>

/** What the first bytes say. */
export type Kind = 'gzip' | 'tar' | 'png' | 'jpeg' | 'zip' | 'html' | 'empty' | 'unknown'

/** How far reading or downloading has come. */
export interface ByteProgress {
  /** Bytes so far. */
  readonly bytes: number
  /** All bytes, where that is known. */
  readonly total?: number
}

/** Bytes that are enough for `kindOf`. */
export const headBytes = 512

/** Tells files apart by their first bytes, whatever they are called. */
export function kindOf(head: Uint8Array): Kind {
  const text = (at: number, n: number) => String.fromCharCode(...head.subarray(at, at + n))
  if (head.length === 0) return 'empty'
  if (text(0, 2) === '\x1f\x8b') return 'gzip'
  if (text(257, 5) === 'ustar') return 'tar'
  if (text(0, 8) === '\x89PNG\r\n\x1a\n') return 'png'
  if (text(0, 3) === '\xff\xd8\xff') return 'jpeg'
  if (text(0, 4) === 'PK\x03\x04') return 'zip'
  return /^\s*<(!doctype|html)/i.test(text(0, 64)) ? 'html' : 'unknown'
}

/** Reads enough of a stream to tell what it is, and gives a stream that begins at the beginning again. */
export async function peek(stream: ByteStream): Promise<{ head: Uint8Array; stream: ByteStream }> {
  const reader = stream.getReader()
  const first: Uint8Array[] = []
  let length = 0
  while (length < headBytes) {
    const { done, value } = await reader.read()
    if (done) break
    first.push(value)
    length += value.length
  }
  const head = concat(first, length).subarray(0, headBytes)
  const again = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const ready = first.shift()
      if (ready) return controller.enqueue(ready)
      const { done, value } = await reader.read()
      if (done) controller.close()
      else controller.enqueue(value)
    },
    cancel: (reason) => reader.cancel(reason),
  })
  return { head, stream: again }
}

/** All bytes of a stream; where it has more than `most`, it is left and `tooMany` is called with what came so far. */
export async function readAll(
  stream: ByteStream,
  most = Infinity,
  tooMany: (got: number) => Error = () => badData('stream', 'too many bytes'),
): Promise<Uint8Array> {
  const reader = stream.getReader()
  const parts: Uint8Array[] = []
  let length = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return concat(parts, length)
    parts.push(value)
    length += value.length
    if (length > most) {
      await reader.cancel()
      throw tooMany(length)
    }
  }
}

/** Calls `seen` with the number of bytes that have passed. */
export function counted(stream: ByteStream, seen: (bytes: number) => void): ByteStream {
  let bytes = 0
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      bytes += chunk.length
      seen(bytes)
      controller.enqueue(chunk)
    },
  })
  return stream.pipeThrough(counter)
}

/** Tells of the stream's own failure, which those who read from pipes behind it see in other words. */
export function onFailure(stream: ByteStream, failed: (cause: unknown) => void): ByteStream {
  const reader = stream.getReader()
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read()
        if (done) controller.close()
        else controller.enqueue(value)
      } catch (cause) {
        failed(cause)
        throw cause
      }
    },
    cancel: (reason) => reader.cancel(reason),
  })
}

function concat(parts: readonly Uint8Array[], length: number): Uint8Array {
  if (parts.length === 1) return parts[0]
  const all = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
