// `bms study 2d`: the paper's table as a matrix of runs, trained one after another or a few at once; ended at any moment it goes on where it was.
import { BmsError } from '@bms/tensor'
import { adapterNames, checkOption, type RunConfig } from '../config.js'
import type { MixtureName } from '../data/mixtures.js'
import { unknownName } from '../names.js'
import { duration } from '../report/words.js'
import { quoted, RunFolder, type RunResult } from '../run/folder.js'
import { onInterrupt } from '../run/interrupt.js'
import { progress } from '../run/progress.js'
import { integer, oneOf } from '../schema.js'
import { StudyDisplay } from '../study/display.js'
import { StudyFolder } from '../study/folder.js'
import { writeOutputs } from '../study/outputs.js'
import { planStudy, type StudyRun } from '../study/plan.js'
import { type Outcome, startPool } from '../study/pool.js'
import { terminalTable } from '../study/text-table.js'
import { chosenVariants, studySets } from '../study/variants.js'
import { studyFigures } from './study-figures.js'

/** As the command line gives them; what is missing takes its default. */
export interface StudyOptions {
  /** How many, from 0 on (3). */
  seeds?: string | number
  /** Names of variants separated by commas, or paper, ablations, all (paper). */
  models?: string
  /** grid, ring or both. */
  sets?: string
  /** Runs at once (1). */
  jobs?: string | number
  /** Instead of each set's own. */
  steps?: string | number
  /** The study's folder (runs/study-2d). */
  out?: string
  adapter?: string
}

export interface StudyEnd {
  /** Runs that are finished, those of earlier studies in the folder included. */
  finished: number
  failed: number
  /** Interrupted before its end. */
  stopped: boolean
}

/** Studies that there are. */
export const studyNames = ['2d'] as const

/**
 * Runs `bms study`.
 * @throws BmsError `UNKNOWN_NAME`, `BAD_ARGUMENT` for what is asked; `STUDY_DIFFERS` where the folder holds something else, `RUN_LOCKED` where another
 *   study works there; `BAD_STUDY`, `BAD_CONFIG`, `BAD_RESULT`, `READ_FAILED`, `WRITE_FAILED` for what is on the disk. A run that fails is no error.
 */
export async function study(name: string, options: StudyOptions = {}): Promise<StudyEnd> {
  if (!(studyNames as readonly string[]).includes(name)) throw unknownName('study', name, studyNames)
  const optional = <T>(value: T | undefined, read: (value: T) => number): number | undefined => (value === undefined ? undefined : read(value))
  const jobs = checkOption('--jobs', options.jobs ?? 1, integer(1, 64))
  const adapter = options.adapter && checkOption('--adapter', options.adapter, oneOf(...adapterNames))
  const matrix = {
    sets: chosenSets(options.sets ?? studySets.join(',')),
    variants: chosenVariants(options.models ?? 'paper'),
    seeds: checkOption('--seeds', options.seeds ?? 3, integer(1, 1000)),
    steps: optional(options.steps, (steps) => checkOption('--steps', steps, integer(1, 1e9))),
  }
  const out = options.out ?? `runs/study-${name}`
  // What cannot be is refused before a folder is made.
  planStudy(matrix, out)
  const folder = StudyFolder.open(out)
  try {
    return await runStudy(folder, planStudy(matrix, out), { jobs, adapter, again: again(name, options) })
  } finally {
    folder.close()
  }
}

function chosenSets(list: string): MixtureName[] {
  const names = list.split(',').map((name) => name.trim())
  for (const name of names) if (!(studySets as readonly string[]).includes(name)) throw unknownName('data set of the study', name, studySets)
  // Those of the table come in its order.
  return studySets.filter((name) => names.includes(name))
}

/** The command that goes on with the study. */
function again(name: string, options: StudyOptions): string {
  const names = ['seeds', 'models', 'sets', 'jobs', 'steps', 'out', 'adapter'] as const
  return ['bms study', name, ...names.flatMap((option) => (options[option] === undefined ? [] : [`--${option}`, quoted(String(options[option]))]))].join(' ')
}

async function runStudy(
  folder: StudyFolder,
  runs: readonly StudyRun[],
  { jobs, adapter, again }: { jobs: number; adapter?: string; again: string },
): Promise<StudyEnd> {
  const began = performance.now()
  const before = folder.seconds
  const display = new StudyDisplay(runs, jobs)
  const waiting = runs.filter(({ state }) => state.kind !== 'finished')
  display.log(intro(runs, folder.dir))
  const controller = new AbortController()
  const failed = new Map<StudyRun, string>()
  let finished = runs.length - waiting.length
  let problem: unknown
  const ended = (run: StudyRun, outcome: Outcome): void => {
    try {
      const result = outcome.kind === 'finished' ? resultOf(run) : undefined
      display.ended(run, outcome, result)
      if (outcome.kind === 'failed') failed.set(run, outcome.why)
      if (result) finished++
      folder.setOutcome(run.name, outcome.kind === 'failed' ? outcome.why : undefined, before + (performance.now() - began) / 1000)
      writeOutputs(folder)
    } catch (error) {
      // Without a place to write to there is no use in training on.
      problem ??= error
      controller.abort()
    }
  }
  const pool = startPool(waiting, { jobs, adapter, signal: controller.signal, told: (run, message) => display.told(run, message), ended })
  const off = onInterrupt(
    controller,
    () => display.log('saving… (again to leave at once)'),
    () => pool.kill(),
  )
  try {
    await pool.done
  } finally {
    off()
    display.stop()
  }
  if (problem) throw problem
  const stopped = controller.signal.aborted && finished + failed.size < runs.length
  let tables = writeOutputs(folder)
  if (!stopped && finished > 0 && (waiting.length > 0 || folder.figures().length === 0)) {
    await drawFigures(folder, runs, adapter)
    tables = writeOutputs(folder)
  }
  if (stopped) console.log(`stopped: ${finished} of ${runs.length} runs are finished; go on with: ${again}`)
  else {
    for (const table of tables) console.log(`\n${terminalTable(table)}`)
    console.log(`\nstudy:  ${finished} of ${runs.length} runs in ${duration(folder.seconds)}`)
    console.log(`table:  ${folder.path('table')}\nreport: ${folder.path('report')}\nfigures: ${folder.path('figures')}`)
    if (failed.size > 0) console.log(`${failed.size} ${failed.size === 1 ? 'run' : 'runs'} failed; the same command tries again: ${again}`)
  }
  return { finished, failed: failed.size, stopped }
}

/** Figures of all finished runs: a second or two for each, and some for the maps of their latent spaces. */
async function drawFigures(folder: StudyFolder, runs: readonly StudyRun[], adapter: StudyOptions['adapter']): Promise<void> {
  let what = ''
  const infos = runs.map(({ dataset, variant, seed, dir }) => ({ dataset, variant: variant.name, title: variant.title, seed, dir }))
  const bar = progress({ total: infos.length + 2, label: () => `figures: ${what}`, rate: false, plainSeconds: 30 })
  try {
    await studyFigures(infos, folder.path('figures'), {
      adapter: adapter as RunConfig['adapter'] | undefined,
      onProgress(now, done) {
        what = now
        bar.update(done)
      },
    })
  } finally {
    bar.stop()
  }
}

function intro(runs: readonly StudyRun[], dir: string): string {
  const count = (kind: StudyRun['state']['kind']): number => runs.filter(({ state }) => state.kind === kind).length
  const many = (of: (run: StudyRun) => unknown): number => new Set(runs.map(of)).size
  const counted = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`
  const sizes = [
    counted(
      many(({ variant }) => variant),
      'model',
    ),
    counted(
      many(({ dataset }) => dataset),
      'set',
    ),
    counted(
      many(({ seed }) => seed),
      'seed',
    ),
  ]
  const parts = [`${sizes.join(' x ')} in ${dir}`]
  if (count('finished') > 0) parts.push(`${count('finished')} finished before`)
  if (count('unfinished') > 0) parts.push(`${count('unfinished')} to be continued`)
  return `${counted(runs.length, 'run')}: ${parts.join(', ')}`
}

function resultOf(run: StudyRun): RunResult {
  const result = RunFolder.open(run.dir).readResult()
  if (!result) throw new BmsError('READ_FAILED', `${run.dir}: its result.json is gone since the run ended`, { path: run.dir, reason: 'ENOENT' })
  return result
}
