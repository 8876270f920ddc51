// A run must be the same run whenever it is repeated, saved, resumed or looked at: bit for bit. And a checkpoint from
// somewhere else must be refused with nothing changed, a run that diverges must say so, and the whole must learn.
import { countMixtureParameters, evaluationSeed, mixture, modelNames, models, modesAndQuality, type RunOptions, MixtureTraining } from '@bms/bms'
import { detectAnomaly, type Device, loadSafetensors, type MemoryReport, randn, readSafetensorsHeader, saveSafetensors, type Tensor, tensor } from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { smallRun } from './helpers/bms.js'
import { close, ready, thrown } from './helpers/device.js'
import { collectGarbage } from './helpers/host.js'

const test = suite('training')
let device: Device
test.before(async () => {
  device = await ready()
})

/** Memory on the device once the garbage of other tests is gone. */
async function settled(): Promise<MemoryReport> {
  for (let i = 0; i < 3; i++) {
    collectGarbage()
    await new Promise((done) => setTimeout(done, 10))
  }
  await device.sync()
  return device.memory()
}

const start = (options: Partial<RunOptions> = {}): MixtureTraining => new MixtureTraining(smallRun(options), device)
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
/** The checkpoint, comparable: weights, buffers, moments, average, step, seed and counter. */
const fingerprint = async (t: MixtureTraining): Promise<string> => hex(await t.checkpoint())

// What most tests below compare with or continue from, trained once.
let whole = ''
let half: Uint8Array
test.before(async () => {
  const t = start()
  await t.advanceBy(5)
  half = await t.checkpoint()
  await t.advanceBy(99)
  assert.is(t.step, 10, 'no step beyond the configured end')
  whole = await fingerprint(t)
})

test('the same seed gives the same bits, another one does not, and saving in between changes nothing', async () => {
  const again = start()
  await again.advanceBy(10)
  assert.is(await fingerprint(again), whole)
  const other = start({ seed: 1 })
  await other.advanceBy(10)
  const [a, b] = [loadSafetensors(await other.checkpoint()), loadSafetensors(Buffer.from(whole, 'hex'))]
  assert.is.not(await a['G.0.weight']!.sub(b['G.0.weight']!).abs().max().item(), 0)
})

test('restored into a fresh training, a checkpoint goes on bit for bit', async () => {
  const t = start({ seed: 0 })
  // Whatever the stream and the weights were before.
  device.random.manualSeed(99)
  await t.advanceBy(2)
  await t.restore(half)
  assert.is(t.step, 5)
  assert.is(await fingerprint(t), hex(half), 'what was restored is what was saved')
  await t.advanceBy(5)
  assert.is(await fingerprint(t), whole)
})

test('the size of the networks is known before they are made', () => {
  for (const model of modelNames) {
    const t = start({ model, T: models[model].T, hyper: { latent: 3, hiddenG: [5, 7], hiddenR: [6], hiddenD: [4, 9], hiddenL: [8] } })
    const made = Object.values(t.nets).flatMap((net) => net?.parameters() ?? [])
    assert.is(
      countMixtureParameters(2, t.config.hyper, t.switches),
      made.reduce((sum, p) => sum + p.size, 0),
      model,
    )
  }
})

test('evaluating and sampling depend on their seed alone and leave the run as it was', async () => {
  const t = start()
  await t.advanceBy(3)
  const first = await t.evaluate()
  assert.is(first.samples.length, 400)
  assert.equal(first.report, modesAndQuality(first.samples, mixture('ring')))
  await t.advanceBy(2)
  assert.is(await fingerprint(t), hex(half))
  const [a, b, c] = [await t.sample(50, 1), await t.sample(50, 2), await t.sample(50, 1)]
  assert.equal(a, c)
  assert.not.equal(a, b)
  const { samples } = await t.evaluate(50)
  assert.equal(samples, await t.sample(50, evaluationSeed(0)))
  assert.not.equal(samples, first.samples.slice(0, 100), 'the weights went on')
  assert.equal(await t.lossValues().then(Object.keys), ['rec', 'syn', 'pri', 'kl', 'critic', 'latent'])
  await t.advanceBy(5)
  assert.is(await fingerprint(t), whole)
})

test('encoding and decoding are what the networks say, on the scale of the data, and leave the run as it was', async () => {
  const t = start()
  await t.advanceBy(3)
  const { rms } = mixture('ring')
  const points = Float32Array.of(1, 0, 0, -1, 0.5, 0.5)
  const { mean, deviation, dims } = await t.encode(points)
  assert.equal([mean.length, deviation.length, dims], [12, 12, 4])
  const direct = t.nets.R!.forward(tensor(points, { shape: [3, 2] }).mul(1 / rms))
  close(mean, await direct.mean.data(), 1e-6)
  close(deviation, await direct.deviation.data(), 1e-6)
  // What `sample` decodes are normal numbers of its seed.
  device.random.manualSeed(7)
  const codes = (await randn([50, 4]).data()) as Float32Array
  close(await t.decode(codes), await t.sample(50, 7), 1e-6)
  const fresh = start()
  await fresh.advanceBy(3)
  await fresh.encode(points)
  await fresh.decode(codes)
  await fresh.advanceBy(2)
  assert.is(await fingerprint(fresh), hex(half))
  const gan = start({ model: 'sn-gan', T: 1 })
  assert.is((await thrown(() => gan.encode(points))).code, 'BAD_ARGUMENT')
  assert.is((await gan.decode(codes)).length, 100)
})

test('seeds up to 2^53 - 1 have an evaluation seed of their own', () => {
  const seeds = [0, 1, 2 ** 32, Number.MAX_SAFE_INTEGER - 1, Number.MAX_SAFE_INTEGER].map(evaluationSeed)
  assert.ok(seeds.every((s) => Number.isSafeInteger(s) && s >= 0))
  assert.is(new Set(seeds).size, seeds.length)
})

type Edit = (tensors: Record<string, Tensor>, metadata: Record<string, string>) => void
const edited = async (edit: Edit): Promise<Uint8Array> => {
  const [tensors, { metadata }] = [loadSafetensors(half), readSafetensorsHeader(half)]
  edit(tensors, metadata)
  return saveSafetensors(tensors, metadata)
}

const refused: [string, RegExp, () => Uint8Array | Promise<Uint8Array>][] = [
  ['safetensors of another kind', /not written by `bms train`/, () => saveSafetensors({ x: tensor([1]) })],
  ['the right names without our metadata', /not written by `bms train`/, () => saveSafetensors(loadSafetensors(half))],
  ['nothing', /too few/, () => new Uint8Array()],
  ['no safetensors at all', /header/, () => new TextEncoder().encode('{"step": 5, "weights": "somewhere else"}')],
  ['a file cut in its header', /header/, () => half.slice(0, 100)],
  ['a file cut in its data', /outside of the data/, () => half.slice(0, -4)],
  ['a file with a tail', /belong to no tensor/, () => Uint8Array.from([...half, 0, 0, 0, 0])],
  ["another data set's", /dataset is grid/, () => edited((_, m) => void (m['dataset'] = 'grid'))],
  ["another model's", /model is wae/, () => edited((_, m) => void (m['model'] = 'wae'))],
  ['a step that is no number', /step/, () => edited((_, m) => void (m['step'] = 'NaN'))],
  ['an empty step', /step/, () => edited((_, m) => void (m['step'] = ''))],
  ['a negative step', /step/, () => edited((_, m) => void (m['step'] = '-5'))],
  ['no random counter', /random/, () => edited((_, m) => void delete m['counter'])],
  ['a missing tensor', /lacks R\.body\.0\.bias/, () => edited((d) => void delete d['R.body.0.bias'])],
  ['a missing moment', /lacks optimiser\.critic\.state\.0\.exp_avg/, () => edited((d) => void delete d['optimiser.critic.state.0.exp_avg'])],
  ['a tensor too many', /holds G\.9\.weight/, () => edited((d) => void (d['G.9.weight'] = tensor([1])))],
  ['another shape', /G\.0\.weight is f32 \[4, 16\]/, () => edited((d) => void (d['G.0.weight'] = randn([4, 16])))],
  ['another type', /G\.0\.weight is i32/, () => edited((d) => void (d['G.0.weight'] = tensor(new Int32Array(64), { shape: [16, 4] })))],
  ['wider networks', /\[16, 4\]/, () => start({ hyper: { hiddenG: [8, 16] } }).checkpoint()],
]

test('checkpoints that do not fit are refused, and nothing changes', async () => {
  const files = await Promise.all(refused.map(([, , make]) => make()))
  const t = start()
  await t.advanceBy(4)
  const before = await fingerprint(t)
  await t.restore(half.slice()).then(() => t.restore(Buffer.from(before, 'hex')))
  for (const [i, [name, text]] of refused.entries()) {
    const held = device.memory().bytes
    const error = await thrown(() => t.restore(files[i]!))
    assert.ok(device.memory().bytes <= held, `${name}: what was read is freed at once`)
    assert.ok(['BAD_CHECKPOINT', 'BAD_FILE'].includes(error.code), `${name}: ${error.code} ${error.message}`)
    assert.match(error.message, text, name)
    assert.is(await fingerprint(t), before, `${name}: something changed`)
  }
  // It still is the run that it was.
  await t.advanceBy(6)
  assert.is(await fingerprint(t), whole)
})

test('a diverged run says which loss and where', async () => {
  const t = start({ model: 'wae' })
  await t.advanceBy(2)
  const { rec } = await t.lossValues()
  assert.ok(Number.isFinite(rec))
  const bias = t.nets.G.stateDict()['4.bias']!
  bias.copy_(tensor([Number.NaN, 0]))
  await t.advanceBy(1)
  const error = await thrown(() => t.lossValues())
  assert.is(error.code, 'DIVERGED')
  assert.equal(error.fields, { term: 'rec', step: 3 })
  assert.match(error.message, /"rec" is NaN at step 3; lower the learning rates.*--anomaly \(in code: detectAnomaly\) names the op/)
})

test('while a NaN is looked for, the same run is trained, and the step and the op are named', async () => {
  const t = start()
  await t.advanceBy(3)
  const expected = await fingerprint(t)
  const again = start()
  assert.is(await detectAnomaly(() => again.advanceBy(3).then(() => fingerprint(again))), expected)
  again.nets.R!.stateDict()['body.2.bias']!.fill_(Infinity)
  const error = await thrown(() => detectAnomaly(() => again.advanceBy(1)))
  assert.equal([error.code, error.fields['step'], error.fields['from']], ['ANOMALY', 4, 'op'], error.message)
  assert.match(error.message, /^step 4: detectAnomaly: NaN first appeared in the forward pass: .*\n.* was called here:\n.*packages.bms/)
})

test('a critic that is not a number is noticed too, though relu and max may hide it', async () => {
  const t = start()
  await t.advanceBy(1)
  t.nets.D!.stateDict()['body.4.bias']!.copy_(tensor([Number.NaN]))
  await t.advanceBy(1)
  assert.is((await thrown(() => t.lossValues())).code, 'DIVERGED')
})

test('far too large a step size diverges with that error, not with another', async () => {
  const t = start({ steps: 200, hyper: { wRec: 1e6, decay: 'constant' } })
  // Beyond what a configuration takes.
  t.config.hyper.lr = 1e6
  const error = await thrown(async () => {
    for (let i = 0; i < 40; i++) {
      await t.advanceBy(5)
      await t.lossValues()
    }
  })
  assert.is(error.code, 'DIVERGED', error.stack)
})

test('step sizes fall to 0 in a straight line, on the device, or stay', async () => {
  for (const decay of ['linear', 'constant'] as const) {
    const t = start({ steps: 4, hyper: { decay } })
    const seen: number[][] = []
    for (let i = 0; i < 4; i++) {
      await t.advanceBy(1)
      const heads = Object.values(t.optimisers).map((o) => o!.stateDict()['group.0.hyper']!.data())
      seen.push(
        (await Promise.all(heads)).map(
          (head, k) => [0.01, 0.001, 0.01].findIndex((lr) => [...head].includes(Math.fround(lr * (decay === 'linear' ? 1 - i / 4 : 1)))) + 10 * k,
        ),
      )
    }
    assert.equal(seen, Array(4).fill([0, 11, 20]), decay)
  }
})

test('a step with step size 0 moves no weight', async () => {
  const t = start({ steps: 1 })
  await t.advanceBy(1)
  const before = await Promise.all(t.optimisers.generator.params.map((p) => p.data()))
  // Beyond the end the line has reached 0.
  t.advance()
  const after = await Promise.all(t.optimisers.generator.params.map((p) => p.data()))
  assert.equal(after, before)
})

test('memory on the device stays as it is over 200 steps, with evaluations and checkpoints', async () => {
  const t = start({ steps: 1000, batch: 4, hyper: { hiddenG: [8], hiddenR: [8], hiddenD: [8], hiddenL: [8] } })
  const round = async (): Promise<void> => {
    await t.advanceBy(100)
    await t.evaluate()
    await t.restore(await t.checkpoint())
    await t.lossValues()
  }
  await round()
  const before = await settled()
  await round()
  await round()
  assert.equal(await settled(), before)
})

test('it learns: 200 steps of a small model bring samples from nowhere to the modes of the ring', async () => {
  const hyper = { latent: 2, hiddenG: [64, 64], hiddenR: [64], hiddenD: [64, 64], hiddenL: [64] }
  const tuned = { criticScale: 60, lrD: 3e-3, emaDecay: 0.95, evalSamples: 1000 }
  const t = start({ T: 2, steps: 200, batch: 96, hyper: { ...hyper, ...tuned } })
  const before = (await t.evaluate()).report
  await t.advanceBy(200)
  const { report } = await t.evaluate()
  // A uniform disc has 0.7 % and 8 %.
  assert.ok(before.hq < 2 && before.near < 10, `before: HQ ${before.hq}, near ${before.near}`)
  assert.ok(report.hq > 4 && report.near > 20, `after: HQ ${report.hq}, near ${report.near}`)
  assert.ok(report.modes >= 7, `${report.modes} modes`)
})

test.run()
