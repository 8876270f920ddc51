// Compiles every kernel in every specialisation that the framework asks for, on Dawn's null backend, which needs no GPU and computes nothing. What it
// asks for is found by asking: all ops over all dtypes, algorithms and memory orders are run there, and each pipeline is made with errors watched.
import * as bms from '@bms/nn'
import {
  type DType,
  type Device,
  init,
  mapOps,
  matmul,
  nn,
  ones,
  optim,
  Pipelines,
  type PipelineSpec,
  planMatmul,
  shaders,
  specialise,
  type Tensor,
  useDevice,
  zeros,
} from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ready } from './helpers/device.js'

const test = suite('shaders on the null backend')
const dtypes: DType[] = ['f32', 'f16', 'i32', 'u32', 'bool']
const floats: DType[] = ['f32', 'f16']
const wanted = new Map<string, PipelineSpec>()
let device: Device
let shared: Device

test.before(async () => {
  shared = await ready()
  // Importing '@bms/nn' alone brings no adapters; the helper's '@bms/tensor/node' did.
  device = await init({ adapter: 'null' })
  assert.ok(device.features.has('shader-f16'), 'or half of this would be left out')
  const { pipelines } = device
  const get = pipelines.get.bind(pipelines)
  pipelines.get = (spec) => {
    wanted.set(spec.key, spec)
    return get(spec)
  }
})

test.after(() => {
  device.destroy()
  useDevice(shared)
})

const of = (dtype: DType, shape: number[] = [4, 6]): Tensor => zeros(shape, { dtype, device })

/** Runs `fn` on the null device with GPU errors watched. */
async function clean(what: string, fn: () => void): Promise<void> {
  fn()
  await device.sync().catch((error: Error) => {
    throw new Error(`${what}: ${error.message}`)
  })
}

/** The public functions by name. */
const table = bms as unknown as Record<string, (...t: Tensor[]) => Tensor>

for (const name of Object.keys(mapOps)) {
  test(`element-wise ${name}`, async () => {
    const fn = table[name]
    for (const a of dtypes) {
      await clean(`${name} of ${a}`, () => {
        const x = of(a)
        if (name === 'gelu') x.gelu()
        else if (name === 'geluTanh') x.gelu('tanh')
        else if (name === 'clamp') x.clamp(0, 1)
        else if (name === 'leakyRelu') x.leakyRelu(0.1)
        else if (name === 'elu') x.elu(1)
        else if (name === 'leakyReluGrad') bms.leakyReluGrad(x, x.add(1), 0.1)
        else if (name === 'where') for (const b of dtypes) x.where(of(b), of(b, [6]))
        else if (fn!.length === 1) fn!(x)
        else for (const b of dtypes) fn!(x, of(b, [6]))
      })
    }
  })
}

test('casts, memory orders, copies, joins, padding', async () => {
  for (const a of dtypes) {
    for (const b of dtypes) await clean(`${a} to ${b}`, () => void of(a).to(b))
    await clean(`views of ${a}`, () => {
      const x = of(a)
      for (const v of [x.transpose(), x.flip([0, 1]), x.narrow(1, 1, 3), of(a, [6]).expand([4, 6]), of(a, [2, 3, 4, 5, 2]).permute([4, 2, 0, 3, 1])]) v.clone()
      x.copy_(of('f32', [6])).fill_(1)
      bms.cat([x, x.transpose().contiguous().reshape(4, 6)], 1).pad([1, 1])
    })
  }
})

test('reductions', async () => {
  for (const a of dtypes) {
    for (const algorithm of ['thread', 'group'] as const) {
      for (const op of [bms.sum, bms.mean, bms.max, bms.min, bms.prod]) {
        for (const x of [of(a), of(a).transpose(), of(a, [2, 3, 4, 5]).permute([2, 0, 3, 1])]) {
          await clean(`${op.name} of ${a}, ${algorithm}`, () => [undefined, 0, [0, x.ndim - 1]].forEach((dims) => void op(x, dims, false, { algorithm })))
        }
      }
    }
    await clean(`all of ${a}`, () => [bms.all, bms.any, bms.variance, bms.std, bms.norm].forEach((op) => void op(of(a))))
  }
})

test('products: every algorithm, transposed and not, aligned and not, sizes around every tile, epilogues', async () => {
  const sizes = [1, 3, 4, 8, 9, 16, 17, 32, 33, 64, 68, 1024]
  const some = [1, 4, 9, 17, 33, 68]
  for (const algorithm of [undefined, 'lanes', 'rows', 'tiles', 'dots'] as const) {
    if (algorithm === 'lanes' && device.subgroupSize === undefined) continue
    for (const dtype of floats) {
      for (const m of some) {
        for (const n of some) {
          for (const bits of [0, 1, 2, 3]) {
            const k = bits & 1 ? 8 : 7
            const [a, b] = bits & 2 ? [of(dtype, [k, m]).transpose(), of(dtype, [n, k]).transpose()] : [of(dtype, [m, k]), of(dtype, [k, n])]
            await clean(`${algorithm} ${m}x${k}x${n}`, () => void matmul(a, b, { algorithm }))
            a.dispose()
            b.dispose()
          }
        }
      }
    }
  }
  // What the planner would choose on other adapters than this one.
  const { limits } = device
  const targets = [
    { kind: 'gpu' as const, limits },
    { kind: 'software' as const, limits },
    { kind: 'software' as const, limits, subgroupSize: 8 },
    { kind: 'software' as const, limits, subgroupSize: 4 },
  ]
  const algorithms = [undefined, 'lanes', 'rows', 'tiles', 'dots'] as const
  for (const target of targets) {
    for (const algorithm of algorithms) {
      if (algorithm === 'lanes' && !('subgroupSize' in target)) continue
      for (const [i, m] of sizes.entries()) {
        for (const n of sizes.slice(i % 3)) {
          for (const bits of Array.from({ length: 16 }, (_, b) => b)) {
            const [transA, transB] = [Boolean(bits & 1), Boolean(bits & 2)]
            const k = bits & 4 ? 512 : 6
            const plan = planMatmul(
              { m, n, k, batch: 1, transA, transB, lda: transA ? m : k, ldb: transB ? k : n, aOffset: bits & 8 ? 1 : 0, bOffset: bits & 8 ? 1 : 0 },
              target,
              algorithm,
            )
            const kernel = shaders[plan.kernel as 'matmul_rows']
            for (const type of floats) {
              const key = `${kernel.name}|${JSON.stringify(plan.constants)}|${type}`
              wanted.set(key, { key, kernel, source: () => specialise(kernel.source, plan.constants, type === 'f16' ? { T: 'f16' } : {}) })
            }
          }
        }
      }
    }
  }
})

test('convolutions: every algorithm, pass and size of tile, sums in parts; pooling and resampling', async () => {
  for (const algorithm of [undefined, 'lanes', 'rows', 'tiles'] as const) {
    if (algorithm === 'lanes' && device.subgroupSize !== 8) continue
    for (const dtype of floats) {
      for (const channels of [3, 40]) {
        await clean(`${algorithm} of ${dtype} to ${channels} channels`, () => {
          const [x, w] = [of(dtype, [8, 2, 16, 16]), of(dtype, [channels, 2, 3, 3])]
          const y = bms.conv2d(x, w, of(dtype, [channels]), { padding: 1, algorithm })
          const attrs = { stride: [1, 1], padding: [1, 1], dilation: [1, 1], groups: 1, algorithm } as const
          bms.conv2dInput(y, w, [16, 16], attrs)
          bms.conv2dWeight(x, y, [3, 3], attrs)
        })
      }
    }
  }
  // What the planner would choose on other adapters than this one.
  const shape = { batch: 2, input: [6, 6], output: [6, 6], kernel: [3, 3], stride: [1, 1], padding: [1, 1], dilation: [1, 1], groups: 1 } as const
  const { limits } = device
  for (const target of [
    { kind: 'gpu' as const, limits },
    { kind: 'software' as const, limits },
    { kind: 'software' as const, limits, subgroupSize: 8 },
  ]) {
    for (const outChannels of [3, 40]) {
      for (const pass of ['forward', 'input', 'weight'] as const) {
        const plan = bms.planConv({ ...shape, inChannels: 40, outChannels }, pass, target)
        const kernel = shaders[plan.kernel]
        for (const T of floats) {
          const key = `${plan.kernel}|${JSON.stringify(plan.constants)}|${T}`
          wanted.set(key, { key, kernel, source: () => specialise(kernel.source, plan.constants, { T }) })
        }
      }
    }
  }
  for (const dtype of floats) {
    await clean(`pooling of ${dtype}`, () => {
      const x = of(dtype, [2, 5, 6])
      bms.maxPool2d(x, 2)
      bms.avgPool2d(x, 2)
      bms.interpolate(x, { size: 7, mode: 'bilinear' })
      x.pad([1, 1], { mode: 'reflect' })
    })
  }
})

test('ordering, indexing, softmax, random numbers', async () => {
  const index = (dtype: 'i32' | 'u32', shape: number[]): Tensor => of(dtype, shape)
  for (const a of dtypes) {
    await clean(`ordering of ${a}`, () => {
      const x = of(a)
      for (const algorithm of ['thread', 'group'] as const) [bms.argmax, bms.argmin].forEach((op) => void op(x, 1, false, { algorithm }))
      for (const algorithm of ['rank', 'group', 'global'] as const) bms.sort(x, 1, true, { algorithm })
      bms.sort(of(a, [5000]), 0)
      x.topk(2)
      for (const algorithm of ['row', 'chunk'] as const) bms.cumsum(of(a, [3, 3000]), 1, { algorithm })
      for (const i of ['i32', 'u32'] as const) {
        x.gather(1, index(i, [4, 2]))
        x.indexSelect(0, index(i, [3]))
        if (a === 'bool') continue
        for (const algorithm of ['scan', 'sorted'] as const) {
          bms.scatterAdd(x, 1, index(i, [4, 6]), x, { algorithm })
          bms.indexAdd(x, 0, index(i, [4]), x, { algorithm })
        }
      }
    })
  }
  for (const dtype of floats) {
    await clean(`softmax and random numbers in ${dtype}`, () => {
      for (const algorithm of ['thread', 'group'] as const) {
        for (const x of [of(dtype), of(dtype, [2, 1000])]) [bms.softmax, bms.logSoftmax, bms.logsumexp].forEach((op) => void op(x, 1, { algorithm } as never))
        bms.logsumexp(of(dtype), 1, true, { algorithm })
      }
      bms.rand([5], { dtype })
      bms.randn([5], { dtype })
      bms.randint(0, 9, [5], { dtype })
      bms.dropoutMask([5], 0.5, { dtype })
      bms.bernoulli(0.5, [5], { dtype })
    })
  }
  await clean(
    'other random numbers',
    () => void [bms.randint(0, 9, [5]), bms.randint(0, 9, [5], { dtype: 'u32' }), bms.randperm(9), bms.randperm(3000), bms.randomBits([4])],
  )
})

test('decompositions', async () => {
  await clean('eigh', () => void bms.linalg.eigh(of('f32', [2, 5, 5])))
  // As on software adapters.
  const { eigh } = shaders
  wanted.set('eigh, a vector wide', { key: 'eigh, a vector wide', kernel: eigh, source: () => specialise(eigh.source, { WG: 8 }, {}) })
})

test('optimisers, averages, spectral norm', async () => {
  await clean('nn', () => {
    const layer = nn.spectralNorm(new nn.Linear(8, 4))
    const params = [...layer.parameters()]
    const ema = new optim.EMA(params, { decay: 0.9, warmup: true })
    for (const make of [
      () => new optim.SGD(params, { lr: 0.1, momentum: 0.9, nesterov: true }),
      () => new optim.Adam(params, { lr: 0.1 }),
      () => new optim.AdamW(params, { lr: 0.1 }),
      () => new optim.RMSprop(params, { lr: 0.1, centered: true, momentum: 0.5 }),
    ]) {
      const optimiser = make()
      optimiser.zeroGrad()
      bms.backward((layer.forward(ones([2, 8], { device })) as Tensor).sum())
      optimiser.step()
      ema.update()
    }
    layer.eval()
    layer.forward(ones([2, 8], { device }))
  })
})

test('all of it compiles', async () => {
  const pipelines = new Pipelines(device)
  await pipelines.prepare(wanted.values())
  assert.is(pipelines.size, wanted.size)
  console.log(`    ${wanted.size} pipelines`)
})

test('no kernel was left out', () => {
  const used = new Set([...wanted.values()].map((s) => s.kernel.name))
  assert.equal(
    Object.keys(shaders).filter((name) => !used.has(name)),
    [],
  )
})

test('every kernel compiles as it stands in its file', async () => {
  for (const [name, info] of Object.entries(shaders)) {
    await new Pipelines(device).prepare([{ key: name, kernel: info, source: () => info.source }])
  }
})

test.run()
