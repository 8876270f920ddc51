// metrics.jsonl: one JSON object a line, appended while training runs. The file may end anywhere when a process is
// killed, so reading takes whole lines only and resuming cuts it back to the checkpoint.
import fs from 'node:fs'
import { type Files, writeAll, writeAtomic, writeFailed } from './atomic.js'

/** A line of metrics.jsonl. Numbers that are not finite are written as null, since JSON has no word for them. */
export interface MetricsLine {
  step: number
  [name: string]: unknown
}

/** What was found in a metrics file, or dropped from it. */
export interface MetricsRead {
  readonly lines: MetricsLine[]
  /** Lines that were torn or are no object with a step. */
  readonly damaged: number
}

/** The metrics file of a run, opened for appending at the first `append`. */
export class MetricsLog {
  #handle: number | undefined

  constructor(
    readonly path: string,
    private readonly files: Files = fs,
  ) {}

  /**
   * Appends one line and hands it to the operating system before returning. When that fails, the file is cut back to whole lines.
   * @throws BmsError `WRITE_FAILED`
   */
  append(line: MetricsLine): void {
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`)
    let before: number | undefined
    try {
      this.#handle ??= this.files.openSync(this.path, 'a')
      before = this.files.fstatSync(this.#handle).size
      writeAll(this.#handle, bytes, this.files)
    } catch (cause) {
      if (this.#handle !== undefined && before !== undefined) {
        try {
          this.files.ftruncateSync(this.#handle, before)
        } catch {
          // A torn line is dropped by the next reader.
        }
      }
      throw writeFailed(this.path, cause, this.files)
    }
  }

  /** All whole lines, in order. No file is no lines. */
  read(): MetricsRead {
    if (!this.files.existsSync(this.path)) return { lines: [], damaged: 0 }
    const parts = this.files.readFileSync(this.path, 'utf8').split('\n')
    // Without a newline at its end the last line may be cut, even where it happens to parse (12 of 123).
    const torn = parts.pop() !== ''
    const lines = parts.map(parseLine)
    const whole = lines.filter((line) => line !== undefined)
    return { lines: whole, damaged: lines.length - whole.length + (torn ? 1 : 0) }
  }

  /**
   * Cuts the file back to whole lines with `line.step <= step`, so that a run resumed at `step` continues it without gaps or repeats.
   * @returns how many lines were dropped because they came after `step`, and how many because they were damaged
   * @throws BmsError `WRITE_FAILED`; the file is then as it was
   */
  rewind(step: number): { later: number; damaged: number } {
    const { lines, damaged } = this.read()
    const kept = lines.filter((line) => line.step <= step)
    const later = lines.length - kept.length
    if (later > 0 || damaged > 0) {
      this.close()
      writeAtomic(this.path, kept.map((line) => `${JSON.stringify(line)}\n`).join(''), this.files)
    }
    return { later, damaged }
  }

  /** Puts what was appended on the disk and closes the file; the next `append` opens it again. */
  close(): void {
    if (this.#handle === undefined) return
    const handle = this.#handle
    this.#handle = undefined
    try {
      this.files.fsyncSync(handle)
    } finally {
      this.files.closeSync(handle)
    }
  }
}

function parseLine(text: string): MetricsLine | undefined {
  try {
    const value: unknown = JSON.parse(text)
    const step = value !== null && typeof value === 'object' ? (value as MetricsLine).step : undefined
    return Number.isSafeInteger(step) ? (value as MetricsLine) : undefined
  } catch {
    return undefined
  }
}
