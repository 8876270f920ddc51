// The networks of the paper's 2D experiments: all four are multi-layer perceptrons.
import { nn, noGrad } from '@bms/nn'
import type { MixtureHyper } from '../config/mixtures.js'
import type { ModelSwitches } from '../models.js'
import { Critic, type Networks, Recogniser } from './networks.js'

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

/** D_L: codes [B, latent] → logits [B, 1]. LeakyReLU 0.2, no normalisation. */
export const latentCritic = (latent: number, hidden: readonly number[]): nn.Sequential => mlp(latent, hidden, 1, () => new nn.LeakyReLU(0.2))

/** G for data of `dims` coordinates. */
export const mixtureGenerator = (dims: number, h: MixtureHyper): nn.Sequential => mlp(h.latent, h.hiddenG, dims, relu)

/** Fresh networks for data of `dims` coordinates, initialised from the device's random stream as PyTorch does, biases of D_I scaled. */
export function mixtureNetworks(dims: number, h: MixtureHyper, model: ModelSwitches): Networks {
  const spectral = h.lipschitz === 'spectral'
  const G = mixtureGenerator(dims, h)
  const R = model.encoder ? new Recogniser(mlp(dims, h.hiddenR, 2 * h.latent, relu), h.latent, [h.logVarMin, h.logVarMax]) : null
  const D =
    model.critic === 'none'
      ? null
      : new Critic(
          mlp(dims, h.hiddenD, 1, relu, (layer) => (spectral ? nn.spectralNorm(layer) : layer)),
          { scale: h.criticScale },
        )
  const L = model.latentCritic ? latentCritic(h.latent, h.hiddenL) : null
  if (D) {
    noGrad(() => {
      for (const [name, p] of D.namedParameters()) if (name.endsWith('bias')) p.copy_(p.mul(h.criticBias))
    })
  }
  return { G, R, D, L }
}

/** Numbers in the weights and biases of an `mlp` with these widths, from inputs to outputs. */
export const countMlp = (...widths: number[]): number => widths.slice(1).reduce((sum, out, i) => sum + (widths[i]! + 1) * out, 0)

/** Numbers in the weights and biases of all networks that `mixtureNetworks` makes, told without making them. */
export function countMixtureParameters(dims: number, h: MixtureHyper, model: ModelSwitches): number {
  return (
    countMlp(h.latent, ...h.hiddenG, dims) +
    (model.encoder ? countMlp(dims, ...h.hiddenR, 2 * h.latent) : 0) +
    (model.critic === 'none' ? 0 : countMlp(dims, ...h.hiddenD, 1)) +
    (model.latentCritic ? countMlp(h.latent, ...h.hiddenL, 1) : 0)
  )
}
