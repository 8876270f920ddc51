// The engine's promises, which are PyTorch's: what accumulates where, what is freed when, what is an error and says so; functions of the user's own.
import { backward, currentDevice, customFunction, enableGrad, grad, isGradEnabled, noGrad, ones, randn, type Tensor, tensor, tidy, zeros } from '@bms/autograd'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { close, ready, settle, thrown } from './helpers/device.js'

const test = suite('autograd')

test.before(async () => {
  await ready()
})

const leaf = (values: number[]): Tensor => tensor(values, { requiresGrad: true })

test('backward adds up in grad', async () => {
  const x = leaf([1, 2])
  x.square().sum().backward()
  close(await x.grad!.data(), [2, 4], 0)
  x.mul(10).sum().backward()
  close(await x.grad!.data(), [12, 14], 0)
  x.grad = null
  backward(x.mul(3), { gradient: tensor([1, 10]) })
  close(await x.grad!.data(), [3, 30], 0)
  assert.is(x.grad!.requiresGrad, false)
})

test('what lands in grad is nobody else’s memory', async () => {
  const [a, b, c] = [leaf([1, 2]), leaf([3, 4]), leaf([5, 6])]
  const seed = tensor([1, 1])
  a.add(b).add(c.reshape(1, 2).reshape(2)).backward(seed)
  const grads = [a.grad!, b.grad!, c.grad!]
  assert.is(new Set([...grads.map((g) => g.storage), seed.storage]).size, 4)
  grads[0]!.fill_(7)
  close(await b.grad!.data(), [1, 1], 0)
  close(await c.grad!.data(), [1, 1], 0)
  seed.dispose()
  close(await a.grad!.data(), [7, 7], 0)
  const spread = leaf([1, 2, 3])
  spread.sum().backward()
  spread.grad!.fill_(2)
  close(await spread.grad!.data(), [2, 2, 2], 0)
})

test('one gradient for two inputs: two handles', async () => {
  const [a, b] = [leaf([1, 2]), leaf([3, 4])]
  const given = tensor([5, 6])
  const [ga, gb] = grad(a.add(b), [a, b], { gradOutputs: given }) as [Tensor, Tensor]
  ga.dispose()
  close(await gb.data(), [5, 6], 0)
  gb.dispose()
  close(await given.data(), [5, 6], 0)
})

test('diamonds, the same tensor twice, several outputs', async () => {
  const x = leaf([3])
  const y = x.mul(x)
  close(await grad(y.mul(y).add(y), x).data(), [4 * 27 + 6], 0)
  close(await grad([x.mul(2), x.square()], x).data(), [2 + 6], 0)
  const [first, second] = x.reshape(1, 1).expand([1, 4]).split(2, 1) as [Tensor, Tensor]
  close(await grad(first.sum(), x, { retainGraph: true }).data(), [2], 0)
  close(await grad(first.sum().add(second.mul(10).sum()), x).data(), [22], 0)
  const outs = [x.mul(2), tensor([1, 1]).mul(x)]
  close(await grad(outs, x, { gradOutputs: [null, tensor([10, 100])] }).data(), [112], 0)
})

test('gradients of values in between', async () => {
  const x = leaf([2])
  const h = x.mul(3)
  const y = h.square()
  const [gh, gx, gy] = grad(y, [h, x, y]) as [Tensor, Tensor, Tensor]
  close(await gh.data(), [12], 0)
  close(await gx.data(), [36], 0)
  close(await gy.data(), [1], 0)
})

test('a graph is used up, unless retained', async () => {
  const x = leaf([2])
  const y = x.square().exp()
  grad(y, x, { retainGraph: true })
  grad(y, x)
  const error = await thrown(() => grad(y, x))
  assert.is(error.code, 'GRAPH_FREED')
  assert.match(error.message, /gradients were already taken through this graph, and its values are freed; pass \{ retainGraph: true \} the first time/)
})

test('an overwritten value is noticed', async () => {
  const w = leaf([2])
  const y = w.square()
  w.copy_(tensor([5]))
  const error = await thrown(() => grad(y, w))
  assert.is(error.code, 'MODIFIED')
  assert.match(error.message, /square: the value of its input 1, which the gradient needs, was overwritten in place after it was used/)
  const view = w.mul(2)
  noGrad(() => w.narrow(0, 0, 1).fill_(3))
  close(await grad(view, w).data(), [2], 0)
  assert.throws(() => w.mul(2).copy_(tensor([1])), /copy_: the tensor was made by mul, and gradients flow through it/)
})

test('noGrad and enableGrad, nested and asynchronous', async () => {
  const x = leaf([1])
  assert.is(noGrad(() => x.mul(2)).requiresGrad, false)
  assert.is(noGrad(() => enableGrad(() => x.mul(2))).requiresGrad, true)
  assert.throws(() =>
    noGrad(() => {
      throw new Error('inside')
    }),
  )
  assert.is(isGradEnabled(), true)
  const wait = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))
  // One that ends before the other began to end.
  await Promise.all([noGrad(() => wait(5)), noGrad(() => wait(15))])
  assert.is(isGradEnabled(), true)
  await noGrad(async () => {
    await wait(1)
    assert.is(x.mul(2).requiresGrad, false)
  })
  await noGrad(() => Promise.reject(new Error('late'))).catch(() => {})
  assert.is(isGradEnabled(), true)
})

test('leaves and others', async () => {
  const x = leaf([1, 2])
  assert.is(x.isLeaf, true)
  assert.is(x.mul(2).isLeaf, false)
  assert.is(x.detach().requiresGrad, false)
  assert.is(x.gt(0).requiresGrad, false)
  assert.is(x.int().requiresGrad, false)
  assert.throws(() => x.mul(2).requiresGrad_(false), /requiresGrad can only be changed on leaves; this tensor was made by mul: use detach\(\)/)
  assert.throws(() => tensor([1], { dtype: 'i32', requiresGrad: true }), /only f32 and f16 tensors have gradients, this one is i32/)
  for (const t of [zeros([1], { requiresGrad: true }), ones([1], { requiresGrad: true }), randn([1], { requiresGrad: true })]) assert.is(t.requiresGrad, true)
  assert.throws(() => backward(x.mul(2)), /output 1 has shape \[2\]; gradients start at one number: use sum\(\) or mean\(\), or give gradOutputs/)
  assert.throws(() => backward(x.mul(2), { gradient: zeros([3]) }), /the gradient given for output 1 has shape \[3\], the output \[2\]/)
  assert.throws(() => backward(tensor([1])), /output 1 \[1\] does not depend on anything with requiresGrad/)
  assert.throws(() => grad(x.sum(), tensor([1])), /grad: input 1 \[1\] has no requiresGrad; set it before it is used/)
  const unused = leaf([1])
  assert.throws(() => grad(x.sum(), [x, unused]), /the outputs do not depend on input 2 \[1\]; pass \{ allowUnused: true \}/)
  assert.is(grad(x.sum(), [unused], { allowUnused: true })[0], null)
  const itself = leaf([4])
  itself.backward()
  close(await itself.grad!.data(), [1], 0)
})

test('functions of the user’s own', async () => {
  const cube = customFunction({
    name: 'cube',
    forward(ctx, x: Tensor) {
      ctx.save(x)
      return x.mul(x).mul(x)
    },
    backward: (ctx, g) => [g!.mul(ctx.saved()[0]!.square()).mul(3)],
  })
  const x = leaf([2, -1])
  close(await grad(cube(x).sum(), x).data(), [12, 3])
  const first = grad(cube(x).sum(), x, { createGraph: true })
  close(await grad(first.sum(), x).data(), [12, -6])
  assert.is(cube(tensor([1])).requiresGrad, false)
  const both = customFunction({
    name: 'both',
    forward(ctx, a: Tensor, b: Tensor): Tensor[] {
      const sum = a.add(b)
      ctx.save(sum)
      ctx.attrs['scale'] = 2
      return [sum, a]
    },
    backward(ctx, gs, ga) {
      const g = gs ? gs.mul(ctx.saved()[0]!).mul(ctx.attrs['scale']) : zeros([2])
      return [ga ? g.add(ga) : g, ctx.needs(1) ? g : null]
    },
  })
  const [s, same] = both(x, tensor([1, 1])) as [Tensor, Tensor]
  close(await same.data(), [2, -1], 0)
  close(await grad([s.sum(), same.mul(10).sum()], x).data(), [16, 10])
})

test('a training loop is flat, with tidy and without graphs left behind', async () => {
  const w = randn([8, 8], { requiresGrad: true })
  const x = randn([4, 8])
  const step = (): void =>
    tidy(() => {
      x.matmul(w).tanh().square().mean().backward()
      noGrad(() => w.copy_(w.sub(w.grad!.mul(0.1))))
      w.grad!.dispose()
      w.grad = null
    })
  for (let i = 0; i < 5; i++) step()
  await settle(currentDevice())
  const before = currentDevice().memory()
  for (let i = 0; i < 300; i++) step()
  assert.equal(currentDevice().memory(), before)
})

test('long chains do not overflow the stack', async () => {
  const x = leaf([1])
  const y = tidy(() => {
    let t: Tensor = x
    for (let i = 0; i < 6_000; i++) t = t.mul(1.0001)
    return t
  })
  close(await grad(y, x).data(), [1.0001 ** 6_000], 1e-2)
})

test.run()
