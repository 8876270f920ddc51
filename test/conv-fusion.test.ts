// A compiled step folds into its convolutions what follows them: activations, their derivatives, the bias gradient.
import { compile, conv2d, type ConvOptions, convTranspose2d, grad, leakyRelu, type Tensor, tensor, tanh } from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { product, seeded } from './helpers/arrays.js'
import { close, ready } from './helpers/device.js'

const test = suite('convolutions in compiled steps')
const random = seeded(5)
const fresh = (shape: readonly number[]): Tensor =>
  tensor(
    Float32Array.from({ length: product(shape) }, () => random() - 0.5),
    { shape },
  )

test.before(async () => void (await ready()))

interface Net {
  x: Tensor
  w: Tensor
  b: Tensor
  v: Tensor
  c: Tensor
}

const net = (): Net => ({ x: fresh([2, 3, 8, 8]), w: fresh([6, 3, 4, 4]), b: fresh([6]), v: fresh([6, 2, 4, 4]), c: fresh([2]) })
const options: ConvOptions & { padding: number } = { stride: 2, padding: 1 }

const forward = ({ x, w, b, v, c }: Net): Tensor => tanh(convTranspose2d(leakyRelu(conv2d(x, w, b, options), 0.2), v, c, options))

test('two convolutions, their activations and all gradients, in eight dispatches', async () => {
  const values = net()
  const eager = forward(values)
  const step = compile((n: Net) => forward(n))
  close(await step(values).data(), await eager.data())
  assert.is(step.stats().dispatches, 2, step.toString())

  const marked = Object.fromEntries(Object.entries(values).map(([k, t]) => [k, t.detach().requiresGrad_()])) as unknown as Net
  const all = (n: Net): Tensor[] => {
    const y = forward(n)
    return grad(y.square().sum(), [n.x, n.w, n.b, n.v, n.c]) as Tensor[]
  }
  const expected = await Promise.all(all(marked).map((t) => t.data()))
  const compiled = compile(all)
  const got = compiled(marked)
  for (const [i, t] of got.entries()) close(await t.data(), expected[i]!, 2e-5)
  const listing = compiled.toString()
  assert.match(listing, /conv forward .* gate leakyRelu/, listing)
  assert.match(listing, /conv weight .* rowsum/, listing)
  assert.is(compiled.stats().dispatches, 8, listing)
})

/** An activation with all that a training step asks of it. */
const activations = { relu: (x: Tensor) => x.relu(), leakyRelu: (x: Tensor) => leakyRelu(x, 0.2), tanh, sigmoid: (x: Tensor) => x.sigmoid() }

test('every algorithm folds what follows it as it would be computed by itself, in groups and of sums in parts', async () => {
  const { subgroupSize } = await ready()
  for (const algorithm of ['lanes', 'rows', 'tiles'] as const) {
    if (algorithm === 'lanes' && subgroupSize !== 8) continue
    for (const [name, activation] of Object.entries(activations)) {
      const config = { stride: 2, padding: 1, groups: 2, algorithm }
      const [x, w, b, v] = [fresh([3, 4, 31, 35]), fresh([18, 2, 3, 3]), fresh([18]), fresh([6, 9, 3, 4])].map((t) => t.requiresGrad_()) as [
        Tensor,
        Tensor,
        Tensor,
        Tensor,
      ]
      const all = (image: Tensor): Tensor[] => {
        const y = conv2d(activation(conv2d(image, w, b, config)), v, null, config)
        return [y.detach(), ...(grad(y.square().mean(), [w, b, v]) as Tensor[])]
      }
      const expected = await Promise.all(all(x).map((t) => t.data()))
      const step = compile(all)
      const got = step(x)
      for (const [i, t] of got.entries()) close(await t.data(), expected[i]!, 2e-5)
      const listing = step.toString()
      assert.match(listing, new RegExp(`conv forward .* bias·${name}`), listing)
      assert.match(listing, new RegExp(`conv input .* gate ${name}`), listing)
      // Where a sum is taken in parts, the bias gradient would be, too.
      assert.is(/conv weight .* rowsum/.test(listing), algorithm !== 'tiles', listing)
      step.dispose()
    }
  }
})

test.run()
