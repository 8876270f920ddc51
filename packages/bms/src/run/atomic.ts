// Writing a file so that whoever looks, whenever, finds either all of the old one or all of the new one: a run must
// survive a full disk and a kill -9 in the middle of a checkpoint. And reading one that may be anything.
import fs from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { BmsError, oneLine } from '@bms/tensor'

/** The calls of node:fs that a run's folder is written with. Tests pass one that fails. */
export type Files = Pick<
  typeof fs,
  | 'openSync'
  | 'writeSync'
  | 'fsyncSync'
  | 'ftruncateSync'
  | 'fstatSync'
  | 'closeSync'
  | 'renameSync'
  | 'unlinkSync'
  | 'mkdirSync'
  | 'readdirSync'
  | 'readFileSync'
  | 'existsSync'
  | 'statSync'
>

let counter = 0

/**
 * All bytes of a file; undefined where there is none.
 * @param most bytes that such a file can have
 * @throws BmsError `READ_FAILED` with fields `{ path, reason }`; also for what is no regular file, since a pipe or a device may have no end
 */
export function readWhole(path: string, files: Files = fs, most = Infinity): Buffer | undefined {
  const failed = (reason: string, cause?: unknown) => new BmsError('READ_FAILED', `could not read ${path}: ${reason}`, { path, reason }, { cause })
  try {
    const stat = files.statSync(path, { throwIfNoEntry: false })
    if (!stat) return undefined
    if (!stat.isFile()) throw failed(stat.isDirectory() ? 'it is a folder' : 'it is no regular file')
    if (stat.size > most) throw failed(`it has ${stat.size} bytes, at most ${most} are expected`)
    return files.readFileSync(path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw cause instanceof BmsError ? cause : failed(oneLine((cause as Error).message), cause)
  }
}

/**
 * Writes a whole file: a temporary file beside it, fsync, rename over the old one, fsync of the folder. On failure the
 * temporary file is removed and what stood under `path` before is untouched.
 * @param content text is written as UTF-8
 * @param before called when the new file is whole and on the disk, before it takes its name
 * @throws BmsError `WRITE_FAILED` with fields `{ path, reason, kept }`, where `kept` says whether an earlier file is still there
 */
export function writeAtomic(path: string, content: Uint8Array | string, files: Files = fs, before: () => void = () => {}): void {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content
  const folder = dirname(path)
  const temporary = join(folder, `.${basename(path)}.${process.pid}.${counter++}.tmp`)
  let handle: number | undefined
  let made = false
  try {
    handle = files.openSync(temporary, 'wx')
    made = true
    writeAll(handle, bytes, files)
    files.fsyncSync(handle)
    files.closeSync(handle)
    handle = undefined
    before()
    files.renameSync(temporary, path)
  } catch (cause) {
    quietly(() => handle !== undefined && files.closeSync(handle))
    quietly(() => made && files.unlinkSync(temporary))
    throw writeFailed(path, cause, files)
  }
  syncFolder(folder, files)
}

/** Writes all bytes at the handle's position: one call may take fewer than it was given. */
export function writeAll(handle: number, bytes: Uint8Array, files: Files = fs): void {
  let done = 0
  while (done < bytes.length) done += files.writeSync(handle, bytes, done, bytes.length - done)
}

/** The error for a failed write: why in words, what is still there, what to do. */
export function writeFailed(path: string, cause: unknown, files: Files = fs): BmsError {
  const reason = (cause as NodeJS.ErrnoException)?.code ?? 'unknown'
  const kept = files.existsSync(path)
  const words: Record<string, string> = {
    ENOSPC: 'the disk is full. Free some space',
    EDQUOT: 'the disk quota is used up. Free some space',
    EACCES: 'no permission to write there. Change it or choose another folder with --out',
    EPERM: 'no permission to write there. Change it or choose another folder with --out',
    EROFS: 'the file system is read-only. Choose another folder with --out',
    ENOENT: 'its folder is gone. Choose another folder with --out',
    ENOTDIR: 'a part of the path is a file. Choose another folder with --out',
    EEXIST: 'a part of the path is a file. Choose another folder with --out',
  }
  const why = words[reason] ?? (cause instanceof Error ? cause.message : String(cause))
  const state = kept ? `The earlier ${basename(path)} is kept as it was` : 'Nothing was left behind'
  return new BmsError('WRITE_FAILED', `could not write ${path} (${reason}): ${why}. ${state}.`, { path, reason, kept }, { cause })
}

/**
 * Removes temporary files that a killed process left in `folder`. Those of a process that still runs stay.
 * @returns how many were removed
 */
export function removeLeftovers(folder: string, files: Files = fs): number {
  let removed = 0
  for (const name of files.readdirSync(folder)) {
    const owner = temporaryOwner(name)
    if (owner === undefined || isRunning(owner)) continue
    quietly(() => {
      files.unlinkSync(join(folder, name))
      removed++
    })
  }
  return removed
}

/** The process that made a temporary file of `writeAtomic`, told by its name; undefined for any other file. */
export function temporaryOwner(name: string): number | undefined {
  const match = /^\..+\.(\d{1,10})\.\d+\.tmp$/.exec(name)
  return match === null ? undefined : Number(match[1])
}

/** Is there a process with this number on this machine? */
export function isRunning(pid: number): boolean {
  if (pid === process.pid) return true
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

// Makes the rename itself durable. Not every system lets a folder be opened or synced; the file is whole either way.
function syncFolder(folder: string, files: Files): void {
  quietly(() => {
    const handle = files.openSync(folder, 'r')
    try {
      files.fsyncSync(handle)
    } finally {
      files.closeSync(handle)
    }
  })
}

/** Runs `action`; when it fails, nothing happens. */
export function quietly(action: () => unknown): void {
  try {
    action()
  } catch {
    // The first error is the one to report.
  }
}
