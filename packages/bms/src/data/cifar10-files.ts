// CIFAR-10 on a disk, in each form that users have it in: the folder of binary files, the folder above it, the archive
// as it was downloaded, or a folder of pictures. Whatever else a path leads to is named, with what was looked for.
import { closeSync, createReadStream, openSync, readdirSync, readSync, type Stats, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { Readable } from 'node:stream'
import { BmsError, oneLine } from '@bms/tensor'
import { readWhole } from '../run/atomic.js'
import { type ByteStream, counted, headBytes, type Kind, kindOf, onFailure } from './byte-stream.js'
import { checkBatchSize, Cifar10Collector, cifar10Files, type Cifar10Split } from './cifar10.js'
import { cifar10Archive, otherVersion, readCifar10Archive } from './cifar10-archive.js'
import { type ImageFolderOptions, imageFiles, openImageFolder } from './image-folder.js'
import { badData, type ImageSet, someOf } from './image-set.js'

export interface OpenCifar10Options extends Pick<ImageFolderOptions, 'corrupt' | 'resize'> {
  /** 'train' */
  readonly split?: Cifar10Split
  /** Called with how much was read and all there is: bytes, or images of a folder of pictures. */
  readonly onProgress?: (done: number, total: number) => void
  /** Images in each official file; 10,000. Smaller ones are for tests. */
  readonly rows?: number
}

const folderName = 'cifar-10-batches-bin'
const getIt = 'To download the set, add --download to the command'

/**
 * Opens a data set of 32x32 images: a folder with CIFAR-10's binary files (or with `cifar-10-batches-bin`, or
 * `cifar-10-binary.tar.gz` in it), the archive itself, or a folder of PNG and JPEG images. Nothing is written.
 * @throws BmsError `BAD_DATA` with fields `{ path, … }` where the path leads to nothing, to something else, or to damaged data; `READ_FAILED`
 */
export async function openCifar10(path: string, options: OpenCifar10Options = {}): Promise<ImageSet> {
  const stat = statOf(path)
  if (!stat) throw badData(path, `there is no such file or folder. ${getIt}`, { found: null })
  if (stat.isDirectory()) return openFolder(path, options)
  if (!stat.isFile()) throw badData(path, 'it is neither a folder nor a regular file', { found: 'special file' })
  return openFile(path, stat.size, options)
}

function statOf(path: string): Stats | undefined {
  return reading(path, () => {
    try {
      return statSync(path)
    } catch (error) {
      if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
      throw error
    }
  })
}

async function openFile(path: string, size: number, { split = 'train', rows, onProgress }: OpenCifar10Options): Promise<ImageSet> {
  const kind = fileKind(path)
  if (kind !== 'gzip' && kind !== 'tar') throw otherFile(path, kind)
  const file = createReadStream(path, { highWaterMark: 1 << 18 })
  let failure: unknown
  const whole = onFailure(Readable.toWeb(file) as unknown as ByteStream, (cause) => (failure = cause))
  const stream = counted(whole, (bytes) => onProgress?.(bytes, size))
  try {
    return await readCifar10Archive(stream, path, { split, gzip: kind === 'gzip', rows })
  } catch (error) {
    // A disk that cannot be read is no damaged archive.
    throw failure === undefined ? error : readFailed(path, failure)
  } finally {
    file.destroy()
  }
}

function otherFile(path: string, kind: Kind): BmsError {
  const needed = `Needed is ${cifar10Archive.name}, a folder with ${cifar10Files('train')[0]} and so on, or a folder of PNG or JPEG images`
  const what: Partial<Record<Kind, string>> = {
    empty: 'the file is empty',
    png: 'it is one image',
    jpeg: 'it is one image',
    zip: 'it is a .zip archive',
    html: 'it is a web page, which a server may have sent in place of the archive',
  }
  const batch = cifar10Files('both').includes(basename(path)) ? 'it is one batch of several. Give the folder that holds them' : undefined
  const words = batch ?? `${what[kind] ?? 'it is a file of another kind'}. ${otherVersion([path]) ?? needed}`
  return badData(path, words, { found: kind })
}

function fileKind(path: string): Kind {
  return reading(path, () => {
    const handle = openSync(path, 'r')
    try {
      const head = Buffer.alloc(headBytes)
      return kindOf(head.subarray(0, readSync(handle, head)))
    } finally {
      closeSync(handle)
    }
  })
}

async function openFolder(dir: string, options: OpenCifar10Options): Promise<ImageSet> {
  const names = namesIn(dir)
  const official = cifar10Files('both')
  for (const folder of [dir, join(dir, folderName)]) {
    const inside = folder === dir ? names : names.includes(folderName) ? namesIn(folder) : []
    if (inside.some((name) => official.includes(name))) return openBatches(folder, inside, options)
  }
  if (names.includes(cifar10Archive.name)) return openCifar10(join(dir, cifar10Archive.name), options)
  const images = reading(dir, () => imageFiles(dir))
  if (images.length > 0) return openImageFolder(dir, images, options)
  throw otherFolder(dir, names)
}

async function openBatches(dir: string, names: readonly string[], { split = 'train', rows, onProgress }: OpenCifar10Options): Promise<ImageSet> {
  const collector = new Cifar10Collector(split, dir, rows)
  const missing = collector.missing.filter((name) => !names.includes(name))
  if (missing.length > 0) {
    const found = names.filter((name) => name.endsWith('.bin'))
    throw badData(dir, `${someOf(missing, 6)} ${missing.length > 1 ? 'are' : 'is'} missing: the folder holds ${someOf(found, 6)}. ${getIt}`, { missing, found })
  }
  const files = collector.missing
  for (const [i, name] of files.entries()) {
    const path = join(dir, name)
    const stat = statOf(path)
    // Its size alone may say that it need not be read.
    if (stat?.isFile()) checkBatchSize(stat.size, path, collector.rows)
    const bytes = readWhole(path)
    if (!bytes) throw badData(path, 'the file was there a moment ago and is gone', { missing: [name] })
    collector.add(name, bytes, path)
    onProgress?.((i + 1) * bytes.length, files.length * bytes.length)
  }
  return collector.finish()
}

function otherFolder(dir: string, names: readonly string[]): BmsError {
  const visible = names.filter((name) => !name.startsWith('.'))
  const looked = `Looked for ${cifar10Files('train')[0]} and so on, ${folderName}, ${cifar10Archive.name}, and PNG or JPEG images`
  if (visible.length === 0) return badData(dir, `the folder is empty. ${getIt}`, { found: [] })
  const version = otherVersion(visible)
  return badData(dir, `it holds no data set (found: ${someOf(visible)}). ${version ?? `${looked}. ${getIt}`}`, { found: visible.slice(0, 20) })
}

const namesIn = (dir: string): string[] => reading(dir, () => readdirSync(dir).sort())

/** What the system refuses becomes `READ_FAILED`. */
function reading<T>(path: string, action: () => T): T {
  try {
    return action()
  } catch (cause) {
    throw cause instanceof BmsError ? cause : readFailed(path, cause)
  }
}

function readFailed(path: string, cause: unknown): BmsError {
  const reason = oneLine(cause instanceof Error ? cause.message : String(cause))
  return new BmsError('READ_FAILED', `could not read ${path}: ${reason}`, { path, reason }, { cause })
}
