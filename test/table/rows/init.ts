// Initialisers: those that draw, with the bounds or deviation that PyTorch's draw from for the shape; the distributions themselves; gains, exact.
import * as bms from '@bms/nn'
import { nn, type Tensor } from '@bms/nn'
import { type Asked, cases } from '../cases.js'
import { same } from '../compare.js'
import type { ErrorCase } from '../errors.js'

const { init } = nn

/**
 * A right sampler fails each of the checks below with a probability of one in a billion. The seed is fixed, so it is always the same draw: a failure means
 * that numbers changed, not bad luck.
 */
const FALSE_ALARM = 1e-9
/** Standard deviations that a normal number leaves with that probability, on either side. */
const SIGMAS = 6.11

/** The same random numbers, asked for by the initialiser and with PyTorch's bounds. */
const draws = (shape: readonly number[], run: (x: Tensor) => Tensor, torch: string, plain: (x: Tensor, a: number, b: number) => Tensor): Asked => ({
  spec: { torch: `nn.init.${torch}`, shape },
  async run(golden) {
    const [a, b] = golden.get('drawn')!.data as unknown as [number, number]
    bms.manualSeed(11)
    const x = bms.zeros(shape)
    const got = run(x)
    if (got !== x) throw new Error('it gives another tensor than it was given')
    bms.manualSeed(11)
    await same(torch, x, { shape, data: await plain(bms.zeros(shape), a, b).data() }, { value: 1e-6 })
  },
})

const uniform = (shape: readonly number[], run: (x: Tensor) => Tensor, torch: string): Asked => draws(shape, run, torch, init.uniform_)
const normal = (shape: readonly number[], run: (x: Tensor) => Tensor, torch: string): Asked => draws(shape, run, torch, init.normal_)

const gain = (run: () => number, torch: string): Asked => ({
  spec: { torch: `nn.init.${torch}` },
  run(golden) {
    const expected = golden.get('value')!.data[0]!
    if (Math.abs(run() - expected) > 1e-15 * expected) throw new Error(`${torch} is ${run()}, expected ${expected}`)
  },
})

const row = (names: string | string[], samples: (Asked | [string, () => Promise<void>])[], errors: ErrorCase[] | string) =>
  cases([names].flat()[0]!, 'init', {
    covers: [names].flat().map((name) => `init.${name}`),
    cases: Object.fromEntries(samples.map((s) => (Array.isArray(s) ? s : [`${s.spec.torch}${s.spec['shape'] ? ` [${s.spec['shape']}]` : ''}`, s]))),
    errors,
  })

/** Mean, variance and, by Kolmogorov and Smirnov, every quantile of 40,000 draws. `fourth`: E(x - mean)⁴ / variance². */
async function distributed(x: Tensor, cdf: (v: number) => number, mean: number, variance: number, fourth: number): Promise<void> {
  const values = Float64Array.from(await x.data()).sort()
  const n = values.length
  const m = values.reduce((a, b) => a + b, 0) / n
  const v = values.reduce((a, b) => a + (b - mean) ** 2, 0) / n
  if (Math.abs(m - mean) > SIGMAS * Math.sqrt(variance / n)) throw new Error(`the mean is ${m}, expected ${mean}`)
  if (Math.abs(v / variance - 1) > SIGMAS * Math.sqrt((fourth - 1) / n)) throw new Error(`the variance is ${v}, expected ${variance}`)
  const distance = values.reduce((d, value, i) => Math.max(d, Math.abs(cdf(value) - i / n), Math.abs(cdf(value) - (i + 1) / n)), 0)
  if (distance > Math.sqrt(Math.log(2 / FALSE_ALARM) / 2 / n)) throw new Error(`the distribution function is off by ${distance}`)
}

/** Φ, by the series of Abramowitz & Stegun 26.2.10 near 0 and 1 beyond six deviations. */
function normalCdf(z: number): number {
  if (Math.abs(z) > 6) return z > 0 ? 1 : 0
  let [term, sum] = [z, z]
  for (let k = 1; k < 120; k++) {
    term *= (z * z) / (2 * k + 1)
    sum += term
  }
  return 0.5 + (sum * Math.exp((-z * z) / 2)) / Math.sqrt(2 * Math.PI)
}

const big = [200, 200]
const fills = (name: 'zeros_' | 'ones_', value: number): [string, () => Promise<void>] => [
  'fills',
  async () => {
    for (const shape of [[2, 3], [], [0]]) {
      const x = bms.randn(shape)
      if (init[name](x) !== x || (await x.data()).some((v) => v !== value)) throw new Error(String(await x.data()))
    }
  },
]

const matrix = (name: 'xavierUniform_' | 'xavierNormal_' | 'kaimingUniform_' | 'kaimingNormal_'): ErrorCase => [
  () => init[name](bms.zeros([3])),
  'SHAPE',
  `${name}: a tensor of at least 2 dims is needed for fan in and fan out, got [3]`,
]

export const initRows = [
  row(
    'uniform_',
    [
      uniform([3, 5], (x) => init.uniform_(x), 'uniform_(x)'),
      uniform([7], (x) => init.uniform_(x, -2, 3), 'uniform_(x, -2, 3)'),
      [
        'is uniform, within its bounds, and repeated by a seed',
        async () => {
          const [low, high] = [-0.5, 1.5]
          bms.manualSeed(1)
          const x = init.uniform_(bms.zeros(big), low, high)
          const values = await x.data()
          if (values.some((v) => v < low || v >= high)) throw new Error('out of bounds')
          await distributed(x, (v) => (v - low) / (high - low), 0.5, 4 / 12, 9 / 5)
          bms.manualSeed(1)
          await same('again', init.uniform_(bms.zeros(big), low, high), { shape: big, data: values }, { value: 0 })
        },
      ],
    ],
    [
      [() => init.uniform_(bms.zeros([2]), Number.NaN), 'ARGUMENT', 'uniform_: low must be a finite number, got NaN'],
      [() => init.uniform_(bms.zeros([2]), 0, Number.POSITIVE_INFINITY), 'ARGUMENT', 'uniform_: high must be a finite number, got Infinity'],
    ],
  ),
  row(
    'normal_',
    [
      normal([3, 5], (x) => init.normal_(x), 'normal_(x)'),
      normal([7], (x) => init.normal_(x, 3, 0.5), 'normal_(x, 3, 0.5)'),
      [
        'is normal',
        async () => {
          bms.manualSeed(2)
          await distributed(init.normal_(bms.zeros(big), 3, 0.5), (v) => normalCdf((v - 3) / 0.5), 3, 0.25, 3)
        },
      ],
    ],
    [[() => init.normal_(bms.zeros([2]), 0, -1), 'ARGUMENT', 'normal_: std must be a finite number ≥ 0, got -1']],
  ),
  row('zeros_', [fills('zeros_', 0)], 'it takes any tensor'),
  row('ones_', [fills('ones_', 1)], 'it takes any tensor'),
  row(
    'constant_',
    [
      [
        'fills, parameters too',
        async () => {
          const x = nn.parameter(bms.zeros([2, 3]))
          if (init.constant_(x, -2.5) !== x || (await x.data()).some((v) => v !== -2.5)) throw new Error(String(await x.data()))
        },
      ],
    ],
    'it takes any tensor',
  ),
  row(
    'eye_',
    [
      [
        'has ones on the diagonal',
        async () => {
          for (const [n, m] of [
            [2, 3],
            [3, 2],
            [1, 1],
            [0, 2],
          ] as const)
            await same('eye_', init.eye_(bms.randn([n, m])), {
              shape: [n, m],
              data: Array.from({ length: n * m }, (_, i) => Number(Math.floor(i / m) === i % m)),
            })
        },
      ],
    ],
    [[() => init.eye_(bms.zeros([2, 3, 4])), 'SHAPE', 'eye_: a matrix is needed, got [2, 3, 4]']],
  ),
  row(
    'xavierUniform_',
    [uniform([5, 3], (x) => init.xavierUniform_(x), 'xavier_uniform_(x)'), uniform([2, 3, 4], (x) => init.xavierUniform_(x, 2), 'xavier_uniform_(x, gain=2)')],
    [matrix('xavierUniform_')],
  ),
  row(
    'xavierNormal_',
    [normal([5, 3], (x) => init.xavierNormal_(x), 'xavier_normal_(x)'), normal([2, 3, 4, 1], (x) => init.xavierNormal_(x, 0.5), 'xavier_normal_(x, gain=0.5)')],
    [matrix('xavierNormal_')],
  ),
  row(
    'kaimingUniform_',
    [
      uniform([5, 3], (x) => init.kaimingUniform_(x), 'kaiming_uniform_(x)'),
      uniform([2, 3, 4], (x) => init.kaimingUniform_(x, { a: Math.sqrt(5) }), 'kaiming_uniform_(x, a=5 ** 0.5)'),
      uniform([4, 2, 3], (x) => init.kaimingUniform_(x, { mode: 'fan_out', nonlinearity: 'relu' }), "kaiming_uniform_(x, mode='fan_out', nonlinearity='relu')"),
      uniform([4, 7], (x) => init.kaimingUniform_(x, { nonlinearity: 'tanh' }), "kaiming_uniform_(x, nonlinearity='tanh')"),
    ],
    [
      matrix('kaimingUniform_'),
      [() => init.kaimingUniform_(bms.zeros([2, 2]), { mode: 'fan' as never }), 'ARGUMENT', 'kaimingUniform_: mode must be fan_in or fan_out, got "fan"'],
    ],
  ),
  row(
    'kaimingNormal_',
    [
      normal([5, 3], (x) => init.kaimingNormal_(x), 'kaiming_normal_(x)'),
      normal([2, 3, 4], (x) => init.kaimingNormal_(x, { a: 1, mode: 'fan_out' }), "kaiming_normal_(x, a=1, mode='fan_out')"),
    ],
    [
      matrix('kaimingNormal_'),
      [() => init.kaimingNormal_(bms.zeros([2, 2]), { slope: 1 } as never), 'ARGUMENT', 'kaimingNormal_: unknown option "slope"; known: a, mode, nonlinearity'],
    ],
  ),
  row(
    'orthogonal_',
    [
      [
        'has orthonormal rows or columns times the gain, repeated by a seed',
        async () => {
          for (const shape of [
            [5, 9],
            [9, 5],
            [4, 2, 3],
            [1, 1],
            [3, 3],
          ]) {
            bms.manualSeed(9)
            const x = init.orthogonal_(bms.zeros(shape), 2)
            const q = x.reshape([shape[0]!, -1])
            const gram = q.shape[0]! <= q.shape[1]! ? q.matmul(q.t()) : q.t().matmul(q)
            const n = gram.shape[0]!
            await same(`[${shape}]`, gram, { shape: [n, n], data: Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 4 : 0)) })
            bms.manualSeed(9)
            await same('again', init.orthogonal_(bms.zeros(shape), 2), { shape, data: await x.data() }, { value: 0 })
          }
        },
      ],
    ],
    [[() => init.orthogonal_(bms.zeros([3])), 'SHAPE', 'orthogonal_: a tensor of at least 2 dims is needed, got [3]']],
  ),
  row(
    'calculateGain',
    [
      ...(['linear', 'conv1d', 'conv2d', 'conv3d', 'sigmoid', 'tanh', 'relu', 'leaky_relu', 'selu'] as const).map((name) =>
        gain(() => init.calculateGain(name), `calculate_gain('${name}')`),
      ),
      gain(() => init.calculateGain('leaky_relu', 0.2), "calculate_gain('leaky_relu', 0.2)"),
    ],
    [
      [
        () => init.calculateGain('gelu' as never),
        'ARGUMENT',
        'calculateGain: unknown nonlinearity "gelu"; known: linear, conv1d, conv2d, conv3d, sigmoid, tanh, relu, leaky_relu, selu',
      ],
      [() => init.calculateGain('leaky_relu', Number.NaN), 'ARGUMENT', 'calculateGain: param must be a finite number, got NaN'],
    ],
  ),
  row(
    'fans',
    [
      [
        'counts inputs and outputs of a weight',
        async () => {
          const text = JSON.stringify([init.fans('x', bms.zeros([5, 3])), init.fans('x', bms.zeros([2, 3, 4, 5]))])
          if (text !== '[{"fanIn":3,"fanOut":5},{"fanIn":60,"fanOut":40}]') throw new Error(text)
        },
      ],
    ],
    [[() => init.fans('name', bms.zeros([3])), 'SHAPE', 'name: a tensor of at least 2 dims is needed for fan in and fan out, got [3]']],
  ),
  cases('Linear’s start', 'init', {
    covers: [],
    cases: {
      'weight and bias are uniform within 1/√inFeatures, and repeated by a seed': async () => {
        bms.manualSeed(3)
        const layer = new nn.Linear(64, 600)
        await distributed(layer.weight, (v) => (v + 0.125) * 4, 0, 0.25 ** 2 / 12, 9 / 5)
        await distributed(layer.bias!, (v) => (v + 0.125) * 4, 0, 0.25 ** 2 / 12, 9 / 5)
        bms.manualSeed(3)
        await same('again', new nn.Linear(64, 600).weight, { shape: [600, 64], data: await layer.weight.data() }, { value: 0 })
      },
    },
    errors: 'they are in Linear’s row',
  }),
]
