// A run's folder: config.json, metrics.jsonl, result.json, samples.png, checkpoint.safetensors; of image runs also earlier checkpoints, sheets of
// samples, reconstructions.png and report.html. This is the only place that knows these names and the only one that writes them.
import fs from 'node:fs'
import { join } from 'node:path'
import { BmsError, oneLine } from '@bms/tensor'
import { datasetNames, parseConfig, type RunConfig } from '../config.js'
import { type Files, quietly, readWhole, removeLeftovers, temporaryOwner, writeAtomic, writeFailed } from './atomic.js'
import { lockName, RunLock } from './lock.js'
import { type MetricsLine, MetricsLog, type MetricsRead } from './metrics.js'

/** result.json. */
export interface RunResult {
  dataset: string
  model: string
  T: number
  seed: number
  /** Steps trained. */
  steps: number
  /** What the run was judged by: of points modes, hq and near; of images the losses of the last step. */
  metrics: Record<string, unknown>
  /** The adapter that was used, by name. */
  adapter: string
  seconds: number
}

const names = {
  config: 'config.json',
  metrics: 'metrics.jsonl',
  result: 'result.json',
  samples: 'samples.png',
  checkpoint: 'checkpoint.safetensors',
  reconstructions: 'reconstructions.png',
  report: 'report.html',
  sheets: 'sheets',
  scores: 'scores.json',
  closest: 'closest-match.png',
} as const

/** Checkpoints that a run has at most. */
export const CHECKPOINTS_KEPT = 3

/** A checkpoint on disk, newest first: 0 is checkpoint.safetensors, 1 the one before. */
const checkpointName = (age: number): string => (age === 0 ? names.checkpoint : `checkpoint.${age}.safetensors`)

const sheetName = (step: number): string => `${String(step).padStart(8, '0')}.png`
const sheetPattern = /^(\d{8,})\.png$/

// A configuration is about a kilobyte; anything far larger is another file under the same name.
const largestConfig = 1 << 20

/** One run on disk. Every file but metrics.jsonl is written whole or not at all, and only by the process that holds the lock. */
export class RunFolder {
  readonly #metrics: MetricsLog
  #config: RunConfig
  #lock: RunLock | undefined

  private constructor(
    readonly dir: string,
    config: RunConfig,
    private readonly files: Files,
  ) {
    this.#config = { ...config, out: dir }
    this.#metrics = new MetricsLog(this.path('metrics'), files)
  }

  /**
   * Starts a new run: makes `dir` (and its parents) where it is missing, locks it and writes config.json.
   * @throws BmsError `RUN_EXISTS` where `dir` holds a run, `RUN_LOCKED` where another process is about to start one,
   *   `BAD_ARGUMENT` where it holds other files or is itself a file, `WRITE_FAILED`
   */
  static create(dir: string, config: RunConfig, files: Files = fs): RunFolder {
    const check = (): void => {
      const problem = occupied(dir, files)
      if (problem) throw problem
    }
    check()
    try {
      files.mkdirSync(dir, { recursive: true })
    } catch (cause) {
      throw writeFailed(dir, cause, files)
    }
    const folder = new RunFolder(dir, config, files)
    folder.lock()
    try {
      // Another process may have begun and ended a run since.
      check()
      folder.#writeJson('config', folder.config)
    } catch (error) {
      folder.close()
      throw error
    }
    return folder
  }

  /**
   * Opens an existing run and checks its configuration; nothing is written. `config.out` is `dir`, wherever the folder stood when the run began.
   * @throws BmsError `NOT_A_RUN` where there is no folder or no config.json in it, `BAD_CONFIG` where config.json is not one of ours, `READ_FAILED`
   */
  static open(dir: string, files: Files = fs): RunFolder {
    const path = join(dir, names.config)
    const fail = (what: string) =>
      new BmsError('NOT_A_RUN', `${dir} ${what}. Start a run there with: bms train <${datasetNames.join('|')}> --out ${quoted(dir)}`, { dir })
    if (!files.existsSync(dir)) throw fail('does not exist')
    if (!files.statSync(dir).isDirectory()) throw fail('is a file, not the folder of a run')
    if (!files.existsSync(path)) throw fail(`holds no run (no ${names.config})`)
    return new RunFolder(dir, parseConfig(readJson(path, files), path), files)
  }

  /** Whether `dir` holds a run, good or damaged. */
  static exists(dir: string, files: Files = fs): boolean {
    return files.existsSync(join(dir, names.config))
  }

  /** The run's configuration. */
  get config(): RunConfig {
    return this.#config
  }

  /**
   * Takes the folder for this process, until `close()`. Take it before reading what is to be continued.
   * @throws BmsError `RUN_LOCKED` where another process trains there, `WRITE_FAILED`
   */
  lock(): void {
    this.#lock ??= RunLock.take(this.dir, this.files)
  }

  /** Clears what a killed process left half-written. */
  removeLeftovers(): void {
    removeLeftovers(this.dir, this.files)
  }

  /** The full path of one of the run's files. */
  path(file: keyof typeof names): string {
    return join(this.dir, names[file])
  }

  /** Appends a line to metrics.jsonl. Throws `WRITE_FAILED`. */
  appendMetrics(line: MetricsLine): void {
    this.#metrics.append(line)
  }

  /** The whole lines of metrics.jsonl. */
  readMetrics(): MetricsRead {
    return this.#metrics.read()
  }

  /** Cuts metrics.jsonl back to the checkpoint's step. Call it before the first `appendMetrics` of a resumed run. */
  rewindMetrics(step: number): { later: number; damaged: number } {
    return this.#metrics.rewind(step)
  }

  /**
   * Writes checkpoint.safetensors; whatever happens, the earlier one survives until the new one is whole. With `keep` above 1 (at most `CHECKPOINTS_KEPT`) it survives
   * that as checkpoint.1.safetensors, and so on. Throws `WRITE_FAILED`.
   */
  writeCheckpoint(bytes: Uint8Array, keep = 1): void {
    const path = (age: number): string => join(this.dir, checkpointName(age))
    const moved: number[] = []
    try {
      writeAtomic(path(0), bytes, this.files, () => {
        for (let age = keep - 2; age >= 0; age--) {
          if (!this.files.existsSync(path(age))) continue
          this.files.renameSync(path(age), path(age + 1))
          moved.unshift(age)
        }
      })
    } catch (error) {
      // Back in their places, newest first. Only the oldest may be lost, and only where the disk was not full but refused a name.
      for (const age of moved) quietly(() => this.files.renameSync(path(age + 1), path(age)))
      throw writeFailed(path(0), (error as BmsError).cause, this.files)
    }
  }

  /** The checkpoints that there are, newest first, each unchecked: see `newestFitting`. Throws `READ_FAILED`. */
  *checkpoints(): Generator<{ path: string; bytes: Uint8Array }> {
    for (let age = 0; age < CHECKPOINTS_KEPT; age++) {
      const path = join(this.dir, checkpointName(age))
      const bytes = readWhole(path, this.files)
      if (bytes) yield { path, bytes }
    }
  }

  /** Writes a sheet of samples as sheets/STEP.png, and as samples.png. Throws `WRITE_FAILED`. */
  writeSheet(step: number, png: Uint8Array): void {
    try {
      this.files.mkdirSync(this.path('sheets'), { recursive: true })
    } catch (cause) {
      throw writeFailed(this.path('sheets'), cause, this.files)
    }
    writeAtomic(join(this.path('sheets'), sheetName(step)), png, this.files)
    this.writeSamples(png)
  }

  /** The sheets up to a step, oldest first. Later ones belong to a run that was taken back. Throws `READ_FAILED`. */
  readSheets(upTo: number): { step: number; png: Uint8Array }[] {
    if (!this.files.existsSync(this.path('sheets'))) return []
    const steps = this.files.readdirSync(this.path('sheets')).flatMap((name) => sheetPattern.exec(String(name))?.[1] ?? [])
    return steps
      .map(Number)
      .filter((step) => step <= upTo)
      .sort((a, b) => a - b)
      .flatMap((step) => {
        const png = readWhole(join(this.path('sheets'), sheetName(step)), this.files)
        return png ? [{ step, png }] : []
      })
  }

  /** Writes reconstructions.png. Throws `WRITE_FAILED`. */
  writeReconstructions(png: Uint8Array): void {
    writeAtomic(this.path('reconstructions'), png, this.files)
  }

  /** Writes report.html. Throws `WRITE_FAILED`. */
  writeReport(html: string): void {
    writeAtomic(this.path('report'), html, this.files)
  }

  /** Writes samples.png. Throws `WRITE_FAILED`. */
  writeSamples(png: Uint8Array): void {
    writeAtomic(this.path('samples'), png, this.files)
  }

  /** Writes scores.json: what `bms eval` found of a run on images. Throws `WRITE_FAILED`. */
  writeScores(scores: object): void {
    this.#writeJson('scores', scores)
  }

  /** Writes closest-match.png. Throws `WRITE_FAILED`. */
  writeClosestMatch(png: Uint8Array): void {
    writeAtomic(this.path('closest'), png, this.files)
  }

  /** result.json; undefined where the run has none yet. Throws `BAD_RESULT` where it is not one of ours, `READ_FAILED`. */
  readResult(): RunResult | undefined {
    const path = this.path('result')
    const content = readWhole(path, this.files, largestConfig)
    return content && parseResult(content.toString(), path)
  }

  /** Writes result.json. Throws `WRITE_FAILED`. */
  writeResult(result: RunResult): void {
    this.#writeJson('result', result)
  }

  /** Saves a configuration that changed, for instance more steps for a resumed run. Throws `WRITE_FAILED`. */
  writeConfig(config: RunConfig): void {
    const changed = { ...config, out: this.dir }
    this.#writeJson('config', changed)
    this.#config = changed
  }

  /** Closes metrics.jsonl, with everything on the disk, and gives the folder back to other processes. */
  close(): void {
    try {
      this.#metrics.close()
    } finally {
      this.#lock?.release()
      this.#lock = undefined
    }
  }

  #writeJson(file: 'config' | 'result' | 'scores', value: unknown): void {
    writeAtomic(this.path(file), `${JSON.stringify(value, null, 2)}\n`, this.files)
  }
}

/**
 * The first of `base`, `base-2`, `base-3`, … that a run can be created in: where a user who gave no --out gets a fresh folder each time.
 */
export function freeFolder(base: string, files: Files = fs): string {
  for (let i = 1; ; i++) {
    const dir = i === 1 ? base : `${base}-${i}`
    if (occupied(dir, files) === undefined) return dir
  }
}

// Why no run can be created in `dir`; undefined where it can.
function occupied(dir: string, files: Files): BmsError | undefined {
  if (!files.existsSync(dir)) return undefined
  if (!files.statSync(dir).isDirectory()) {
    return new BmsError('BAD_ARGUMENT', `--out: ${dir} is a file. Choose another folder with --out.`, {
      option: '--out',
      got: dir,
      allowed: 'a new or empty folder',
    })
  }
  const path = join(dir, names.config)
  if (files.existsSync(path)) {
    return new BmsError(
      'RUN_EXISTS',
      `${dir} already holds a run${describeRun(path, files)}. Continue it with --resume, or choose another folder with --out.`,
      { dir },
    )
  }
  const others = files.readdirSync(dir).filter((name) => temporaryOwner(name) === undefined && name !== '.DS_Store' && !name.startsWith(lockName))
  if (others.length === 0) return undefined
  const some = others.slice(0, 3).join(', ') + (others.length > 3 ? ', …' : '')
  return new BmsError('BAD_ARGUMENT', `--out: ${dir} holds other files (${some}) and no run. Choose a new or empty folder with --out.`, {
    option: '--out',
    got: dir,
    allowed: 'a new or empty folder',
  })
}

function describeRun(path: string, files: Files): string {
  try {
    const { model, dataset, seed, steps } = parseConfig(readJson(path, files), path)
    return ` (${model} on the ${dataset}, seed ${seed}, ${steps} steps)`
  } catch {
    return ''
  }
}

const resultTypes: Record<keyof RunResult, string> = {
  dataset: 'string',
  model: 'string',
  T: 'number',
  seed: 'number',
  steps: 'number',
  metrics: 'object',
  adapter: 'string',
  seconds: 'number',
}

// Anybody may have edited the file: what is said of it later is said of numbers.
function parseResult(content: string, path: string): RunResult {
  const fail = (got: string): never => {
    throw new BmsError('BAD_RESULT', `${path}: ${got}; it should be the result of a run. Delete it and continue the run with --resume to have it made again.`, {
      path,
    })
  }
  let value: unknown
  try {
    value = JSON.parse(content)
  } catch {
    fail('no JSON')
  }
  if (value === null || typeof value !== 'object') fail('no object')
  const found = value as Record<string, unknown>
  const wrong = Object.entries(resultTypes).find(([name, type]) => found[name] === null || typeof found[name] !== type)
  if (wrong) fail(`${wrong[0]} is missing or no ${wrong[1]}`)
  return value as RunResult
}

function readJson(path: string, files: Files): unknown {
  const content = readWhole(path, files, largestConfig)?.toString() ?? ''
  try {
    return JSON.parse(content)
  } catch (cause) {
    const got = content.trim() === '' ? 'an empty file' : `no JSON (${oneLine((cause as Error).message)})`
    const expected = 'the configuration of a run as JSON'
    throw new BmsError('BAD_CONFIG', `${path}: got ${got}, expected ${expected}`, { source: path, field: '', got, expected })
  }
}

/** A path as one word of a shell command. */
export function quoted(path: string): string {
  return /^[\w./~+,-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}
