// What PyTorch computed (test/golden/nn.py), as tensors and for comparison.
import { type Tensor, tensor } from '@bms/nn'
import { close } from './device.js'
import { goldenBytes } from './host.js'

export interface Packed {
  shape: number[]
  data: number[]
}

export const golden: any = JSON.parse(new TextDecoder().decode(await goldenBytes('nn.json')))

export const unpack = (p: Packed, dtype: 'f32' | 'i32' = 'f32'): Tensor => tensor(Float64Array.from(p.data), { shape: p.shape, dtype })

export const unpackAll = (d: Record<string, Packed>): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(d).map(([name, p]) => [name, unpack(p, name.endsWith('num_batches_tracked') ? 'i32' : 'f32')]))

/** Throws unless the tensor has PyTorch's shape and values. */
export async function same(actual: Tensor, expected: Packed, tolerance = 2e-5, what = ''): Promise<void> {
  if (actual.shape.join() !== expected.shape.join()) throw new Error(`${what}: shape [${actual.shape}], expected [${expected.shape}]`)
  try {
    close(await actual.data(), expected.data, tolerance)
  } catch (error) {
    throw new Error(`${what}: ${(error as Error).message}`)
  }
}

export async function sameAll(actual: Record<string, Tensor>, expected: Record<string, Packed>, tolerance = 2e-5): Promise<void> {
  if (Object.keys(actual).join() !== Object.keys(expected).join()) throw new Error(`names ${Object.keys(actual)}, expected ${Object.keys(expected)}`)
  for (const [name, p] of Object.entries(expected)) await same(actual[name]!, p, tolerance, name)
}
