// What PyTorch computed for the samples of the table (test/golden/generate.py), by sample and result; and the sign of whether it was computed for the
// samples as they are now.
import type { Tensor } from '@bms/nn'
import { goldenFile } from '../helpers/golden-file.js'
import type { Expected } from './compare.js'
import type { Input } from './values.js'

interface Goldens {
  tensors: ReadonlyMap<string, Expected>
  /** By sample: the fingerprint of what PyTorch was given. */
  fingerprints: Record<string, string>
}

let opened: Promise<Goldens> | null = null

const open = (): Promise<Goldens> =>
  (opened ??= goldenFile('ops.safetensors').then(({ tensors, metadata }) => ({ tensors, fingerprints: JSON.parse(metadata['fingerprints'] ?? '{}') })))

/** 32 bits of FNV-1a of everything that PyTorch's result depends on. */
export function fingerprint(torch: string, inputs: readonly Input[]): string {
  const text = JSON.stringify([torch, inputs.map((x) => [x.shape, x.dtype, x.grad, x.data.map(String)])])
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return (hash >>> 0).toString(16)
}

/** PyTorch's results for a sample: `y0`, `y1` … outputs, `g0` … gradients and `h0` … second gradients of the inputs. */
export async function goldenOf(key: string, torch: string, inputs: readonly Input[]): Promise<(name: string) => Expected | undefined> {
  const { tensors, fingerprints } = await open()
  if (fingerprints[key] !== fingerprint(torch, inputs))
    throw new Error(`${key}: ${fingerprints[key] ? 'the sample has changed since its golden was made' : 'has no golden'}: run test/golden/generate.py`)
  return (name) => tensors.get(`${key}|${name}`)
}

/**
 * Weights of an output in gradient tests: numbers of either sign, none 0, exact in binary, the same here and in generate.py. `k` tells the outputs apart.
 */
export const weight = (i: number, k: number): number => (((i * 7 + k * 3) % 11) - 5) / 8 + 1 / 16

/** Such weights for a whole output. */
export const weights = (of: Tensor, k: number): Float32Array => Float32Array.from({ length: of.size }, (_, i) => weight(i, k))
