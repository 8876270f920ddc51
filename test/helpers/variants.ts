// Variants of kernels by name: that the one that was meant ran, and that it gives what float64 does.
import { type DType, type KernelName, type Tensor, tensor } from '@bms/nn'
import * as assert from 'uvu/assert'
import { count } from '../support/figures.js'
import { product, seeded } from './arrays.js'
import { close } from './device.js'
import type { Nd } from './nd.js'
import type { Watched } from './watched.js'

/** Numbers of both signs, the same in every run. `steps`: few different ones, so that many are equal. */
export function wave(shape: readonly number[], steps = 1 << 20): Nd {
  const random = seeded(product(shape) + steps)
  return { shape, data: Array.from({ length: product(shape) }, () => Math.fround((Math.round(random() * steps) / steps) * 4 - 2)) }
}
export const put = (x: Nd, dtype: DType = 'f32'): Tensor => tensor(Float64Array.from(x.data), { shape: x.shape, dtype })

export type Kind = 'gpu' | 'software'

/**
 * Runs an op as on a kind of adapter: it must dispatch `kernel`, and give what is expected within `tolerance` of the largest.
 */
export const checker =
  (device: () => Watched) =>
  async (what: string, kind: Kind, kernel: KernelName, run: () => Tensor | Tensor[], expected: Nd | Nd[], tolerance: number): Promise<void> => {
    const watched = device()
    await watched.as(kind, async () => {
      let results: Tensor | Tensor[] = []
      const kernels = watched.kernelsOf(() => {
        results = run()
      })
      assert.ok(kernels.includes(kernel), `${what} as on ${kind} ran ${kernels}, expected ${kernel}`)
      const lists = [expected].flat()
      for (const [k, t] of [results].flat().entries()) {
        assert.equal(t.shape, lists[k]!.shape, what)
        const scale = tolerance === 0 ? 1 : lists[k]!.data.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-30)
        const values = Array.from(await t.data(), (v) => v / scale)
        try {
          close(values, lists[k]!.data.map((v) => v / scale), tolerance) // biome-ignore format: one line
        } catch (error) {
          throw new Error(`${what} as on ${kind}, ${kernel}: ${(error as Error).message}`)
        }
      }
      count('variants')
    })
  }
