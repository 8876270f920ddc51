// What a method is to the trainer: noise to draw and an iteration that uses it. Each method is one file beside this one; what the files share (losses by
// name, optimisers, gradients) is here.
import { arange, grad, optim, rand, randn, stack, type Tensor } from '@bms/nn'
import type { ObjectiveHyper } from '../config/run.js'
import type { ModelSwitches } from '../models.js'
import type { Networks } from '../networks/networks.js'
import { type Sides, sides } from './losses.js'

/** Losses of a step, unweighted, each one number; those that the method has. `penalty` comes on top of the critic's. */
export type StepLosses = Partial<Record<'rec' | 'syn' | 'pri' | 'kl' | 'diversity' | 'critic' | 'penalty' | 'latent', Tensor>>

/**
 * Lengths of gradients, weights included: of `rec`, `syn` and `pri` at the generated data and of `kl` at the codes, as a mean over points of what a point's own
 * loss has there; of `generator` (with the encoder), `critic` and `latent` over all their parameters: when these are finite, so are the weights after the step.
 */
export type StepNorms = Partial<Record<'rec' | 'syn' | 'pri' | 'kl' | 'generator' | 'critic' | 'latent', Tensor>>

export interface StepResult {
  losses: StepLosses
  norms: StepNorms
}

/** The random numbers of a step. */
export interface Noise {
  /** Codes from the prior, as the method's `drawNoise` shapes them: of the many-sample objectives T draws for each point and, last, the prior samples. */
  codes: Tensor
  /** Uniform in [0, 1): where between a real and a generated point the penalty is taken. [B]; only where there is one. */
  mix: Tensor | null
}

/** Codes from a model's prior: N(0, 1), or uniform in (−1, 1). */
export const priorCodes = (model: ModelSwitches, shape: readonly number[]): Tensor => (model.prior === 'uniform' ? rand(shape).mul(2).sub(1) : randn(shape))

/** A method on its networks. Nothing here runs twice: a step is recorded once and replayed. */
export interface Objective {
  /** Fresh noise for a step. */
  drawNoise(): Noise
  /**
   * A whole iteration on a batch x [B, …]: updates the networks in place. Meant to be compiled; all that changes from step to step (weights, moments,
   * learning rates, power iteration vectors, noise) is data on the device.
   */
  step(x: Tensor, noise: Noise): StepResult
  /** A step of the data-space critic alone, for runs with several for each of the generator's (`nCritic`); null where the method knows none. */
  readonly criticOnly: ((x: Tensor, noise: Noise) => StepLosses) | null
}

export interface Optimisers {
  generator: optim.Adam
  critic: optim.Adam | null
  latent: optim.Adam | null
}

/** The optimisers of a model's networks: one for G and R together, as the paper trains them. */
export function buildOptimisers(nets: Networks, h: ObjectiveHyper): Optimisers {
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
  hyper: ObjectiveHyper
  batch: number
  /** Draws for each point. */
  T: number
  /** Draws that the pass which chooses takes at once. */
  drawsPerPass: number
  /** Factor on losses in the backward passes, 1 but for f16. */
  lossScale: number
  /** Tell lengths of gradients as well. */
  norms: boolean
  /** Row numbers 0…B-1, i32. */
  rows: Tensor
  /** What D_I sees in a step: real points, then a batch from each source of generated ones. */
  criticSides: Sides
  /** What D_L sees: prior samples, then posterior draws. */
  latentSides: Sides
}

export function stepContext(
  nets: Networks,
  optimisers: Optimisers,
  model: ModelSwitches,
  hyper: ObjectiveHyper,
  batch: number,
  T: number,
  options: { drawsPerPass?: number; lossScale?: number; norms?: boolean } = {},
): StepContext {
  return {
    nets,
    optimisers,
    model,
    hyper,
    batch,
    T,
    drawsPerPass: Math.min(T, options.drawsPerPass ?? T),
    lossScale: options.lossScale ?? 1,
    norms: options.norms ?? false,
    rows: arange(0, batch, 1, { dtype: 'i32' }),
    criticSides: sides(batch, model.objective === 'many-sample' && nets.R ? 2 : 1),
    latentSides: sides(batch, 1),
  }
}

/** Gradients of a loss, through the loss scale. Some networks have no part in some sums (ablations). */
export function gradients(c: StepContext, loss: Tensor, inputs: readonly Tensor[]): (Tensor | null)[] {
  if (c.lossScale === 1) return grad(loss, inputs, { allowUnused: true })
  return grad(loss.mul(c.lossScale), inputs, { allowUnused: true }).map((g) => g && g.div(c.lossScale))
}

/** Length of the gradient of all parameters together. */
export const lengthOf = (gradient: readonly (Tensor | null)[]): Tensor =>
  stack(gradient.flatMap((g) => (g ? [g.square().sum()] : [])))
    .sum()
    .sqrt()
