// The first steps of models of images against PyTorch, which computes them from the papers for the same weights, batches and noise (test/golden/images.py):
// every term and every length of a gradient, and all networks after them with their running statistics. Runs in Node and in a browser.
import { type ImageHyper, ImageTraining, type LossValues, resolveConfig, type RunOptions } from '@bms/bms'
import { currentDevice, optim, type Tensor, tensor, zeros } from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ready } from '../helpers/device.js'
import { goldenFile, type HostArray } from '../helpers/golden-file.js'
import { count, sawError } from '../support/figures.js'
import { same } from '../table/compare.js'

const test = suite('image steps')
await ready()

/** Of terms relative to the larger of them and 1, of weights relative to their tensor's largest. */
const TOLERANCE = 2e-5
const { tensors, metadata } = await goldenFile('images.safetensors')
const termsOf = JSON.parse(metadata['terms']!) as Record<string, (keyof LossValues)[]>
const pixels = tensors.get('pixels')!
const batch = pixels.shape[1]!
const [, draws, , latent] = tensors.get('noise')!.shape as unknown as [number, number, number, number]

/** The part of an array that belongs to a step of a critic. */
function given(name: string, call: number): Float32Array {
  const { shape, data } = tensors.get(name)!
  const size = data.length / shape[0]!
  return (data as Float32Array).slice(call * size, (call + 1) * size)
}

const upload = ({ shape, data }: HostArray): Tensor =>
  tensor(data instanceof Int32Array ? data : (data as Float32Array), { shape, dtype: data instanceof Int32Array ? 'i32' : 'f32' })

const under = (prefix: string): [string, HostArray][] => [...tensors].flatMap(([name, t]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), t]] : []))

/** A run from PyTorch's weights on its batches and noise. */
function start(name: string, options: Partial<RunOptions>, hyper: Partial<ImageHyper>): ImageTraining {
  const common = { latent, hiddenL: [6], lr: 1e-3, lrD: 2e-3, lrL: 1e-3, betas: [0.5, 0.9] as [number, number] }
  const config = resolveConfig({ width: 2, batch, steps: 100, ...options, dataset: 'cifar10', hyper: { ...common, ...hyper } })
  const codes = zeros([config.model === 'dcgan' || config.model === 'wgan-gp' ? 1 : config.T + 1, batch, latent])
  const mix = config.hyper.lipschitz === 'penalty' ? zeros([batch]) : null
  // The source of batches is asked once for each step of the critic: that is when its noise is due as well.
  const next = async (call: number): Promise<Float32Array> => {
    codes.copy_(tensor(given('noise', call).slice((draws - codes.shape[0]!) * batch * latent), { shape: codes.shape }))
    mix?.copy_(tensor(given('mix', call)))
    const size = 3072 * batch
    return Float32Array.from((pixels.data as Uint8Array).subarray(call * size, (call + 1) * size), (byte) => byte / 127.5 - 1)
  }
  const training = new ImageTraining(config, { next }, currentDevice(), () => ({ codes, mix }))
  const { nets, optimisers } = training
  for (const [part, net] of Object.entries(nets)) net?.loadStateDict(Object.fromEntries(under(`${name}|start|${part}.`).map(([key, t]) => [key, upload(t)])))
  // As in the goldens: gradients that are 0 but for rounding are to stay small.
  const adam = (params: readonly Tensor[], lr: number): optim.Adam => new optim.Adam(params, { lr, betas: common.betas, eps: 1e-3 })
  optimisers.generator = adam(optimisers.generator.params, common.lr)
  optimisers.critic &&= adam(optimisers.critic.params, common.lrD)
  optimisers.latent &&= adam(optimisers.latent.params, common.lrL)
  return training
}

const runs: Record<string, [Partial<RunOptions>, Partial<ImageHyper>]> = {
  'bms-vae-gan, standard': [{ arch: 'standard', width: 1, T: 3 }, {}],
  'bms-vae-gan, penalty': [{ T: 3 }, { lipschitz: 'penalty', drawsPerPass: 2 }],
  'bms-gan': [{ model: 'bms-gan', T: 3 }, {}],
  'alpha-gan, R1': [{ model: 'alpha-gan' }, { r1: 0.3 }],
  dcgan: [{ model: 'dcgan' }, {}],
  'wgan-gp': [{ model: 'wgan-gp' }, { nCritic: 2 }],
}

for (const [name, [options, hyper]] of Object.entries(runs)) {
  test(`${name}: its first steps are PyTorch's`, async () => {
    const training = start(name, options, hyper)
    const { shape, data: expected } = tensors.get(`${name}|terms`)!
    const terms = termsOf[name]!
    for (let step = 0; step < shape[0]!; step++) {
      await training.advance()
      const values = await training.lossValues()
      assert.equal(Object.keys(values).sort(), [...terms].sort())
      for (const [i, term] of terms.entries()) {
        const e = expected[step * terms.length + i]!
        const error = Math.abs(values[term]! - e) / Math.max(1, Math.abs(e))
        if (!(error <= TOLERANCE)) throw new Error(`${term} of step ${step} is ${values[term]}, expected ${e}`)
        sawError(error, `${name}: ${term} of step ${step}`)
        count('goldens')
      }
    }
    for (const [part, net] of Object.entries(training.nets)) {
      if (!net) continue
      const after = under(`${name}|after|${part}.`)
      assert.equal(after.map(([key]) => key).sort(), Object.keys(net.stateDict()).sort(), part)
      for (const [key, e] of after) {
        await same(`${name}: ${part}.${key} after the steps`, net.stateDict()[key]!, e, { value: TOLERANCE })
        count('goldens')
      }
    }
  })
}

test.run()
