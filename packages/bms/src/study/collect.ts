// What is in the folders that a table is made of: every run, with how far it came. Nothing is left out without a word: a run that failed,
// is not finished or cannot be read is listed with why.
import fs from 'node:fs'
import { basename, join } from 'node:path'
import { BmsError } from '@bms/tensor'
import { isImageConfig, type MixtureConfig } from '../config.js'
import { RunFolder, type RunResult } from '../run/folder.js'
import type { MetricsLine } from '../run/metrics.js'
import { StudyFolder } from './folder.js'
import { savedStep } from './plan.js'
import { describe, type RunIdentity } from './variants.js'

/** A finished run. */
export interface FinishedRun extends RunIdentity {
  readonly dir: string
  readonly config: MixtureConfig
  readonly result: RunResult
  /** metrics.jsonl. */
  readonly lines: readonly MetricsLine[]
}

/** A run that no average takes in. */
export interface OtherRun {
  readonly dir: string
  readonly state: 'failed' | 'unfinished' | 'unreadable' | 'left out'
  readonly why: string
}

export interface Collected {
  readonly finished: readonly FinishedRun[]
  readonly others: readonly OtherRun[]
}

/**
 * The runs in `dirs`: folders of runs, or folders that hold such folders, as a study's does.
 * @throws BmsError `NO_RUNS` where a folder is not there or holds none
 */
export function collectRuns(dirs: readonly string[]): Collected {
  const finished: FinishedRun[] = []
  const others: OtherRun[] = []
  const seen = new Map<string, string>()
  for (const { dir, failure } of dirs.flatMap(runsIn)) {
    const found = readRun(dir, failure)
    if ('state' in found) {
      others.push(found)
      continue
    }
    // The same run twice, or a copy of it, would count as two seeds.
    const id = JSON.stringify([found.key, found.config.dataset, found.config.seed])
    const twin = seen.get(id)
    if (twin === undefined) finished.push(found)
    else others.push({ dir, state: 'left out', why: `it has the configuration and the seed of ${twin}` })
    seen.set(id, twin ?? dir)
  }
  return { finished, others }
}

interface Found {
  dir: string
  /** Why it failed, as its study knows. */
  failure?: string
}

function runsIn(dir: string): Found[] {
  const none = (what: string) => new BmsError('NO_RUNS', `${dir} ${what}. Name the folder of a run, or one that holds runs, as bms study makes it.`, { dir })
  if (!fs.existsSync(dir)) throw none('does not exist')
  if (!fs.statSync(dir).isDirectory()) throw none('is a file')
  if (RunFolder.exists(dir)) return [{ dir }]
  const inside = fs
    .readdirSync(dir)
    .sort(new Intl.Collator('en', { numeric: true }).compare)
    .map((name) => join(dir, name))
    .filter((path) => RunFolder.exists(path))
  if (inside.length === 0 && !StudyFolder.exists(dir)) throw none('holds no run')
  const failures = StudyFolder.exists(dir) ? StudyFolder.read(dir).failures : {}
  // A run can fail before it has a folder: where no device is found, or where it is killed at once.
  const never = Object.keys(failures).filter((name) => !inside.some((path) => basename(path) === name))
  return [...inside, ...never.map((name) => join(dir, name))].map((path) => ({ dir: path, failure: failures[basename(path)] }))
}

function readRun(dir: string, failure: string | undefined): FinishedRun | OtherRun {
  if (failure !== undefined && !RunFolder.exists(dir)) return { dir, state: 'failed', why: failure }
  try {
    const folder = RunFolder.open(dir)
    const { config } = folder
    if (isImageConfig(config)) return { dir, state: 'left out', why: 'it is a run on images: bms eval judges it' }
    const result = folder.readResult()
    if (result && result.steps >= config.steps) return { dir, config, result, lines: folder.readMetrics().lines, ...describe(config) }
    if (failure !== undefined) return { dir, state: 'failed', why: failure }
    const saved = savedStep(folder)
    const reached = saved > 0 ? `saved at step ${saved.toLocaleString('en-US')}` : 'nothing saved yet'
    return { dir, state: 'unfinished', why: `${reached}, of ${config.steps.toLocaleString('en-US')}` }
  } catch (error) {
    if (!(error instanceof BmsError)) throw error
    return { dir, state: 'unreadable', why: error.message }
  }
}
