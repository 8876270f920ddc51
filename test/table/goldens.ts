// What PyTorch computed for the table (test/golden/generate.py), by row and result; and the sign of whether it was asked what the rows say now.
import type { Tensor } from '@bms/nn'
import { goldenFile } from '../helpers/golden-file.js'
import type { Expected } from './compare.js'
import type { Input } from './values.js'

/** What a row asks of PyTorch: test/golden/<part>.py computes it and writes test/golden/<part>.safetensors. */
export interface Request {
  part: 'ops' | 'modules' | 'optimizers' | 'schedulers' | 'init'
  /** Unique in its part. */
  key: string
  /** Everything that the answer depends on, fit for JSON. */
  spec: object
}

/** PyTorch's answer to one request. */
export interface Golden {
  /** A result by its name. */
  get(name: string): Expected | undefined
  /** The results whose names start with `prefix`, without it, in PyTorch's order. */
  under(prefix: string): Map<string, Expected>
  /** What is no number: texts, names. */
  note: any
}

interface Goldens {
  tensors: ReadonlyMap<string, Expected>
  /** By key: the fingerprint of what PyTorch was asked. */
  fingerprints: Record<string, string>
  notes: Record<string, unknown>
}

const opened = new Map<string, Promise<Goldens>>()

function open(part: Request['part']): Promise<Goldens> {
  const known = opened.get(part)
  if (known) return known
  const loading = goldenFile(`${part}.safetensors`).then(({ tensors, metadata }) => ({
    tensors,
    fingerprints: JSON.parse(metadata['fingerprints'] ?? '{}'),
    notes: JSON.parse(metadata['notes'] ?? '{}'),
  }))
  opened.set(part, loading)
  return loading
}

/** 32 bits of FNV-1a of everything that PyTorch's result depends on. */
export function fingerprint(spec: object): string {
  const text = JSON.stringify(spec)
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return (hash >>> 0).toString(16)
}

/** PyTorch's answer; throws where the request has changed since, or is new. */
export async function answer({ part, key, spec }: Request): Promise<Golden> {
  const { tensors, fingerprints, notes } = await open(part)
  if (fingerprints[key] !== fingerprint(spec))
    throw new Error(`${key}: ${fingerprints[key] ? 'it has changed since its golden was made' : 'has no golden'}: run test/golden/generate.py ${part}`)
  return {
    get: (name) => tensors.get(`${key}|${name}`),
    under(prefix) {
      const start = `${key}|${prefix}`
      return new Map([...tensors].flatMap(([name, t]) => (name.startsWith(start) ? [[name.slice(start.length), t] as const] : [])))
    },
    note: notes[key],
  }
}

/** Inputs for Python. JSON has no NaN, no infinity and no -0: float() reads their names. */
export const inputSpecs = (inputs: readonly Input[]): object[] =>
  inputs.map(({ shape, dtype, grad, data }) => ({ shape, dtype, grad, data: data.map((v) => (Object.is(v, -0) ? '-0' : String(v))) }))

/** The request of a sample of an op. */
export const sampleSpec = (torch: string, inputs: readonly Input[]): object => ({ torch, inputs: inputSpecs(inputs) })

/** PyTorch's results for a sample: `y0`, `y1` … outputs, `g0` … gradients and `h0` … second gradients of the inputs. */
export const goldenOf = async (key: string, torch: string, inputs: readonly Input[]): Promise<Golden['get']> =>
  (await answer({ part: 'ops', key, spec: sampleSpec(torch, inputs) })).get

/**
 * Weights of an output in gradient tests: numbers of either sign, none 0, exact in binary, the same here and in generate.py. `k` tells the outputs apart.
 */
export const weight = (i: number, k: number): number => (((i * 7 + k * 3) % 11) - 5) / 8 + 1 / 16

/** Such weights for a whole output. */
export const weights = (of: Tensor, k: number): Float32Array => Float32Array.from({ length: of.size }, (_, i) => weight(i, k))
