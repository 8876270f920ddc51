// What the tests of the paper's model share: small configurations, all tensors of a model on the host, and comparisons of
// whole states.
import {
  buildOptimisers,
  mixtureNetworks,
  type MixtureConfig,
  type MixtureName,
  type ModelName,
  type ModelSwitches,
  models,
  resolveConfig,
  type RunOptions,
  type StepContext,
  stepContext,
} from '@bms/bms'
import { manualSeed, type Tensor } from '@bms/nn'

/** A run of the ring with small networks. */
export function smallRun(options: Partial<RunOptions> = {}): MixtureConfig {
  const { hyper, ...rest } = options
  const small = { latent: 4, hiddenG: [16, 16], hiddenR: [16], hiddenD: [16, 16], hiddenL: [16], evalSamples: 200 }
  return resolveConfig({ steps: 10, batch: 8, evalEvery: 5, ...rest, dataset: (rest.dataset ?? 'ring') as MixtureName, hyper: { ...small, ...hyper } })
}

export type State = Record<string, number[]>

/** Values of tensors by name. */
export async function read(tensors: Record<string, Tensor>): Promise<State> {
  const entries = Object.entries(tensors).map(async ([name, t]) => [name, Array.from(await t.data())] as const)
  return Object.fromEntries(await Promise.all(entries))
}

/** The largest |a - b| of each tensor over its largest |b|, and over all tensors the worst; names must agree. */
export function worst(a: State, b: State): { name: string; error: number } {
  if (Object.keys(a).sort().join() !== Object.keys(b).sort().join()) throw new Error(`different tensors: ${Object.keys(a)} and ${Object.keys(b)}`)
  let found = { name: '', error: 0 }
  for (const [name, expected] of Object.entries(b)) {
    const actual = a[name]!
    if (actual.length !== expected.length) throw new Error(`${name}: ${actual.length} numbers, expected ${expected.length}`)
    const size = Math.max(1e-30, ...expected.map(Math.abs))
    for (const [i, e] of expected.entries()) {
      const error = Object.is(actual[i], e) || actual[i] === e ? 0 : Math.abs(actual[i]! - e) / size
      if (!(error <= found.error)) found = { name: `${name}[${i}] ${actual[i]}, expected ${e}`, error: Number.isNaN(error) ? Infinity : error }
    }
  }
  return found
}

/** Throws unless every tensor of `a` is that of `b` within `tolerance` of its largest value; 0: the same numbers. */
export function agree(a: State, b: State, tolerance = 0): void {
  const { name, error } = worst(a, b)
  if (error > tolerance) throw new Error(`${name}: off by ${error} of the largest value, allowed ${tolerance}`)
}

/** A model, with switches and hyper-parameters other than its own. */
export interface Setting {
  model?: ModelName
  switches?: Partial<ModelSwitches>
  T?: number
  batch?: number
  hyper?: Record<string, unknown>
  seed?: number
}

/** Fresh small networks and all that a step on them works with. */
export function stepFor({ model = 'bms-vae-gan', switches = {}, T = models[model].T, batch = 8, hyper = {}, seed = 7 }: Setting = {}): StepContext {
  manualSeed(seed)
  const config = smallRun({ model, T, batch, hyper: { ...(switches.draws && { draws: switches.draws }), ...hyper } })
  const all = { ...models[model], ...switches }
  const nets = mixtureNetworks(2, config.hyper, all)
  return stepContext(nets, buildOptimisers(nets, config.hyper), all, config.hyper, batch, T)
}

/** All weights, buffers and moments. */
export function stateOf({ nets, optimisers }: StepContext): Promise<State> {
  const parts = { ...nets, ...Object.fromEntries(Object.entries(optimisers).map(([name, o]) => [`opt.${name}`, o])) }
  const named = Object.entries(parts).flatMap(([part, of]) => Object.entries<Tensor>(of?.stateDict() ?? {}).map(([name, t]) => [`${part}.${name}`, t] as const))
  return read(Object.fromEntries(named))
}
