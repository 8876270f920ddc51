// Runs on images.
import { type Fields, flag, integer, number, oneOf, orNull, text } from '../schema.js'
import { baseFields, type ObjectiveHyper, objectiveFields, type RunBase } from './run.js'

export type ImageDataset = 'cifar10'

export const imageDatasets: readonly ImageDataset[] = ['cifar10']

/**
 * Which networks. 'dcgan': kernels of 5, `width` filters in the critic's first layer (the paper's 128, 64 for cheap runs). 'standard': SN-GAN's kernels of 3 and 4,
 * width 64. 'standard-wide': the same critic with the generator of Dist-GAN's code, twice as wide.
 */
export type Architecture = 'dcgan' | 'standard' | 'standard-wide'

export const architectures: readonly Architecture[] = ['dcgan', 'standard', 'standard-wide']

export interface ImageHyper extends ObjectiveHyper {
  /** Half of the images, drawn anew each time, are mirrored. */
  flips: boolean
  /** Draws of all points that pass through the networks at once while the best and worst are looked for: more cost memory, fewer cost dispatches. */
  drawsPerPass: number
  /** Factor on losses whose gradients pass through f16, taken back before the optimisers see them. */
  lossScale: number
}

export interface ImageConfig extends RunBase {
  dataset: ImageDataset
  /** Where the images are: a folder or archive, or null for the sample in the package. */
  data: string | null
  arch: Architecture
  /** Filters of the critic's first layer; all others are multiples of it. */
  width: number
  /** Arithmetic of the networks; weights, statistics, losses and optimisers are f32. */
  dtype: 'f32' | 'f16'
  /** Steps between sample sheets. */
  sampleEvery: number
  /** Minutes between checkpoints. */
  saveEvery: number
  hyper: ImageHyper
}

export const imageHyperFields: Fields<ImageHyper> = {
  flips: flag(),
  drawsPerPass: integer(1, 1000),
  lossScale: number(0, 2 ** 24, 'low'),
  ...objectiveFields,
}

/** What only runs on images are told. */
export const imageOnlyFields: Fields<Omit<ImageConfig, keyof RunBase | 'dataset' | 'hyper'>> = {
  data: orNull(text()),
  arch: oneOf(...architectures),
  width: integer(1, 1024),
  dtype: oneOf('f32', 'f16'),
  sampleEvery: integer(1, 1e9),
  saveEvery: number(0, 1e6, 'low'),
}

export const imageRunFields: Fields<Omit<ImageConfig, 'hyper'>> = { dataset: oneOf(...imageDatasets), ...imageOnlyFields, ...baseFields }
