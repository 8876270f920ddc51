// MD-GAN (Eghbal-zadeh et al. 2019): the critic embeds points in R⁹, where real ones are to be likely under a fixed mixture of ten Gaussians on the corners of
// a simplex, and generated ones unlikely. G makes points that are likely. With lk the mixture's density at D's output and λ the largest value that it has,
//
//     D minimises −E[log lk(x) + log(λ − lk(G(z)))],     G minimises E log(λ − lk(G(z'))).
//
// As in the authors' code, D's step comes first, each step has noise of its own, and 1e-8 is added inside of each logarithm. Of that code this file leaves out a
// slip: its corners are 0.944 from the origin in place of 1, since a root is taken inside of a loop; and its fixed set of 10,000 points, for which fresh ones stand.
import { cat, logsumexp, noGrad, type Tensor, tensor } from '@bms/nn'
import { simplexDims } from '../networks/mlp.js'
import { gradients, type Objective, priorCodes, type StepContext } from './objective.js'

/** Variance of each coordinate of each of the mixture's Gaussians. */
export const simplexVariance = 0.25
/** Keeps logarithms finite where a likelihood is 0, or the largest there is. */
const epsilon = 1e-8

/** The n + 1 corners of a regular simplex in n dimensions, at distance 1 from the origin. */
export function simplexCorners(n: number): number[][] {
  // One coordinate after the other: what is left of a corner's length decides its own, and the rest of the corners share the product of −1/n with it.
  const corners = Array.from({ length: n + 1 }, () => new Array<number>(n).fill(0))
  for (let i = 0; i < n; i++) {
    const known = (a: number[], b: number[]): number => a.slice(0, i).reduce((sum, v, d) => sum + v * b[d]!, 0)
    const own = corners[i]!
    own[i] = Math.sqrt(1 - known(own, own))
    for (const other of corners.slice(i + 1)) other[i] = (-1 / n - known(own, other)) / own[i]
  }
  return corners
}

/** Logarithm of the mixture's density at `at`, on the host. */
export function logLikelihoodAt(at: readonly number[], corners: readonly (readonly number[])[]): number {
  const exponents = corners.map((corner) => -corner.reduce((sum, v, d) => sum + (v - at[d]!) ** 2, 0) / (2 * simplexVariance))
  const top = Math.max(...exponents)
  return top + Math.log(exponents.reduce((sum, e) => sum + Math.exp(e - top), 0)) + logFactor(corners.length, at.length)
}

/** Of equal weights 1/k and Gaussians in n dimensions: what their exponentials are multiplied by. */
const logFactor = (k: number, n: number): number => -Math.log(k) - (n / 2) * Math.log(2 * Math.PI * simplexVariance)

/**
 * λ, the largest density that the mixture has anywhere. At a maximum each corner's share r of the density solves r = e^(βr) / Z, which has two roots at most: some
 * corners share one, the rest the other, and the point lies on a line from the centre to the mean of the former. Each such line is searched in float64. (Of ten corners
 * the maximum is the centre itself, which lies within three standard deviations of them all.)
 */
export function largestLikelihood(corners: readonly (readonly number[])[]): number {
  let best = -Infinity
  for (let k = 1; k <= corners.length; k++) {
    const direction = corners[0]!.map((_, d) => corners.slice(0, k).reduce((sum, corner) => sum + corner[d]!, 0) / k)
    for (let i = 0; i <= 1000; i++) {
      const density = logLikelihoodAt(
        direction.map((v) => (v * i) / 1000),
        corners,
      )
      if (density > best) best = density
    }
  }
  return Math.exp(best)
}

/** What MD-GAN's losses are made of, for a critic of n outputs. */
export interface SimplexLikelihood {
  /** log lk of embedded points [B, n] → [B]. */
  reached(embedded: Tensor): Tensor
  /** log(λ − lk) of embedded points [B, n] → [B]. Finite everywhere: where rounding makes lk the larger, λ − lk counts as 0. */
  missing(embedded: Tensor): Tensor
}

/** The mixture on the current device. */
export function simplexLikelihood(n: number): SimplexLikelihood {
  const corners = simplexCorners(n)
  const means = tensor(corners)
  const lambda = largestLikelihood(corners)
  const atTop = Math.log(lambda) - logFactor(corners.length, n)
  /** log(lk / λ): differences from the maximum are small, and f32 keeps them when λ is taken off before the exponential. */
  const belowTop = (embedded: Tensor): Tensor =>
    logsumexp(
      embedded
        .unsqueeze(1)
        .sub(means)
        .square()
        .sum(-1)
        .div(-2 * simplexVariance),
      1,
    ).sub(atTop)
  return {
    reached: (embedded) => belowTop(embedded).exp().mul(lambda).add(epsilon).log(),
    missing: (embedded) => belowTop(embedded).expm1().mul(-lambda).clamp(0).add(epsilon).log(),
  }
}

/** MD-GAN's objective. Noise: codes [2, B, latent], uniform in (−1, 1), for the critic's step and for G's. */
export function mdGan(c: StepContext): Objective {
  const { nets, optimisers, hyper: h, model, batch: B } = c
  const { G } = nets
  const D = nets.D!
  const likelihood = simplexLikelihood(simplexDims)
  return {
    drawNoise: () => ({ codes: priorCodes(model, [2, B, h.latent]), mix: null }),
    step(x, noise) {
      const [real, generated] = D.forward(cat([x, noGrad(() => G.forward(noise.codes.select(0, 0)))])).split(B) as [Tensor, Tensor]
      const critic = likelihood.reached(real).mean().add(likelihood.missing(generated).mean()).neg()
      optimisers.critic!.step(gradients(c, critic, optimisers.critic!.params))

      const pri = likelihood.missing(D.forward(G.forward(noise.codes.select(0, 1)))).mean()
      optimisers.generator.step(gradients(c, pri.mul(h.wPri), optimisers.generator.params))
      return { losses: { pri, critic }, norms: {} }
    },
    criticOnly: null,
  }
}
