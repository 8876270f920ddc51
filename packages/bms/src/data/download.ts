// Fetches CIFAR-10's archive to a folder. What has arrived is kept under another name, so that a broken connection costs
// nothing: the same call goes on from there. The archive gets its name only once it is whole and its checksum is right.
import { createHash, type Hash } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, ftruncateSync, mkdirSync, openSync, readSync, renameSync, statSync, unlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { BmsError, oneLine } from '@bms/tensor'
import { quietly } from '../run/atomic.js'
import type { ByteProgress } from './byte-stream.js'
import { cifar10Archive } from './cifar10-archive.js'
import { amount, badData } from './image-set.js'

/** What a file must be for it to be the right one. */
export interface ExpectedFile {
  readonly bytes: number
  /** The hash in hexadecimal digits. */
  readonly md5: string
}

export interface DownloadOptions {
  /** A mirror; the authors' server. */
  readonly url?: string
  /** What must arrive; the official archive. */
  readonly expect?: ExpectedFile
  /** Called with the bytes on the disk so far, those of earlier calls included. */
  readonly onProgress?: (progress: ByteProgress) => void
  /** Stops; what arrived is kept. The promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal
}

/**
 * Downloads CIFAR-10's binary version to `dir/cifar-10-binary.tar.gz`; where it is already there and right, that is all.
 * @returns the archive's path, for `openCifar10`
 * @throws BmsError `DOWNLOAD_FAILED` with `{ url, status?, reason, kept }` (bytes kept on the disk), `BAD_DATA` with `{ path, got, expected }`
 *   where something else arrived or lies there, `WRITE_FAILED`
 */
export async function downloadCifar10(dir: string, options: DownloadOptions = {}): Promise<string> {
  const { url = cifar10Archive.url, expect = cifar10Archive } = options
  const path = join(dir, cifar10Archive.name)
  const part = `${path}.part`
  if (existsSync(path)) {
    checkPresent(path, expect)
    return path
  }
  const file = PartFile.open(dir, part, expect)
  try {
    if (file.length < expect.bytes) await receive(file, url, expect, options)
    file.sync()
  } finally {
    file.close()
    if (file.length === 0) quietly(() => unlinkSync(part))
  }
  const md5 = file.digest()
  if (file.length !== expect.bytes || md5 !== expect.md5) {
    quietly(() => unlinkSync(part))
    const got = `${amount(file.length)} bytes with MD5 ${md5}`
    const expected = `${amount(expect.bytes)} bytes with MD5 ${expect.md5}`
    throw badData(path, `what ${oneLine(url)} sent is not the archive: got ${got}, expected ${expected}. It was removed. Try again, or another server`, {
      url,
      got,
      expected,
    })
  }
  try {
    renameSync(part, path)
  } catch (cause) {
    // Another process that fetched the same bytes to the same place may have been first.
    if (!existsSync(path)) throw notWritten(path, cause, file.length, expect)
  }
  return path
}

function notWritten(path: string, cause: unknown, kept: number, expect: ExpectedFile): BmsError {
  const reason = (cause as NodeJS.ErrnoException).code ?? 'unknown'
  const words: Record<string, string> = {
    ENOSPC: `the disk is full. ${amount(expect.bytes - kept)} more bytes are needed`,
    EDQUOT: `the disk quota is used up. ${amount(expect.bytes - kept)} more bytes are needed`,
    EACCES: 'no permission to write there. Change it or choose another folder',
    EROFS: 'the file system is read-only. Choose another folder',
    ENOTDIR: 'a part of the path is a file. Choose another folder',
    EEXIST: 'a part of the path is a file. Choose another folder',
  }
  const why = words[reason] ?? oneLine(cause instanceof Error ? cause.message : String(cause))
  const state = kept > 0 ? ` ${amount(kept)} bytes are kept: the same command goes on from there` : ''
  return new BmsError('WRITE_FAILED', `could not write ${path} (${reason}): ${why}.${state}`, { path, reason, kept }, { cause })
}

/** An archive under the right name is the user's: it is never replaced. */
function checkPresent(path: string, expect: ExpectedFile): void {
  let size: number
  let md5: string | undefined
  try {
    size = statSync(path).size
    if (size === expect.bytes) md5 = hashOf(path, size).digest('hex')
  } catch (cause) {
    const reason = oneLine((cause as Error).message)
    throw new BmsError('READ_FAILED', `could not read ${path}: ${reason}`, { path, reason }, { cause })
  }
  if (md5 === expect.md5) return
  const got = `${amount(size)} bytes${md5 ? ` with MD5 ${md5}` : ''}`
  const expected = `${amount(expect.bytes)} bytes with MD5 ${expect.md5}`
  throw badData(path, `a file of this name is there, but not the archive: got ${got}, expected ${expected}. Move it away to download the archive`, {
    got,
    expected,
  })
}

async function receive(file: PartFile, url: string, expect: ExpectedFile, { onProgress, signal }: DownloadOptions): Promise<void> {
  const failed = (reason: string, status?: number, cause?: unknown) => {
    const kept =
      file.length > 0 ? `${amount(file.length)} of ${amount(expect.bytes)} bytes are kept: the same command goes on from there` : 'Nothing arrived yet'
    return new BmsError('DOWNLOAD_FAILED', `could not download ${oneLine(url)}: ${reason}. ${kept}`, { url, status, reason, kept: file.length }, { cause })
  }
  const attempt = async <T>(action: () => Promise<T>): Promise<T> => {
    try {
      return await action()
    } catch (cause) {
      signal?.throwIfAborted()
      throw failed(networkReason(cause), undefined, cause)
    }
  }
  const headers = { 'accept-encoding': 'identity', ...(file.length > 0 ? { range: `bytes=${file.length}-` } : {}) }
  const response = await attempt(() => fetch(url, { headers, signal }))
  const problem = otherFile(response, expect)
  const continues = response.status === 206 && response.headers.get('content-range')?.startsWith(`bytes ${file.length}-`) === true
  if (problem || !response.body || (response.status !== 200 && !continues)) {
    await response.body?.cancel()
    if (problem) throw badData(url, `this is not the archive: ${problem}. Try another server`, { status: response.status, problem, kept: file.length })
    throw failed(`the server answered ${response.status} ${response.statusText}`.trim(), response.status)
  }
  // A server that knows no ranges sends all of it again.
  if (!continues) file.restart()
  const reader = response.body.getReader()
  onProgress?.({ bytes: file.length, total: expect.bytes })
  // More than the archive has is not awaited: it would fill the disk.
  while (file.length <= expect.bytes) {
    const { done, value } = await attempt(() => reader.read())
    if (done) break
    file.append(value)
    onProgress?.({ bytes: file.length, total: expect.bytes })
  }
  if (file.length < expect.bytes) throw failed('the connection ended early')
  await reader.cancel()
}

/** Why what a server offers cannot be the archive, seen before anything is replaced by it: hotels answer any request with a page of their own. */
function otherFile(response: Response, expect: ExpectedFile): string | undefined {
  const { headers, status } = response
  if (![200, 206, 416].includes(status)) return undefined
  if (status === 200 && headers.get('content-type')?.startsWith('text/html')) return 'the server sent a web page'
  const size = status === 200 ? headers.get('content-length') : /\/(\d+)$/.exec(headers.get('content-range') ?? '')?.[1]
  return size && Number(size) !== expect.bytes ? `the server's file has ${amount(Number(size))} bytes, expected ${amount(expect.bytes)}` : undefined
}

function networkReason(cause: unknown): string {
  // "fetch failed" says nothing; what it hides does.
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  return oneLine(inner instanceof Error ? inner.message || String((inner as NodeJS.ErrnoException).code) : String(inner))
}

/** The bytes that have arrived, and their hash so far. */
class PartFile {
  #hash: Hash
  length = 0

  private constructor(
    readonly path: string,
    private readonly handle: number,
    private readonly expect: ExpectedFile,
  ) {
    this.#hash = createHash('md5')
  }

  /** What an earlier call left is taken over, unless it is longer than the whole. */
  static open(dir: string, path: string, expect: ExpectedFile): PartFile {
    try {
      mkdirSync(dir, { recursive: true })
      const file = new PartFile(path, openSync(path, existsSync(path) ? 'r+' : 'wx+'), expect)
      const { size } = statSync(path)
      if (size > expect.bytes) file.restart()
      else {
        file.#hash = hashOf(path, size)
        file.length = size
      }
      return file
    } catch (cause) {
      throw notWritten(path, cause, 0, expect)
    }
  }

  restart(): void {
    ftruncateSync(this.handle, 0)
    this.#hash = createHash('md5')
    this.length = 0
  }

  append(bytes: Uint8Array): void {
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.handle, bytes, done, bytes.length - done, this.length + done)
    } catch (cause) {
      throw notWritten(this.path, cause, this.length, this.expect)
    }
    this.#hash.update(bytes)
    this.length += bytes.length
  }

  sync(): void {
    try {
      fsyncSync(this.handle)
    } catch (cause) {
      throw notWritten(this.path, cause, this.length, this.expect)
    }
  }

  close(): void {
    quietly(() => closeSync(this.handle))
  }

  digest(): string {
    return this.#hash.copy().digest('hex')
  }
}

/** The hash of a file's first bytes. */
function hashOf(path: string, bytes: number): Hash {
  const hash = createHash('md5')
  const handle = openSync(path, 'r')
  try {
    const block = Buffer.alloc(1 << 20)
    for (let at = 0; at < bytes; ) {
      const n = readSync(handle, block, 0, Math.min(block.length, bytes - at), at)
      if (n === 0) break
      hash.update(block.subarray(0, n))
      at += n
    }
  } finally {
    closeSync(handle)
  }
  return hash
}
