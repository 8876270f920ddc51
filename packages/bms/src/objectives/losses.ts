// The paper's objective, term by term (eq. 7 and Algorithm 1), as functions of networks' outputs. Everything
// is written to be minimised.
import { relu, softplus, tensor, type Tensor } from '@bms/nn'
import type { ModelSwitches } from '../models.js'

/** |x − x̂|ⁿ of every coordinate of every draw. x [B, …] of n values each, generated [k·B, …] (draw-major) → [k, B, n]. */
export function deviations(x: Tensor, generated: Tensor, norm: 1 | 2): Tensor {
  const B = x.shape[0]!
  const n = x.size / B
  const difference = generated.reshape([-1, B, n]).sub(x.reshape([B, n]))
  return norm === 1 ? difference.abs() : difference.square()
}

/** ‖x − x̂‖ for every draw: the mean over coordinates. → [k, B]. */
export const reconstructionErrors = (x: Tensor, generated: Tensor, norm: 1 | 2): Tensor => deviations(x, generated, norm).mean(-1)

/** The reconstruction term: the mean of those errors over points (and draws). */
export const reconstructionLoss = (x: Tensor, generated: Tensor, norm: 1 | 2): Tensor => deviations(x, generated, norm).mean()

/**
 * Which draw has the smallest value for each point: of errors, the draw that reconstructs best (the paper's eq. 6a: the log of a sum of exponentials, by
 * its largest term); of scores, the one that looks least real (eq. 6b: the bound that the lowest score gives). [.., T, B] → [.., B], i32.
 */
export const smallestDraw = (values: Tensor): Tensor => values.argmin(-2)

/**
 * The generator's loss for being scored by the data-space critic. 'ratio': minus the score, which is a direct ratio estimate with hinge, α-GAN's
 * −log D + log(1 − D) = −logit with a classifier, WGAN's −E D(G) with the difference of means. 'non-saturating': DCGAN's −log D.
 */
export const syntheticLoss = (scores: Tensor, form: ModelSwitches['score'] = 'ratio'): Tensor =>
  (form === 'ratio' ? scores.neg() : softplus(scores.neg())).mean()

/** KL(q‖p) by the latent critic: E −logit D_L(ẑ), or its non-saturating form. */
export const klLoss = (logits: Tensor, form: 'ratio' | 'non-saturating'): Tensor => (form === 'ratio' ? logits.neg() : softplus(logits.neg())).mean()

/** The kernel's scales of WAE-MMD, in units of 2·latent (the expected squared distance of two prior samples). */
const mmdScales = [0.1, 0.2, 0.5, 1, 2, 5, 10]

/** Σ_s C_s / (C_s + ‖a − b‖²) of every pair of rows of a [n, d] and b [m, d]: inverse multiquadratics. → [n, m]. */
function multiquadratics(a: Tensor, b: Tensor): Tensor {
  const squares = (x: Tensor): Tensor => x.square().sum(1)
  const distance = squares(a).unsqueeze(1).add(squares(b)).sub(a.matmul(b.t()).mul(2)).clamp(0)
  return mmdScales
    .map((scale) =>
      distance
        .div(2 * a.shape[1]! * scale)
        .add(1)
        .reciprocal(),
    )
    .reduce((sum, k) => sum.add(k))
}

/**
 * Maximum mean discrepancy of as many posterior draws and prior samples, codes [n, d]: the unbiased U-statistic with inverse multiquadratic kernels (Tolstikhin et
 * al. 2018, WAE-MMD). Around 0 where they agree, and below it half of the time.
 */
export function mmd(posterior: Tensor, prior: Tensor): Tensor {
  const n = posterior.shape[0]!
  // A row's kernel with itself is 1 at each scale.
  const within = (codes: Tensor): Tensor =>
    multiquadratics(codes, codes)
      .sum()
      .sub(mmdScales.length * n)
      .div(n * (n - 1))
  return within(posterior).add(within(prior)).sub(multiquadratics(posterior, prior).mean().mul(2))
}

/** Which side each row of a critic's batch is on, and what it weighs: columns [N, 1]. */
export interface Sides {
  /** −1 for real rows (whose score is to rise), +1 for generated ones. */
  sign: Tensor
  weight: Tensor
}

/** Sides of a batch of one real group of B rows and `fakes` generated ones; each side weighs 1 in all. Made once, before a step is compiled. */
export function sides(B: number, fakes: number): Sides {
  const N = (1 + fakes) * B
  const column = (of: (real: boolean) => number): Tensor =>
    tensor(
      Float32Array.from({ length: N }, (_, i) => of(i < B)),
      { shape: [N, 1] },
    )
  return { sign: column((real) => (real ? -1 : 1)), weight: column((real) => 1 / (real ? B : fakes * B)) }
}

/**
 * What a critic minimises on the scores [N, 1] of real and generated rows: hinge relu(1 ± s) (Algorithm 1), binary cross-entropy softplus(± s), or WGAN's ± s, the
 * mean of each side. The latent critic's is the second with prior samples as the real side (prior = 1, posterior = 0).
 */
export const criticLoss = (scores: Tensor, { sign, weight }: Sides, kind: ModelSwitches['critic']): Tensor => {
  const signed = scores.mul(sign)
  const each = kind === 'hinge' ? relu(signed.add(1)) : kind === 'wasserstein' ? signed : softplus(signed)
  return each.mul(weight).sum()
}

/** Norms [B] of a gradient with respect to points [B, …], one for each point. */
export const slopes = (gradient: Tensor): Tensor => gradient.reshape([gradient.shape[0]!, -1]).norm(1)

/** WGAN-GP's penalty E(‖∇D(x̄)‖ − 1)² on the gradient of the scores' sum with respect to points x̄ [B, …] between real and generated ones. */
export const gradientPenalty = (gradient: Tensor): Tensor => slopes(gradient).sub(1).square().mean()

/** Zero-centred penalty E‖∇D(x)‖² / 2 on real points ("R1"). */
export const realPenalty = (gradient: Tensor): Tensor => gradient.reshape([gradient.shape[0]!, -1]).square().sum(1).mean().div(2)
