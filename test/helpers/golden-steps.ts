// Whole training steps against PyTorch's: starts a run of points from a golden file's weights, feeds it the batches and noise that PyTorch had, compiled or eagerly,
// and compares terms and networks.
import { type LossValues, type MixtureConfig, MixtureTraining, type Noise, type Objective, objectives, stepContext } from '@bms/bms'
import { currentDevice, type Tensor, tensor, zeros } from '@bms/nn'
import { count, sawError } from '../support/figures.js'
import { same } from '../table/compare.js'
import type { HostArray } from './golden-file.js'

type Tensors = ReadonlyMap<string, HostArray>

/** The goldens under a prefix, by the rest of the name. */
function under(tensors: Tensors, prefix: string): [string, HostArray][] {
  const found = [...tensors].flatMap(([name, t]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), t] as [string, HostArray]] : []))
  if (found.length === 0) throw new Error(`no goldens ${prefix}…`)
  return found
}

const upload = ({ shape, data }: HostArray): Tensor => tensor(data as Float32Array, { shape })

/** Entry `index` of the first dim. */
export function entry({ shape, data }: HostArray, index: number): HostArray {
  const size = data.length / shape[0]!
  return { shape: shape.slice(1), data: (data as Float32Array).slice(index * size, (index + 1) * size) }
}

/** What each step of a run is given, as PyTorch was. */
export interface GivenStep {
  x: HostArray
  codes: HostArray
  mix?: HostArray
}

export class GoldenSteps {
  private readonly training: MixtureTraining
  private readonly x: Tensor
  private readonly noise: Noise
  private readonly objective: Objective

  /** A run whose weights are the goldens `start`… */
  constructor(
    private readonly tensors: Tensors,
    private readonly config: MixtureConfig,
    start: string,
    shapes: GivenStep,
  ) {
    this.x = zeros(shapes.x.shape)
    this.noise = { codes: zeros(shapes.codes.shape), mix: shapes.mix ? zeros(shapes.mix.shape) : null }
    this.training = new MixtureTraining(config, currentDevice(), { data: () => this.x, noise: () => this.noise })
    const { nets, optimisers, switches, ema } = this.training
    for (const [name, net] of Object.entries(nets))
      net?.loadStateDict(Object.fromEntries(under(tensors, `${start}${name}.`).map(([key, t]) => [key, upload(t)])))
    ema.loadStateDict({ ...nets.G.stateDict(), num_updates: zeros([]) })
    this.objective = objectives[switches.objective](stepContext(nets, optimisers, switches, config.hyper, config.batch, config.T))
  }

  /** Trains a step. */
  async step(way: 'compiled' | 'eager', given: GivenStep): Promise<LossValues> {
    this.x.copy_(upload(given.x))
    this.noise.codes.copy_(upload(given.codes))
    if (given.mix) this.noise.mix!.copy_(upload(given.mix))
    if (way === 'compiled') {
      await this.training.advance()
      return this.training.lossValues()
    }
    return this.eagerly()
  }

  /** A step as `Training` takes it, uncompiled. */
  private async eagerly(): Promise<LossValues> {
    const { optimisers, ema } = this.training
    const { hyper, steps } = this.config
    const rates = { generator: hyper.lr, critic: hyper.lrD, latent: hyper.lrL }
    const rate = hyper.decay === 'linear' ? 1 - this.training.step / steps : 1
    for (const [name, opt] of Object.entries(optimisers)) if (opt) opt.lr = rates[name as keyof typeof rates] * rate
    const { losses } = this.objective.step(this.x, this.noise)
    ema.update()
    this.training.step++
    return Object.fromEntries(await Promise.all(Object.entries(losses).map(async ([name, t]) => [name, await t.item()])))
  }

  /** All networks (and the average of G, where there is one) against the goldens `after`… */
  async compareNetworks(what: string, after: string, tolerance: number): Promise<void> {
    const parts = { ...this.training.nets, ema: this.training.ema } as Record<string, { stateDict(): Record<string, Tensor> } | null>
    for (const [key, expected] of under(this.tensors, after)) {
      const [net, ...rest] = key.split('.') as [string, ...string[]]
      await same(`${what}: ${key} after the steps`, parts[net]!.stateDict()[rest.join('.')]!, expected, { value: tolerance })
      count('goldens')
    }
  }
}

/** Throws unless a step's term is PyTorch's within the tolerance, relative where it is above 1. */
export function compareTerm(what: string, actual: number | undefined, expected: number, tolerance: number): void {
  const error = Math.abs(actual! - expected) / Math.max(1, Math.abs(expected))
  if (!(error <= tolerance)) throw new Error(`${what} is ${actual}, expected ${expected}`)
  sawError(error, what)
  count('goldens')
}
