// The networks of the paper's 2D experiments: generator G, recognition network R, data-space critic D_I and
// latent critic D_L, all multi-layer perceptrons of @bms/nn.
import { nn, noGrad, type Tensor } from '@bms/nn'
import type { HyperParameters } from './config.js'
import type { ModelSwitches } from './models.js'

/** inputs → hidden… → outputs, an activation behind each hidden layer. */
export function mlp(
  inputs: number,
  hidden: readonly number[],
  outputs: number,
  activation: () => nn.Module,
  wrap: (layer: nn.Linear) => nn.Module = (l) => l,
): nn.Sequential {
  const layers: nn.Module[] = []
  let width = inputs
  for (const h of hidden) {
    layers.push(wrap(new nn.Linear(width, h)), activation())
    width = h
  }
  layers.push(wrap(new nn.Linear(width, outputs)))
  return new nn.Sequential(...layers)
}

const relu = (): nn.Module => new nn.ReLU()

/** R: x [B, n] → mean and standard deviation [B, latent] of the diagonal Gaussian q(z|x). */
export class Recogniser extends nn.Module {
  readonly body: nn.Sequential

  constructor(
    dims: number,
    hidden: readonly number[],
    private readonly latent: number,
    private readonly logVar: readonly [number, number],
  ) {
    super()
    this.body = mlp(dims, hidden, 2 * latent, relu)
  }

  override forward(x: Tensor): { mean: Tensor; deviation: Tensor } {
    const [mean, logVar] = this.body.forward(x).split(this.latent, 1) as [Tensor, Tensor]
    return {
      mean,
      deviation: logVar
        .clamp(...this.logVar)
        .mul(0.5)
        .exp(),
    }
  }
}

/** D_I: scores data [B, n] → [B, 1]. With spectral norm on every layer the raw score is 1-Lipschitz (the paper's eq. 6); what counts is `scale` times it. */
export class Critic extends nn.Module {
  readonly body: nn.Sequential

  constructor(
    dims: number,
    hidden: readonly number[],
    readonly scale: number,
    spectral: boolean,
  ) {
    super()
    this.body = mlp(dims, hidden, 1, relu, (layer) => (spectral ? nn.spectralNorm(layer) : layer))
  }

  /** The raw score, without `scale`. */
  override forward(x: Tensor): Tensor {
    return this.body.forward(x)
  }

  /** The scaled scores of consecutive groups of rows. */
  scores(x: Tensor, sizes: readonly number[]): Tensor[] {
    const raw = this.forward(x)
    const parts = sizes.length === 1 ? [raw] : raw.split(sizes)
    return this.scale === 1 ? parts : parts.map((s) => s.mul(this.scale))
  }
}

/** The networks that a model has; those that its switches leave out are null. */
export interface Networks {
  G: nn.Sequential
  R: Recogniser | null
  D: Critic | null
  L: nn.Sequential | null
}

/** Fresh networks for data of `dims` coordinates, initialised from the device's random stream as PyTorch does, biases of D_I scaled. */
export function buildNetworks(dims: number, h: HyperParameters, model: ModelSwitches): Networks {
  const G = mlp(h.latent, h.hiddenG, dims, relu)
  const R = model.encoder ? new Recogniser(dims, h.hiddenR, h.latent, [h.logVarMin, h.logVarMax]) : null
  const D = model.critic === 'none' ? null : new Critic(dims, h.hiddenD, h.criticScale, model.spectralNorm)
  const L = model.latentCritic ? mlp(h.latent, h.hiddenL, 1, () => new nn.LeakyReLU(0.2)) : null
  if (D) {
    noGrad(() => {
      for (const [name, p] of D.namedParameters()) if (name.endsWith('bias')) p.copy_(p.mul(h.criticBias))
    })
  }
  return { G, R, D, L }
}

/** Numbers in the weights and biases of all networks that `buildNetworks` makes, told without making them. */
export function countParameters(dims: number, h: HyperParameters, model: ModelSwitches): number {
  const count = (...widths: number[]): number => widths.slice(1).reduce((sum, out, i) => sum + (widths[i]! + 1) * out, 0)
  return (
    count(h.latent, ...h.hiddenG, dims) +
    (model.encoder ? count(dims, ...h.hiddenR, 2 * h.latent) : 0) +
    (model.critic === 'none' ? 0 : count(dims, ...h.hiddenD, 1)) +
    (model.latentCritic ? count(h.latent, ...h.hiddenL, 1) : 0)
  )
}
