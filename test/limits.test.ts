// What is larger than the adapter allows: dispatches and bindings are split, with limits lowered by hand; what cannot be split is an error with a remedy.
import { arange, compile, type Device, matmul, ones, randn, splitGroups, sum, type Tensor, tensor, useDevice, zeros } from '@bms/tensor'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { close, ready, thrown } from './helpers/device.js'
import { openDevice } from './helpers/host.js'

const test = suite('limits')

test('workgroups are split near-square', () => {
  assert.equal(splitGroups(65535, 'op', 1), [1, 1, 1])
  assert.equal(splitGroups(65535, 'op', 65535), [65535, 1, 1])
  for (const count of [65536, 65537, 100_000, 1_000_003, 65535 * 65535]) {
    const [x, y, z] = splitGroups(65535, 'op', count)
    assert.ok(x * y * z >= count && x <= 65535 && y <= 65535)
    assert.ok(x * y - count < Math.max(x, y), 'less than a row too many')
  }
  const error = assert.throws(
    () => splitGroups(65535, 'add', 65535 ** 2 + 1),
    /add: needs 4294836226 workgroups, the adapter takes 65535 in each of two dimensions; split the tensor/,
  )
  assert.is(error, undefined)
})

/** A device whose limits are told lower than they are. */
async function withLimits(lower: Partial<Record<keyof GPUSupportedLimits, number>>, fn: (device: Device) => Promise<void>): Promise<void> {
  const shared = await ready()
  const device = await openDevice()
  const { limits } = device
  const told = new Proxy(limits, { get: (_, name) => lower[name as keyof GPUSupportedLimits] ?? limits[name as keyof GPUSupportedLimits] })
  Object.defineProperty(device, 'limits', { value: told })
  try {
    await fn(device)
  } finally {
    device.destroy()
    useDevice(shared)
  }
}

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i)

test('every kind of kernel with few workgroups a dimension', async () => {
  await withLimits({ maxComputeWorkgroupsPerDimension: 7 }, async () => {
    const n = 40 * 256
    close(
      await arange(n).add(1).data(),
      range(n).map((i) => i + 1),
      0,
    )
    for (const algorithm of ['thread', 'group'] as const) {
      const rows = algorithm === 'thread' ? 2000 : 40
      close(
        await sum(arange(rows * 3).reshape(rows, 3), 1, false, { algorithm }).data(),
        range(rows).map((i) => 9 * i + 3),
        0,
      )
    }
    const a = arange(60 * 2).reshape(60, 2)
    for (const algorithm of ['rows', 'tiles', 'dots'] as const) {
      const out = await matmul(a, ones([2, 100]), { algorithm }).data()
      close(
        out,
        range(6000).map((i) => 4 * Math.floor(i / 100) + 1),
        0,
      )
    }
    close(await arange(3000).reshape(1000, 3).softmax(1).sum(1).data(), new Array(1000).fill(1))
    close(await arange(2000).flip(0).sort().values.data(), range(2000), 0)
    assert.is((await randn([10000]).data()).filter((v) => v === 0).length < 5, true)
    const step = compile((x: Tensor) => x.add(1).sum(1))
    close(await step(zeros([2000, 2])).data(), new Array(2000).fill(2), 0)
    assert.match((await thrown(() => arange(60 * 256).add(1))).message, /add: needs 60 workgroups, the adapter takes 7 in each of two dimensions/)
  })
})

test('element-wise work on tensors that no binding holds', async () => {
  const limit = 4096
  await withLimits({ maxStorageBufferBindingSize: limit }, async (device) => {
    const n = 5000
    const x = arange(n)
    const count = device.stream.dispatches
    const y = x.mul(2).add(x)
    assert.ok(device.stream.dispatches - count >= 2 * 5, 'several dispatches an op')
    close(
      await y.data(),
      range(n).map((i) => 3 * i),
      0,
    )
    // Odd offsets, which no binding can begin at.
    close(
      await x
        .narrow(0, 3, 4001)
        .sub(x.narrow(0, 7, 4001))
        .data(),
      new Array(4001).fill(-4),
      0,
    )
    close(await x.flip(0).contiguous().data(), range(n).reverse(), 0)
    const m = x.narrow(0, 0, 4900).reshape(70, 70)
    close(
      await m.transpose().add(m).data(),
      range(4900).map((i) => i + (i % 70) * 70 + Math.floor(i / 70)),
      0,
    )
    close(
      await m.narrow(1, 5, 2).contiguous().data(),
      range(140).map((i) => Math.floor(i / 2) * 70 + 5 + (i % 2)),
      0,
    )
    // In place, broadcast, part of a large tensor, several outputs.
    x.copy_(x.add(1))
    x.narrow(0, 2000, 10).fill_(0)
    close(await x.narrow(0, 1998, 14).data(), [1999, 2000, ...new Array(10).fill(0), 2011, 2012], 0)
    close(await m.mul(0).add(arange(70)).narrow(0, 69, 1).data(), range(70), 0)
    const step = compile((t: Tensor) => {
      const e = t.mul(2)
      return [e, e.add(1)]
    })
    const [a, b] = step(arange(n)) as [typeof x, typeof x]
    close(
      await a.data(),
      range(n).map((i) => 2 * i),
      0,
    )
    close(
      await b.data(),
      range(n).map((i) => 2 * i + 1),
      0,
    )
    assert.ok(step.stats().dispatches > 5)
    assert.is(step.toString().split('\n').length, 1 + 1)
    close(
      await tensor(
        range(n).map((i) => i % 2),
        { dtype: 'bool' },
      )
        .logicalNot()
        .data(),
      range(n).map((i) => 1 - (i % 2)),
      0,
    )
  })
})

test('what cannot be split names limit, need and remedy', async () => {
  await withLimits({ maxStorageBufferBindingSize: 4096 }, async () => {
    const x = arange(8192)
    const cases: [() => unknown, RegExp][] = [
      [
        () => x.sum(),
        /sum: needs 32768 bytes of one tensor in a kernel, the adapter's maxStorageBufferBindingSize is 4096; use a smaller batch, or split the tensor/,
      ],
      [() => x.reshape(64, 128).matmul(ones([128, 2])), /matmul: needs 32768 bytes of one tensor/],
      [() => randn([8192]), /randn: needs 32768 bytes/],
      [() => compile((t: Tensor) => t.sum())(x), /sum: needs 32768 bytes/],
    ]
    for (const [fn, message] of cases) {
      const error = await thrown(fn)
      assert.is(error.code, 'LIMIT')
      assert.match(error.message, message)
      assert.is(error.fields['limit'], 4096)
    }
    close(
      await x
        .narrow(0, 0, 8)
        .add(x.narrow(0, 8000, 8))
        .data(),
      range(8).map((i) => 8000 + 2 * i),
      0,
    )
  })
})

test('too many tensors for one kernel are not fused into one', async () => {
  await withLimits({ maxStorageBuffersPerShaderStage: 4 }, async () => {
    const list = range(9).map((i) => tensor([i, 1]))
    const step = compile(() => list.reduce((a, b) => a.add(b).mul(1)))
    close(await step().data(), [36, 9], 0)
    assert.ok(step.stats().dispatches > 2)
  })
})

test.run()
