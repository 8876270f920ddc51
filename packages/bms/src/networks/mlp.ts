// The networks of the paper's 2D experiments: all are multi-layer perceptrons. What each objective's source has of its own (widths, activations, initial weights) is
// a row of the table `styles`.
import { nn, noGrad, type Tensor } from '@bms/nn'
import type { MixtureHyper } from '../config/mixtures.js'
import type { ModelSwitches, ObjectiveName } from '../models.js'
import { type Body, Critic, hasLatentCritic, type Networks, Recogniser } from './networks.js'

/** A perceptron with layers between `widths`, from inputs to outputs, an activation behind each but the last. */
export function mlp(widths: readonly number[], activation: () => nn.Module, options: MlpOptions = {}): nn.Sequential {
  const { wrap = (layer) => layer, output } = options
  const layers = widths.slice(1).flatMap((width, i) => [wrap(new nn.Linear(widths[i]!, width)), activation()])
  layers.pop()
  return new nn.Sequential(...layers, ...(output ? [output()] : []))
}

export interface MlpOptions {
  /** What becomes of each layer: spectral norm. */
  wrap?: (layer: nn.Linear) => nn.Module
  /** What the last layer passes through. */
  output?: () => nn.Module
}

const relu = (): nn.Module => new nn.ReLU()
const tanh = (): nn.Module => new nn.Tanh()
const leaky = (): nn.Module => new nn.LeakyReLU(0.2)

/** D_L: codes [B, latent] → logits [B, 1]. LeakyReLU 0.2, no normalisation. */
export const latentCritic = (latent: number, hidden: readonly number[]): nn.Sequential => mlp([latent, ...hidden, 1], leaky)

/** bound · tanh(slope · x): outputs that stay in a box. */
class Bounded extends nn.Module {
  constructor(
    private readonly bound: number,
    private readonly slope = 1,
  ) {
    super()
  }

  override forward(x: Tensor): Tensor {
    return (this.slope === 1 ? x : x.mul(this.slope)).tanh().mul(this.bound)
  }
}

/** Coordinates of MD-GAN's critic: its mixture has one mode more, on the corners of a simplex. */
export const simplexDims = 9

/**
 * What the source of an objective does in its own way. Initial weights of VEEGAN and MD-GAN are PyTorch's: with their sources' (Glorot's; N(0, 0.02)) both learn the
 * ring more slowly, MD-GAN to 20 % in place of 48 %.
 */
interface Style {
  /** Activations of G and R, and of D. */
  readonly generator: () => nn.Module
  readonly critic: () => nn.Module
  /** What the last layers of G and D pass through. */
  readonly generatorOutput?: () => nn.Module
  readonly criticOutput?: () => nn.Module
  /** Initial weights, with biases of 0; PyTorch's own defaults where left out. */
  readonly weights?: (weight: Tensor) => void
}

const styles: Readonly<Record<ObjectiveName, Style>> = {
  'many-sample': { generator: relu, critic: relu },
  veegan: { generator: relu, critic: relu },
  'gdpp-gan': { generator: tanh, critic: tanh, weights: (w) => nn.init.orthogonal_(w, 1.4) },
  'md-gan': {
    generator: relu,
    critic: leaky,
    // 6 in the grid's own coordinates; data have a root mean square of 1 here.
    generatorOutput: () => new Bounded(6 / Math.sqrt(8)),
    // 5σ(x) − 2.5.
    criticOutput: () => new Bounded(2.5, 0.5),
  },
}

/** Widths of each network from inputs to outputs; null where the model has none. */
export function mixtureWidths(
  dims: number,
  h: MixtureHyper,
  model: ModelSwitches,
): { G: number[]; R: number[] | null; D: number[] | null; L: number[] | null } {
  const { objective, encoder, critic } = model
  // VEEGAN's last code coordinate is noise that is not to be reconstructed; its encoder tells means alone, and its critic sees codes beside points.
  const veegan = objective === 'veegan'
  const reconstructed = h.latent - 1
  return {
    G: [h.latent, ...h.hiddenG, dims],
    R: encoder ? [dims, ...h.hiddenR, veegan ? reconstructed : 2 * h.latent] : null,
    D: critic === 'none' ? null : [veegan ? reconstructed + dims : dims, ...h.hiddenD, objective === 'md-gan' ? simplexDims : 1],
    L: hasLatentCritic(model, h) ? [h.latent, ...h.hiddenL, 1] : null,
  }
}

/** `net` with the initial weights of its objective's source. */
function initialised<N extends nn.Module>(net: N, { weights }: Style): N {
  if (weights) for (const [name, p] of net.namedParameters()) name.endsWith('bias') ? nn.init.zeros_(p) : weights(p)
  return net
}

/** G for data of `dims` coordinates. */
export function mixtureGenerator(dims: number, h: MixtureHyper, model: ModelSwitches): Body {
  const style = styles[model.objective]
  return initialised(mlp(mixtureWidths(dims, h, model).G, style.generator, { output: style.generatorOutput }), style)
}

/** Fresh networks for data of `dims` coordinates, initialised from the device's random stream as PyTorch or the objective's source does, biases of D_I scaled. */
export function mixtureNetworks(dims: number, h: MixtureHyper, model: ModelSwitches): Networks {
  const style = styles[model.objective]
  const widths = mixtureWidths(dims, h, model)
  const spectral = h.lipschitz === 'spectral'
  const G = mixtureGenerator(dims, h, model)
  const logVar = model.objective === 'veegan' ? null : ([h.logVarMin, h.logVarMax] as const)
  const R = widths.R && new Recogniser(initialised(mlp(widths.R, style.generator), style), logVar)
  const criticBody = (w: number[]): Body => mlp(w, style.critic, { wrap: (layer) => (spectral ? nn.spectralNorm(layer) : layer), output: style.criticOutput })
  const D = widths.D && new Critic(initialised(criticBody(widths.D), style), { scale: h.criticScale })
  const L = widths.L && mlp(widths.L, leaky)
  if (D) {
    noGrad(() => {
      for (const [name, p] of D.namedParameters()) if (name.endsWith('bias')) p.copy_(p.mul(h.criticBias))
    })
  }
  return { G, R, D, L }
}

/** Numbers in the weights and biases of an `mlp` with these widths. */
export const countMlp = (...widths: number[]): number => widths.slice(1).reduce((sum, out, i) => sum + (widths[i]! + 1) * out, 0)

/** Numbers in the weights and biases of all networks that `mixtureNetworks` makes, told without making them. */
export const countMixtureParameters = (dims: number, h: MixtureHyper, model: ModelSwitches): number =>
  Object.values(mixtureWidths(dims, h, model)).reduce((sum, widths) => sum + (widths ? countMlp(...widths) : 0), 0)
