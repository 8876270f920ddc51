// A run's configuration is the border where numbers from people and files come in: everything wrong must be named there, and nothing unknown may pass.
import type { BmsError } from '@bms/tensor'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseConfig, type RunConfig, type RunOptions, resolveConfig } from '../packages/bms/src/config.js'
import { imageModelNames, models, modelNames } from '../packages/bms/src/models.js'

const test = suite('config')

const caught = (action: () => unknown): BmsError => {
  try {
    action()
  } catch (error) {
    return error as BmsError
  }
  throw new Error('nothing was thrown')
}
const ring = (options: Partial<RunOptions> = {}) => resolveConfig({ ...options, dataset: 'ring' })

test('a data set is all that is needed', () => {
  const { hyper, ...run } = ring()
  assert.equal(run, {
    dataset: 'ring',
    model: 'bms-vae-gan',
    T: 5,
    seed: 0,
    steps: 3000,
    batch: 96,
    evalEvery: 250,
    adapter: 'auto',
    out: 'runs/ring-bms-vae-gan',
  })
  assert.equal([hyper.lr, hyper.lrD, hyper.lrL, hyper.betas, hyper.wRec, hyper.criticScale], [1e-2, 1e-3, 1e-2, [0.5, 0.9], 10, 30])
})

test('defaults are fresh each time', () => {
  const first = ring()
  first.hyper.betas[0] = 9
  first.hyper.hiddenG.push(1)
  assert.equal(ring().hyper.betas, [0.5, 0.9])
  assert.equal(ring().hyper.hiddenG, [128, 128, 128])
})

test('every model has a complete configuration that survives a file', () => {
  for (const dataset of ['ring', 'grid']) {
    for (const model of modelNames) {
      const config = resolveConfig({ dataset, model })
      assert.equal(parseConfig(JSON.parse(JSON.stringify(config))), config)
      const { terms, encoder, latentCritic, critic } = models[model]
      const { wRec, wSyn, wPri, wKl } = config.hyper
      assert.equal([wRec > 0, wSyn > 0, wPri > 0, wKl > 0], [terms.rec, terms.syn, terms.pri, terms.kl], model)
      assert.ok(encoder || !(terms.rec || terms.syn || terms.kl), `${model}: no reconstruction without an encoder`)
      assert.is(latentCritic, terms.kl)
      assert.is(critic !== 'none', terms.syn || terms.pri)
    }
  }
})

const cifar = (options: Partial<RunOptions> = {}) => resolveConfig({ ...options, dataset: 'cifar10' })

test('images: a data set is all that is needed; every model and architecture survives a file', () => {
  const { hyper, ...run } = cifar()
  assert.equal(run, {
    dataset: 'cifar10',
    data: null,
    arch: 'dcgan',
    width: 128,
    dtype: 'f32',
    sampleEvery: 500,
    saveEvery: 10,
    model: 'bms-vae-gan',
    T: 10,
    seed: 0,
    steps: 100_000,
    batch: 64,
    evalEvery: 50,
    adapter: 'auto',
    out: 'runs/cifar10-bms-vae-gan',
  })
  assert.equal([hyper.latent, hyper.hiddenL, hyper.recNorm, hyper.lr, hyper.betas, hyper.lipschitz], [100, [750, 750, 750], 1, 2e-4, [0.5, 0.9], 'spectral'])
  for (const model of imageModelNames) {
    for (const arch of ['dcgan', 'standard', 'standard-wide']) {
      const config = cifar({ model, arch, data: 'some/where', dtype: 'f16' })
      assert.equal(parseConfig(JSON.parse(JSON.stringify(config))), config)
      assert.is(config.width, arch === 'dcgan' ? 128 : 64)
      assert.is(config.hyper.lipschitz, models[model].lipschitz)
      const { wRec, wSyn, wPri, wKl } = config.hyper
      const { terms } = models[model]
      assert.equal([wRec > 0, wSyn > 0, wPri > 0, wKl > 0], [terms.rec, terms.syn, terms.pri, terms.kl], model)
    }
  }
})

test('images: the command line gives text', () => {
  const config = cifar({
    width: '64',
    saveEvery: '0.5',
    sampleEvery: '100',
    dtype: 'f16',
    arch: 'standard',
    hyper: { flips: 'false', drawsPerPass: '2', lossScale: '512' },
  })
  assert.equal([config.width, config.saveEvery, config.sampleEvery, config.dtype, config.arch], [64, 0.5, 100, 'f16', 'standard'])
  assert.equal([config.hyper.flips, config.hyper.drawsPerPass, config.hyper.lossScale], [false, 2, 512])
})

test('the command line gives text', () => {
  const config = ring({
    T: '10',
    seed: '9007199254740991',
    steps: '1e3',
    batch: '64',
    evalEvery: '5',
    hyper: { lr: '5e-3', betas: '0.5, .999', hiddenG: '64', kl: 'non-saturating', recNorm: '1' },
  })
  assert.equal([config.T, config.seed, config.steps, config.batch, config.evalEvery], [10, Number.MAX_SAFE_INTEGER, 1000, 64, 5])
  assert.equal(
    [config.hyper.lr, config.hyper.betas, config.hyper.hiddenG, config.hyper.kl, config.hyper.recNorm],
    [5e-3, [0.5, 0.999], [64], 'non-saturating', 1],
  )
})

const wrong: [Partial<RunOptions>, string, string][] = [
  [{ T: '0' }, '--T', 'a whole number from 1 to 1000'],
  [{ T: '2.5' }, '--T', 'a whole number'],
  [{ steps: 'many' }, '--steps', 'a whole number'],
  [{ steps: '' }, '--steps', 'a whole number'],
  [{ steps: '0x10' }, '--steps', 'a whole number'],
  [{ steps: NaN }, '--steps', 'a whole number'],
  [{ steps: Infinity }, '--steps', 'a whole number'],
  [{ steps: 'Infinity' }, '--steps', 'a whole number'],
  [{ batch: -1 }, '--batch', 'from 1'],
  [{ batch: '1e9' }, '--batch', 'to 65536'],
  [{ seed: '-1' }, '--seed', 'from 0 to 2^53 - 1'],
  [{ seed: '9007199254740993' }, '--seed', 'to 2^53 - 1'],
  [{ seed: 2 ** 53 }, '--seed', 'to 2^53 - 1'],
  [{ evalEvery: '0' }, '--eval-every', 'from 1'],
  [{ adapter: 'cpu' }, '--adapter', 'one of auto, gpu, software'],
  [{ out: '' }, '--out', 'text'],
  [{ out: 'a\0b' }, '--out', 'text'],
  [{ hyper: { lr: 0 } }, 'lr', 'greater than 0'],
  [{ hyper: { lr: NaN } }, 'lr', 'a finite number'],
  [{ hyper: { lrD: '1e999' } }, 'lrD', 'a finite number'],
  [{ hyper: { wRec: -1 } }, 'wRec', 'from 0'],
  [{ hyper: { betas: [0.5, 1] } }, 'betas', 'less than 1'],
  [{ hyper: { betas: '0.5' } }, 'betas', '2 values'],
  [{ hyper: { hiddenD: [] } }, 'hiddenD', '1 to 8 values'],
  [{ hyper: { logVarMin: 6 } }, 'logVarMin', 'at most logVarMax'],
  [{ model: 'sn-gan', T: 5 }, '--T', 'no encoder'],
  [{ model: 'wae', hyper: { wSyn: 1 } }, 'wSyn', 'no such term'],
  [{ hyper: { draws: 'worst' as never } }, 'draws', 'one of best-worst, mean'],
  [{ model: 'sn-gan', hyper: { draws: 'best-worst' } }, 'draws', 'no encoder'],
  [{ model: 'sn-gan', hyper: { kl: 'mmd' } }, 'kl', 'no such term'],
  [{ model: 'wae', batch: 1, hyper: { kl: 'mmd' } }, '--batch', 'at least 2'],
  [{ model: 'gdpp-gan', batch: 769 }, '--batch', 'at most 768'],
  [{ model: 'veegan', T: 2 }, '--T', 'draws once'],
  [{ model: 'veegan', hyper: { latent: 1 } }, 'latent', 'at least 2'],
  [{ model: 'veegan', hyper: { r1: 0.1 } }, 'r1', 'its own critic'],
  [{ model: 'md-gan', hyper: { lipschitz: 'spectral' } }, 'lipschitz', 'its own critic'],
  [{ model: 'md-gan', hyper: { nCritic: 2 } }, 'nCritic', 'its own critic'],
]
const wrongOfImages: typeof wrong = [
  [{ arch: 'resnet' }, '--arch', 'one of dcgan, standard, standard-wide'],
  [{ width: '0' }, '--width', 'from 1 to 1024'],
  [{ width: 2000 }, '--width', 'to 1024'],
  [{ dtype: 'bf16' }, '--dtype', 'one of f32, f16'],
  [{ data: '' }, '--data', 'text'],
  [{ sampleEvery: '0' }, '--sample-every', 'from 1'],
  [{ saveEvery: '0' }, '--save-every', 'greater than 0'],
  [{ saveEvery: -1 }, '--save-every', 'greater than 0'],
  [{ batch: '1e5' }, '--batch', 'to 65536'],
  [{ hyper: { flips: 'yes' } }, 'flips', 'true or false'],
  [{ hyper: { flips: 1 as never } }, 'flips', 'true or false'],
  [{ hyper: { drawsPerPass: 0 } }, 'drawsPerPass', 'from 1'],
  [{ hyper: { lossScale: 0 } }, 'lossScale', 'greater than 0'],
  [{ hyper: { lipschitz: 'clipping' as never } }, 'lipschitz', 'one of spectral, penalty, none'],
  [{ hyper: { lipschitz: 'penalty', gp: 0 } }, 'gp', 'more than 0'],
  [{ hyper: { nCritic: 0 } }, 'nCritic', 'from 1'],
  [{ model: 'wae', hyper: { lipschitz: 'spectral' } }, 'lipschitz', 'no critic'],
  [{ model: 'dcgan', T: 2 }, '--T', 'no encoder'],
  [{ model: 'veegan' }, '--model', 'one of bms-vae-gan'],
  [{ model: 'dcgan', hyper: { wRec: 1 } }, 'wRec', 'no such term'],
]
const strangers: typeof wrong = [{ data: 'x' }, { arch: 'dcgan' }, { width: 3 }, { dtype: 'f32' }, { sampleEvery: 5 }, { saveEvery: 5 }].map((options) => [
  options,
  `--${Object.keys(options)[0]!.replace('Every', '-every')}`,
  'nothing: the ring has no such option, only cifar10 has',
])
for (const [dataset, [options, option, allowed]] of [
  ...[...wrong, ...strangers].map((w) => ['ring', w] as const),
  ...wrongOfImages.map((w) => ['cifar10', w] as const),
]) {
  test(`${dataset}: ${option} refuses ${JSON.stringify(options)}`, () => {
    const error = caught(() => resolveConfig({ ...options, dataset }))
    assert.is(error.code, 'BAD_ARGUMENT')
    assert.is(error.fields.option, option)
    assert.match(error.message, `${option}: got `)
    assert.match(String(error.fields.allowed), allowed)
    assert.match(error.message, String(error.fields.allowed))
  })
}

test('hyper-parameters of the other kind of data are unknown', () => {
  assert.is(caught(() => cifar({ hyper: { hiddenG: [3] } })).code, 'UNKNOWN_NAME')
  assert.is(caught(() => ring({ hyper: { flips: true } })).code, 'UNKNOWN_NAME')
})

test('unknown names get the nearest one', () => {
  assert.match(caught(() => resolveConfig({ dataset: 'gird' })).message, 'unknown data set "gird". Did you mean "grid"?')
  assert.match(caught(() => ring({ model: 'bms-vae-gna' })).message, 'unknown model "bms-vae-gna". Did you mean "bms-vae-gan"?')
  const error = caught(() => ring({ hyper: { wRek: 1 } as RunOptions['hyper'] }))
  assert.is(error.code, 'UNKNOWN_NAME')
  assert.is(error.fields.suggestion, 'wRec')
  assert.is(caught(() => ring({ hyper: JSON.parse('{"__proto__": {"x": 1}}') })).code, 'UNKNOWN_NAME')
})

type Json = Record<string, any>
const edited = (change: (config: Json) => void) => {
  const config: Json = JSON.parse(JSON.stringify(ring()))
  change(config)
  return caught(() => parseConfig(config, 'x/config.json'))
}
const damaged: [string, string, (config: Json) => void][] = [
  ['an unknown field', 'step', (c) => (c.step = 1)],
  ['an unknown hyper-parameter', 'hyper.learningRate', (c) => (c.hyper.learningRate = 1)],
  ['a missing field', 'seed', (c) => delete c.seed],
  ['a missing hyper-parameter', 'hyper.lr', (c) => delete c.hyper.lr],
  ['text for a number', 'steps', (c) => (c.steps = '4000')],
  ['a fraction', 'T', (c) => (c.T = 1.5)],
  ['null', 'hyper', (c) => (c.hyper = null)],
  ['a list for an object', 'hyper', (c) => (c.hyper = [])],
  ['a pair of three', 'hyper.betas', (c) => (c.hyper.betas = [0.5, 0.9, 0.9])],
  ['a list that only looks like one', 'hyper.hiddenG', (c) => (c.hyper.hiddenG = { length: 1, 0: 128 })],
  ['a huge list', 'hyper.hiddenG', (c) => (c.hyper.hiddenG = new Array(1e6).fill(1))],
  ['an unknown model', 'model', (c) => (c.model = 'gpt')],
  ['a model named like a method', 'model', (c) => (c.model = 'constructor')],
  ['a path of control characters', 'out', (c) => (c.out = '\u001b[2J')],
  ['fields at odds', 'hyper.logVarMin', (c) => (c.hyper.logVarMin = 20)],
]
for (const [what, field, change] of damaged) {
  test(`config.json with ${what} is refused by name`, () => {
    const error = edited(change)
    assert.is(error.code, 'BAD_CONFIG')
    assert.is(error.fields.field, field)
    assert.match(error.message, 'x/config.json: ')
    assert.match(error.message, field)
    assert.ok(error.fields.expected)
    assert.ok(error.message.length < 600, error.message)
  })
}

const damagedOfImages: typeof damaged = [
  ['no architecture', 'arch', (c) => delete c.arch],
  ['an unknown type', 'dtype', (c) => (c.dtype = 'f64')],
  ['a path that is a number', 'data', (c) => (c.data = 5)],
  ['an empty path', 'data', (c) => (c.data = '')],
  ['a width in text', 'width', (c) => (c.width = '64')],
  ['flips of 1', 'hyper.flips', (c) => (c.hyper.flips = 1)],
  ["a mixture's hyper-parameter", 'hyper.hiddenG', (c) => (c.hyper.hiddenG = [3])],
  ['a bound without its weight', 'hyper.gp', (c) => Object.assign(c.hyper, { lipschitz: 'penalty', gp: 0 })],
  ["a mixture's name", 'data', (c) => (c.dataset = 'ring')],
]
for (const [what, field, change] of damagedOfImages) {
  test(`config.json of images with ${what} is refused by name`, () => {
    const config: Json = JSON.parse(JSON.stringify(cifar()))
    change(config)
    const error = caught(() => parseConfig(config, 'x/config.json'))
    assert.is(error.code, 'BAD_CONFIG')
    assert.is(error.fields.field, field)
  })
}

test('a mistyped field name is guessed', () => {
  assert.match(edited((c) => (c.evalevery = 1)).message, '(did you mean evalEvery?)')
})

test('no field reaches a prototype', () => {
  const base = JSON.stringify(ring())
  for (const name of ['__proto__', 'constructor', 'toString']) {
    const text = base.replace('{', `{"${name}": {"polluted": true}, `)
    assert.is(caught(() => parseConfig(JSON.parse(text))).fields.field, name)
    const inner = base.replace('"hyper":{', `"hyper":{"${name}": {"polluted": true}, `)
    assert.is(caught(() => parseConfig(JSON.parse(inner))).fields.field, `hyper.${name}`)
  }
  // Inherited fields are none of the file's.
  const heir = Object.create(ring()) as RunConfig
  assert.is(caught(() => parseConfig(heir)).code, 'BAD_CONFIG')
  assert.is(({} as Json).polluted, undefined)
})

test.run()
