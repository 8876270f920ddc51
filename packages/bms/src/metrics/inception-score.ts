// The number of the Inception Score (Salimans et al. 2016): how sure a classifier is of each image and how unlike the classes
// of different images are. Only Inception's classes give the number that papers print; with others it carries their name.
import { BmsError } from '@bms/tensor'
import type { FeatureNet } from '../features/net.js'

export interface InceptionStyleScore {
  /** 'Inception Score' only with the Inception-v3 of 2015-12-05, else 'IS-' and the net. */
  readonly name: string
  /** Mean and standard deviation over the splits. */
  readonly mean: number
  readonly std: number
  readonly splits: number
  readonly n: number
  /** The classifier, in words. */
  readonly features: string
}

/** exp of the mean of KL(p(y|x) ‖ p(y)) over rows from … to - 1. */
function split(probabilities: Float32Array, classes: number, from: number, to: number): number {
  const marginal = new Float64Array(classes)
  for (let r = from; r < to; r++) for (let c = 0; c < classes; c++) marginal[c]! += probabilities[r * classes + c]! / (to - from)
  let sum = 0
  for (let r = from; r < to; r++) {
    for (let c = 0; c < classes; c++) {
      const p = probabilities[r * classes + c]!
      // What is never predicted adds nothing.
      if (p > 0) sum += p * Math.log(p / marginal[c]!)
    }
  }
  return Math.exp(sum / (to - from))
}

/**
 * The score of the class probabilities [n, classes] that `net` gave (see `classProbabilities`), over `splits` runs of images in order.
 * @throws BmsError `BAD_ARGUMENT` where the net has no classes, the splits are not 1 … n or the numbers are no whole rows, `NOT_FINITE` where one is NaN
 */
export function inceptionStyleScore(net: Pick<FeatureNet, 'name' | 'description' | 'classes'>, probabilities: Float32Array, splits = 10): InceptionStyleScore {
  const { classes } = net
  if (classes === undefined) throw new BmsError('BAD_ARGUMENT', `${net.description} has no classes`, { option: 'net', got: net.name })
  const n = probabilities.length / classes
  if (!Number.isInteger(n)) throw new BmsError('BAD_ARGUMENT', `probabilities: ${probabilities.length} numbers are no whole number of rows of ${classes}`)
  if (!Number.isInteger(splits) || splits < 1 || splits > n)
    throw new BmsError('BAD_ARGUMENT', `splits: got ${splits}, a whole number from 1 to the ${n} images is needed`, { option: 'splits', got: splits })
  if (probabilities.some((p) => !Number.isFinite(p))) throw new BmsError('NOT_FINITE', 'probabilities: one is NaN or infinite; was a NaN generated?')
  const scores = Array.from({ length: splits }, (_, i) => split(probabilities, classes, Math.floor((n * i) / splits), Math.floor((n * (i + 1)) / splits)))
  const mean = scores.reduce((a, b) => a + b, 0) / splits
  const std = Math.sqrt(scores.reduce((sum, s) => sum + (s - mean) ** 2, 0) / splits)
  return { name: net.name === 'inception' ? 'Inception Score' : `IS-${net.name}`, mean, std, splits, n, features: net.description }
}

/** One line: name, value ± deviation, number of images, splits, classifier. */
export const formatInceptionStyle = ({ name, mean, std, splits, n, features }: InceptionStyleScore): string =>
  `${name} ${mean.toFixed(2)} ± ${std.toFixed(2)} (higher is better; n = ${n.toLocaleString('en-US')} in ${splits} ${splits === 1 ? 'split' : 'splits'}; classes of ${features})`
