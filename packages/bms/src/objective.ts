// The paper's objective, term by term (SPEC eq. 7 and §2, "Algorithm 1"), as functions of networks' outputs. Everything
// is written to be minimised.
import { relu, softplus, type Tensor } from '@bms/nn'
import type { ModelSwitches } from './models.js'

/** ‖x − x̂‖ for every draw: mean over coordinates of |difference|ⁿ. x [B, n], generated [T·B, n] (draw-major) → [T, B]. */
export function reconstructionErrors(x: Tensor, generated: Tensor, norm: 1 | 2): Tensor {
  const [B, n] = x.shape as [number, number]
  const difference = generated.reshape([-1, B, n]).sub(x)
  return (norm === 1 ? difference.abs() : difference.square()).mean(-1)
}

/** Which draw reconstructs each x best (SPEC eq. 6a: the log of a sum of exponentials, by its largest term). errors [T, B] → [B], i32. */
export const bestDraw = (errors: Tensor): Tensor => errors.argmin(0)

/** Which draw looks least real (SPEC eq. 6b: the bound that its lowest score gives). scores [T, B] → [B], i32. */
export const worstDraw = (scores: Tensor): Tensor => scores.argmin(0)

/**
 * The generator's loss for being scored `scores` by the data-space critic: the raw score with hinge (a direct ratio estimate), α-GAN's ratio
 * loss −log D + log(1 − D) = −logit with a classifier.
 */
export const syntheticLoss = (scores: Tensor): Tensor => scores.mean().neg()

/** KL(q‖p) by the latent critic (SPEC §1.2): E −logit D_L(ẑ), or its non-saturating form. */
export const klLoss = (logits: Tensor, form: 'ratio' | 'non-saturating'): Tensor => (form === 'ratio' ? logits.neg() : softplus(logits.neg())).mean()

/** What D_I minimises on real and on generated scores; the generated groups share one half of the weight. */
export function criticLoss(real: Tensor, generated: readonly Tensor[], kind: ModelSwitches['critic']): Tensor {
  const onReal = (s: Tensor): Tensor => (kind === 'hinge' ? relu(s.neg().add(1)) : softplus(s.neg())).mean()
  const onFake = (s: Tensor): Tensor => (kind === 'hinge' ? relu(s.add(1)) : softplus(s)).mean()
  const fake = generated.map(onFake).reduce((a, b) => a.add(b))
  return onReal(real).add(generated.length === 1 ? fake : fake.mul(1 / generated.length))
}

/** What D_L minimises: prior samples are 1, posterior draws 0 (binary cross-entropy). */
export const latentCriticLoss = (prior: Tensor, posterior: Tensor): Tensor => softplus(prior.neg()).mean().add(softplus(posterior).mean())
