// Training on images: batches come from a loader, one for each step by its number; samples and reconstructions are images.
import { BmsError, type Compiled, compile, currentDevice, type Device, LimitError, noGrad, randn, type Tensor, tensor, zeros } from '@bms/nn'
import type { ImageConfig } from '../config.js'
import { imageGenerator, imageNetworks } from '../networks/images.js'
import type { Generator } from '../networks/networks.js'
import { manySample } from '../objectives/many-sample.js'
import { type Objective, stepContext } from '../objectives/objective.js'
import { type NoiseSource, Training } from './training.js'

/** Where batches come from: `next(k)` is the k-th, [batch, 3, 32, 32] in [-1, 1], the same whenever it is asked for. `imageLoader` makes one. */
export interface BatchSource {
  next(step: number): Promise<Float32Array>
}

/** Bytes that a run holds on the device. */
export interface MemoryPlan {
  /** Intermediates of a step as planned, and as if none shared memory. */
  arena: number
  unshared: number
  /** Batch, losses and other results of the step. */
  results: number
  /** Weights, moments, averages. */
  state: number
}

/** Images that pass through the networks at once when samples are drawn. */
const SAMPLE_BATCH = 100
/** A step takes long enough for its losses to be waited for. */
const STEPS_IN_FLIGHT = 2

/** Of an image [3, 32, 32]. */
export const imageShape = [3, 32, 32] as const
export const imageSize = 3 * 32 * 32

/** Was it more than the adapter can hold: over one of its limits, or more memory than there is? */
export const isTooLarge = (error: unknown): error is BmsError => error instanceof LimitError || (error instanceof BmsError && error.code === 'OUT_OF_MEMORY')

export class ImageTraining extends Training<ImageConfig> {
  protected readonly compiled: ReturnType<typeof this.compileSteps<[Tensor]>>['whole']
  private readonly criticOnly: ReturnType<typeof this.compileSteps<[Tensor]>>['criticOnly']
  private readonly average: Generator
  private readonly samplers = new Map<number, Compiled<[], Tensor>>()
  private readonly decode: Compiled<[Tensor], Tensor>
  private readonly rebuild: Compiled<[Tensor], Tensor>

  /**
   * Builds the networks from the configuration's seed on the device.
   * @param batches where the images come from; null for a run that is only sampled from
   * @throws BmsError `BAD_ARGUMENT` where dtype is f16 and the device has none
   */
  constructor(
    config: ImageConfig,
    private readonly batches: BatchSource | null,
    device: Device = currentDevice(),
    noise?: NoiseSource,
  ) {
    if (config.dtype === 'f16' && !device.features.has('shader-f16'))
      throw new BmsError('BAD_ARGUMENT', `--dtype: got f16, which ${device.adapter.name} cannot compute (no shader-f16); leave the option out for f32`, {
        option: '--dtype',
        got: 'f16',
        allowed: 'f32',
      })
    super(config, device, () => imageNetworks(config))
    this.inFlight = STEPS_IN_FLIGHT
    this.average = imageGenerator(config)
    this.average.eval()
    const { whole, criticOnly } = this.compileSteps<[Tensor]>(this.objective(config.batch, config.T), (x) => x, noise)
    this.compiled = whole
    this.criticOnly = criticOnly
    this.decode = compile((z: Tensor) => noGrad(() => this.average.forward(z)))
    this.rebuild = compile((x: Tensor) =>
      noGrad(() => {
        const R = this.nets.R!
        R.eval()
        try {
          return this.average.forward(R.forward(x).mean)
        } finally {
          R.train()
        }
      }),
    )
  }

  private get shape(): number[] {
    return [this.config.batch, ...imageShape]
  }

  override async prepare(): Promise<void> {
    const x = zeros(this.shape, { device: this.device })
    try {
      if (this.config.hyper.nCritic > 1) await this.criticOnly.prepare(x)
      await this.compiled.prepare(x)
    } finally {
      x.dispose()
    }
  }

  /**
   * What a step takes on the device, known before the first one; with several steps of the critic to one of the generator, both kinds.
   * @param other a batch or T to plan for instead of the run's own
   * @throws LimitError where the adapter could not hold it
   */
  plan(other: { batch?: number; T?: number } = {}): MemoryPlan {
    const { batch, T, hyper } = { ...this.config, ...other }
    const own = batch === this.config.batch && T === this.config.T
    const made = own ? { whole: this.compiled, criticOnly: this.criticOnly } : this.compileSteps<[Tensor]>(this.objective(batch, T), (x) => x)
    const steps = hyper.nCritic > 1 ? [made.whole, made.criticOnly] : [made.whole]
    const x = zeros([batch, ...imageShape], { device: this.device })
    try {
      const plans = steps.map((step) => step.plan(x))
      const sum = (of: (plan: (typeof plans)[number]) => number): number => plans.reduce((n, plan) => n + of(plan), 0)
      const state = Object.values(this.state()).reduce((n, t) => n + 4 * t.size, 0)
      return { arena: sum((p) => p.arenaBytes), unshared: sum((p) => p.unsharedBytes), results: sum((p) => p.resultBytes), state }
    } finally {
      x.dispose()
      if (!own) for (const step of steps) step.dispose()
    }
  }

  /**
   * As `plan`, once the adapter has given the memory: that there is none is told late.
   * @throws BmsError such that `isTooLarge`
   */
  async reserve(other: { batch?: number; T?: number } = {}): Promise<MemoryPlan> {
    const planned = async (): Promise<MemoryPlan> => {
      const plan = this.plan(other)
      await this.device.sync()
      return plan
    }
    try {
      return await planned()
    } catch (error) {
      // The first failure gave back what was kept for reuse.
      if (error instanceof BmsError && error.code === 'OUT_OF_MEMORY') return planned()
      throw error
    }
  }

  /** The largest batch, and the largest T, that the adapter can hold with everything else as the run has it. undefined: none. Halves are tried: few trials. */
  async fitting(): Promise<{ batch: number | undefined; T: number | undefined }> {
    // What a failed plan got of its memory is in the way.
    this.compiled.dispose()
    this.criticOnly.dispose()
    const fits = async (other: { batch?: number; T?: number }): Promise<boolean> => {
      try {
        await this.reserve(other)
        return true
      } catch (error) {
        if (isTooLarge(error)) return false
        throw error
      }
    }
    const largest = async (below: number, at: (n: number) => Promise<boolean>): Promise<number | undefined> => {
      for (let n = below >> 1; n >= 1; n >>= 1) if (await at(n)) return n
      return undefined
    }
    return { batch: await largest(this.config.batch, (batch) => fits({ batch })), T: await largest(this.config.T, (T) => fits({ T })) }
  }

  private objective(batch: number, T: number): Objective {
    const { hyper, dtype } = this.config
    const context = stepContext(this.nets, this.optimisers, this.switches, hyper, batch, T, {
      drawsPerPass: hyper.drawsPerPass,
      lossScale: dtype === 'f16' ? hyper.lossScale : 1,
      norms: true,
    })
    return manySample(context)
  }

  protected override async iterate(): Promise<ReturnType<typeof this.compiled>> {
    const { nCritic } = this.config.hyper
    for (let i = 0; i < nCritic - 1; i++) await this.withBatch(this.step * nCritic + i, this.criticOnly)
    return this.withBatch(this.step * nCritic + nCritic - 1, this.compiled)
  }

  private async withBatch<R>(index: number, run: (x: Tensor) => R): Promise<R> {
    if (!this.batches) throw new BmsError('BAD_ARGUMENT', 'this training was opened without images: it can be sampled from, not trained', { option: 'batches' })
    const x = tensor(await this.batches.next(index), { shape: this.shape, device: this.device })
    try {
      return run(x)
    } finally {
      x.dispose()
    }
  }

  /** The averaged generator as it is now, in eval mode: the averages of the weights with the running statistics of the weights themselves. */
  averaged(): Generator {
    this.ema.copyTo(this.average)
    const own = new Map(this.nets.G.namedBuffers())
    noGrad(() => {
      for (const [name, buffer] of this.average.namedBuffers()) buffer.copy_(own.get(name)!)
    })
    return this.average
  }

  /**
   * Images of the averaged generator from prior samples, [n, 3, 32, 32] in [-1, 1]; batch norms use their running statistics. The numbers depend on `seed`
   * alone and leave the training's random stream untouched. `each`, if given, gets them batch by batch instead, and nothing is returned.
   */
  async sample(n: number, seed: number): Promise<Float32Array>
  async sample(n: number, seed: number, each: (images: Float32Array, from: number) => void | Promise<void>): Promise<undefined>
  async sample(n: number, seed: number, each?: (images: Float32Array, from: number) => void | Promise<void>): Promise<Float32Array | undefined> {
    this.averaged()
    const out = each ? undefined : new Float32Array(n * imageSize)
    await this.apart(seed, async () => {
      for (let from = 0; from < n; from += SAMPLE_BATCH) {
        const images = (await this.sampler(Math.min(SAMPLE_BATCH, n - from))().data()) as Float32Array
        out?.set(images, from * imageSize)
        await each?.(images, from)
      }
    })
    return out
  }

  private sampler(n: number): Compiled<[], Tensor> {
    const { latent } = this.config.hyper
    const known = this.samplers.get(n)
    if (known) return known
    const made = compile(() => noGrad(() => this.average.forward(randn([n, latent]))))
    this.samplers.set(n, made)
    return made
  }

  /** The averaged generator on codes [n, latent] → images [n, 3, 32, 32] in [-1, 1]. */
  async generate(z: Tensor): Promise<Float32Array> {
    this.averaged()
    return (await this.decode(z).data()) as Float32Array
  }

  /** Images [n, 3, 32, 32] in [-1, 1], each encoded (the mean of q(z|x)) and generated again. Both networks use running statistics. null without an encoder. */
  async reconstruct(images: Float32Array): Promise<Float32Array | null> {
    if (!this.nets.R) return null
    this.averaged()
    const x = tensor(images, { shape: [images.length / imageSize, ...imageShape], device: this.device })
    try {
      return (await this.rebuild(x).data()) as Float32Array
    } finally {
      x.dispose()
    }
  }
}
