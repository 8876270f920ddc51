// Endless fresh batches of a mixture, drawn on the device inside the training step (VEEGAN's protocol).
import { indexSelect, keep, randint, randn, tensor, type Tensor } from '@bms/nn'
import type { Mixture } from './mixtures.js'

/** The mixture's means on the device and a function that draws [n, 2] points, divided by the mixture's RMS coordinate. */
export function mixtureSampler(mixture: Mixture): (n: number) => Tensor {
  const flat = Float32Array.from(mixture.means.flatMap(([x, y]) => [x / mixture.rms, y / mixture.rms]))
  const means = keep(tensor(flat, { shape: [mixture.means.length, 2] }))
  const sigma = mixture.sigma / mixture.rms
  return (n) => indexSelect(means, 0, randint(0, mixture.means.length, [n])).add(randn([n, 2]).mul(sigma))
}
