// Runs on the paper's 2D sets.
import { type MixtureName, mixtureNames } from '../data/mixtures.js'
import { type Fields, integer, number, oneOf } from '../schema.js'
import { baseFields, type ObjectiveHyper, objectiveFields, type RunBase, widths } from './run.js'

export interface MixtureHyper extends ObjectiveHyper {
  /** Widths of the hidden layers of generator, encoder and data-space critic. */
  hiddenG: number[]
  hiddenR: number[]
  hiddenD: number[]
  /** Factor on the critic's initial biases. */
  criticBias: number
  /** Samples drawn at an evaluation. */
  evalSamples: number
}

export interface MixtureConfig extends RunBase {
  dataset: MixtureName
  hyper: MixtureHyper
}

export const mixtureHyperFields: Fields<MixtureHyper> = {
  hiddenG: widths,
  hiddenR: widths,
  hiddenD: widths,
  criticBias: number(0, 1e3),
  evalSamples: integer(1, 1e6),
  ...objectiveFields,
}

export const mixtureRunFields: Fields<Omit<MixtureConfig, 'hyper'>> = { dataset: oneOf(...mixtureNames), ...baseFields }
