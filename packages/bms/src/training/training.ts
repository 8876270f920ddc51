// A run of training without files or screen: networks, optimisers and random state of a configuration, advanced step by
// step, saved and restored bit for bit. What belongs to points or to images is in the classes built on this one. The command line and a
// web page drive the same classes.
import {
  AnomalyError,
  BmsError,
  type Compiled,
  compile,
  type Device,
  isAnomalyEnabled,
  keep,
  loadSafetensors,
  noGrad,
  optim,
  saveSafetensors,
  type Tensor,
} from '@bms/nn'
import { checkpointTexts, compareTensors, readCheckpoint, refuse } from '../checkpoint.js'
import type { RunConfig } from '../config.js'
import { type ModelSwitches, models } from '../models.js'
import type { Networks } from '../networks/networks.js'
import { buildOptimisers, type Noise, type Objective, type Optimisers, type StepLosses, type StepNorms, type StepResult } from '../objectives/objective.js'

/** Losses of a step on the host, by name; lengths of gradients as `grad_` and the term's name. */
export type LossValues = Partial<Record<keyof StepLosses | `grad_${keyof StepNorms}`, number>>

export const HOW_TO_FIND = 'bms train … --anomaly (in code: detectAnomaly) names the op where it began'

/** Steps between waits for the device, so that the queue stays short and the process answers. */
const STEPS_IN_FLIGHT = 20

/** Where the noise of a step comes from, unless it is drawn from the device's random stream. Called when a step is recorded: what changes from step to step is data on the device. */
export type NoiseSource = () => Noise

export abstract class Training<C extends RunConfig = RunConfig> {
  /** Steps done. */
  step = 0
  readonly switches: ModelSwitches
  readonly nets: Networks
  readonly optimisers: Optimisers
  readonly ema: optim.EMA
  /** Steps are waited for after this many, so that the queue stays short and the process answers. */
  protected inFlight = STEPS_IN_FLIGHT
  protected abstract readonly compiled: Compiled<Tensor[], StepResult>
  private losses: StepResult | null = null

  /** Builds the networks from the configuration's seed on the device. */
  protected constructor(
    readonly config: C,
    readonly device: Device,
    build: () => Networks,
  ) {
    this.switches = models[config.model]
    device.random.manualSeed(config.seed)
    this.nets = build()
    this.optimisers = buildOptimisers(this.nets, config.hyper)
    this.ema = new optim.EMA(this.nets.G, { decay: config.hyper.emaDecay, warmup: true })
  }

  /** The compiled step on batches from `batch`, and the one of the critic alone. */
  protected compileSteps<A extends Tensor[]>(
    objective: Objective,
    batch: (...inputs: A) => Tensor,
    noise: NoiseSource = () => objective.drawNoise(),
  ): { whole: Compiled<A, StepResult>; criticOnly: Compiled<A, StepLosses> } {
    return {
      whole: compile((...inputs: A) => {
        const result = objective.step(batch(...inputs), noise())
        this.ema.update()
        return result
      }),
      criticOnly: compile((...inputs: A) => objective.criticOnly!(batch(...inputs), noise())),
    }
  }

  /** Makes the step's pipelines in parallel; the first `advance` would make them one by one. */
  abstract prepare(): Promise<void>

  /** Trains one step: what `advance` does between setting the step sizes and counting. */
  protected abstract iterate(): StepResult | Promise<StepResult>

  /** Dispatches, memory and arithmetic of a step. */
  stats(): ReturnType<Compiled<Tensor[], StepResult>['stats']> {
    return this.compiled.stats()
  }

  /** Time of each kernel of a step; trains one step. */
  profile(): ReturnType<Compiled<Tensor[], StepResult>['profile']> {
    return this.compiled.profile()
  }

  /** The step's listing. */
  listing(): string {
    return this.compiled.toString()
  }

  /** Trains one step. The device works on after it. */
  async advance(): Promise<void> {
    const { hyper, steps } = this.config
    const rate = hyper.decay === 'linear' ? Math.max(0, 1 - this.step / steps) : 1
    this.optimisers.generator.lr = hyper.lr * rate
    if (this.optimisers.critic) this.optimisers.critic.lr = hyper.lrD * rate
    if (this.optimisers.latent) this.optimisers.latent.lr = hyper.lrL * rate
    const made = this.iterate()
    this.losses = made instanceof Promise ? await made : made
    this.step++
  }

  /** Trains up to `count` steps, but not beyond the configured end; stops early when `stop()` says so. Waits for the device now and then. */
  async advanceBy(count: number, stop: () => boolean = () => false): Promise<void> {
    const end = Math.min(this.step + count, this.config.steps)
    while (this.step < end && !stop()) {
      await this.advance()
      // While a NaN is looked for, each step by itself: the error can say which.
      if (this.step % this.inFlight === 0 || isAnomalyEnabled()) await this.sync()
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

  /** Losses (and lengths of gradients) of the last step. Throws a BmsError `DIVERGED` when one is not finite. */
  async lossValues(): Promise<LossValues> {
    const out: LossValues = {}
    const { losses, norms } = this.losses ?? { losses: {}, norms: {} }
    const named = [...Object.entries(losses), ...Object.entries(norms).map(([name, norm]) => [`grad_${name}`, norm] as const)]
    for (const [name, loss] of named) {
      const value = await loss.item()
      if (!Number.isFinite(value)) {
        const what = name.startsWith('grad_') ? `the gradient of "${name.slice(5)}"` : `the loss "${name}"`
        throw new BmsError(
          'DIVERGED',
          `${what} is ${value} at step ${this.step}; lower the learning rates (lr, lrD, lrL) or the weights and start again from the last checkpoint; ${HOW_TO_FIND}`,
          { term: name, step: this.step },
        )
      }
      out[name as keyof LossValues] = value
    }
    return out
  }

  /** Runs `fn` with the device's random stream at `seed`, and puts it back where it was: what is drawn meanwhile leaves the training's numbers untouched. */
  protected async apart<R>(seed: number, fn: () => Promise<R>): Promise<R> {
    const { random } = this.device
    const before = random.snapshot()
    random.manualSeed(seed)
    try {
      return await fn()
    } finally {
      random.restore(before)
    }
  }

  protected state(): Record<string, Tensor> {
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
