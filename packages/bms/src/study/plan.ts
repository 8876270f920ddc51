// The matrix of a study: which runs there are, in which order and folders, and how far each is. A folder that holds something else
// than what is asked is refused before anything is trained.
import { join } from 'node:path'
import { BmsError } from '@bms/tensor'
import { newestFitting } from '../checkpoint.js'
import { isImageConfig, type MixtureConfig, resolveConfig, type RunConfig } from '../config.js'
import type { TrainOptions } from '../commands/train.js'
import type { MixtureName } from '../data/mixtures.js'
import { RunFolder, type RunResult } from '../run/folder.js'
import { type StudyVariant, variantOptions } from './variants.js'

export interface Matrix {
  sets: readonly MixtureName[]
  variants: readonly StudyVariant[]
  /** So many seeds, from 0 on. */
  seeds: number
  /** Where not the defaults. */
  steps?: number
}

export interface StudyRun {
  /** The folder's name: grid-wae-s0. */
  readonly name: string
  readonly dir: string
  readonly dataset: MixtureName
  readonly variant: StudyVariant
  readonly seed: number
  /** What `train` is asked for. */
  readonly options: TrainOptions
  readonly config: MixtureConfig
  /** Where it stands. */
  readonly state: RunState
}

export type RunState = { kind: 'missing' } | { kind: 'unfinished'; step: number } | { kind: 'finished'; result: RunResult }

/**
 * All runs of a study in `dir`. Seeds come first, so that a study that is ended early has whole rows of the table; then models, then sets.
 * @throws BmsError `STUDY_DIFFERS` where a folder holds a run of another configuration; `BAD_CONFIG`, `BAD_RESULT`, `READ_FAILED`
 */
export function planStudy({ sets, variants, seeds, steps }: Matrix, dir: string): StudyRun[] {
  const runs = Array.from({ length: seeds }, (_, seed) =>
    variants.flatMap((variant) =>
      sets.map((dataset): StudyRun => {
        const name = `${dataset}-${variant.name}-s${seed}`
        const folder = join(dir, name)
        const options = { dataset, ...variantOptions(variant), seed, steps }
        const config = resolveConfig({ ...options, out: folder })
        return { name, dir: folder, dataset, variant, seed, options, config, state: { kind: 'missing' } }
      }),
    ),
  ).flat()
  const folders = runs.map((run) => (RunFolder.exists(run.dir) ? RunFolder.open(run.dir) : undefined))
  const others = folders.flatMap((folder, i) => {
    const differs = folder && difference(runs[i]!.config, folder.config)
    return differs ? [{ run: runs[i]!, differs }] : []
  })
  if (others.length > 0) throw otherStudy(dir, others)
  return runs.map((run, i) => ({ ...run, state: stateOf(folders[i]) }))
}

function stateOf(folder: RunFolder | undefined): RunState {
  if (!folder) return { kind: 'missing' }
  const result = folder.readResult()
  if (result && result.steps >= folder.config.steps) return { kind: 'finished', result }
  return { kind: 'unfinished', step: savedStep(folder) }
}

/** The step of a run's checkpoint; 0 where there is none that can be read, of which its process will tell. */
export function savedStep(folder: RunFolder): number {
  try {
    return newestFitting(folder.checkpoints(), folder.config)?.step ?? 0
  } catch {
    return 0
  }
}

/** How a run is computed and how often it is looked at may change; what it computes may not. */
const free = ['out', 'adapter', 'evalEvery', 'hyper', 'evalSamples']

interface Difference {
  name: string
  asked: unknown
  found: unknown
}

/** The first thing in which two configurations differ. */
function difference(asked: MixtureConfig, found: RunConfig): Difference | undefined {
  if (isImageConfig(found)) return { name: 'dataset', asked: asked.dataset, found: found.dataset }
  const flat = ({ hyper, ...rest }: MixtureConfig): Record<string, unknown> => ({ ...rest, ...hyper })
  const [a, b] = [flat(asked), flat(found)]
  const name = Object.keys(a).find((key) => !free.includes(key) && String(a[key]) !== String(b[key]))
  return name === undefined ? undefined : { name, asked: a[name], found: b[name] }
}

function otherStudy(dir: string, others: readonly { run: StudyRun; differs: Difference }[]): BmsError {
  const [{ run, differs }] = others as [(typeof others)[0]]
  const more = others.length > 1 ? ` (and ${others.length - 1} more of its runs ${others.length > 2 ? 'differ' : 'differs'})` : ''
  return new BmsError(
    'STUDY_DIFFERS',
    `${run.dir} holds a run with ${differs.name} ${differs.found}, and the study asked for has ${differs.asked}${more}. ` +
      `Start it in another folder with --out, or leave out what makes the difference to go on with the one in ${dir}.`,
    { dir: run.dir, field: differs.name, got: differs.found, expected: differs.asked },
  )
}
