// GDPP-GAN (Elfeki et al. 2019): a GAN whose generator is told, besides, to make batches as diverse as real ones. Of the critic's last hidden activations φ [B, w],
// each row divided by its length, the kernel L = φφᵀ says how alike the points of a batch are; a determinantal point process with that kernel would draw diverse
// subsets of them. G is to reach the kernel's eigenvalues and eigenvectors on real points:
//
//     diversity = 10⁻⁴ · mean_i (λ_i − λ_i^real)² − Σ_i λ̂_i^real ⟨v_i, v_i^real⟩,     λ̂ the real eigenvalues shifted and scaled into [0, 1],
//
// and G minimises ½ (−log D(G(z)) + diversity), D the cross-entropy. Both steps start from the same networks; diversity reaches G only.
//
// What the formula leaves open, and what is chosen: pairs are made by the order of eigenvalues, ascending, as in the authors' code. An eigenvector's sign, which LAPACK
// leaves to chance there, is that of `linalg.eigh`: its largest component is positive. So a sign flips where two components of opposite signs change places as
// the largest, and the loss jumps there. Where eigenvalues are equal (all w < B leave B − w zeros) their vectors are any basis: the weight λ̂ of the zeros is 0, and
// among equals no gradient flows. A row of zeros has no direction and stays zero.
import { cat, linalg, type nn, stack, type Tensor } from '@bms/nn'
import type { Critic } from '../networks/networks.js'
import { criticLoss, syntheticLoss } from './losses.js'
import { gradients, type Objective, priorCodes, type StepContext } from './objective.js'

/** Weight of the eigenvalues' distance beside that of the eigenvectors. */
const valuesWeight = 1e-4
/** Least squared length that a row is divided by the root of, and least spread of eigenvalues. */
const least = 1e-12

/** Diversity of features [B, w] of generated points against that of real ones, through which no gradient flows. */
export function diversityLoss(generated: Tensor, real: Tensor): Tensor {
  // Both kernels at once: one dispatch decomposes them.
  const features = stack([generated, real.detach()])
  const unit = features.div(features.square().sum(-1, true).clamp(least).sqrt())
  const { eigenvalues, eigenvectors } = linalg.eigh(unit.matmul(unit.transpose(1, 2)))
  const [values, realValues] = [eigenvalues.select(0, 0), eigenvalues.select(0, 1)]
  const cosines = eigenvectors.select(0, 0).mul(eigenvectors.select(0, 1)).sum(0)
  const lowest = realValues.narrow(0, 0, 1)
  const spread = realValues.narrow(0, -1, 1).sub(lowest).clamp(least)
  const structure = realValues.sub(lowest).div(spread).mul(cosines).sum()
  return values.sub(realValues).square().mean().mul(valuesWeight).sub(structure)
}

/** The critic's activations before its last layer [B, w], and its scores [B, 1] from them. */
function lookInto(D: Critic, x: Tensor): { features: Tensor; scores: Tensor } {
  const layers = (D.body as nn.Sequential).children()
  const pass = (input: Tensor, layer: nn.Module): Tensor => layer.forward(input) as Tensor
  const features = layers.slice(0, -1).reduce(pass, x)
  return { features, scores: pass(features, layers.at(-1)!).mul(D.scale) }
}

/** GDPP-GAN's objective. Noise: codes [B, latent]. `wPri` weighs the adversarial term within the half. */
export function gdppGan(c: StepContext): Objective {
  const { nets, optimisers, hyper: h, model, batch: B } = c
  const { G } = nets
  const D = nets.D!
  return {
    drawNoise: () => ({ codes: priorCodes(model, [B, h.latent]), mix: null }),
    step(x, noise) {
      const generated = G.forward(noise.codes)
      const made = lookInto(D, generated)
      const pri = syntheticLoss(made.scores, 'non-saturating')
      const diversity = diversityLoss(made.features, lookInto(D, x).features)
      optimisers.generator.step(gradients(c, pri.mul(h.wPri).add(diversity).mul(0.5), optimisers.generator.params))

      const critic = criticLoss(D.scores(cat([x, generated.detach()]), [2 * B])[0]!, c.criticSides, 'bce')
      optimisers.critic!.step(gradients(c, critic, optimisers.critic!.params))
      return { losses: { pri, diversity, critic }, norms: {} }
    },
    criticOnly: null,
  }
}
