// One process at a time may write to a run's folder: two that train there would take each other's checkpoints for their
// own. The file .lock says who it is. It is removed at the end, and one whose process was killed counts for nothing.
import { randomUUID } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import { BmsError, show } from '@bms/tensor'
import { type Files, isRunning, quietly, readWhole, writeAll, writeFailed } from './atomic.js'

/** The lock's name in the folder. */
export const lockName = '.lock'

/** Who holds a folder, as the file says it. */
interface Holder {
  pid: number
  host: string
  /** When the process started, for people. */
  started: string
  /** The same as the system counts it: a number used again for another process gives itself away. null where the system does not say. */
  ticks: string | null
  id: string
}

/** A file that says nothing yet is being written, unless it is older than this. */
const WRITING_MS = 10_000

/** The locks that this process holds. They go when it ends, also by process.exit(). */
const held = new Map<string, RunLock>()
const releaseAll = (): void => {
  for (const lock of [...held.values()]) lock.release()
}

export class RunLock {
  private constructor(
    readonly path: string,
    private readonly content: Buffer,
    private readonly id: string,
    private readonly files: Files,
  ) {}

  /**
   * Takes the folder for this process.
   * @throws BmsError `RUN_LOCKED` with fields `{ dir, pid, host, started }` where another process has it, `WRITE_FAILED`
   */
  static take(dir: string, files: Files = fs): RunLock {
    const path = join(dir, lockName)
    const holder: Holder = { ...self(), id: randomUUID() }
    const lock = new RunLock(path, Buffer.from(`${JSON.stringify(holder)}\n`), holder.id, files)
    // Each turn another process went away or came first; a few are enough for any that are not there on purpose.
    for (let turn = 0; turn < 10; turn++) {
      if (writeNew(path, lock.content, files)) return lock.hold()
      const found = readWhole(path, files, 4096)
      if (!found) continue
      const other = parse(found)
      if (other ? isAlive(other) : isFresh(path, files)) throw locked(dir, path, other)
      if (lock.replace(found)) return lock.hold()
    }
    throw locked(dir, path, undefined)
  }

  /** Gives the folder back. A lock that is not this one any more is left alone. */
  release(): void {
    if (!held.delete(this.id)) return
    if (held.size === 0) process.off('exit', releaseAll)
    quietly(() => readWhole(this.path, this.files, 4096)?.equals(this.content) && this.files.unlinkSync(this.path))
  }

  private hold(): this {
    if (held.size === 0) process.on('exit', releaseAll)
    held.set(this.id, this)
    return this
  }

  // Since the dead lock was looked at another process may have put its own in its place. So a lock is removed only by who has made the file beside it,
  // and only after another look. One that stays behind was made by a process that was killed in the act.
  private replace(dead: Buffer): boolean {
    const { path, files } = this
    const guard = `${path}.guard`
    if (!writeNew(guard, this.content, files)) {
      if (!isFresh(guard, files)) quietly(() => files.unlinkSync(guard))
      return false
    }
    try {
      if (!readWhole(path, files, 4096)?.equals(dead)) return false
      files.unlinkSync(path)
      return writeNew(path, this.content, files)
    } catch (cause) {
      throw cause instanceof BmsError ? cause : writeFailed(path, cause, files)
    } finally {
      quietly(() => files.unlinkSync(guard))
    }
  }
}

/** Makes a file; false where there is one: the step that only one of several processes can succeed with. */
function writeNew(path: string, content: Buffer, files: Files): boolean {
  let handle: number
  try {
    handle = files.openSync(path, 'wx')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw writeFailed(path, cause, files)
  }
  try {
    writeAll(handle, content, files)
  } catch (cause) {
    quietly(() => files.unlinkSync(path))
    throw writeFailed(path, cause, files)
  } finally {
    files.closeSync(handle)
  }
  return true
}

function self(): Omit<Holder, 'id'> {
  const { pid } = process
  return { pid, host: os.hostname(), started: new Date(Date.now() - 1000 * process.uptime()).toISOString(), ticks: processStat(pid)?.ticks ?? null }
}

function parse(content: Buffer): Holder | undefined {
  try {
    const { pid, host, started, ticks, id } = JSON.parse(content.toString()) as Holder
    const good = Number.isSafeInteger(pid) && pid > 0 && [host, started, id].every((text) => typeof text === 'string')
    return good ? { pid, host, started, ticks: typeof ticks === 'string' ? ticks : null, id } : undefined
  } catch {
    return undefined
  }
}

function isFresh(path: string, files: Files): boolean {
  const stat = files.statSync(path, { throwIfNoEntry: false })
  return stat !== undefined && Date.now() - stat.mtimeMs < WRITING_MS
}

/** Of a process on another machine nothing can be told: it counts as alive. */
function isAlive({ pid, host, ticks, id }: Holder): boolean {
  if (host !== os.hostname()) return true
  const stat = processStat(pid)
  // A container starts over with the same numbers: its process 7 may meet the lock of an earlier process 7.
  if (stat && ticks !== null) return stat.ticks === ticks && !stat.dead
  return pid === process.pid ? held.has(id) : isRunning(pid)
}

/** What Linux says of a process (proc(5)); undefined elsewhere, and where there is no such process. */
function processStat(pid: number): { ticks: string; dead: boolean } | undefined {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the name in parentheses, which may hold anything; the third and the 22nd are wanted.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[19] === undefined ? undefined : { ticks: fields[19], dead: fields[0] === 'Z' || fields[0] === 'X' }
  } catch {
    return undefined
  }
}

function locked(dir: string, path: string, holder: Holder | undefined): BmsError {
  const { pid, host, started } = holder ?? {}
  const here = host === os.hostname()
  const who = holder ? `process ${pid} ${here ? 'on this machine' : `on ${show(host)}`}, started ${show(started)}` : 'another process'
  const remedy = here ? 'Let it finish, or stop it' : `If it is gone, delete ${path}`
  return new BmsError('RUN_LOCKED', `${dir} is in use by ${who}. ${remedy}, or choose another folder with --out.`, { dir, pid, host, started })
}
