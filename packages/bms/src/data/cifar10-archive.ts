// CIFAR-10 out of its archive, cifar-10-binary.tar.gz, as it streams by: only the files that are wanted are kept, by
// their names, and nothing is unpacked to a disk.
import { BmsError, oneLine } from '@bms/tensor'
import { createTarDecoder, type ParsedTarEntry } from 'modern-tar'
import { type ByteStream, counted, readAll } from './byte-stream.js'
import { Cifar10Collector, type Cifar10Split, cifar10Page, batchBytes, checkBatchSize } from './cifar10.js'
import { amount, badData, type ImageSet, someOf } from './image-set.js'

/** The official archive of the binary version. */
export const cifar10Archive = {
  url: 'https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz',
  name: 'cifar-10-binary.tar.gz',
  bytes: 170_052_171,
  md5: 'c32a1d4ab5d03f1284b67883e8d87530',
} as const

export interface ArchiveOptions {
  readonly split: Cifar10Split
  readonly gzip: boolean
  /** Images in each file; 10,000. */
  readonly rows?: number
}

/**
 * Reads the images of a split from a .tar or .tar.gz.
 * @param source the archive's name, for texts
 * @throws BmsError `BAD_DATA` with fields `{ path, … }` where the archive is cut short, damaged, or another one
 */
export async function readCifar10Archive(stream: ByteStream, source: string, { split, gzip, rows }: ArchiveOptions): Promise<ImageSet> {
  const collector = new Cifar10Collector(split, source, rows)
  let bytes = 0
  const plain = gzip ? unzipped(counted(stream, (n) => (bytes = n))) : counted(stream, (n) => (bytes = n))
  const seen: string[] = []
  const abort = new AbortController()
  const entries = plain.pipeThrough(createTarDecoder({ strict: true }), { signal: abort.signal }).getReader()
  try {
    for (;;) {
      const { done, value } = await entries.read()
      if (done) break
      if (seen.length < 1000) seen.push(value.header.name)
      await take(value, collector)
    }
  } catch (cause) {
    // Whoever sends the rest can stop.
    abort.abort()
    throw cause instanceof BmsError ? cause : broken(source, bytes, seen, gzip, cause)
  }
  if (collector.missing.length > 0) throw otherContents(source, collector, seen)
  return collector.finish()
}

async function take(entry: ParsedTarEntry, collector: Cifar10Collector): Promise<void> {
  const { name, size, type } = entry.header
  // The folder's name does not matter; where a path leads does not either, since nothing is written.
  const file = name.split(/[\\/]/).at(-1)!
  if ((type !== undefined && type !== 'file') || !collector.wants(file)) return drain(entry.body)
  const source = `${file} in ${collector.source}`
  checkBatchSize(size, source, collector.rows)
  collector.add(file, await readAll(entry.body, batchBytes(collector.rows)), source)
}

// Read and forgotten, not cancelled: where a body has come as a whole already, modern-tar takes its cancelling for that of the next entry.
async function drain(body: ByteStream): Promise<void> {
  const reader = body.getReader()
  while (!(await reader.read()).done);
}

function unzipped(stream: ByteStream): ByteStream {
  return stream.pipeThrough(new DecompressionStream('gzip') as unknown as ReadableWritablePair<Uint8Array, Uint8Array>)
}

function broken(source: string, bytes: number, seen: readonly string[], gzip: boolean, cause: unknown): BmsError {
  const reason = oneLine(cause instanceof Error ? cause.message : String(cause)).replace(/\.$/, '')
  const until = seen.length > 0 ? `, in or after ${someOf(seen.slice(-1))}` : ''
  const whole = gzip && bytes < cifar10Archive.bytes ? ` The official archive has ${amount(cifar10Archive.bytes)} bytes.` : ''
  return badData(
    source,
    `the archive is cut short or damaged: it breaks off after ${amount(bytes)} bytes${until} (${reason}).${whole} Download it again`,
    { bytes, reason, last: seen.at(-1) },
    cause,
  )
}

function otherContents(source: string, collector: Cifar10Collector, seen: readonly string[]): BmsError {
  const { missing } = collector
  const files = seen.filter((name) => !name.endsWith('/'))
  const found = files.length === 0 ? 'it is empty' : `it holds ${someOf(files)}`
  const version = otherVersion(files)
  const advice = version ?? `Needed is ${cifar10Archive.name} (${cifar10Page})`
  return badData(source, `${someOf(missing, 6)} ${missing.length > 1 ? 'are' : 'is'} not in this archive: ${found}. ${advice}`, {
    missing,
    found: files.slice(0, 20),
  })
}

/** What to say to someone who has CIFAR's other versions; undefined where the names are of none. */
export function otherVersion(names: readonly string[]): string | undefined {
  const of = (pattern: RegExp) => names.some((name) => pattern.test(name))
  const needed = `Needed is the binary version, ${cifar10Archive.name} (${cifar10Page})`
  if (of(/cifar-?100/i) || (of(/(^|\/)train(\.bin)?$/) && of(/(^|\/)fine_label_names\.txt$|(^|\/)meta$/))) return `This is CIFAR-100. ${needed}`
  if (of(/cifar-10-batches-py|(^|\/)(data_batch_\d|test_batch)$/)) return `This is the Python version of CIFAR-10. ${needed}`
  if (of(/cifar-10-batches-mat|(^|\/)(data_batch_\d|test_batch)\.mat$/)) return `This is the Matlab version of CIFAR-10. ${needed}`
  return undefined
}
