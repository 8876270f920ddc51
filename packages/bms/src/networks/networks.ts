// What a model consists of, whatever its data: generator G, recognition network R, data-space critic D_I and latent
// critic D_L, around bodies that `mlp.ts` (points) and `images.ts` (images) make.
import { cat, type DType, nn, onesLike, type Tensor } from '@bms/nn'
import type { ObjectiveHyper } from '../config/run.js'
import type { ModelSwitches } from '../models.js'

/** Is KL told by a latent critic? MMD needs none. */
export const hasLatentCritic = (model: ModelSwitches, h: Pick<ObjectiveHyper, 'kl'>): boolean => model.latentCritic && h.kl !== 'mmd'

/** A network from one tensor to one tensor. */
export type Body = nn.Module & { forward(x: Tensor): Tensor }

/** The networks that a model has; those that its switches leave out are null. */
export interface Networks {
  /** Codes [B, latent] → data [B, …]. */
  G: Body
  R: Recogniser | null
  D: Critic | null
  /** Codes [B, latent] → logits [B, 1] of coming from the prior. */
  L: Body | null
}

/** `body` computing in `dtype`; what goes in and comes out is f32. Layers cast their f32 weights to the type of their input. */
const within = (body: Body, dtype: DType, x: Tensor): Tensor => (dtype === 'f32' ? body.forward(x) : body.forward(x.to(dtype)).to('f32'))

/** G for images: codes [B, latent] → [B, channels, height, width] in [-1, 1]. */
export class Generator extends nn.Module {
  constructor(
    readonly body: Body,
    private readonly dtype: DType = 'f32',
  ) {
    super()
  }

  override forward(z: Tensor): Tensor {
    return within(this.body, this.dtype, z)
  }
}

/**
 * R: x [B, …] → mean and standard deviation [B, latent] of the diagonal Gaussian q(z|x). The body gives means and log variances side by side, [B, 2·latent]; where
 * `logVar` is null, means alone, and the deviation is 1.
 */
export class Recogniser extends nn.Module {
  constructor(
    readonly body: Body,
    private readonly logVar: readonly [min: number, max: number] | null,
    private readonly dtype: DType = 'f32',
  ) {
    super()
  }

  override forward(x: Tensor): { mean: Tensor; deviation: Tensor } {
    const out = within(this.body, this.dtype, x)
    if (!this.logVar) return { mean: out, deviation: onesLike(out) }
    const [mean, logVar] = out.split(out.shape[1]! / 2, 1) as [Tensor, Tensor]
    return {
      mean,
      deviation: logVar
        .clamp(...this.logVar)
        .mul(0.5)
        .exp(),
    }
  }
}

export interface CriticOptions {
  /** What counts is this many times the raw score, which is 1-Lipschitz with spectral norm on every layer (the paper's eq. 6). Default 1. */
  scale?: number
  /** The body normalises by its batch: then real data, reconstructions and prior samples pass each by themselves. Default false. */
  byBatch?: boolean
  dtype?: DType
}

/** D_I: scores data [B, …] → [B, 1]. */
export class Critic extends nn.Module {
  readonly scale: number
  private readonly byBatch: boolean
  private readonly dtype: DType

  constructor(
    readonly body: Body,
    { scale = 1, byBatch = false, dtype = 'f32' }: CriticOptions = {},
  ) {
    super()
    this.scale = scale
    this.byBatch = byBatch
    this.dtype = dtype
  }

  /** The raw score, without `scale`. */
  override forward(x: Tensor): Tensor {
    return within(this.body, this.dtype, x)
  }

  /** The scaled scores of some groups of rows, joined: [N, 1]. */
  joined(groups: readonly Tensor[]): Tensor {
    if (!this.byBatch) return this.scores(cat(groups), [groups.reduce((n, g) => n + g.shape[0]!, 0)])[0]!
    return cat(groups.map((group) => this.scores(group, [group.shape[0]!])[0]!))
  }

  /** The scaled scores of consecutive groups of rows. */
  scores(x: Tensor, sizes: readonly number[]): Tensor[] {
    const apart = (t: Tensor): Tensor[] => (sizes.length === 1 ? [t] : t.split(sizes))
    const raw = this.byBatch ? apart(x).map((group) => this.forward(group)) : apart(this.forward(x))
    return this.scale === 1 ? raw : raw.map((s) => s.mul(this.scale))
  }
}
