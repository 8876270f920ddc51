// CIFAR-10 for web pages (and whoever has it under a URL): fetched, or from files that a user chose, and checked like
// files on a disk.
import { BmsError, oneLine } from '@bms/tensor'
import { type ByteProgress, type ByteStream, counted, kindOf, onFailure, peek, readAll } from './byte-stream.js'
import { cifar10Files, type Cifar10Split, cifar10Page, cifar10Rows, parseCifar10Batch } from './cifar10.js'
import { cifar10Archive, otherVersion, readCifar10Archive } from './cifar10-archive.js'
import { badData, type ImageSet, joinImageSets, someOf } from './image-set.js'

/** Where a part of the set is: a URL to fetch, or a file's contents (a `File` of an `<input>`, a `Blob`). */
export type Cifar10Source = string | URL | Blob

export interface FetchCifar10Options {
  /** 'train' */
  readonly split?: Cifar10Split
  /** Called with the bytes of all sources so far; as they travel, before they are unpacked. */
  readonly onProgress?: (progress: ByteProgress) => void
  /** Gives up; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal
  /** Images in each official file; 10,000. Smaller ones are for tests. */
  readonly rows?: number
}

/**
 * The images of CIFAR-10's binary version from its archive (.tar.gz or .tar), or from one or several .bin files.
 * Of files under their official names those of the split are taken, as many as are given; files under other names are
 * taken whole.
 * @throws BmsError `FETCH_FAILED` with `{ url, status?, reason }`, `BAD_DATA` with `{ path, … }`
 */
export async function fetchCifar10(source: Cifar10Source | readonly Cifar10Source[], options: FetchCifar10Options = {}): Promise<ImageSet> {
  const { split = 'train', rows = cifar10Rows } = options
  const sources = Array.isArray(source) ? (source as readonly Cifar10Source[]) : [source as Cifar10Source]
  const chosen = choose(sources, split)
  const progress = totals(chosen.length, options.onProgress)
  const sets: ImageSet[] = []
  for (const [i, part] of chosen.entries()) {
    const { stream, total, failure } = await open(part, options.signal)
    try {
      const watched = counted(stream, (bytes) => progress(i, bytes, total))
      sets.push(await read(watched, nameOf(part), split, rows))
    } catch (error) {
      options.signal?.throwIfAborted()
      // What was read has ended early then, but not because it is damaged.
      throw failure() ?? error
    }
  }
  const name = split === 'both' ? 'cifar10 train and test' : `cifar10 ${split}`
  return sets.length === 1 ? { ...sets[0], name } : joinImageSets(name, someOf(chosen.map(nameOf)), sets)
}

const officialFiles = cifar10Files('both')

/** Official files in their own order, whatever the order in which a user clicked them. */
function choose(sources: readonly Cifar10Source[], split: Cifar10Split): readonly Cifar10Source[] {
  if (sources.length === 0) throw new BmsError('BAD_ARGUMENT', 'fetchCifar10: got no URL or file, needs at least one', { option: 'source', got: 0 })
  if (!sources.every((source) => officialFiles.includes(nameOf(source)))) return sources
  const wanted = cifar10Files(split)
  const chosen = wanted.flatMap((name) => sources.filter((source) => nameOf(source) === name))
  if (chosen.length > 0) return chosen
  throw badData(someOf(sources.map(nameOf)), `none of the ${split} part, which is in ${someOf(wanted)}`, { split, wanted })
}

function nameOf(source: Cifar10Source): string {
  if (source instanceof Blob) return 'name' in source ? String(source.name) : 'the given bytes'
  return String(source).split(/[?#]/)[0].split('/').at(-1) || String(source)
}

interface Opened {
  stream: ByteStream
  total?: number
  /** What became of the connection, where it broke. */
  failure(): BmsError | undefined
}

async function open(source: Cifar10Source, signal: AbortSignal | undefined): Promise<Opened> {
  signal?.throwIfAborted()
  if (source instanceof Blob) return { stream: source.stream(), total: source.size, failure: () => undefined }
  const url = String(source)
  const failed = (reason: string, status?: number, cause?: unknown) =>
    new BmsError('FETCH_FAILED', `could not fetch ${oneLine(url)}: ${reason}`, { url, status, reason }, { cause })
  let response: Response
  try {
    response = await fetch(url, { signal })
  } catch (cause) {
    signal?.throwIfAborted()
    throw failed(`${wordsOf(cause)}. Is the address right, and may this page read from there (CORS)?`, undefined, cause)
  }
  if (!response.ok || !response.body) throw failed(`the server answered ${response.status} ${response.statusText}`.trim(), response.status)
  const length = Number(response.headers.get('content-length'))
  let failure: BmsError | undefined
  const stream = onFailure(response.body, (cause) => (failure = failed(`the connection broke (${wordsOf(cause)}). Try again`, response.status, cause)))
  // Of a body that was packed for the journey the length says nothing.
  return { stream, total: length > 0 && !response.headers.get('content-encoding') ? length : undefined, failure: () => failure }
}

const wordsOf = (cause: unknown): string => oneLine(cause instanceof Error ? cause.message : String(cause))

async function read(whole: ByteStream, name: string, split: Cifar10Split, rows: number): Promise<ImageSet> {
  const { head, stream } = await peek(whole)
  const kind = kindOf(head)
  if (kind === 'gzip' || kind === 'tar') return readCifar10Archive(stream, name, { split, gzip: kind === 'gzip', rows })
  if (kind !== 'unknown') {
    await stream.cancel()
    const what = { empty: 'it is empty', html: 'it is a web page', png: 'it is a PNG image', jpeg: 'it is a JPEG image', zip: 'it is a .zip archive' }[kind]
    throw badData(name, `${what}. Needed is ${cifar10Archive.name} or a .bin file of it (${cifar10Page})`, { kind })
  }
  const version = otherVersion([name])
  if (version) {
    await stream.cancel()
    throw badData(name, version)
  }
  return parseCifar10Batch(await readAll(stream), name, officialFiles.includes(name) ? rows : undefined)
}

/** Adds up the bytes of several sources; the sum of all is known once the last has begun. */
function totals(count: number, onProgress: FetchCifar10Options['onProgress']): (i: number, bytes: number, total?: number) => void {
  const seen: number[] = new Array(count).fill(0)
  const all: (number | undefined)[] = new Array(count).fill(undefined)
  const sum = (numbers: readonly (number | undefined)[]) => numbers.reduce<number>((a, b) => a + (b ?? 0), 0)
  return (i, bytes, total) => {
    seen[i] = bytes
    all[i] = total
    onProgress?.({ bytes: sum(seen), total: all.every((n) => n !== undefined) ? sum(all) : undefined })
  }
}
