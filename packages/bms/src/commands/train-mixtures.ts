// A run on the ring or the grid, as `bms train` does it.
import type { Device } from '@bms/nn'
import { posteriorWidth } from '../analysis/density.js'
import type { MixtureConfig } from '../config.js'
import { sampleMixture } from '../data/mixtures.js'
import { scatterFigure } from '../figures/png.js'
import { type ModesAndQuality, modesAndQuality } from '../metrics/modes.js'
import type { RunFolder } from '../run/folder.js'
import { MixtureTraining } from '../training/mixtures.js'
import { evaluationSeed } from '../training/training.js'
import type { RunKind, Running } from './kind.js'

/** Steps between looks at the losses. */
const CHUNK = 20
/** Samples of the figure and of the final numbers (2,500, as in the paper). */
const FIGURE_SAMPLES = 2500

/** Draws samples.png; returns what it shows in numbers. */
export async function drawSamples(training: MixtureTraining, folder: RunFolder): Promise<ModesAndQuality> {
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

/** How wide q(z|x) is, as a mean over dims and of its narrowest, and the variance of all codes together; nothing where there is no q(z|x). */
async function encoderWidth(training: MixtureTraining): Promise<object> {
  if (!training.encodes) return {}
  const { deviation, smallest, aggregated } = posteriorWidth(await training.encode(sampleMixture(training.mixture, FIGURE_SAMPLES, training.config.seed)))
  return { posterior: { mean: deviation, min: smallest, aggregated: aggregated.mean } }
}

export class MixtureRun implements RunKind<MixtureTraining> {
  constructor(private readonly config: MixtureConfig) {}

  async open(): Promise<void> {}

  async start(device: Device): Promise<MixtureTraining> {
    return new MixtureTraining(this.config, device)
  }

  describe({ config, switches, device }: MixtureTraining): string[] {
    return [
      `${switches.title} on the ${config.dataset}: T ${config.T}, batch ${config.batch}, ${config.steps} steps, seed ${config.seed}; ${device.adapter.name} (${device.adapter.source})`,
    ]
  }

  async loop(run: Running<MixtureTraining>): Promise<void> {
    const { training, folder, bar, seconds, stop } = run
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
      await this.save(run)
      bar.update(training.step, { ...losses, modes, hq })
    }
  }

  async save({ training, folder }: Running<MixtureTraining>): Promise<void> {
    folder.writeCheckpoint(await training.checkpoint())
  }

  async finish({ training, folder }: Running<MixtureTraining>): ReturnType<RunKind['finish']> {
    const report = await drawSamples(training, folder)
    const { modes, hq, near, n: samples, mass, displacement } = report
    return {
      metrics: { modes, hq, near, samples, mass, displacement, ...(await encoderWidth(training)) },
      summary: `${report.modes} of ${training.mixture.means.length} modes, HQ ${report.hq.toFixed(2)} %`,
    }
  }

  close(): void {}
}
