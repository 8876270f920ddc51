// `bms train`: a run from its configuration to its result, with its progress on the screen and its files in a folder;
// interrupted at any moment it goes on from its last checkpoint.
import { isAnomalyEnabled, setDetectAnomaly } from '@bms/nn'
import { init } from '@bms/nn/node'
import { BmsError } from '@bms/tensor'
import { readCheckpoint } from '../checkpoint.js'
import { type HyperParameters, resolveConfig, type RunConfig, type RunOptions } from '../config.js'
import { sampleMixture } from '../data/mixtures.js'
import { scatterFigure } from '../figures/png.js'
import { modesAndQuality } from '../metrics/modes.js'
import { freeFolder, quoted, RunFolder, type RunResult } from '../run/folder.js'
import { type Progress, progress } from '../run/progress.js'
import { evaluationSeed, Training } from '../training.js'

export interface TrainOptions extends RunOptions {
  resume?: boolean
  /** Look for the first NaN: slow. */
  anomaly?: boolean
}

/** Steps between looks at the losses. */
const CHUNK = 20
/** Samples of the figure and of the final numbers (2,500, as in the paper). */
const FIGURE_SAMPLES = 2500

/** What is to be run; with the folder where it exists already. */
interface Plan {
  config: RunConfig
  folder?: RunFolder
}

/** A new run, or the one that --resume names. Nothing is written. */
function planRun(options: TrainOptions): Plan {
  if (!options.resume) {
    const config = resolveConfig(options)
    return { config: { ...config, out: options.out ?? freeFolder(config.out) } }
  }
  const dir = options.out ?? resolveConfig({ dataset: options.dataset, model: options.model }).out
  const folder = RunFolder.open(dir)
  const wanted = resolveConfig({ ...options, out: dir })
  const { config } = folder
  for (const name of ['dataset', 'model', 'T', 'seed', 'batch'] as const) {
    if (options[name] !== undefined && wanted[name] !== config[name]) {
      throw new BmsError(
        'BAD_ARGUMENT',
        `--resume: the run in ${dir} has ${name} ${config[name]}, not ${wanted[name]}; leave the option out, or start another run with --out`,
        { option: name, got: wanted[name], allowed: config[name] },
      )
    }
  }
  for (const name of Object.keys(options.hyper ?? {}) as (keyof HyperParameters)[]) {
    if (String(wanted.hyper[name]) !== String(config.hyper[name])) {
      throw new BmsError(
        'BAD_ARGUMENT',
        `--resume: the run in ${dir} has ${name} ${config.hyper[name]}, not ${wanted.hyper[name]}; leave --set out, or start another run with --out`,
        { option: name, got: wanted.hyper[name], allowed: config.hyper[name] },
      )
    }
  }
  const changes: Partial<RunConfig> = {}
  if (options.steps !== undefined) changes.steps = wanted.steps
  if (options.evalEvery !== undefined) changes.evalEvery = wanted.evalEvery
  if (options.adapter !== undefined) changes.adapter = wanted.adapter
  return { config: { ...config, ...changes }, folder }
}

/** Draws samples.png; returns what it shows in numbers. */
export async function drawSamples(training: Training, folder: RunFolder): Promise<ReturnType<typeof modesAndQuality>> {
  const { config, mixture, step } = training
  const generated = await training.sample(FIGURE_SAMPLES, evaluationSeed(config.seed))
  const report = modesAndQuality(generated, mixture)
  folder.writeSamples(
    await scatterFigure({
      target: sampleMixture(mixture, FIGURE_SAMPLES, config.seed),
      generated,
      mixture,
      title: `${training.switches.title} on ${mixture.name}`,
      subtitle: `T = ${config.T}, seed ${config.seed}, step ${step.toLocaleString('en')}: ${report.modes} of ${mixture.means.length} modes, HQ ${report.hq.toFixed(2)} %`,
    }),
  )
  return report
}

/** Runs `bms train`. Resolves to the result, or to null when the run was interrupted and saved. */
export async function train(options: TrainOptions): Promise<RunResult | null> {
  const started = performance.now()
  const { config, folder: existing } = planRun(options)
  let folder = existing
  try {
    // Before its checkpoint is read: another process may be about to write one.
    existing?.lock()
    const saved = existing?.readCheckpoint()
    if (saved) readCheckpoint(saved, config)
    const device = await init({ adapter: config.adapter })
    try {
      const training = new Training(config, device)
      if (saved) await training.restore(saved)
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
      return await run(training, folder, started, saved !== undefined)
    } finally {
      if (options.anomaly) setDetectAnomaly(false)
      if (!device.isLost) device.destroy()
    }
  } finally {
    folder?.close()
  }
}

async function run(training: Training, folder: RunFolder, started: number, continued: boolean): Promise<RunResult | null> {
  const { config, device } = training
  // Also without a checkpoint: the first may not have been reached.
  folder.rewindMetrics(training.step)
  folder.removeLeftovers()
  if (JSON.stringify(folder.config) !== JSON.stringify(config)) folder.writeConfig(config)
  const before = folder.readMetrics().lines.at(-1)?.['seconds']
  // Anybody may have edited the file.
  const spent = typeof before === 'number' && Number.isFinite(before) ? Math.max(0, before) : 0
  const seconds = (): number => spent + (performance.now() - started) / 1000
  const bar = progress({ total: config.steps, start: training.step, label: `${config.dataset} ${config.model}` })
  bar.log(
    `${training.switches.title} on the ${config.dataset}: T ${config.T}, batch ${config.batch}, ${config.steps} steps, seed ${config.seed}; ${device.adapter.name} (${device.adapter.source})`,
  )
  if (isAnomalyEnabled()) bar.log('looking for NaN: each op is watched, which is slow')
  if (continued) bar.log(`continues from step ${training.step} in ${folder.dir}`)
  let interrupted = false
  const interrupt = (): void => {
    if (interrupted) process.exit(130)
    interrupted = true
    bar.log('saving… (again to leave at once)')
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  try {
    await training.prepare()
    await loop(training, folder, bar, seconds, () => interrupted)
    if (interrupted && training.step < config.steps) {
      folder.writeCheckpoint(await training.checkpoint())
      bar.stop()
      console.log(`stopped at step ${training.step}; continue with: bms train ${config.dataset} --resume --out ${quoted(folder.dir)}`)
      return null
    }
    const report = await drawSamples(training, folder)
    const result: RunResult = {
      dataset: config.dataset,
      model: config.model,
      T: config.T,
      seed: config.seed,
      steps: training.step,
      metrics: { modes: report.modes, hq: report.hq, near: report.near, samples: report.n },
      adapter: device.adapter.name,
      seconds: Math.round(seconds() * 10) / 10,
    }
    folder.writeResult(result)
    bar.stop()
    const total = training.mixture.means.length
    console.log(
      `\n${training.switches.title}, ${config.dataset}, seed ${config.seed}: ${report.modes} of ${total} modes, HQ ${report.hq.toFixed(2)} %, ${result.steps} steps in ${result.seconds} s`,
    )
    console.log(`picture: ${folder.path('samples')}\nresult:  ${folder.path('result')}`)
    return result
  } finally {
    process.off('SIGINT', interrupt)
    process.off('SIGTERM', interrupt)
    bar.stop()
  }
}

async function loop(training: Training, folder: RunFolder, bar: Progress, seconds: () => number, stop: () => boolean): Promise<void> {
  const { config } = training
  while (training.step < config.steps && !stop()) {
    const next = Math.min(config.steps, (Math.floor(training.step / config.evalEvery) + 1) * config.evalEvery)
    while (training.step < next && !stop()) {
      await training.advanceBy(Math.min(CHUNK, next - training.step), stop)
      bar.update(training.step, await training.lossValues())
    }
    if (training.step !== next) return
    const { report } = await training.evaluate()
    const losses = await training.lossValues()
    const { modes, hq, near } = report
    folder.appendMetrics({ step: training.step, ...losses, modes, hq, near, seconds: Math.round(seconds() * 10) / 10 })
    folder.writeCheckpoint(await training.checkpoint())
    bar.update(training.step, { ...losses, modes, hq })
  }
}
