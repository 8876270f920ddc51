// The planner of convolutions is pure arithmetic: which kernel for which adapter, how many workgroups, how a long sum is split; checked without a GPU.
import { type ConvPass, type ConvShape, type MatmulTarget, planConv } from '@bms/tensor'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const limits = { maxComputeInvocationsPerWorkgroup: 256, maxComputeWorkgroupStorageSize: 16384, maxComputeWorkgroupsPerDimension: 65535 }
const gpu: MatmulTarget = { kind: 'gpu', limits }
const software: MatmulTarget = { kind: 'software', limits }
const subgroups: MatmulTarget = { kind: 'software', subgroupSize: 8, limits }

/** 64 → 128 channels, 4x4, stride 2, padding 1, of 16 images of 32x32. */
const shape: ConvShape = {
  batch: 16,
  inChannels: 64,
  outChannels: 128,
  input: [32, 32],
  output: [16, 16],
  kernel: [4, 4],
  stride: [2, 2],
  padding: [1, 1],
  dilation: [1, 1],
  groups: 1,
}

const test = suite('planConv')

test('chooses by adapter', () => {
  for (const pass of ['forward', 'input', 'weight'] as ConvPass[]) {
    assert.is(planConv(shape, pass, gpu).kernel, 'conv_tiles')
    assert.is(planConv(shape, pass, software).kernel, 'conv_rows')
    assert.is(planConv(shape, pass, subgroups).kernel, 'conv_lanes')
    assert.is(planConv(shape, pass, { ...software, subgroupSize: 4 }).kernel, 'conv_rows')
    assert.is(planConv(shape, pass, { ...gpu, limits: { ...limits, maxComputeInvocationsPerWorkgroup: 128 } }).kernel, 'conv_rows')
  }
  assert.throws(() => planConv(shape, 'forward', software, 'lanes'), /needs a fixed subgroup size of 8, this device has none; use 'rows'/)
  assert.throws(() => planConv(shape, 'forward', { ...gpu, limits: { ...limits, maxComputeWorkgroupStorageSize: 8192 } }, 'tiles'), /does not fit the limits/)
})

test('the three passes do the same work on products of other shapes', () => {
  const sizes = (['forward', 'input', 'weight'] as const).map((pass) => {
    const { params, flops } = planConv(shape, pass, software)
    assert.is(flops, 2 * 16 * 16 * 16 * 128 * 64 * 16)
    return [params['m'], params['n']]
  })
  // Channels by pixels; of an input gradient the pixels of one phase of four; of a weight gradient channels by (channel, tap).
  assert.equal(sizes, [
    [128, 16 * 16 * 16],
    [64, 16 * 16 * 16],
    [128, 64 * 16],
  ])
  assert.equal(planConv(shape, 'input', software).workgroups, [(64 / 16) * ((16 * 16 * 16) / 64) * 4, 1, 1])
})

test('blocks of rows are as high as there are rows for', () => {
  const rows = (outChannels: number): unknown => planConv({ ...shape, outChannels }, 'forward', subgroups).constants['ROWS']
  assert.equal([1, 8, 9, 16, 17, 33].map(rows), [8, 8, 16, 16, 32, 32])
  const side = (outChannels: number): unknown => planConv({ ...shape, outChannels }, 'forward', gpu).constants['TILE_M']
  assert.equal([1, 32, 33, 64].map(side), [32, 32, 64, 64])
})

test('a weight gradient of few tiles is summed in parts, on GPUs', () => {
  assert.is(planConv(shape, 'weight', software).splits, 1)
  assert.is(planConv(shape, 'forward', gpu).splits, 1)
  // 2 x 16 tiles of 64: sixteen parts of 256 pixels each.
  assert.is(planConv(shape, 'weight', gpu).splits, 16)
  const splits = (more: Partial<ConvShape>): number => planConv({ ...shape, ...more }, 'weight', gpu).splits
  // Parts of 256 pixels at least.
  assert.is(splits({ batch: 1 }), 1)
  assert.is(splits({ batch: 2 }), 2)
  // 512 workgroups at most.
  assert.is(splits({ inChannels: 1024, outChannels: 512 }), 1)
})

test('folds workgroups beyond the limit, and refuses more than there can be', () => {
  const few = { ...software, limits: { ...limits, maxComputeWorkgroupsPerDimension: 10 } }
  const [x, y, z] = planConv(shape, 'forward', few).workgroups
  assert.ok(x <= 10 && y <= 10 && z <= 10 && x * y * z >= 512, `${x}x${y}x${z}`)
  assert.throws(() => planConv({ ...shape, batch: 64 }, 'forward', few), /more than 10 in each dimension allow/)
})

test.run()
