// Weights of whole nets from a formula, which test/golden/scores.py knows too: sizes that keep a net alive, from a tensor's
// name and shape. So goldens of nets hold only what they are fed and what comes out.
import { type Tensor, tensor } from '@bms/nn'
import { product, seeded } from './arrays.js'

/** Tensors of these shapes by name. */
export function formulaWeights(shapes: Record<string, readonly number[]>): Record<string, Tensor> {
  const names = Object.keys(shapes).sort()
  const entries = names.map((name, k): [string, Tensor] => {
    const shape = shapes[name]!
    const size = product(shape)
    const fan = name.includes('depthwise') ? 9 : size / shape.at(name.includes('/') ? -1 : 0)!
    const value = (u: number): number => {
      if (name.startsWith('lin')) return u
      if (shape.length > 1) return (2 * u - 1) * Math.sqrt(6 / fan)
      if (name.includes('var')) return 0.5 + u
      return /(weight|gamma)$/.test(name) ? 0.75 + 0.5 * u : 0.2 * (u - 0.5)
    }
    const random = seeded(1000 + k)
    const values = Float32Array.from({ length: size }, () => value(random()))
    return [name, tensor(values, { shape })]
  })
  return Object.fromEntries(entries)
}

/** The shapes of a state dict, without counts of batches. */
export const shapesOf = (state: Record<string, Tensor>): Record<string, readonly number[]> =>
  Object.fromEntries(
    Object.entries(state)
      .filter(([name]) => !name.endsWith('num_batches_tracked'))
      .map(([name, t]) => [name, t.shape]),
  )
