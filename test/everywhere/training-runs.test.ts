// Whole training runs against PyTorch (test/golden/training.py), eager and compiled: a classifier, and a critic with a gradient penalty, with and without
// spectral norm and of images, whose step differentiates gradients. Runs in Node and in a browser.
import { compile, grad, losses, nn, optim, type Tensor, tensor, tidy, type TypedArray } from '@bms/nn'
import { suite } from 'uvu'
import { ready } from '../helpers/device.js'
import { goldenFile, type HostArray } from '../helpers/golden-file.js'
import { count } from '../support/figures.js'
import { same } from '../table/compare.js'

const test = suite('training runs')
await ready()

/** Several steps of Adam carry on and enlarge what f32 rounds off. */
const TOLERANCE = { value: 3e-5 }
const { tensors } = await goldenFile('training.safetensors')

/** The goldens of a run. */
function goldens(run: string) {
  const get = (name: string): HostArray => {
    const found = tensors.get(`${run}|${name}`)
    if (!found) throw new Error(`no golden ${run}|${name}`)
    return found
  }
  const under = (prefix: string): [string, HostArray][] => {
    const begin = `${run}|${prefix}|`
    const found = [...tensors].flatMap(([name, t]) => (name.startsWith(begin) ? [[name.slice(begin.length), t] as [string, HostArray]] : []))
    if (found.length === 0) throw new Error(`no goldens ${begin}…`)
    return found
  }
  const state = (): Record<string, Tensor> => Object.fromEntries(under('start').map(([name, t]) => [name, upload(t)]))
  /** The i-th of what a step is given. */
  const at = (name: string, i: number): Tensor => upload(get(name)).select(0, i).contiguous()
  /** Compares tensors with those of a name, or of an index under it. */
  const check = async (name: string, actual: Record<string, Tensor>): Promise<void> => {
    for (const [key, e] of under(name)) await same(`${run}: ${name} ${key}`, actual[key]!, e, TOLERANCE)
    count('goldens', under(name).length)
  }
  const number = async (name: string, i: number, actual: Tensor): Promise<void> => {
    await same(`${run}: ${name} ${i}`, actual, { shape: [], data: [get(name).data[i]!] }, TOLERANCE)
    count('goldens')
  }
  return { get, state, at, check, number }
}

const upload = ({ shape, data }: HostArray): Tensor => tensor(data as TypedArray, { shape })

/** A step compiled, or as it is, freeing what it leaves. */
const prepared = <A extends Tensor[], R extends Record<string, Tensor>>(way: 'eager' | 'compiled', step: (...inputs: A) => R): ((...inputs: A) => R) =>
  way === 'compiled' ? compile(step) : (...inputs) => tidy(() => step(...inputs))

const linear = (wrap: (layer: nn.Linear) => nn.Linear): nn.Module =>
  new nn.Sequential(wrap(new nn.Linear(2, 16)), new nn.Tanh(), wrap(new nn.Linear(16, 16)), new nn.LeakyReLU(0.2), wrap(new nn.Linear(16, 1, { bias: false })))

const critics: Record<string, () => nn.Module> = {
  critic: () => linear((layer) => layer),
  'critic with spectral norm': () => linear((layer) => nn.spectralNorm(layer)),
  'critic of images': () =>
    new nn.Sequential(
      new nn.Conv2d(2, 6, 4, { stride: 2, padding: 1 }),
      new nn.LeakyReLU(0.2),
      new nn.Conv2d(6, 8, 4, { stride: 2, padding: 1, bias: false }),
      new nn.BatchNorm2d(8),
      new nn.LeakyReLU(0.2),
      new nn.Conv2d(8, 1, 2, { bias: false }),
      new nn.Flatten(),
    ),
}

for (const way of ['eager', 'compiled'] as const) {
  test(`a classifier's ten losses, ${way}`, async () => {
    const golden = goldens('classifier')
    const model = new nn.Sequential(
      new nn.Linear(2, 16, { bias: false }),
      new nn.BatchNorm1d(16),
      new nn.LeakyReLU(0.2),
      new nn.Linear(16, 16),
      new nn.LayerNorm(16),
      new nn.ELU(),
      new nn.Linear(16, 3),
    )
    model.loadStateDict(golden.state())
    const opt = new optim.AdamW(model.parameters(), { lr: 0.02, betas: [0.8, 0.95] })
    const [x, y] = [upload(golden.get('x')), upload(golden.get('y'))]
    const step = prepared(way, (input: Tensor) => {
      const loss = losses.crossEntropy(model.forward(input), y)
      opt.step(grad(loss, opt.params))
      return { loss }
    })
    for (let i = 0; i < 10; i++) await golden.number('losses', i, step(x).loss)
    await golden.check('after', model.stateDict())
  })

  for (const [name, make] of Object.entries(critics)) {
    test(`five steps of a ${name} with a gradient penalty, ${way}`, async () => {
      const golden = goldens(name)
      const D = make()
      D.loadStateDict(golden.state())
      const opt = new optim.Adam(D.parameters(), { lr: 0.01, betas: [0.5, 0.9] })
      const names = Array.from(D.namedParameters(), ([n]) => n)
      const step = prepared(way, (real: Tensor, fake: Tensor, share: Tensor) => {
        const between = real
          .mul(share)
          .add(fake.mul(share.neg().add(1)))
          .detach()
          .requiresGrad_()
        const slope = grad(D.forward(between).sum(), between, { createGraph: true })
        const penalty = slope.flatten(1).norm(1).sub(1).square().mean()
        const loss = D.forward(fake).mean().sub(D.forward(real).mean()).add(penalty.mul(10))
        const gradients = grad(loss, opt.params)
        opt.step(gradients)
        return { loss, penalty, ...Object.fromEntries(gradients.map((g, i) => [names[i]!, g])) } as Record<string, Tensor>
      })
      for (let i = 0; i < 5; i++) {
        const results = step(golden.at('real', i), golden.at('fake', i), golden.at('share', i))
        await golden.number('losses', i, results['loss']!)
        await golden.number('penalties', i, results['penalty']!)
        if (i === 0) await golden.check('gradient', results)
      }
      await golden.check('after', D.stateDict())
    })
  }
}

test.run()
