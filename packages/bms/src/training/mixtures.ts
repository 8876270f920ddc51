// Training on the paper's 2D sets: batches are drawn on the device inside the compiled step, and samples are judged by the modes they reach.
import { BmsError, type Compiled, compile, currentDevice, type Device, noGrad, type Tensor, tensor, tidy } from '@bms/nn'
import type { DiagonalGaussians } from '../analysis/density.js'
import type { MixtureConfig } from '../config.js'
import { type Mixture, mixture } from '../data/mixtures.js'
import { mixtureSampler } from '../data/sampler.js'
import { type ModesAndQuality, modesAndQuality } from '../metrics/modes.js'
import { models } from '../models.js'
import { mixtureGenerator, mixtureNetworks } from '../networks/mlp.js'
import type { Body } from '../networks/networks.js'
import { objectives } from '../objectives/index.js'
import { priorCodes, stepContext } from '../objectives/objective.js'
import { evaluationSeed, HOW_TO_FIND, type NoiseSource, Training } from './training.js'

/** Where the batch and the noise of a step come from. Called once, when the step is recorded: what changes from step to step is data on the device. */
export interface Sources {
  /** `size` points [size, 2], scaled to a root mean square of 1. */
  data: (size: number) => Tensor
  /** Noise as `drawNoise` gives it. */
  noise: NoiseSource
}

export class MixtureTraining extends Training<MixtureConfig> {
  readonly mixture: Mixture
  protected readonly compiled: ReturnType<typeof this.compileSteps<[]>>['whole']
  private readonly criticOnly: ReturnType<typeof this.compileSteps<[]>>['criticOnly']
  private readonly average: Body
  private readonly samplers = new Map<number, Compiled<[], Tensor>>()

  /** Builds the networks from the configuration's seed on the current device. Batches and noise are drawn from the device's random stream unless `sources` says otherwise. */
  constructor(config: MixtureConfig, device: Device = currentDevice(), sources: Partial<Sources> = {}) {
    super(config, device, () => mixtureNetworks(2, config.hyper, models[config.model]))
    const { hyper, batch, T } = config
    this.mixture = mixture(config.dataset)
    this.average = mixtureGenerator(2, hyper, this.switches)
    const { data = mixtureSampler(this.mixture), noise } = sources
    const context = stepContext(this.nets, this.optimisers, this.switches, hyper, batch, T)
    const { whole, criticOnly } = this.compileSteps<[]>(objectives[this.switches.objective](context), () => data(batch), noise)
    this.compiled = whole
    this.criticOnly = criticOnly
  }

  override async prepare(): Promise<void> {
    await this.compiled.prepare()
    if (this.config.hyper.nCritic > 1) await this.criticOnly.prepare()
  }

  protected override iterate(): ReturnType<typeof this.compiled> {
    for (let i = 1; i < this.config.hyper.nCritic; i++) this.criticOnly()
    return this.compiled()
  }

  /**
   * Samples of the averaged generator in the data's own coordinates, [n, 2] row-major. The numbers depend on `seed` alone and leave the
   * training's random stream untouched.
   */
  async sample(n: number, seed: number): Promise<Float32Array> {
    let sampler = this.samplers.get(n)
    if (!sampler) {
      const { latent } = this.config.hyper
      sampler = compile(() => noGrad(() => this.average.forward(priorCodes(this.switches, [n, latent])).mul(this.mixture.rms)))
      this.samplers.set(n, sampler)
    }
    this.ema.copyTo(this.average)
    return this.apart(seed, async () => (await sampler().data()) as Float32Array)
  }

  /** Has it q(z|x) for the codes that G takes? VEEGAN's encoder tells of a part of them. */
  get encodes(): boolean {
    return this.switches.terms.kl
  }

  /**
   * What the encoder makes of points: q(z|x) of each. Nothing is drawn.
   * @param points [n, 2] row-major, in the data's own coordinates
   * @throws BmsError `BAD_ARGUMENT` for a model without encoder
   */
  async encode(points: Float32Array): Promise<DiagonalGaussians> {
    const { R } = this.nets
    if (!R) throw new BmsError('BAD_ARGUMENT', `${this.config.model} has no encoder, so there are no codes of points`, { got: this.config.model })
    const scaled = points.map((x) => x / this.mixture.rms)
    const { mean, deviation } = tidy(() => noGrad(() => R.forward(tensor(scaled, { shape: [points.length / 2, 2] }))))
    try {
      const [m, d] = await Promise.all([mean.data(), deviation.data()])
      return { mean: m as Float32Array, deviation: d as Float32Array, dims: mean.shape[1]! }
    } finally {
      mean.dispose()
      deviation.dispose()
    }
  }

  /** G(z) of the averaged generator in the data's own coordinates, [n, 2] row-major, for codes [n, latent]. Nothing is drawn. */
  async decode(codes: Float32Array): Promise<Float32Array> {
    const { latent } = this.config.hyper
    this.ema.copyTo(this.average)
    const points = tidy(() => noGrad(() => this.average.forward(tensor(codes, { shape: [codes.length / latent, latent] })).mul(this.mixture.rms)))
    try {
      return (await points.data()) as Float32Array
    } finally {
      points.dispose()
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
}
