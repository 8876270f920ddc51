// A run of training without files or screen: networks, optimisers and random state of a configuration, advanced step by
// step, evaluated, saved and restored bit for bit. The command line and a web page drive the same class.
import {
  AnomalyError,
  BmsError,
  compile,
  type Compiled,
  currentDevice,
  type Device,
  isAnomalyEnabled,
  keep,
  loadSafetensors,
  noGrad,
  optim,
  randn,
  saveSafetensors,
  type Tensor,
} from '@bms/nn'
import { checkpointTexts, compareTensors, readCheckpoint, refuse } from './checkpoint.js'
import type { RunConfig } from './config.js'
import { type Mixture, mixture } from './data/mixtures.js'
import { mixtureSampler } from './data/sampler.js'
import { type ModesAndQuality, modesAndQuality } from './metrics/modes.js'
import { type ModelSwitches, models } from './models.js'
import { buildNetworks, mlp, type Networks } from './networks.js'
import { buildOptimisers, drawNoise, type Optimisers, type StepContext, stepContext, type StepLosses, trainStep } from './step.js'
import { nn } from '@bms/nn'

/** Losses of a step on the host, by name. */
export type LossValues = Partial<Record<keyof StepLosses, number>>

const HOW_TO_FIND = 'bms train … --anomaly (in code: detectAnomaly) names the op where it began'

/** Steps between waits for the device, so that the queue stays short and the process answers. */
const STEPS_IN_FLIGHT = 20

/** Where the batch and the noise of a step come from. Called once, when the step is recorded: what changes from step to step is data on the device. */
export interface Sources {
  /** `size` points [size, 2], scaled to a root mean square of 1. */
  data: (size: number) => Tensor
  /** Noise as `drawNoise` gives it. */
  noise: (context: StepContext) => Tensor
}

export class Training {
  /** Steps done. */
  step = 0
  readonly mixture: Mixture
  readonly switches: ModelSwitches
  readonly nets: Networks
  readonly optimisers: Optimisers
  readonly ema: optim.EMA
  private readonly average: nn.Sequential
  private readonly compiled: Compiled<[], StepLosses>
  private readonly samplers = new Map<number, Compiled<[], Tensor>>()
  private losses: StepLosses | null = null

  /** Builds the networks from the configuration's seed on the current device. Batches and noise are drawn from the device's random stream unless `sources` says otherwise. */
  constructor(
    readonly config: RunConfig,
    readonly device: Device = currentDevice(),
    sources: Partial<Sources> = {},
  ) {
    const { hyper, batch, T } = config
    this.mixture = mixture(config.dataset)
    this.switches = models[config.model]
    device.random.manualSeed(config.seed)
    this.nets = buildNetworks(2, hyper, this.switches)
    this.optimisers = buildOptimisers(this.nets, hyper)
    this.ema = new optim.EMA(this.nets.G, { decay: hyper.emaDecay, warmup: true })
    this.average = mlp(hyper.latent, hyper.hiddenG, 2, () => new nn.ReLU())
    const { data = mixtureSampler(this.mixture), noise = drawNoise } = sources
    const context = stepContext(this.nets, this.optimisers, this.switches, hyper, batch, T)
    this.compiled = compile(() => {
      const losses = trainStep(context, data(batch), noise(context))
      this.ema.update()
      return losses
    })
  }

  /** Makes the step's pipelines in parallel; the first `advance` would make them one by one. */
  prepare(): Promise<void> {
    return this.compiled.prepare()
  }

  /** Dispatches, memory and arithmetic of a step. */
  stats(): ReturnType<Compiled<[], StepLosses>['stats']> {
    return this.compiled.stats()
  }

  /** Time of each kernel of a step; trains one step. */
  profile(): ReturnType<Compiled<[], StepLosses>['profile']> {
    return this.compiled.profile()
  }

  /** The step's listing. */
  listing(): string {
    return this.compiled.toString()
  }

  /** Trains one step; returns at once, the device works on. */
  advance(): void {
    const { hyper, steps } = this.config
    const rate = hyper.decay === 'linear' ? Math.max(0, 1 - this.step / steps) : 1
    this.optimisers.generator.lr = hyper.lr * rate
    if (this.optimisers.critic) this.optimisers.critic.lr = hyper.lrD * rate
    if (this.optimisers.latent) this.optimisers.latent.lr = hyper.lrL * rate
    this.losses = this.compiled()
    this.step++
  }

  /** Trains up to `count` steps, but not beyond the configured end; stops early when `stop()` says so. Waits for the device now and then. */
  async advanceBy(count: number, stop: () => boolean = () => false): Promise<void> {
    const end = Math.min(this.step + count, this.config.steps)
    while (this.step < end && !stop()) {
      this.advance()
      // While a NaN is looked for, each step by itself: the error can say which.
      if (this.step % STEPS_IN_FLIGHT === 0 || isAnomalyEnabled()) await this.sync()
    }
    await this.sync()
  }

  private async sync(): Promise<void> {
    try {
      await this.device.sync()
    } catch (error) {
      if (!(error instanceof AnomalyError)) throw error
      throw new AnomalyError(`step ${this.step}: ${error.message}`, { ...error.fields, step: this.step }, { cause: error })
    }
  }

  /** Losses of the last step. Throws a BmsError when one is not finite: the run has diverged. */
  async lossValues(): Promise<LossValues> {
    const out: LossValues = {}
    for (const [name, loss] of Object.entries(this.losses ?? {})) {
      const value = await loss.item()
      if (!Number.isFinite(value)) {
        throw new BmsError(
          'DIVERGED',
          `the loss "${name}" is ${value} at step ${this.step}; lower the learning rates (lr, lrD, lrL) or the weights and start again from the last checkpoint; ${HOW_TO_FIND}`,
          { term: name, step: this.step },
        )
      }
      out[name as keyof StepLosses] = value
    }
    return out
  }

  /**
   * Samples of the averaged generator in the data's own coordinates, [n, 2] row-major. The numbers depend on `seed` alone and leave the
   * training's random stream untouched.
   */
  async sample(n: number, seed: number): Promise<Float32Array> {
    const { random } = this.device
    let sampler = this.samplers.get(n)
    if (!sampler) {
      const { latent } = this.config.hyper
      sampler = compile(() => noGrad(() => this.average.forward(randn([n, latent])).mul(this.mixture.rms)))
      this.samplers.set(n, sampler)
    }
    this.ema.copyTo(this.average)
    const before = random.snapshot()
    random.manualSeed(seed)
    try {
      return (await sampler().data()) as Float32Array
    } finally {
      random.restore(before)
    }
  }

  /** Modes and HQ% of samples of the averaged generator. */
  async evaluate(n = this.config.hyper.evalSamples): Promise<{ samples: Float32Array; report: ModesAndQuality }> {
    const samples = await this.sample(n, evaluationSeed(this.config.seed))
    const report = modesAndQuality(samples, this.mixture)
    if (report.nonFinite > 0) {
      throw new BmsError(
        'DIVERGED',
        `${report.nonFinite} of ${n} samples are not finite at step ${this.step}: the generator has diverged; lower the learning rates (lr, lrD, lrL) and start again from the last checkpoint; ${HOW_TO_FIND}`,
        { term: 'samples', step: this.step },
      )
    }
    return { samples, report }
  }

  private state(): Record<string, Tensor> {
    const { nets, optimisers } = this
    const parts: Record<string, Record<string, Tensor> | undefined> = {
      G: nets.G.stateDict(),
      R: nets.R?.stateDict(),
      D: nets.D?.stateDict(),
      L: nets.L?.stateDict(),
      ema: this.ema.stateDict(),
      'optimiser.generator': optimisers.generator.stateDict(),
      'optimiser.critic': optimisers.critic?.stateDict(),
      'optimiser.latent': optimisers.latent?.stateDict(),
    }
    return Object.fromEntries(Object.entries(parts).flatMap(([part, dict]) => Object.entries(dict ?? {}).map(([name, t]) => [`${part}.${name}`, t])))
  }

  /** Everything that the next step depends on, as the bytes of a .safetensors file. */
  checkpoint(): Promise<Uint8Array> {
    return saveSafetensors(this.state(), checkpointTexts(this.config, this.step, this.device.random.snapshot()))
  }

  /**
   * Continues from a checkpoint of the same configuration. Throws a BmsError (`BAD_FILE`, `BAD_CHECKPOINT`), and changes nothing, where the file
   * does not fit.
   */
  async restore(bytes: Uint8Array): Promise<void> {
    const { step, counter, tensors } = readCheckpoint(bytes, this.config)
    compareTensors(tensors, this.state())
    const given = loadSafetensors(bytes, { device: this.device })
    const before = Object.fromEntries(Object.entries(this.state()).map(([name, t]) => [name, keep(noGrad(() => t.clone()))]))
    const wanted = this.settings()
    try {
      await this.take(given)
      for (const [name, settings] of Object.entries(this.settings()))
        if (settings !== wanted[name]) refuse(`its optimiser.${name} has ${settings}, the run's ${wanted[name]}`)
    } catch (error) {
      // Names, shapes and types agree: what is left are hyper-parameters that only the device can show.
      if (!this.device.isLost) await this.take(before)
      throw error instanceof BmsError && error.code === 'STATE_DICT' ? new BmsError('BAD_CHECKPOINT', error.message, error.fields, { cause: error }) : error
    } finally {
      for (const t of [...Object.values(given), ...Object.values(before)]) t.dispose()
    }
    this.step = step
    this.device.random.restore({ seed: this.config.seed, counter })
  }

  /** Takes over the tensors of a checkpoint. */
  private async take(dict: Record<string, Tensor>): Promise<void> {
    const part = (prefix: string): Record<string, Tensor> =>
      Object.fromEntries(Object.entries(dict).flatMap(([name, t]) => (name.startsWith(`${prefix}.`) ? [[name.slice(prefix.length + 1), t]] : [])))
    const { nets, optimisers } = this
    const { generator, critic, latent } = optimisers
    nets.G.loadStateDict(part('G'))
    nets.R?.loadStateDict(part('R'))
    nets.D?.loadStateDict(part('D'))
    nets.L?.loadStateDict(part('L'))
    this.ema.loadStateDict(part('ema'))
    await Promise.all([
      generator.loadStateDict(part('optimiser.generator')),
      critic?.loadStateDict(part('optimiser.critic')),
      latent?.loadStateDict(part('optimiser.latent')),
    ])
  }

  /** The optimisers' hyper-parameters in words, without the learning rate, which every step sets. */
  private settings(): Record<string, string> {
    const words = (o: optim.Adam): string => JSON.stringify({ ...o.groups[0]!.options, lr: undefined })
    return Object.fromEntries(Object.entries(this.optimisers).flatMap(([name, o]) => (o ? [[name, words(o as optim.Adam)]] : [])))
  }
}

/** Evaluations draw from a stream of their own. */
export function evaluationSeed(seed: number): number {
  // Modulo 2^53, without leaving the whole numbers that a double holds.
  const room = Number.MAX_SAFE_INTEGER - 0x5eed
  return seed <= room ? seed + 0x5eed : seed - room - 1
}
