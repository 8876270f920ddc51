// A run on images must be the same run whenever it is repeated, saved, resumed or looked at: bit for bit. And what it says of itself: lengths of gradients,
// memory, that it diverged, that it does not fit.
import { createHash } from 'node:crypto'
import { ImageTraining, type ImageHyper, type LossValues, type RunOptions } from '@bms/bms'
import { type Device, detectAnomaly, init, LimitError, loadSafetensors, randn, tensor, zeros } from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ImageRun } from '../packages/bms/src/commands/train-images.js'
import { read } from './helpers/bms.js'
import { close, ready, settle, thrown } from './helpers/device.js'
import { inject } from './helpers/injected.js'
import { withDevice } from './helpers/own-device.js'
import { noiseBatches, noiseImages, noiseSet, smallImageRun } from './helpers/images.js'
import { Watched } from './helpers/watched.js'

const test = suite('image training')
let device: Device
test.before(async () => {
  device = await ready()
})

type Options = Partial<Omit<RunOptions, 'hyper'>> & { hyper?: Partial<ImageHyper> }
const start = (options: Options = {}, asked?: number[]): ImageTraining => {
  const config = smallImageRun({ T: 3, ...options })
  return new ImageTraining(config, noiseBatches(config.batch, asked), device)
}
const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
/** Of the checkpoint: weights, statistics, moments, average, step, seed and counter. */
const fingerprint = async (t: ImageTraining): Promise<string> => hash(await t.checkpoint())

// What tests below compare with or continue from, trained once.
let whole: Uint8Array
let half: Uint8Array
const losses: LossValues[] = []
test.before(async () => {
  const t = start()
  for (let i = 0; i < 4; i++) {
    await t.advanceBy(1)
    losses.push(await t.lossValues())
    if (i === 1) half = await t.checkpoint()
  }
  whole = await t.checkpoint()
})

test('looked at from every side after each step, it is the same run to the bit', async () => {
  const t = start()
  // Planned for itself and for others before the first step, as the command does.
  t.plan()
  await t.fitting()
  await t.prepare()
  const samples: Float32Array[] = []
  for (let i = 0; i < 4; i++) {
    await t.advanceBy(1)
    assert.equal(await t.lossValues(), losses[i])
    samples.push(await t.sample(3, 7))
    await t.reconstruct(noiseImages(2))
    await t.generate(zeros([2, 4]))
    t.plan({ batch: 2 })
    if (i === 1) assert.is(await fingerprint(t), hash(half))
  }
  assert.is(await fingerprint(t), hash(whole))
  assert.not.equal(samples[3], samples[0], 'the samples are of the weights as they are')
})

test('another seed is another run', async () => {
  const t = start({ seed: 1 })
  await t.advanceBy(4)
  const [a, b] = [loadSafetensors(await t.checkpoint()), loadSafetensors(whole)]
  assert.is.not(await a['G.body.0.weight']!.sub(b['G.body.0.weight']!).abs().max().item(), 0)
})

test('restored into a fresh training, a checkpoint goes on bit for bit: weights, running statistics, batches and noise', async () => {
  const asked: number[] = []
  const t = start({}, asked)
  await t.advanceBy(1)
  device.random.manualSeed(99)
  await t.restore(half)
  assert.is(t.step, 2)
  assert.is(await fingerprint(t), hash(half), 'what was restored is what was saved')
  await t.advanceBy(2)
  assert.is(await fingerprint(t), hash(whole))
  assert.equal(asked, [0, 2, 3], 'the batches of these steps')
  const names = Object.keys(loadSafetensors(half))
  for (const name of ['G.body.2.running_mean', 'R.body.3.running_var', 'ema.body.0.weight', 'optimiser.critic.state.0.exp_avg', 'D.body.0.bias'])
    assert.ok(names.includes(name), name)
})

test('a checkpoint of another architecture, width, dtype or bound is refused, and nothing changes', async () => {
  const t = start()
  await t.restore(half)
  for (const [other, text] of [
    [{ arch: 'standard' }, /its arch is dcgan, the run's standard/],
    [{ width: 3 }, /its width is 2, the run's 3/],
    [{ model: 'alpha-gan-sn' }, /its model is bms-vae-gan/],
    [{ hyper: { lipschitz: 'none' } }, /parametrizations|lacks D/],
    [{ hyper: { latent: 5 } }, /\[128, 4\]/],
  ] as [Options, RegExp][]) {
    const o = start(other)
    const before = await fingerprint(o)
    const error = await thrown(() => o.restore(half))
    assert.is(error.code, 'BAD_CHECKPOINT')
    assert.match(error.message, text)
    assert.is(await fingerprint(o), before)
  }
})

test('samples: of the averaged weights and the running statistics, by their seed, in whatever portions', async () => {
  const t = start({ hyper: { emaDecay: 0 } })
  await t.advanceBy(2)
  const all = await t.sample(103, 5)
  assert.is(all.length, 103 * 3072)
  assert.equal(await t.sample(3, 5), all.slice(0, 3 * 3072), 'the first of many are those of few')
  assert.not.equal(await t.sample(3, 6), all.slice(0, 3 * 3072))
  const parts: [number, number][] = []
  const given = new Float32Array(all.length)
  const nothing = await t.sample(103, 5, (images, from) => {
    parts.push([from, images.length / 3072])
    given.set(images, from * 3072)
  })
  assert.is(nothing, undefined)
  assert.equal(parts, [
    [0, 100],
    [100, 3],
  ])
  assert.equal(given, all)
  // Without averaging they are the generator's own, in evaluation.
  const z = randn([2, 4])
  const { G } = t.nets
  G.eval()
  const own = await G.forward(z).data()
  G.train()
  close(await t.generate(z), own, 1e-6)
  // Averaged weights are others.
  const u = start({ hyper: { emaDecay: 0.9 } })
  await u.advanceBy(2)
  assert.not.equal(await u.generate(z), await t.generate(z))
})

test('reconstructions: the mean of q(z|x) generated, with running statistics; none without an encoder', async () => {
  const t = start({ hyper: { emaDecay: 0 } })
  await t.advanceBy(2)
  const images = noiseImages(2, 50)
  const rebuilt = (await t.reconstruct(images))!
  const { G, R } = t.nets
  for (const net of [G, R!]) net.eval()
  const expected = await G.forward(R!.forward(tensor(images, { shape: [2, 3, 32, 32] })).mean).data()
  close(rebuilt, expected, 1e-6)
  for (const net of [G, R!]) net.train()
  // Images that are none change nothing, least of all the mode of R.
  await thrown(() => start().reconstruct(new Float32Array(3072 + 1)))
  assert.is(R!.training, true)
  assert.is(await start({ model: 'dcgan', T: 1 }).reconstruct(images), null)
})

test('several steps of the critic for each of the generator: every one on a batch of its own', async () => {
  const asked: number[] = []
  const t = start({ model: 'wgan-gp', T: 1, hyper: { nCritic: 3 } }, asked)
  await t.prepare()
  await t.advanceBy(2)
  assert.equal(asked, [0, 1, 2, 3, 4, 5])
  const steps = await read(t.optimisers.critic!.stateDict())
  const own = await read(t.optimisers.generator.stateDict())
  const stepsOf = (state: Record<string, number[]>): number[] => Object.entries(state).flatMap(([name, v]) => (/step$/.test(name) ? v : []))
  assert.ok(stepsOf(steps).length > 0 && stepsOf(steps).every((n) => n === 6), `${Object.keys(steps)}`)
  assert.ok(stepsOf(own).every((n) => n === 2))
  assert.ok((await t.lossValues()).penalty! > 0)
  const alone = start({ model: 'wgan-gp', T: 1, hyper: { nCritic: 1 } }).plan()
  assert.ok(t.plan().arena > alone.arena && t.plan().results > alone.results + 4 * 3072 * 4, 'both kinds of step are planned')
})

test('two time scales: the critic moves by its own step size', async () => {
  const moved = async (lrD: number): Promise<{ G: number; D: number }> => {
    const t = start({ model: 'sn-gan', T: 1, hyper: { lr: 1e-4, lrD } })
    const at = { G: t.nets.G.parameters()[0]!, D: t.nets.D!.parameters()[0]! }
    const before = await read(at)
    await t.advanceBy(1)
    const after = await read(at)
    const most = (name: 'G' | 'D'): number => Math.max(...after[name]!.map((v, i) => Math.abs(v - before[name]![i]!)))
    return { G: most('G'), D: most('D') }
  }
  // Adam's first step is the step size, but for eps.
  const [slow, fast] = [await moved(1e-4), await moved(4e-4)]
  close([slow.G / 1e-4, slow.D / 1e-4, fast.G / 1e-4, fast.D / 4e-4], [1, 1, 1, 1], 0.02)
})

test('the length of the reconstruction’s gradient: wRec / √3072 with the absolute error; by hand with the square', async () => {
  // Noise in [-1, 1] never meets what is generated exactly.
  assert.ok(
    losses.every((l) => Math.abs(l.grad_rec! * Math.sqrt(3072) - 10) < 1e-3),
    `${losses.map((l) => l.grad_rec)}`,
  )
  const t = start({ model: 'wae', T: 1, hyper: { recNorm: 2, wRec: 6 } })
  const images = tensor(await noiseBatches(4).next(0), { shape: [4, 3, 32, 32] })
  const kept = device.random.snapshot()
  const noise = await randn([2, 4, 4]).data()
  device.random.restore(kept)
  const q = t.nets.R!.forward(images)
  const z = q.deviation.mul(tensor(noise.slice(0, 16), { shape: [4, 4] })).add(q.mean)
  const [made, x] = [await t.nets.G.forward(z).data(), await images.data()]
  let expected = 0
  for (let i = 0; i < 4; i++) {
    let square = 0
    for (let k = 3072 * i; k < 3072 * (i + 1); k++) square += ((6 * 2 * (made[k]! - x[k]!)) / 3072) ** 2
    expected += Math.sqrt(square) / 4
  }
  await t.advanceBy(1)
  const values = await t.lossValues()
  close([values.grad_rec!], [expected], 1e-5)
  assert.equal(Object.keys(values), ['rec', 'kl', 'latent', 'grad_rec', 'grad_kl', 'grad_generator', 'grad_latent'])
})

test('a diverged run names the term, or the gradient', async () => {
  const t = start()
  await t.advanceBy(1)
  t.nets.D!.parameters()[1]!.fill_(Number.NaN)
  await t.advanceBy(1)
  const error = await thrown(() => t.lossValues())
  assert.equal([error.code, error.fields], ['DIVERGED', { term: 'syn', step: 2 }])
  const u = start()
  await u.advanceBy(1)
  u.nets.G.parameters()[0]!.fill_(Infinity)
  await u.advanceBy(1)
  assert.is((await thrown(() => u.lossValues())).fields['term'], 'rec')
})

test('while a NaN is looked for, the same run is trained but for rounding, and a plan is a plan', async () => {
  const t = start()
  const plan = await detectAnomaly(async () => {
    const planned = t.plan()
    await t.advanceBy(2)
    return planned
  })
  assert.equal(plan, start().plan())
  const values = await t.lossValues()
  for (const [name, value] of Object.entries(losses[1]!)) close([values[name as 'rec']!], [value], 1e-4)
  t.nets.R!.parameters()[0]!.fill_(Number.NaN)
  const error = await thrown(() => detectAnomaly(() => t.advanceBy(1)))
  assert.equal([error.code, error.fields['step']], ['ANOMALY', 3], error.message)
  assert.match(error.message, /conv2d/)
})

test('opened without images it can be sampled from, not trained', async () => {
  const t = new ImageTraining(smallImageRun(), null, device)
  assert.is((await t.sample(1, 0)).length, 3072)
  const error = await thrown(() => t.advance())
  assert.is(error.code, 'BAD_ARGUMENT')
  assert.match(error.message, /without images/)
})

test('memory stays as it is over steps, samples, reconstructions, plans and checkpoints', async () => {
  const t = start({ model: 'alpha-gan-sn', T: 1, steps: 100, batch: 2 })
  const round = async (): Promise<void> => {
    await t.advanceBy(2)
    await t.sample(2, 1)
    await t.reconstruct(noiseImages(2))
    t.plan()
    t.plan({ batch: 1 })
    await t.restore(await t.checkpoint())
    await t.lossValues()
    await settle(device)
  }
  await round()
  await round()
  const before = device.memory()
  for (let i = 0; i < 2; i++) await round()
  assert.equal(device.memory(), before)
})

test('f16: refused where there is none; else near f32, finite, and saved in f32', async () => {
  const f16 = device.features.has('shader-f16')
  if (!f16) {
    const error = await thrown(() => start({ dtype: 'f16' }))
    assert.equal([error.code, error.fields['option'], error.fields['allowed']], ['BAD_ARGUMENT', '--dtype', 'f32'])
    assert.match(error.message, /no shader-f16.*leave the option out/)
    return
  }
  for (const [model, arch] of [
    ['bms-vae-gan', 'standard'],
    ['alpha-gan', 'dcgan'],
  ] as const) {
    const run = async (dtype: 'f32' | 'f16'): Promise<{ values: LossValues[]; t: ImageTraining }> => {
      const t = start({ model, arch, T: 1, dtype })
      const values: LossValues[] = []
      for (let i = 0; i < 2; i++) {
        await t.advanceBy(1)
        values.push(await t.lossValues())
      }
      return { values, t }
    }
    const [full, short] = [await run('f32'), await run('f16')]
    for (const [i, values] of full.values.entries()) {
      for (const [name, value] of Object.entries(values))
        assert.ok(Math.abs(short.values[i]![name as 'rec']! - value) < 2e-2 * Math.max(1, Math.abs(value)), `${model} ${name} of step ${i}: ${value}`)
    }
    assert.not.equal(short.values, full.values, 'f16 is no other name of f32')
    for (const t of Object.values(loadSafetensors(await short.t.checkpoint()))) assert.ok(['f32', 'i32'].includes(t.dtype))
  }
  // Losses that are scaled too far overflow on their way back: the step's own losses are finite, its weights are not, and it is told at once.
  const t = start({ T: 1, dtype: 'f16', hyper: { lossScale: 2 ** 24 } })
  await t.advanceBy(1)
  const error = await thrown(() => t.lossValues())
  assert.is(error.code, 'DIVERGED')
  assert.match(error.message, /^the gradient of "\w+" is (NaN|Infinity) at step 1/)
})

test('the device without f16 says so', async () => {
  const features = { value: new Set([...device.features].filter((f) => f !== 'shader-f16')) }
  const other = Object.create(device, { features }) as Device
  const error = await thrown(() => new ImageTraining(smallImageRun({ dtype: 'f16' }), null, other))
  assert.equal([error.code, error.fields['option'], error.fields['got'], error.fields['allowed']], ['BAD_ARGUMENT', '--dtype', 'f16', 'f32'])
})

test('a step beyond the limits of the adapter: which batch and which T would fit, and those do', async () => {
  const watched = await Watched.open()
  try {
    const config = smallImageRun({ T: 4, batch: 16, hyper: { drawsPerPass: 4 } })
    const t = new ImageTraining(config, noiseBatches(16), watched.device)
    const most = t.plan()
    assert.ok(most.arena <= most.unshared && most.state > 4 * 10_000 && most.results > 16 * 3072 * 4)
    // 4 draws of 16 images are 786,432 bytes, the chosen two and prior samples 589,824.
    const limits = { maxStorageBufferBindingSize: 600_000, maxBufferSize: 600_000 }
    await watched.limited(limits, async () => {
      const u = new ImageTraining(config, noiseBatches(16), watched.device)
      const error = await thrown(() => u.plan())
      assert.ok(error instanceof LimitError, error.stack)
      const { batch, T } = await u.fitting()
      assert.ok(batch === 8 && T === 2, `${batch}, ${T}`)
      for (const fits of [{ batch: batch! }, { T: T! }]) {
        const v = new ImageTraining({ ...config, ...fits }, noiseBatches({ ...config, ...fits }.batch), watched.device)
        v.plan()
        await v.advanceBy(1)
        await v.lossValues()
      }
      // What the command makes of it, before it makes a folder.
      const command = new ImageRun(config)
      Object.assign(command, { data: { train: noiseSet(20), test: null } })
      const refused = await thrown(() => command.start(watched.device))
      command.close()
      assert.equal([refused.code, refused.fields['batch'], refused.fields['T'], refused.fields['fits']], ['PLAN_TOO_LARGE', 16, 4, { batch: 8, T: 2 }])
      assert.match(refused.message, /a step of batch 16 and T 4 is more than .* can hold .*what fits: --batch 8 with T 4, or --T 2 with batch 16/)
    })
    // Nothing at all.
    await watched.limited({ maxStorageBufferBindingSize: 2000, maxBufferSize: 2000 }, async () => {
      assert.equal(await t.fitting(), { batch: undefined, T: undefined })
    })
  } finally {
    watched.close()
  }
})

test('a step for which there is no memory, which is told late: what would fit, and that does', async () => {
  const config = smallImageRun({ T: 4, batch: 16, hyper: { drawsPerPass: 4 } })
  const { arena } = start({ T: 4, batch: 16, hyper: { drawsPerPass: 4 } }).plan()
  /** A device with less memory than the step needs. */
  const small = (fn: (device: Device) => Promise<void>): Promise<void> =>
    withDevice(async (lower) => {
      const injected = inject(lower.gpu)
      const device = await init({ device: injected.gpu })
      injected.memory = 0.8 * arena
      await fn(device)
    })
  let batch = 0
  await small(async (device) => {
    const command = new ImageRun(config)
    Object.assign(command, { data: { train: noiseSet(20), test: null } })
    const refused = await thrown(() => command.start(device))
    command.close()
    assert.is(refused.code, 'PLAN_TOO_LARGE', refused.stack)
    assert.is((refused.cause as { code?: string }).code, 'OUT_OF_MEMORY')
    // Fewer draws need no less: the pass with gradients is the larger one.
    batch = (refused.fields['fits'] as { batch: number }).batch
    assert.ok(batch === 8 || batch === 4, `${batch}`)
  })
  // On a device of its own: what the refused run held goes only when it is collected.
  await small(async (device) => {
    const t = new ImageTraining({ ...config, batch }, noiseBatches(batch), device)
    await t.advanceBy(2)
    await t.lossValues()
  })
})

test.run()
