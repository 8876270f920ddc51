// The folder of a study: its runs, study.json (what failed, and the time spent), table.md, figures and report.html. One study at a time works there.
import fs from 'node:fs'
import { join } from 'node:path'
import { BmsError, oneLine } from '@bms/tensor'
import { readWhole, temporaryOwner, removeLeftovers, writeAtomic, writeFailed } from '../run/atomic.js'
import { quoted, RunFolder } from '../run/folder.js'
import { lockName, RunLock } from '../run/lock.js'

const FORMAT = 'bms-study-1'
const names = { study: 'study.json', table: 'table.md', report: 'report.html', figures: 'figures' } as const

interface StudyFile {
  format: typeof FORMAT
  /** Time that studies have spent here. */
  seconds: number
  /** Why runs failed, by the names of their folders. One that finished since says so itself. */
  failures: Record<string, string>
}

export class StudyFolder {
  #lock: RunLock | undefined

  private constructor(
    readonly dir: string,
    private file: StudyFile,
  ) {}

  /** Whether a study was begun there. */
  static exists(dir: string): boolean {
    return fs.existsSync(join(dir, names.study))
  }

  /** What a study left in `dir`, to be read. Throws `BAD_STUDY` where study.json is not one of ours, `READ_FAILED`. */
  static read(dir: string): StudyFolder {
    return new StudyFolder(dir, readStudy(join(dir, names.study)))
  }

  /**
   * Begins a study in `dir`, or goes on with the one there; the folder is this process's until `close()`.
   * @throws BmsError `RUN_LOCKED` where another study works there, `BAD_ARGUMENT` where it holds anything else, `BAD_STUDY`, `WRITE_FAILED`
   */
  static open(dir: string): StudyFolder {
    checkFolder(dir)
    try {
      fs.mkdirSync(dir, { recursive: true })
    } catch (cause) {
      throw writeFailed(dir, cause)
    }
    const lock = RunLock.take(dir)
    try {
      const folder = StudyFolder.exists(dir) ? StudyFolder.read(dir) : new StudyFolder(dir, { format: FORMAT, seconds: 0, failures: {} })
      removeLeftovers(dir)
      folder.#write()
      folder.#lock = lock
      return folder
    } catch (error) {
      lock.release()
      throw error
    }
  }

  get failures(): Readonly<Record<string, string>> {
    return this.file.failures
  }

  get seconds(): number {
    return this.file.seconds
  }

  /** Keeps why a run failed; undefined: it did not. Throws `WRITE_FAILED`. */
  setOutcome(run: string, failure: string | undefined, seconds: number): void {
    const { [run]: _, ...others } = this.file.failures
    this.file = { ...this.file, seconds: Math.round(seconds * 10) / 10, failures: failure === undefined ? others : { ...others, [run]: failure } }
    this.#write()
  }

  path(name: keyof typeof names): string {
    return join(this.dir, names[name])
  }

  /** Writes table.md and report.html. Throws `WRITE_FAILED`. */
  writeTables(markdown: string, html: string): void {
    writeAtomic(this.path('table'), markdown)
    writeAtomic(this.path('report'), html)
  }

  /** The PNG files in figures/, by name. Throws `READ_FAILED`. */
  figures(): { name: string; png: Uint8Array }[] {
    const folder = this.path('figures')
    if (!fs.existsSync(folder)) return []
    const files = fs.readdirSync(folder).filter((name) => /^[^.].*\.png$/i.test(name))
    return files.sort().map((name) => ({ name, png: readWhole(join(folder, name)) ?? new Uint8Array(0) }))
  }

  close(): void {
    this.#lock?.release()
    this.#lock = undefined
  }

  #write(): void {
    writeAtomic(this.path('study'), `${JSON.stringify(this.file, null, 2)}\n`)
  }
}

// A study fills a folder of its own: what else lies there is not ours to work in.
function checkFolder(dir: string): void {
  if (!fs.existsSync(dir)) return
  const refuse = (what: string): never => {
    throw new BmsError('BAD_ARGUMENT', `--out: ${dir} ${what}. Choose a new or empty folder, or that of a study, with --out.`, {
      option: '--out',
      got: dir,
      allowed: 'a new or empty folder, or that of a study',
    })
  }
  if (!fs.statSync(dir).isDirectory()) refuse('is a file')
  if (StudyFolder.exists(dir)) return
  if (RunFolder.exists(dir)) refuse('is the folder of a single run')
  const others = fs.readdirSync(dir).filter((name) => temporaryOwner(name) === undefined && !name.startsWith(lockName) && name !== '.DS_Store')
  if (others.length > 0)
    refuse(
      `holds other files (${others
        .slice(0, 3)
        .map((name) => oneLine(name, 60))
        .join(', ')}${others.length > 3 ? ', …' : ''}) and no study`,
    )
}

function readStudy(path: string): StudyFile {
  const fail = (): never => {
    throw new BmsError(
      'BAD_STUDY',
      `${path} is not what a study writes. Delete it to go on: it only holds which runs failed and the time spent (rm ${quoted(path)})`,
      {
        path,
      },
    )
  }
  let value: Partial<StudyFile> | null
  try {
    value = JSON.parse((readWhole(path, fs, 1 << 24) ?? '').toString())
  } catch (error) {
    if (error instanceof BmsError) throw error
    return fail()
  }
  const { format, seconds, failures } = value ?? {}
  if (format !== FORMAT || typeof seconds !== 'number' || !(seconds >= 0) || typeof failures !== 'object' || failures === null) return fail()
  if (!Object.values(failures).every((why) => typeof why === 'string')) return fail()
  return { format, seconds, failures }
}
