// One iteration of the paper's Algorithm 1: generator and encoder jointly, then the data-space critic, then the latent
// critic. The draws are chosen in a pass without gradients; only the chosen ones are passed through again with them,
// which gives the same gradient (the minimum has the gradient of its argument) at the cost of two draws instead of T.
//
// With batch norm in the generator the passes normalise thus. The pass with gradients (chosen draws and prior samples together) by
// its own batch, and it alone moves the running statistics, by which samples are drawn later. The pass that chooses by its own
// batches of `drawsPerPass` draws of each point: its outputs are compared with each other, and what it makes of each first draw is the
// reconstruction that the critic gets. A critic's batch norms see one group of rows at a time and keep nothing. Tests hold all of this.
import { cat, grad, indexSelect, nn, noGrad, rand, randn, stack, type Tensor } from '@bms/nn'
import {
  criticLoss,
  gradientPenalty,
  klLoss,
  mmd,
  realPenalty,
  reconstructionErrors,
  reconstructionLoss,
  slopes,
  smallestDraw,
  syntheticLoss,
} from './losses.js'
import { gradients, lengthOf, type Noise, type Objective, type StepContext, type StepLosses, type StepNorms, type StepResult } from './objective.js'

/** Eq. 7 with the switches of `models.ts` and the settings of a run, on their networks. */
export const manySample = (c: StepContext): Objective => ({
  drawNoise: () => drawNoise(c),
  step: (x, noise) => trainStep(c, x, noise),
  criticOnly: (x, noise) => criticOnlyStep(c, x, noise),
})

/** Fresh noise for a step: codes N(0, 1), T draws for each point and, last, the prior samples: [T + 1, B, latent] (without an encoder [1, B, latent]). */
export const drawNoise = (c: StepContext): Noise => ({
  codes: randn([c.model.encoder ? c.T + 1 : 1, c.batch, c.hyper.latent]),
  mix: c.hyper.lipschitz === 'penalty' ? rand([c.batch]) : null,
})

/** What the generator's step leaves for the critics, without gradient. */
export interface GeneratorStep {
  terms: Pick<StepLosses, 'rec' | 'syn' | 'pri' | 'kl'>
  /** The weighted sum, to be minimised in G and R. */
  total: Tensor
  /** What D_I sees as generated: a reconstruction of each point, and prior samples. */
  fakes: Tensor[]
  /** Prior samples and a posterior draw for each point, [2B, latent], for D_L. */
  latents: Tensor | null
  /** Where lengths of gradients are told: generated data with the rows of each term, and posterior codes. */
  at: { generated: Tensor; scored: number; prior: number; rec: Tensor | null; posterior: Tensor | null }
}

interface Posterior {
  mean: Tensor
  deviation: Tensor
}

/** z = mean + deviation · noise for noise [k, B, latent] → [k·B, latent]. */
const codes = (q: Posterior, noise: Tensor): Tensor => q.deviation.mul(noise).add(q.mean).reshape([-1, q.mean.shape[1]!])

/** The pass without gradients: noise [k, B, latent] of the best and (with a critic) the worst draw, and reconstructions from each first draw. */
function chooseDraws(c: StepContext, x: Tensor, q: Posterior, draws: Tensor): { noise: Tensor; reconstruction: Tensor } {
  const { nets, hyper, batch: B, T, drawsPerPass } = c
  return noGrad(() => {
    const errors: Tensor[] = []
    const scores: Tensor[] = []
    let reconstruction: Tensor | undefined
    for (let from = 0; from < T; from += drawsPerPass) {
      const k = Math.min(drawsPerPass, T - from)
      const generated = nn.keepingStatistics(nets.G, () => nets.G.forward(codes(q, draws.narrow(0, from, k))))
      reconstruction ??= generated.narrow(0, 0, B)
      errors.push(reconstructionErrors(x, generated, hyper.recNorm))
      if (nets.D && hyper.wSyn !== 0) scores.push(nets.D.scores(generated, [k * B])[0]!.reshape([k, B]))
    }
    const joined = (parts: Tensor[]): Tensor => (parts.length === 1 ? parts[0]! : cat(parts))
    const values = [joined(errors), ...(scores.length > 0 ? [joined(scores)] : [])]
    const chosen = smallestDraw(stack(values))
    const rows = chosen.mul(B).add(c.rows).reshape([-1])
    return { noise: indexSelect(draws.reshape([T * B, hyper.latent]), 0, rows).reshape([-1, B, hyper.latent]), reconstruction: reconstruction! }
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
    add('pri', h.wPri, syntheticLoss(D!.scores(generated, [B])[0]!, model.score))
    return { terms, total: total(), fakes: [generated.detach()], latents: null, at: { generated, scored: 0, prior: 0, rec: null, posterior: null } }
  }
  const draws = noise.narrow(0, 0, T)
  const prior = noise.narrow(0, T, 1).reshape([B, h.latent])
  const q = R.forward(x)
  const choosing = h.draws === 'best-worst' && T > 1
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
    add('syn', h.wSyn, syntheticLoss(synthetic, model.score))
    add('pri', h.wPri, syntheticLoss(real, model.score))
    priorData = generated.detach().narrow(0, k * B, B)
  }
  if (h.kl === 'mmd') add('kl', h.wKl, mmd(posterior, prior))
  else if (L) add('kl', h.wKl, klLoss(L.forward(posterior), h.kl))
  const reconstruction = chosen?.reconstruction ?? generated.detach().narrow(0, 0, B)
  return {
    terms,
    total: total(),
    fakes: D ? [reconstruction, priorData!] : [],
    latents: all.detach().narrow(0, k * B, 2 * B),
    at: { generated, scored: only * B, prior: k * B, rec: h.wRec === 0 ? null : terms.rec!.mul(h.wRec), posterior: model.terms.kl ? posterior : null },
  }
}

/** Lengths of the generator's terms, from the gradient of the whole at the generated data and at the posterior codes. */
function generatorNorms(B: number, { terms, at }: GeneratorStep, rec: Tensor | null, generated: Tensor | null, posterior: Tensor | null): StepNorms {
  const rows = (gradient: Tensor, from: number, to: number): Tensor => slopes(gradient.narrow(0, from, to - from)).sum()
  const norms: StepNorms = {}
  if (terms.rec && rec) norms.rec = slopes(rec).sum()
  const scores = generated && rec ? generated.sub(rec) : generated
  if (scores && terms.syn) norms.syn = rows(scores, at.scored, at.prior)
  if (scores && terms.pri) norms.pri = rows(scores, at.prior, at.prior + B)
  if (posterior && terms.kl) norms.kl = slopes(posterior).sum()
  return norms
}

/** Step B: the data-space critic on real points and `fakes`. */
function criticStep(
  c: StepContext,
  x: Tensor,
  fakes: readonly Tensor[],
  mix: Tensor | null,
): { losses: Pick<StepLosses, 'critic' | 'penalty'>; norm: Tensor | null } {
  const { nets, optimisers, hyper: h, model, batch: B } = c
  const D = nets.D!
  D.train()
  const real = h.r1 > 0 ? x.detach().requiresGrad_() : x
  const scores = D.joined([real, ...fakes])
  let penalty: Tensor | undefined
  const adversarial = criticLoss(scores, c.criticSides, model.critic)
  if (h.r1 > 0) {
    // Differentiated once more by the critic's weights.
    penalty = realPenalty(grad(scores.narrow(0, 0, B).sum(), real, { createGraph: true })).mul(h.r1)
  }
  if (mix) {
    const between = interpolates(x, fakes, mix)
    // Of the raw score: as with spectral norm, it is the factor on it that says how steep what counts may be.
    const slope = grad(D.forward(between).sum(), between, { createGraph: true })
    const ofSlope = gradientPenalty(slope).mul(h.gp)
    penalty = penalty ? penalty.add(ofSlope) : ofSlope
  }
  const total = penalty ? adversarial.add(penalty) : adversarial
  const losses = { critic: adversarial, ...(penalty ? { penalty } : {}) }
  const gradient = gradients(c, total, optimisers.critic!.params)
  optimisers.critic!.step(gradient)
  return { losses, norm: c.norms ? lengthOf(gradient) : null }
}

/** Points between each real point and a generated one: the first half of the batch looks to reconstructions where there are some, the rest to prior samples. */
function interpolates(x: Tensor, fakes: readonly Tensor[], mix: Tensor): Tensor {
  const B = x.shape[0]!
  const half = B >> 1
  const partner = fakes.length === 1 || half === 0 ? fakes.at(-1)! : cat([fakes[0]!.narrow(0, 0, half), fakes[1]!.narrow(0, half, B - half)])
  const weight = mix.reshape(x.shape.map((_, d) => (d === 0 ? B : 1)))
  return partner.add(x.sub(partner).mul(weight)).detach().requiresGrad_()
}

/** A whole iteration: `Objective.step`. */
export function trainStep(c: StepContext, x: Tensor, noise: Noise): StepResult {
  const { nets, optimisers: opt } = c
  const { D, L } = nets
  D?.eval()
  const a = generatorStep(c, x, noise.codes)
  const losses: StepLosses = { ...a.terms }
  const norms: StepNorms = {}
  const params = opt.generator.params
  // Reconstruction and score may share rows of data; the first reaches them without a network between.
  const rec = c.norms && a.at.rec ? grad(a.at.rec, a.at.generated, { retainGraph: true }) : null
  const watched = c.norms ? [a.at.generated, ...(a.at.posterior ? [a.at.posterior] : [])] : []
  const gradient = gradients(c, a.total, [...params, ...watched])
  const own = gradient.slice(0, params.length)
  if (c.norms) {
    Object.assign(norms, generatorNorms(c.batch, a, rec, gradient[params.length] ?? null, gradient[params.length + 1] ?? null))
    norms.generator = lengthOf(own)
  }
  opt.generator.step(own)
  if (D) {
    const b = criticStep(c, x, a.fakes, noise.mix)
    Object.assign(losses, b.losses)
    if (b.norm) norms.critic = b.norm
  }
  if (L && opt.latent && a.latents) {
    losses.latent = criticLoss(L.forward(a.latents), c.latentSides, 'bce')
    const latentGradient = gradients(c, losses.latent, opt.latent.params)
    opt.latent.step(latentGradient)
    if (c.norms) norms.latent = lengthOf(latentGradient)
  }
  return { losses, norms }
}

/** A step of the data-space critic alone, for models that take several for each of the generator's (`nCritic`). */
export function criticOnlyStep(c: StepContext, x: Tensor, noise: Noise): Pick<StepLosses, 'critic' | 'penalty'> {
  const { nets, batch: B, hyper: h, T } = c
  const fakes = noGrad(() =>
    nn.keepingStatistics(nets.G, () => {
      const prior = noise.codes.narrow(0, nets.R ? T : 0, 1).reshape([B, h.latent])
      if (!nets.R) return [nets.G.forward(prior)]
      const q = nn.keepingStatistics(nets.R, () => nets.R!.forward(x))
      return nets.G.forward(cat([codes(q, noise.codes.narrow(0, 0, 1)), prior])).split(B)
    }),
  )
  return criticStep(c, x, fakes, noise.mix).losses
}
