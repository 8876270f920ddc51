// Every kernel under limits told lower than they are: dispatches that are split give the same bits as those that are not, and what cannot be split is a
// typed error, never a wrong number. The table names every kernel there is.
import * as bms from '@bms/nn'
import { compile, type KernelName, manualSeed, matmul, nn, noGrad, optim, shaders, type Tensor, tensor, zeros } from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { product } from './helpers/arrays.js'
import { close, ready, thrown } from './helpers/device.js'
import { type Limits, type Seen, Watched } from './helpers/watched.js'
import { count } from './support/figures.js'

const test = suite('limits of every kernel')

/** Numbers of both signs, all different. */
const wave = (shape: readonly number[]): Tensor =>
  tensor(
    Float32Array.from({ length: product(shape) }, (_, i) => ((i * 7919) % 1009) / 16 - 30 + i / 4096),
    { shape },
  )
const indices = (shape: readonly number[], below: number): Tensor =>
  tensor(
    Int32Array.from({ length: product(shape) }, (_, i) => (i * 31) % below),
    { shape },
  )

/** A parameter after two steps. */
function stepped(make: (p: Tensor[]) => { step(grads: Tensor[]): void }, shapes: readonly (readonly number[])[]): Tensor[] {
  const params = shapes.map((s) => nn.parameter(wave(s)))
  const o = make(params)
  noGrad(() => {
    for (const scale of [0.5, 0.25]) o.step(params.map((p) => p.mul(scale)))
  })
  return params
}

const random = (draw: () => Tensor): Tensor[] => {
  manualSeed(5)
  return [draw()]
}

function spectral(backward: boolean): Tensor[] {
  manualSeed(3)
  const layer = nn.spectralNorm(new nn.Linear(6, 5, { bias: false }))
  const out = layer.forward(wave([2, 6]))
  if (!backward) return [out.detach()]
  out.sum().backward()
  return layer.parameters().map((p) => p.grad!)
}

const sorted = (shape: readonly number[], algorithm: 'rank' | 'group' | 'global'): Tensor[] => {
  const { values, indices: places } = bms.sort(wave(shape), 1 - (shape.length === 1 ? 1 : 0), false, { algorithm })
  return [values, places]
}

function averaged(shape: readonly number[], warmup: boolean): Tensor[] {
  const params = [wave(shape), wave([3, 3])]
  const ema = new optim.EMA(params, { decay: 0.75, warmup })
  for (const p of params) p.copy_(p.mul(2))
  ema.update()
  return [...ema.params]
}

/** A convolution and its gradients: 64 pixels of the result a workgroup. */
function convolved(workgroups: number, algorithm: bms.ConvAlgorithm): Tensor[] {
  const [x, w] = [wave([workgroups, 1, 8, 8]).requiresGrad_(), wave([3, 1, 3, 3]).requiresGrad_()]
  const y = bms.conv2d(x, w, null, { padding: 1, algorithm })
  return [y.detach(), ...(bms.grad(y.sum(), [x, w]) as Tensor[])]
}

/** For each kernel a call that needs about so many workgroups of it. */
const cases: Record<KernelName, (workgroups: number) => Tensor[]> = {
  map: (w) => [wave([256 * w]).add(1)],
  'reduce.thread': (w) => [bms.sum(wave([64 * w, 3]), 1, false, { algorithm: 'thread' })],
  'reduce.group': (w) => [bms.sum(wave([w, 300]), 1, false, { algorithm: 'group' })],
  matmul_dots: (w) => [matmul(wave([64 * w, 3]), wave([3, 2]), { algorithm: 'dots' })],
  matmul_lanes: (w) => [matmul(wave([16 * w, 3]), wave([3, 5]), { algorithm: 'lanes' })],
  matmul_rows: (w) => [matmul(wave([16 * w, 3]), wave([3, 5]), { algorithm: 'rows' })],
  matmul_tiles: (w) => [matmul(wave([32 * w, 3]), wave([3, 5]), { algorithm: 'tiles' })],
  conv_lanes: (w) => convolved(w, 'lanes'),
  conv_rows: (w) => convolved(w, 'rows'),
  conv_tiles: (w) => convolved(w, 'tiles'),
  max_pool: (w) => {
    const { values, indices: places } = bms.maxPool2dWithIndices(wave([w, 32, 32]), 2)
    return [values, places]
  },
  resample: (w) => [wave([64 * w, 3]).pad([1, 0], { mode: 'replicate' })],
  'random.bits': (w) => random(() => bms.randomBits([256 * w])),
  'random.uniform_': (w) => random(() => bms.rand([256 * w])),
  'random.normal': (w) => random(() => bms.randn([256 * w])),
  'random.integer': (w) => random(() => bms.randint(-5, 9, [256 * w])),
  'random.mask': (w) => random(() => bms.dropoutMask([256 * w], 0.5)),
  gather: (w) => [wave([64, 9]).gather(0, indices([256 * w], 64).reshape(-1, 1))],
  index_select: (w) => [wave([9, 3]).indexSelect(0, indices([Math.ceil((256 * w) / 3)], 9))],
  'scatter_add.scan': (w) => [bms.scatterAdd(zeros([64 * w]), 0, indices([20], 64 * w), wave([20]), { algorithm: 'scan' })],
  'scatter_add.sorted': (w) => [bms.scatterAdd(zeros([64 * w]), 0, indices([20], 64 * w), wave([20]), { algorithm: 'sorted' })],
  'argreduce.thread': (w) => [bms.argmax(wave([64 * w, 3]), 1, false, { algorithm: 'thread' })],
  'argreduce.group': (w) => [bms.argmax(wave([w, 300]), 1, false, { algorithm: 'group' })],
  'softmax.thread': (w) => [bms.softmax(wave([64 * w, 3]), 1, { algorithm: 'thread' })],
  'softmax.group': (w) => [bms.softmax(wave([w, 300]), 1, { algorithm: 'group' })],
  'cumsum.row': (w) => [bms.cumsum(wave([64 * w, 3]), 1, { algorithm: 'row' })],
  'cumsum.chunk': (w) => [bms.cumsum(wave([w, 300]), 1, { algorithm: 'chunk' })],
  'cumsum.add': (w) => [bms.cumsum(wave([Math.ceil((256 * w) / 1200), 1200]), 1, { algorithm: 'chunk' })],
  'sort.rank': (w) => sorted([64 * w, 4], 'rank'),
  'sort.group': (w) => sorted([w, 30], 'group'),
  'sort.load': (w) => sorted([w, 30], 'global'),
  'sort.step': (w) => sorted([512 * w + 600], 'global'),
  'sort.merge': (w) => sorted([1024 * w + 600], 'global'),
  'sort.finish': (w) => sorted([w, 256], 'global'),
  'optim.sgd': (w) => stepped((p) => new optim.SGD(p, { momentum: 0.9 }), [[256 * w - 9], [3]]),
  'optim.adam': (w) => stepped((p) => new optim.Adam(p), [[256 * w - 9], [3]]),
  'optim.rmsprop': (w) => stepped((p) => new optim.RMSprop(p, { centered: true }), [[256 * w - 9], [3]]),
  'optim_tick.steps': (w) =>
    stepped(
      (p) => new optim.Adam(p),
      Array.from({ length: 64 * w }, () => [1]),
    ),
  eigh: (w) => Object.values(bms.linalg.eigh(wave([w, 3, 3]))),
  optim_ema: (w) => averaged([64 * w - 9], false),
  'optim_tick.ema': (w) => averaged([w], true),
  'spectral_norm.normalise': () => spectral(false),
  'spectral_norm.backward': () => spectral(true),
}

/** Kernels of one workgroup, whatever they are given. */
const single: readonly KernelName[] = ['optim_tick.ema', 'spectral_norm.normalise', 'spectral_norm.backward']
/** Workgroups at most, where each takes long on a CPU: their invocations wait for each other, or there is a parameter for each invocation. */
const most: Partial<Record<KernelName, number>> = {
  'optim_tick.steps': 4,
  ...Object.fromEntries(
    ['sort.group', 'sort.load', 'sort.step', 'sort.merge', 'sort.finish', 'matmul_tiles', 'conv_tiles', 'reduce.group'].map((k) => [k, 10]),
  ),
}

const read = (tensors: readonly Tensor[]): Promise<ArrayLike<number>[]> => Promise.all(tensors.map((t) => t.data()))

/** What a call gives, and its dispatches. */
async function observe(kernel: KernelName, workgroups: number): Promise<{ values: ArrayLike<number>[]; seen: Seen[] }> {
  watched.seen.length = 0
  const values = await read(cases[kernel](workgroups))
  return { values, seen: [...watched.seen] }
}

/** Runs a call with limits and without: the same bits, or, where a dispatch cannot keep to a limit however it is split, a LimitError. */
async function compare(kernel: KernelName, workgroups: number, limits: Limits, fits: (s: Seen) => boolean): Promise<readonly Seen[]> {
  const free = await observe(kernel, workgroups)
  assert.ok(
    free.seen.some((s) => s.kernel === kernel),
    `its call dispatches ${kernel}`,
  )
  count('limited kernels')
  const what = `${kernel}, ${workgroups} workgroups, ${JSON.stringify(limits)}`
  const run = watched.limited(limits, () => observe(kernel, workgroups))
  if (!free.seen.every(fits)) {
    const error = await thrown(() => run)
    assert.is(error.code, 'LIMIT', `${what}: ${error.stack}`)
    return []
  }
  const { values, seen } = await run
  assert.equal(values, free.values, what)
  return seen
}

const kernels = Object.keys(cases) as KernelName[]

test('the table has a call for every kernel', () => assert.equal([...kernels].sort(), Object.keys(shaders).sort()))

let watched: Watched

test.before(async () => {
  watched = await Watched.open()
})

test.after(() => watched.close())

const { subgroupSize } = await ready()
const runnable = kernels.filter((k) => (k !== 'matmul_lanes' || subgroupSize === 4 || subgroupSize === 8) && (k !== 'conv_lanes' || subgroupSize === 8))
/** Numbered through three dimensions. */
const isProduct = (kernel: string): boolean => kernel.startsWith('matmul') || kernel.startsWith('conv')

for (const kernel of runnable) {
  test(`${kernel} with few workgroups a dimension`, async () => {
    let split = false
    for (const limit of [3, 7, 64]) {
      const dims = isProduct(kernel) ? 3 : 2
      // The first that is split, the last that fits, the first that does not.
      for (const n of limit === 64 ? [65] : [limit + 1, limit ** 2, limit ** dims + 1]) {
        if (n > (single.includes(kernel) ? 4 : (most[kernel] ?? 400))) continue
        const seen = await compare(kernel, n, { maxComputeWorkgroupsPerDimension: limit }, (s) => s.workgroups <= limit ** (isProduct(s.kernel) ? 3 : 2))
        split ||= seen.some((s) => s.kernel === kernel && s.grid[1] > 1)
      }
    }
    assert.is(split, !single.includes(kernel), 'was split')
  })
}

for (const kernel of runnable) {
  test(`${kernel} with small bindings`, async () => {
    let small = false
    for (const bytes of [512, 4096, 16384]) {
      for (const n of [1, 5]) {
        if (n > (most[kernel] ?? 400)) continue
        // Only element-wise work is split. (Storages are powers of two, as these limits are.)
        const seen = await compare(kernel, n, { maxStorageBufferBindingSize: bytes }, (s) => s.kernel === 'map' || s.largest <= bytes)
        small ||= seen.some((s) => s.kernel === kernel)
      }
    }
    assert.ok(small, 'ran under such a limit')
  })
}

test('optimisers and averages keep what many parameters share within a binding', async () => {
  const shapes = [[100], [90], [120], [7], [250]]
  const run = async (): Promise<ArrayLike<number>[]> => {
    const params = stepped((p) => new optim.Adam(p), shapes)
    const ema = new optim.EMA(params, { decay: 0.75 })
    for (const p of params) p.copy_(p.mul(2))
    ema.update()
    return read([...params, ...ema.params])
  }
  const free = await run()
  assert.equal(await watched.limited({ maxStorageBufferBindingSize: 2048 }, run), free)
})

test('a fused kernel binds no more buffers than there may be', async () => {
  for (const limit of [4, 8]) {
    for (const n of [limit - 2, limit - 1, limit, 2 * limit]) {
      const list = Array.from({ length: n }, (_, i) => wave([4, i % 2 ? 6 : 1]).mul(i + 1))
      const total = (): Tensor[] => {
        const each = list.map((t) => t.tanh())
        const all = each.reduce((a, b) => a.add(b))
        return [
          all,
          all.sum(0),
          each
            .reduce((a, b) => a.maximum(b))
            .mul(all)
            .mean(),
        ]
      }
      const free = await read(total())
      const limited = await watched.limited({ maxStorageBuffersPerShaderStage: limit }, () => read(compile(total)()))
      for (const [k, values] of limited.entries()) close(values, free[k]!)
      count('limited kernels')
    }
  }
})

test.run()
