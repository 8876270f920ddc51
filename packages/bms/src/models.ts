// The paper's model and most of its baselines are one objective with switches (eq. 7 of the paper); three baselines have objectives of their
// own. This file is that table and nothing else: the trainer reads the switches and never asks for a model's name.
import { unknownName } from './names.js'

/**
 * Which equations: 'many-sample' is eq. 7 with the switches below; the others are those of Srivastava et al. 2017, Elfeki et al. 2019 and Eghbal-zadeh et al.
 * 2019. Each is a file in `objectives/`.
 */
export type ObjectiveName = 'many-sample' | 'veegan' | 'gdpp-gan' | 'md-gan'

/**
 * What a model is made of. With the objective 'many-sample', per data point x, with T draws ẑ ~ q(z|x), s the score of the data-space critic and
 * s_L the logit of the latent critic ("from the prior"), the generator and encoder minimise
 *
 *     wRec · pick_t ‖x − G(ẑᵗ)‖  −  wSyn · pick_t s(G(ẑᵗ))  −  wPri · s(G(z̃))  +  wKl · (−s_L(ẑ¹))
 *
 * where `draws` says what pick is (unless the run asks for another, `hyper.draws`), and the last term stands for the mean over the draws, which its first draw
 * estimates
 * without bias. The weights stand in `defaults.ts`; a term that a model does not have is switched off here.
 */
export interface ModelSwitches {
  /** The name as the paper prints it. */
  readonly title: string
  readonly objective: ObjectiveName
  /** Number of draws from q(z|x) for each data point, unless the run asks for another. 1 without an encoder. */
  readonly T: number
  /** Loss of the data-space critic D_I: hinge on raw scores, binary cross-entropy with the score as logit, the difference of mean scores, MD-GAN's likelihood under a mixture, or no critic at all. */
  readonly critic: 'hinge' | 'bce' | 'wasserstein' | 'mixture' | 'none'
  /** What the generator makes of a score s: −s (a ratio of densities, or its logarithm), or DCGAN's −log σ(s). */
  readonly score: 'ratio' | 'non-saturating'
  /** What bounds D_I's slope, unless the run asks for another (`hyper.lipschitz`). */
  readonly lipschitz: Lipschitz
  /** The recognition network R, and with it reconstruction (`wRec`; VEEGAN's of codes) and the synthetic likelihood of reconstructions (`wSyn`). */
  readonly encoder: boolean
  /** The latent critic D_L, and with it the classifier estimate of KL(q‖p) (`wKl`). */
  readonly latentCritic: boolean
  /** What z is drawn from: N(0, 1), or uniform in (−1, 1). */
  readonly prior: 'normal' | 'uniform'
  /** pick: 'best-worst' is the smallest reconstruction error and the smallest score over the T draws (the paper's eq. 6a, 6b); 'mean' averages both. Equal at T = 1. */
  readonly draws: Draws
  /** Which of the four weights take part; a weight that does not is 0 in the run's configuration. */
  readonly terms: { readonly rec: boolean; readonly syn: boolean; readonly pri: boolean; readonly kl: boolean }
}

/** What is made of the T draws for a point. */
export type Draws = 'best-worst' | 'mean'

/**
 * What bounds the slope of the data-space critic: spectral normalisation of every layer (K = 1; the paper's eq. 6), WGAN-GP's penalty on slopes other than 1 between
 * real and generated points, or nothing.
 */
export type Lipschitz = 'spectral' | 'penalty' | 'none'

export type ModelName =
  | 'bms-vae-gan'
  | 'alpha-gan-sn'
  | 'alpha-gan'
  | 'bms-gan'
  | 'bms-vae'
  | 'wae'
  | 'sn-gan'
  | 'dcgan'
  | 'wgan-gp'
  | 'veegan'
  | 'gdpp-gan'
  | 'md-gan'

const all = { rec: true, syn: true, pri: true, kl: true } as const

/** Generator, encoder and both critics. */
const hybrid = { objective: 'many-sample', prior: 'normal', score: 'ratio', encoder: true, latentCritic: true, terms: all } as const
/** Encoder and generator without a critic of the data. */
const autoEncoder = {
  objective: 'many-sample',
  prior: 'normal',
  critic: 'none',
  score: 'ratio',
  lipschitz: 'none',
  encoder: true,
  latentCritic: true,
  terms: { rec: true, syn: false, pri: false, kl: true },
} as const
/** Generator and critic alone. */
const gan = {
  objective: 'many-sample',
  T: 1,
  encoder: false,
  latentCritic: false,
  prior: 'normal',
  draws: 'mean',
  terms: { rec: false, syn: false, pri: true, kl: false },
} as const

export const models: Readonly<Record<ModelName, ModelSwitches>> = {
  // The paper's eq. 7: best draw reconstructs, worst draw must look real. "BMS-GAN" in some of the paper's tables.
  'bms-vae-gan': { ...hybrid, title: 'BMS-VAE-GAN', T: 5, critic: 'hinge', lipschitz: 'spectral', draws: 'best-worst' },
  // "Identical … except for best-of-many" [P]: one draw, or the mean of T for equal compute.
  'alpha-gan-sn': { ...hybrid, title: 'α-GAN + SN', T: 1, critic: 'hinge', lipschitz: 'spectral', draws: 'mean' },
  // The paper's eq. 2: a classifier in place of the ratio estimator, no spectral norm.
  'alpha-gan': { ...hybrid, title: 'α-GAN', T: 1, critic: 'bce', lipschitz: 'none', draws: 'mean' },
  // α-GAN with best of many and nothing else changed: the row of the paper's DCGAN table that carries no "+ SN".
  'bms-gan': { ...hybrid, title: 'BMS-GAN', T: 5, critic: 'bce', lipschitz: 'none', draws: 'best-worst' },
  // Eq. 7 without D_I.
  'bms-vae': { ...autoEncoder, title: 'BMS-VAE', T: 5, draws: 'best-worst' },
  // BMS-VAE with one draw: the adversarial Wasserstein auto-encoder.
  wae: { ...autoEncoder, title: 'WAE', T: 1, draws: 'mean' },
  'sn-gan': { ...gan, title: 'SN-GAN', critic: 'hinge', score: 'ratio', lipschitz: 'spectral' },
  // The non-saturating game of Goodfellow et al., with the networks that `--arch dcgan` names.
  dcgan: { ...gan, title: 'DCGAN', critic: 'bce', score: 'non-saturating', lipschitz: 'none' },
  'wgan-gp': { ...gan, title: 'WGAN-GP', critic: 'wasserstein', score: 'ratio', lipschitz: 'penalty' },
  // A critic of pairs of code and point; the encoder reconstructs codes.
  veegan: {
    ...gan,
    title: 'VEEGAN',
    objective: 'veegan',
    critic: 'bce',
    score: 'ratio',
    lipschitz: 'none',
    encoder: true,
    terms: { rec: true, syn: false, pri: true, kl: false },
  },
  // A classifier, and batches that are to be as diverse in its features as real ones.
  'gdpp-gan': { ...gan, title: 'GDPP-GAN', objective: 'gdpp-gan', critic: 'bce', score: 'non-saturating', lipschitz: 'none' },
  // A critic into a space in which real points lie like a mixture of Gaussians on a simplex.
  'md-gan': { ...gan, title: 'MD-GAN', objective: 'md-gan', critic: 'mixture', score: 'ratio', lipschitz: 'none', prior: 'uniform' },
}

/** Names that `modelName` accepts. */
export const modelNames = Object.keys(models) as ModelName[]

/** Models that images can be trained with; the others' sources are about points. */
export const imageModelNames = modelNames.filter((name) => models[name].objective === 'many-sample')

/**
 * `name` as a known model's name.
 * @throws BmsError `UNKNOWN_NAME`, with the nearest known name
 */
export function modelName(name: string): ModelName {
  const found = modelNames.find((known) => known === name)
  if (found === undefined) throw unknownName('model', name, modelNames)
  return found
}
