// VEEGAN (Srivastava et al. 2017): a generator G, a reconstructor F from points back to codes (the slot R), and a critic of pairs of code and point, which
// tells (F(x), x) from (z, G(z)). G is to make pairs that pass for the former, F to find the codes again that G was given: where G drops a mode, F cannot map
// that mode's points to the prior, and the critic sees it.
//
// Of the codes the last coordinate is noise for G alone, neither reconstructed nor shown to the critic. F is the mean of a Gaussian of variance 1, from which
// the critic's codes are drawn, as in the authors' notebook; its reconstruction loss, minus the logarithm of that Gaussian's density, is half of the squared distance
// and a constant: that is `wRec` 0.5 here. No gradient reaches F by way of the critic. Both steps start from the same networks. The critic's sign is that of
// this package (high: data), the authors' the other way round.
import { cat, noGrad, randn, type Tensor } from '@bms/nn'
import { criticLoss, syntheticLoss } from './losses.js'
import { gradients, type Objective, type StepContext } from './objective.js'

/** E‖z − F(G(z))‖²: the squared distance of codes [B, d], a sum over coordinates and a mean over the batch. */
export const codeDistance = (z: Tensor, reconstructed: Tensor): Tensor => z.sub(reconstructed).square().sum(1).mean()

/** VEEGAN's objective. Noise: codes [2, B, latent] N(0, 1), those that G is given and those of F's Gaussian, whose last coordinate is not used. */
export function veegan(c: StepContext): Objective {
  const { nets, optimisers, hyper: h, batch: B } = c
  const { G } = nets
  const [F, D] = [nets.R!, nets.D!]
  return {
    drawNoise: () => ({ codes: randn([2, B, h.latent]), mix: null }),
    step(x, noise) {
      const told = (k: number): Tensor => noise.codes.select(0, k).narrow(1, 0, h.latent - 1)
      const generated = G.forward(noise.codes.select(0, 0))
      const made = cat([told(0), generated], 1)
      const pairs = noGrad(() => {
        const { mean, deviation } = F.forward(x)
        return cat([cat([mean.add(deviation.mul(told(1))), x], 1), made])
      })
      const rec = codeDistance(told(0), F.forward(generated).mean)
      const pri = syntheticLoss(D.scores(made, [B])[0]!, 'ratio')
      optimisers.generator.step(gradients(c, rec.mul(h.wRec).add(pri.mul(h.wPri)), optimisers.generator.params))

      const critic = criticLoss(D.scores(pairs, [2 * B])[0]!, c.criticSides, 'bce')
      optimisers.critic!.step(gradients(c, critic, optimisers.critic!.params))
      return { losses: { rec, pri, critic }, norms: {} }
    },
    criticOnly: null,
  }
}
