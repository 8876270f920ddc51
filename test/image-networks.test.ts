// The networks of the image experiments: as many parameters as the published ones, their shapes and initial weights, and what normalises them.
import { type ImageConfig, imageNetworks, countImageParameters, imageModelNames, models, type Networks, resolveConfig, type RunOptions } from '@bms/bms'
import { nn, noGrad, randn, type Tensor } from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ready } from './helpers/device.js'
import { imageBatch, smallImageRun } from './helpers/images.js'

const test = suite('image networks')
test.before(async () => void (await ready()))

const run = (options: Partial<RunOptions>): ImageConfig => resolveConfig({ ...options, dataset: 'cifar10' })
const parts = ['G', 'R', 'D', 'L'] as const
const sizes = (nets: Networks): number[] => parts.map((part) => (nets[part]?.parameters() ?? []).reduce((n: number, p: Tensor) => n + p.size, 0))
const counted = (config: ImageConfig): number[] => parts.map((part) => countImageParameters(config)[part])

// Of the papers and the code of their authors. D with batch norm has no bias in front of one.
const published: [string, Partial<RunOptions>, (number | null)[]][] = [
  ['DCGAN, 128 filters', { model: 'alpha-gan', width: 128 }, [4_926_595, 5_745_864, 4_115_457, 1_203_001]],
  ['DCGAN, 64 filters', { model: 'alpha-gan', width: 64 }, [1_439_299, 1_849_032, 1_033_729, 1_203_001]],
  ['DCGAN with spectral norm: biases in place of batch norms', { model: 'alpha-gan-sn', width: 64 }, [1_439_299, 1_849_032, 1_033_729 - 2 * 384 + 384, null]],
  ['standard', { model: 'sn-gan', arch: 'standard' }, [3_812_355, 0, 2_935_873, 0]],
  // By hand: 129·16384, transposed 4x4 from 1024 to 512, 256, 128 with their batch norms, 3x3 to colours.
  ['standard-wide', { model: 'sn-gan', arch: 'standard-wide' }, [2_113_536 + 8_389_120 + 2_097_408 + 524_416 + 2 * 896 + 3_459, 0, 2_935_873, 0]],
  // The recognition network has 128 filters where the critic has 64.
  ['standard hybrid', { arch: 'standard' }, [null, 5_745_864, 2_935_873, 1_203_001]],
]

for (const [name, options, expected] of published) {
  test(`${name}: as many parameters as published`, () => {
    const told = counted(run(options))
    assert.equal(
      told,
      expected.map((n, i) => n ?? told[i]!),
    )
  })
}

test('as many are made as are told: every model and architecture, and the largest', () => {
  for (const model of imageModelNames) {
    for (const arch of ['dcgan', 'standard', 'standard-wide']) {
      const config = smallImageRun({ model, arch, T: models[model].T })
      const nets = imageNetworks(config)
      assert.equal(sizes(nets), counted(config), `${model}, ${arch}`)
      const { encoder, critic, latentCritic } = models[model]
      assert.equal(
        parts.map((part) => nets[part] !== null),
        [true, encoder, critic !== 'none', latentCritic],
        model,
      )
    }
  }
  const config = run({ model: 'alpha-gan' })
  assert.equal(sizes(imageNetworks(config)), [4_926_595, 5_745_864, 4_115_457, 1_203_001])
})

for (const [model, arch] of [
  ['alpha-gan', 'dcgan'],
  ['bms-vae-gan', 'standard'],
  ['bms-vae-gan', 'standard-wide'],
] as const) {
  test(`${model}, ${arch}: shapes, and images within [-1, 1]`, async () => {
    const config = smallImageRun({ model, arch, T: 1 })
    const { G, R, D, L } = imageNetworks(config)
    await noGrad(async () => {
      const x = imageBatch(3)
      // Weights so large that tanh has something to bound.
      for (const p of G.parameters()) p.copy_(p.mul(100))
      const made = G.forward(randn([3, 4]))
      const { mean, deviation } = R!.forward(x)
      assert.equal(
        [made, mean, deviation, D!.forward(x), L!.forward(mean)].map((t) => t.shape),
        [
          [3, 3, 32, 32],
          [3, 4],
          [3, 4],
          [3, 1],
          [3, 1],
        ],
      )
      const values = [...(await made.data())]
      assert.ok(values.every((v) => Math.abs(v) <= 1) && values.some((v) => v > 0.5) && values.some((v) => v < -0.5))
      assert.ok((await deviation.data()).every((v) => v > Math.exp(-5) && v < Math.exp(2.5)))
    })
  })
}

test('the log variance is clamped: standard deviations stay within e^-5 and e^2.5', async () => {
  const R = imageNetworks(smallImageRun({ model: 'wae' })).R!
  const bias = R.parameters().at(-1)!
  assert.equal(bias.shape, [8])
  for (const [value, deviation] of [
    [-1000, Math.exp(-5)],
    [1000, Math.exp(2.5)],
  ] as const) {
    bias.fill_(value)
    const got = await noGrad(() => R.forward(imageBatch(2)).deviation).data()
    assert.ok(
      got.every((v) => Math.abs(v / deviation - 1) < 1e-5),
      `${got[0]}`,
    )
  }
})

test('weights start as N(0, 0.02), biases as 0; the latent critic as PyTorch makes it', async () => {
  for (const config of [run({ model: 'alpha-gan', width: 16 }), run({ model: 'sn-gan', arch: 'standard', width: 16 })]) {
    const { G, R, D, L } = imageNetworks(config)
    let biases = 0
    for (const [part, net] of Object.entries({ G, R, D })) {
      if (!net) continue
      for (const [name, module] of net.namedModules()) {
        if (!(module instanceof nn.Linear || module instanceof nn.Conv2d || module instanceof nn.ConvTranspose2d)) continue
        const own = Object.fromEntries(module.namedParameters())
        const weight = (await (own['weight'] ?? own['parametrizations.weight.original'])!.data()) as Float32Array
        const n = weight.length
        const mean = weight.reduce((a, b) => a + b, 0) / n
        const deviation = Math.sqrt(weight.reduce((a, b) => a + (b - mean) ** 2, 0) / n)
        // Five standard errors.
        assert.ok(Math.abs(mean) < (5 * 0.02) / Math.sqrt(n), `${part}.${name}: mean ${mean}`)
        assert.ok(Math.abs(deviation / 0.02 - 1) < 5 / Math.sqrt(2 * n), `${part}.${name}: deviation ${deviation}`)
        if (!own['bias']) continue
        biases++
        assert.ok(
          (await own['bias'].data()).every((v) => v === 0),
          `${part}.${name}: bias`,
        )
      }
    }
    assert.ok(biases > 3)
    if (L) assert.ok((await L.stateDict()['0.weight']!.abs().max().item()) <= 1 / Math.sqrt(100))
  }
})

/** Largest singular value of a kernel [out, in·height·width], by power iteration in float64. */
function largestSingular(w: ArrayLike<number>, rows: number): number {
  const columns = w.length / rows
  let v = Float64Array.from({ length: columns }, (_, j) => Math.sin(j + 1))
  let sigma = 0
  for (let i = 0; i < 300; i++) {
    const u = Float64Array.from({ length: rows }, (_, r) => v.reduce((sum, a, j) => sum + a * w[r * columns + j]!, 0))
    const length = Math.hypot(...u)
    const next = new Float64Array(columns)
    for (let r = 0; r < rows; r++) for (let j = 0; j < columns; j++) next[j]! += (u[r]! / length) * w[r * columns + j]!
    sigma = Math.hypot(...next)
    v = next.map((a) => a / sigma)
  }
  return sigma
}

for (const arch of ['dcgan', 'standard']) {
  test(`${arch}: with a spectral bound every layer of the critic has a largest singular value of 1, and no other network has such layers`, async () => {
    const { G, R, D, L } = imageNetworks(smallImageRun({ arch }))
    const layers = D!.modules().filter((m) => m instanceof nn.Conv2d || m instanceof nn.Linear) as (nn.Conv2d | nn.Linear)[]
    assert.is(layers.length, arch === 'dcgan' ? 4 : 8)
    // Each use takes an iteration.
    await noGrad(async () => {
      for (let i = 0; i < 40; i++) for (const layer of layers) layer.weight.dispose()
      for (const layer of layers) {
        const sigma = largestSingular(await layer.weight.data(), layer.weight.shape[0]!)
        assert.ok(Math.abs(sigma - 1) < 2e-3, `${sigma}`)
      }
    })
    for (const net of [G, R!, L!]) assert.not.ok([...net.namedParameters()].some(([name]) => name.includes('parametrizations')))
  })
}

test('the critic is normalised by batch only where nothing else bounds it, and only in DCGAN', () => {
  for (const arch of ['dcgan', 'standard']) {
    for (const lipschitz of ['spectral', 'penalty', 'none'] as const) {
      const { D } = imageNetworks(smallImageRun({ arch, hyper: { lipschitz } }))
      const norms = D!.modules().filter((m) => m instanceof nn.BatchNorm2d).length
      assert.is(norms, arch === 'dcgan' && lipschitz === 'none' ? 2 : 0, `${arch}, ${lipschitz}`)
      assert.is(
        [...D!.namedParameters()].some(([name]) => name.includes('parametrizations')),
        lipschitz === 'spectral',
      )
      assert.is([...D!.namedBuffers()].length, lipschitz === 'spectral' ? (arch === 'dcgan' ? 8 : 16) : 0, 'no running statistics')
    }
  }
})

test.run()
