// One iteration of the paper's Algorithm 1: generator and encoder jointly, then the data-space critic, then the latent
// critic. The draws are chosen in a pass without gradients; only the chosen ones are passed through again with them,
// which gives the same gradient (the minimum has the gradient of its argument) at the cost of two draws instead of T.
import { arange, cat, grad, indexSelect, noGrad, optim, randn, stack, type Tensor } from '@bms/nn'
import type { HyperParameters } from './config.js'
import type { ModelSwitches } from './models.js'
import type { Networks } from './networks.js'
import { criticLoss, klLoss, reconstructionErrors, reconstructionLoss, type Sides, sides, smallestDraw, syntheticLoss } from './objective.js'

/** Losses of a step, unweighted, each one number; those that the model has. */
export type StepLosses = { rec?: Tensor; syn?: Tensor; pri?: Tensor; kl?: Tensor; critic?: Tensor; latent?: Tensor }

export interface Optimisers {
  generator: optim.Adam
  critic: optim.Adam | null
  latent: optim.Adam | null
}

/** The optimisers of a model's networks: one for G and R together, as the paper trains them. */
export function buildOptimisers(nets: Networks, h: HyperParameters): Optimisers {
  const { betas } = h
  return {
    generator: new optim.Adam([...nets.G.parameters(), ...(nets.R?.parameters() ?? [])], { lr: h.lr, betas }),
    critic: nets.D && new optim.Adam([...nets.D.parameters()], { lr: h.lrD, betas }),
    latent: nets.L && new optim.Adam([...nets.L.parameters()], { lr: h.lrL, betas }),
  }
}

/** All that a step works with. Constants are made once, outside of the compiled step. */
export interface StepContext {
  nets: Networks
  optimisers: Optimisers
  model: ModelSwitches
  hyper: HyperParameters
  batch: number
  /** Draws for each point. */
  T: number
  /** Row numbers 0…B-1, i32. */
  rows: Tensor
  criticSides: Sides
  latentSides: Sides
}

export function stepContext(nets: Networks, optimisers: Optimisers, model: ModelSwitches, hyper: HyperParameters, batch: number, T: number): StepContext {
  const fakes = nets.R ? 2 : 1
  return {
    nets,
    optimisers,
    model,
    hyper,
    batch,
    T,
    rows: arange(0, batch, 1, { dtype: 'i32' }),
    criticSides: sides(batch, fakes),
    latentSides: sides(batch, 1),
  }
}

/** Fresh noise for a step: T draws for each point and, last, the prior samples: [T + 1, B, latent] (without an encoder [1, B, latent]). */
export const drawNoise = (c: StepContext): Tensor => randn([c.model.encoder ? c.T + 1 : 1, c.batch, c.hyper.latent])

/** What the generator's step leaves for the critics, without gradient. */
export interface GeneratorStep {
  terms: Pick<StepLosses, 'rec' | 'syn' | 'pri' | 'kl'>
  /** The weighted sum, to be minimised in G and R. */
  total: Tensor
  /** What D_I sees as generated: a reconstruction of each point, and prior samples. */
  fakes: Tensor[]
  /** Prior samples and a posterior draw for each point, [2B, latent], for D_L. */
  latents: Tensor | null
}

interface Posterior {
  mean: Tensor
  deviation: Tensor
}

/** z = mean + deviation · noise for noise [k, B, latent] → [k·B, latent]. */
const codes = (q: Posterior, noise: Tensor): Tensor => q.deviation.mul(noise).add(q.mean).reshape([-1, q.mean.shape[1]!])

/** The pass without gradients: noise [k, B, latent] of the best and (with a critic) the worst draw, and reconstructions from each first draw. */
function chooseDraws(c: StepContext, x: Tensor, q: Posterior, draws: Tensor): { noise: Tensor; reconstruction: Tensor } {
  const { nets, hyper, batch: B, T } = c
  return noGrad(() => {
    const generated = nets.G.forward(codes(q, draws))
    const values = [reconstructionErrors(x, generated, hyper.recNorm)]
    if (nets.D && hyper.wSyn !== 0) values.push(nets.D.scores(generated, [T * B])[0]!.reshape([T, B]))
    const chosen = smallestDraw(stack(values))
    const rows = chosen.mul(B).add(c.rows).reshape([-1])
    return { noise: indexSelect(draws.reshape([T * B, hyper.latent]), 0, rows).reshape([-1, B, hyper.latent]), reconstruction: generated.narrow(0, 0, B) }
  })
}

/** Step A's loss. D_I is to be in eval mode: its power iterations belong to its own step. */
export function generatorStep(c: StepContext, x: Tensor, noise: Tensor): GeneratorStep {
  const { nets, hyper: h, model, batch: B, T } = c
  const { G, R, D, L } = nets
  const terms: GeneratorStep['terms'] = {}
  const weighted: Tensor[] = []
  const add = (name: keyof typeof terms, weight: number, loss: Tensor): void => {
    terms[name] = loss
    if (weight !== 0) weighted.push(loss.mul(weight))
  }
  const total = (): Tensor => weighted.reduce((a, b) => a.add(b))
  if (!R) {
    const generated = G.forward(noise.reshape([B, h.latent]))
    add('pri', h.wPri, syntheticLoss(D!.scores(generated, [B])[0]!))
    return { terms, total: total(), fakes: [generated.detach()], latents: null }
  }
  const draws = noise.narrow(0, 0, T)
  const prior = noise.narrow(0, T, 1).reshape([B, h.latent])
  const q = R.forward(x)
  const choosing = model.draws === 'best-worst' && T > 1
  const chosen = choosing ? chooseDraws(c, x, q, draws) : null
  const passed = chosen?.noise ?? draws
  const k = passed.shape[0]!
  // KL̂ is a mean over the draws; the first of them estimates it without bias.
  const first = draws.narrow(0, 0, 1)
  const all = cat([codes(q, passed), prior, codes(q, first)])
  const [generating, posterior] = all.split([(k + 1) * B, B]) as [Tensor, Tensor]
  const generated = D ? G.forward(generating) : G.forward(generating.narrow(0, 0, k * B))
  // Rows: the draws that are only reconstructed (the best), those that are scored (the worst, or all), prior samples.
  const only = choosing && k > 1 ? 1 : 0
  const parts = D ? generated.split(only ? [B, k * B] : [k * B, B]) : [generated]
  add('rec', h.wRec, reconstructionLoss(x, parts[0]!, h.recNorm))
  let priorData = parts[1]
  if (D) {
    const scored = only ? parts[1]! : generated
    const [synthetic, real] = D.scores(scored, [(k - only) * B, B]) as [Tensor, Tensor]
    add('syn', h.wSyn, syntheticLoss(synthetic))
    add('pri', h.wPri, syntheticLoss(real))
    priorData = generated.detach().narrow(0, k * B, B)
  }
  if (L) add('kl', h.wKl, klLoss(L.forward(posterior), h.kl))
  const reconstruction = chosen?.reconstruction ?? generated.detach().narrow(0, 0, B)
  return { terms, total: total(), fakes: D ? [reconstruction, priorData!] : [], latents: all.detach().narrow(0, k * B, 2 * B) }
}

/**
 * A whole iteration on a batch x [B, n]: updates the networks in place. Meant to be compiled; all that changes from step to step (weights, moments,
 * learning rates, power iteration vectors, noise) is data on the device.
 */
export function trainStep(c: StepContext, x: Tensor, noise: Tensor): StepLosses {
  const { nets, optimisers: opt, hyper: h, model } = c
  const { D, L } = nets
  D?.eval()
  const a = generatorStep(c, x, noise)
  const losses: StepLosses = { ...a.terms }
  // Without some of the weights (ablations) one of the two networks has no part in the sum.
  opt.generator.step(grad(a.total, opt.generator.params, { allowUnused: true }))
  if (D && opt.critic) {
    D.train()
    const real = h.r1 > 0 ? x.detach().requiresGrad_() : x
    const [scores] = D.scores(cat([real, ...a.fakes]), [c.batch * (1 + a.fakes.length)]) as [Tensor]
    losses.critic = criticLoss(scores, c.criticSides, model.critic)
    let total = losses.critic
    if (h.r1 > 0) {
      // ‖∇ₓ D‖² on real data, differentiated once more by the critic's weights.
      const slope = grad(scores.narrow(0, 0, c.batch).sum(), real, { createGraph: true })
      total = total.add(
        slope
          .square()
          .sum(1)
          .mean()
          .mul(h.r1 / 2),
      )
    }
    opt.critic.step(grad(total, opt.critic.params))
  }
  if (L && opt.latent && a.latents) {
    losses.latent = criticLoss(L.forward(a.latents), c.latentSides, 'bce')
    opt.latent.step(grad(losses.latent, opt.latent.params))
  }
  return losses
}
