// Every number a run starts from, in one table. The paper's text lost its values; these were found by experiment
// (docs/ARCHITECTURE.md, "Settings").
import type { MixtureName } from './data/mixtures.js'
import type { HyperParameters } from './config.js'
import { type ModelName, models } from './models.js'

/** What a run's length and batch are unless it says otherwise. */
export interface RunDefaults {
  readonly T: number
  readonly steps: number
  readonly batch: number
  readonly evalEvery: number
}

const run: Omit<RunDefaults, 'T' | 'steps'> = { batch: 128, evalEvery: 250 }

const hyper: HyperParameters = {
  // Networks (VEEGAN's, with a third hidden layer in G: grid 78.7 % against 42-48 % at 4,000 steps).
  latent: 32,
  hiddenG: [128, 128, 128],
  hiddenR: [128, 128],
  hiddenD: [128, 128],
  hiddenL: [128, 128],
  logVarMin: -10,
  logVarMax: 5,
  // Data-space critic: raw score x criticScale; initial biases x criticBias.
  criticScale: 30,
  criticBias: 0.3,
  // Objective (the paper's eq. 7).
  recNorm: 2,
  wRec: 10,
  wSyn: 1,
  wPri: 1,
  wKl: 1,
  kl: 'ratio',
  r1: 0,
  // Adam. The critic must be slower than the generator.
  lr: 1e-2,
  lrD: 1e-3,
  lrL: 1e-2,
  betas: [0.5, 0.9],
  decay: 'linear',
  // Average of G's weights that samples are drawn from: decay min(emaDecay, (1 + t) / (10 + t)).
  emaDecay: 0.999,
  // Samples drawn at an evaluation; the paper's 2,500.
  evalSamples: 2500,
}

// What a model needs differently, and why.
const byModel: Partial<Record<ModelName, { run?: Partial<RunDefaults>; hyper?: Partial<HyperParameters> }>> = {
  // A classifier's logit needs no scale (measured with K = 1 and default biases).
  'alpha-gan': { hyper: { criticScale: 1, criticBias: 1 } },
  // Without a critic the reconstruction alone sharpens: ring 58 % with 100, 24 % with 10.
  'bms-vae': { hyper: { wRec: 100 } },
  wae: { hyper: { wRec: 100 } },
  // Collapses to one point with BMS's settings; these reached ring 8 modes / 72 %.
  'sn-gan': { run: { batch: 256 }, hyper: { hiddenG: [128, 128], criticScale: 50, criticBias: 0.02, lr: 3e-3, lrD: 3e-3, betas: [0.5, 0.999] } },
}

// The ring is learnt in 3,000 steps of smaller batches; the grid takes longer, and smaller step sizes keep its 25 modes in place.
const byDataset: Record<MixtureName, { run: Pick<RunDefaults, 'steps'> & Partial<RunDefaults>; hyper?: Partial<HyperParameters> }> = {
  ring: { run: { steps: 3000, batch: 96 } },
  grid: { run: { steps: 6000 }, hyper: { lr: 5e-3, lrL: 5e-3 } },
}

/**
 * The settings of a run that gives no more than its data set and model. Later tables win: common, data set, model; the
 * weight of a term that the model does not have is 0.
 * @returns fresh objects, free to change
 */
export function defaultsFor(dataset: MixtureName, model: ModelName): { run: RunDefaults; hyper: HyperParameters } {
  const merged = { ...hyper, ...byDataset[dataset].hyper, ...byModel[model]?.hyper }
  const { terms, T } = models[model]
  return {
    run: { ...run, T, ...byDataset[dataset].run, ...byModel[model]?.run },
    hyper: structuredClone({
      ...merged,
      wRec: terms.rec ? merged.wRec : 0,
      wSyn: terms.syn ? merged.wSyn : 0,
      wPri: terms.pri ? merged.wPri : 0,
      wKl: terms.kl ? merged.wKl : 0,
    }),
  }
}
