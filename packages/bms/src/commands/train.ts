// `bms train`: a run from its configuration to its result, with its progress on the screen and its files in a folder;
// interrupted at any moment it goes on from its last checkpoint.
import { isAnomalyEnabled, setDetectAnomaly } from '@bms/nn'
import { init } from '@bms/nn/node'
import { BmsError, DeviceLostError } from '@bms/tensor'
import { type FoundCheckpoint, newestFitting } from '../checkpoint.js'
import { type ImageConfig, imageDatasets, isImageConfig, resolveConfig, type RunConfig, type RunOptions } from '../config.js'
import { badArgument } from '../config/run.js'
import { freeFolder, quoted, RunFolder, type RunResult } from '../run/folder.js'
import { onInterrupt } from '../run/interrupt.js'
import { type Progress, progress } from '../run/progress.js'
import type { Training } from '../training/training.js'
import type { RunKind, Running } from './kind.js'
import { MixtureRun } from './train-mixtures.js'

export interface TrainOptions extends RunOptions {
  resume?: boolean
  /** Look for the first NaN: slow. */
  anomaly?: boolean
  /** Of images: fetch the data into the folder that `data` names (default `data`). */
  download?: boolean
  /** Of a folder of pictures: leave out those that cannot be read. */
  skipCorrupt?: boolean
}

/** Where a run tells how it goes: the terminal, unless `train` is given another. */
export interface TrainView {
  /** The run begins at `step`. What is returned is told of every step and of what the user should know, and stopped at the end. `about` says what is trained, in lines. */
  begin(run: { config: RunConfig; step: number; about: readonly string[] }): Progress
  /** Where the run ended and what is to be found where, in lines. */
  end(lines: readonly string[]): void
}

export interface TrainControl {
  view?: TrainView
  /** Aborted, the run saves itself and `train` resolves to null. Without one, Ctrl-C and SIGTERM do that, and a second one leaves at once. */
  signal?: AbortSignal
}

const terminal: TrainView = {
  begin({ config, step, about }) {
    const bar = progress({ total: config.steps, start: step, label: `${config.dataset} ${config.model}` })
    for (const line of about) bar.log(line)
    return bar
  },
  end(lines) {
    for (const line of lines) console.log(line)
  },
}

/** What is to be run; with the folder where it exists already. */
interface Plan {
  config: RunConfig
  folder?: RunFolder
}

/** A new run, or the one that --resume names. Nothing is written. */
function planRun(given: TrainOptions): Plan {
  if (!(imageDatasets as readonly string[]).includes(given.dataset)) {
    const stranger = given.download ? '--download' : given.skipCorrupt ? '--skip-corrupt' : undefined
    if (stranger) throw badArgument(stranger, true, `nothing: only ${imageDatasets.join(', ')} has such an option`)
  }
  if (!given.resume) {
    const options = given.download ? { ...given, data: given.data ?? 'data' } : given
    const config = resolveConfig(options)
    return { config: { ...config, out: options.out ?? freeFolder(config.out) } }
  }
  const dir = given.out ?? resolveConfig({ dataset: given.dataset, model: given.model }).out
  const folder = RunFolder.open(dir)
  const options = given.download ? { ...given, data: given.data ?? (folder.config as Partial<ImageConfig>).data ?? 'data' } : given
  const wanted = resolveConfig({ ...options, out: dir })
  const { config } = folder
  for (const name of ['dataset', 'model', 'T', 'seed', 'batch', 'arch', 'width', 'dtype'] as const) {
    const [asked, own] = [(wanted as Partial<ImageConfig>)[name], (config as Partial<ImageConfig>)[name]]
    if (options[name] !== undefined && asked !== own) {
      throw new BmsError(
        'BAD_ARGUMENT',
        `--resume: the run in ${dir} has ${name} ${own}, not ${asked}; leave the option out, or start another run with --out`,
        { option: name, got: asked, allowed: own },
      )
    }
  }
  const [hyper, wantedHyper] = [config.hyper, wanted.hyper] as unknown as Record<string, unknown>[]
  for (const name of Object.keys(options.hyper ?? {})) {
    if (String(wantedHyper![name]) !== String(hyper![name])) {
      throw new BmsError(
        'BAD_ARGUMENT',
        `--resume: the run in ${dir} has ${name} ${hyper![name]}, not ${wantedHyper![name]}; leave --set out, or start another run with --out`,
        { option: name, got: wantedHyper![name], allowed: hyper![name] },
      )
    }
  }
  // What may be another from now on: the data's place, how long, and how often what is written.
  const free = ['steps', 'evalEvery', 'adapter', 'data', 'sampleEvery', 'saveEvery'] as const
  const changes = Object.fromEntries(free.flatMap((name) => (options[name] === undefined ? [] : [[name, (wanted as Partial<ImageConfig>)[name]]])))
  return { config: { ...config, ...changes }, folder }
}

/** Code for images is loaded when there are images. */
async function kindOf(config: RunConfig, options: TrainOptions): Promise<RunKind> {
  if (!isImageConfig(config)) return new MixtureRun(config) as unknown as RunKind
  const { ImageRun } = await import('./train-images.js')
  return new ImageRun(config, { download: options.download, corrupt: options.skipCorrupt ? 'skip' : 'fail' }) as unknown as RunKind
}

/** Runs `bms train`. Resolves to the result, or to null when the run was interrupted and saved. */
export async function train(options: TrainOptions, control: TrainControl = {}): Promise<RunResult | null> {
  const started = performance.now()
  const { config, folder: existing } = planRun(options)
  let folder = existing
  const kind = await kindOf(config, options)
  try {
    // Before its checkpoint is read: another process may be about to write one.
    existing?.lock()
    const saved = existing && newestFitting(existing.checkpoints(), config)
    await kind.open()
    const device = await init({ adapter: config.adapter })
    try {
      const training = await kind.start(device)
      if (saved) await training.restore(saved.bytes)
      if (training.step > config.steps) {
        throw new BmsError(
          'BAD_ARGUMENT',
          `--steps: the run is already at step ${training.step}, beyond ${config.steps}; ask for more steps, or leave the option out`,
          { option: '--steps', got: config.steps, allowed: training.step },
        )
      }
      if (options.anomaly) setDetectAnomaly(true)
      // Only now: a run that cannot start leaves no folder behind and changes none.
      folder ??= RunFolder.create(config.out, config)
      return await run(kind, training, folder, { started, saved, ...control })
    } finally {
      if (options.anomaly) setDetectAnomaly(false)
      if (!device.isLost) device.destroy()
    }
  } finally {
    kind.close()
    folder?.close()
  }
}

interface Start extends TrainControl {
  /** `performance.now()` when the command began. */
  started: number
  /** What the run goes on from. */
  saved: FoundCheckpoint | undefined
}

async function run(kind: RunKind, training: Training, folder: RunFolder, { started, saved, view = terminal, signal }: Start): Promise<RunResult | null> {
  const { config, device } = training
  // Also without a checkpoint: the first may not have been reached.
  folder.rewindMetrics(training.step)
  folder.removeLeftovers()
  if (JSON.stringify(folder.config) !== JSON.stringify(config)) folder.writeConfig(config)
  const before = folder.readMetrics().lines.at(-1)?.['seconds']
  // Anybody may have edited the file.
  const spent = typeof before === 'number' && Number.isFinite(before) ? Math.max(0, before) : 0
  const seconds = (): number => spent + (performance.now() - started) / 1000
  const bar = view.begin({ config, step: training.step, about: kind.describe(training) })
  if (isAnomalyEnabled()) bar.log('looking for NaN: each op is watched, which is slow')
  for (const { path, why } of saved?.passed ?? []) bar.log(`${path} was passed over: ${why}`)
  if (saved) bar.log(`continues from step ${training.step} in ${folder.dir}`)
  const own = new AbortController()
  const off = signal ? () => {} : onInterrupt(own, () => bar.log('saving… (again to leave at once)'))
  const stop = (): boolean => (signal ?? own.signal).aborted
  const running: Running = { training, folder, bar, seconds, stop }
  try {
    await training.prepare()
    await kind.loop(running)
    if (stop() && training.step < config.steps) {
      await kind.save(running)
      bar.stop()
      view.end([`stopped at step ${training.step}; continue with: bms train ${config.dataset} --resume --out ${quoted(folder.dir)}`])
      return null
    }
    const { metrics, summary } = await kind.finish(running)
    const result: RunResult = {
      dataset: config.dataset,
      model: config.model,
      T: config.T,
      seed: config.seed,
      steps: training.step,
      metrics,
      adapter: device.adapter.name,
      seconds: Math.round(seconds() * 10) / 10,
    }
    folder.writeResult(result)
    bar.stop()
    view.end([
      `\n${training.switches.title}, ${config.dataset}, seed ${config.seed}: ${summary}, ${result.steps} steps in ${result.seconds} s`,
      `picture: ${folder.path('samples')}\nresult:  ${folder.path('result')}`,
      ...(isImageConfig(config) ? [`report:  ${folder.path('report')}`] : []),
    ])
    return result
  } catch (error) {
    throw error instanceof DeviceLostError
      ? lostDuring(training, folder, error)
      : error instanceof BmsError && error.code === 'DIVERGED'
        ? diverged(folder, error)
        : error
  } finally {
    off()
    bar.stop()
  }
}

/** What is left of a run, in words. */
function kept(folder: RunFolder): string {
  try {
    const saved = newestFitting(folder.checkpoints(), folder.config)
    return saved ? `the checkpoint of step ${saved.step} is safe` : 'there was no checkpoint yet'
  } catch {
    return 'its checkpoints are damaged'
  }
}

/** A lost device, with what is left of the run and how it goes on. */
function lostDuring(training: Training, folder: RunFolder, cause: DeviceLostError): BmsError {
  const { config } = training
  return new BmsError(
    cause.code,
    `the GPU device was lost around step ${training.step} (${cause.fields['reason']}: ${cause.fields['why']}); ${kept(folder)}; continue with: bms train ${config.dataset} --resume --out ${quoted(folder.dir)}`,
    { ...cause.fields, dir: folder.dir },
    { cause },
  )
}

/** A run whose numbers are none any more, with what is left of it. */
function diverged(folder: RunFolder, cause: BmsError): BmsError {
  return new BmsError(cause.code, `${cause.message}; ${kept(folder)} in ${quoted(folder.dir)}`, { ...cause.fields, dir: folder.dir }, { cause })
}
