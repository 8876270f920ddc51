// metrics.jsonl: one JSON object a line, appended while training runs. The file may end anywhere when a process is
// killed, so reading takes whole lines only and resuming cuts it back to the checkpoint.
import { isUtf8 } from 'node:buffer'
import fs from 'node:fs'
import { type Files, readWhole, writeAll, writeAtomic, writeFailed } from './atomic.js'

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

  /** All whole lines, in order. No file is no lines. Throws `READ_FAILED`. */
  read(): MetricsRead {
    const { parts, torn } = this.parts()
    const lines = parts.map(parseLine).filter((line) => line !== undefined)
    return { lines, damaged: parts.length - lines.length + (torn ? 1 : 0) }
  }

  /**
   * Cuts the file back to whole lines with `line.step <= step`, so that a run resumed at `step` continues it without gaps or repeats.
   * What is kept is kept byte for byte.
   * @returns how many lines were dropped because they came after `step`, and how many because they were damaged
   * @throws BmsError `READ_FAILED`, `WRITE_FAILED`; the file is then as it was
   */
  rewind(step: number): { later: number; damaged: number } {
    const { parts, torn } = this.parts()
    const kept: Buffer[] = []
    let later = 0
    for (const part of parts) {
      const line = parseLine(part)
      if (line && line.step <= step) kept.push(part)
      else if (line) later++
    }
    const damaged = parts.length - kept.length - later + (torn ? 1 : 0)
    if (later > 0 || damaged > 0) {
      this.close()
      writeAtomic(this.path, Buffer.concat(kept), this.files)
    }
    return { later, damaged }
  }

  /** The lines with their newlines. Without one at its end the last may be cut, even where it happens to parse (12 of 123): that is `torn`. */
  private parts(): { parts: Buffer[]; torn: boolean } {
    const bytes = readWhole(this.path, this.files) ?? Buffer.alloc(0)
    const parts: Buffer[] = []
    let from = 0
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
      parts.push(bytes.subarray(from, end + 1))
      from = end + 1
    }
    return { parts, torn: from < bytes.length }
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

function parseLine(bytes: Buffer): MetricsLine | undefined {
  if (!isUtf8(bytes)) return undefined
  try {
    const value: unknown = JSON.parse(bytes.toString())
    const step = value !== null && typeof value === 'object' ? (value as MetricsLine).step : undefined
    return Number.isSafeInteger(step) && step! >= 0 ? (value as MetricsLine) : undefined
  } catch {
    return undefined
  }
}
