// One iteration of Algorithm 1 (SPEC §2): generator and encoder jointly, then the data-space critic, then the latent
// critic. The draws are chosen in a pass without gradients; only the chosen ones are passed through again with them,
// which gives the same gradient (the minimum has the gradient of its argument) at the cost of two draws instead of T.
import { cat, gather, grad, noGrad, optim, randn, stack, type Tensor } from '@bms/nn'
import type { HyperParameters } from './config.js'
import type { ModelSwitches } from './models.js'
import type { Networks } from './networks.js'
import { bestDraw, criticLoss, klLoss, latentCriticLoss, reconstructionErrors, syntheticLoss, worstDraw } from './objective.js'

/** The random numbers of a step, so that a test can feed its own: draws' noise [T, B, latent] and prior samples [B, latent]. */
export interface StepNoise {
  draws: Tensor | null
  prior: Tensor
}

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

/** z = mean + deviation · noise for stacked noise [k, B, latent] → [k·B, latent]. */
const sample = (q: { mean: Tensor; deviation: Tensor }, noise: Tensor): Tensor => q.deviation.mul(noise).add(q.mean).reshape([-1, q.mean.shape[1]!])

/** Noise of the chosen draw of each point: draws [T, B, d], index [k, B] → [k, B, d]. */
const choose = (draws: Tensor, index: Tensor): Tensor => gather(draws, 0, index.unsqueeze(2).expand([index.shape[0]!, index.shape[1]!, draws.shape[2]!]))

/** What the generator's loss is made of, before weighting, and what the critics need of it. */
export interface GeneratorTerms {
  terms: Pick<StepLosses, 'rec' | 'syn' | 'pri' | 'kl'>
  total: Tensor
  /** Generated data for D_I, without gradient: a reconstruction for each x, and prior samples. */
  fakes: Tensor[]
  /** Prior samples and a posterior draw for D_L. */
  prior: Tensor
  posterior: Tensor | null
}

/** Step A's loss. D_I is to be in eval mode: its power iterations belong to its own step. */
export function generatorTerms(x: Tensor, noise: StepNoise, nets: Networks, model: ModelSwitches, h: HyperParameters): GeneratorTerms {
  const { G, R, D, L } = nets
  const B = x.shape[0]!
  const terms: GeneratorTerms['terms'] = {}
  const weighted: Tensor[] = []
  const add = (name: 'rec' | 'syn' | 'pri' | 'kl', weight: number, loss: Tensor): void => {
    terms[name] = loss
    if (weight !== 0) weighted.push(weight === 1 ? loss : loss.mul(weight))
  }
  const { prior } = noise
  if (!R || !noise.draws) {
    const generated = G.forward(prior)
    add('pri', h.wPri, syntheticLoss(D!.forward(generated)))
    return { terms, total: sumAll(weighted), fakes: [generated.detach()], prior, posterior: null }
  }
  const q = R.forward(x)
  const { draws } = noise
  const T = draws.shape[0]!
  const first = draws.narrow(0, 0, 1)
  // Best draw, worst draw; or, for the average over draws, all of them.
  const choosing = model.draws === 'best-worst' && T > 1
  let passed = draws
  let reconstruction: Tensor
  if (choosing) {
    const pass = noGrad(() => {
      const generated = G.forward(sample(q, draws))
      const best = bestDraw(reconstructionErrors(x, generated, h.recNorm))
      const worst = D && h.wSyn !== 0 ? worstDraw(D.forward(generated).reshape([T, B])) : null
      return { noise: choose(draws, worst ? stack([best, worst]) : best.unsqueeze(0)), reconstruction: generated.narrow(0, 0, B) }
    })
    passed = pass.noise
    reconstruction = pass.reconstruction
  } else reconstruction = x
  const k = passed.shape[0]!
  const usesPrior = D !== null
  const latents = sample(q, passed)
  const generated = G.forward(usesPrior ? cat([latents, prior]) : latents)
  const rows = (from: number, groups: number): Tensor => generated.narrow(0, from * B, groups * B)
  const scored = choosing ? k - 1 : 0
  add('rec', h.wRec, reconstructionErrors(x, choosing ? rows(0, 1) : rows(0, k), h.recNorm).mean())
  if (D) {
    const scores = D.forward(rows(scored, k - scored + 1))
    const posteriorRows = (k - scored) * B
    add('syn', h.wSyn, syntheticLoss(scores.narrow(0, 0, posteriorRows)))
    add('pri', h.wPri, syntheticLoss(scores.narrow(0, posteriorRows, B)))
  }
  // KL̂ is a mean over the draws: one of them estimates it without bias (SPEC §1.2).
  const posterior = choosing ? sample(q, first) : latents.narrow(0, 0, B)
  if (L) add('kl', h.wKl, klLoss(L.forward(posterior), h.kl))
  const fakes = usesPrior ? [choosing ? reconstruction : rows(0, 1).detach(), rows(k, 1).detach()] : []
  return { terms, total: sumAll(weighted), fakes, prior, posterior: posterior.detach() }
}

const sumAll = (list: readonly Tensor[]): Tensor => list.reduce((a, b) => a.add(b))

/** Fresh noise for a batch, from the device's random stream. */
export function drawNoise(B: number, T: number, h: HyperParameters, model: ModelSwitches): StepNoise {
  return { draws: model.encoder ? randn([T, B, h.latent]) : null, prior: randn([B, h.latent]) }
}

/**
 * A whole iteration on a batch x [B, n]: updates the networks in place. Meant to be compiled; all that changes from step to step (weights, moments,
 * learning rates, power iteration vectors, noise) is data on the device.
 */
export function trainStep(x: Tensor, noise: StepNoise, nets: Networks, opt: Optimisers, model: ModelSwitches, h: HyperParameters): StepLosses {
  const { D, L } = nets
  const B = x.shape[0]!
  D?.eval()
  const a = generatorTerms(x, noise, nets, model, h)
  opt.generator.step(grad(a.total, opt.generator.params))
  const losses: StepLosses = { ...a.terms }
  if (D && opt.critic) {
    D.train()
    const real = h.r1 > 0 ? x.detach().requiresGrad_() : x
    const scores = D.forward(cat([real, ...a.fakes])).split(B)
    losses.critic = criticLoss(scores[0]!, scores.slice(1), model.critic)
    let total = losses.critic
    if (h.r1 > 0) {
      const slope = grad(scores[0]!.sum(), real, { createGraph: true })
      total = total.add(slope.square().sum(1).mean().mul(h.r1 / 2))
    }
    opt.critic.step(grad(total, opt.critic.params))
  }
  if (L && opt.latent && a.posterior) {
    const [p, q] = L.forward(cat([a.prior, a.posterior])).split(B) as [Tensor, Tensor]
    losses.latent = latentCriticLoss(p, q)
    opt.latent.step(grad(losses.latent, opt.latent.params))
  }
  return losses
}
