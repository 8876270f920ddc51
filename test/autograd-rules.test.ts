// What the table of ops does not show of gradient rules: that every op has one or none on purpose, that the checks find what is wrong,
// and choices among several gradients.
import * as bms from '@bms/autograd'
import { gradcheck, gradgradcheck, gradientRules, type Tensor, tensor } from '@bms/autograd'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ready } from './helpers/device.js'

const test = suite('gradient rules')

test.before(async () => {
  await ready()
})

test('every op that computes on floats has a rule, or none on purpose', () => {
  for (const name of Object.keys(bms.mapOps)) assert.ok(gradientRules[name] !== undefined, `${name} has no rule`)
})

test('gradcheck finds what is wrong', async () => {
  const wrong = bms.customFunction({
    name: 'wrong',
    forward: (_, x: Tensor) => x.square(),
    backward: (_, g) => [g!.mul(3)],
  })
  const error = await gradcheck(wrong, [tensor([1, 2]).requiresGrad_()]).catch((e: Error) => e)
  assert.match((error as Error).message, /gradcheck: input 1 \[2\], element 0: the gradient is .*, finite differences give/)
  const halfWrong = bms.customFunction({
    name: 'halfWrong',
    forward: (ctx, x: Tensor) => {
      ctx.save(x)
      return x.square()
    },
    backward: (ctx, g) => [g!.mul(ctx.saved()[0]!.detach()).mul(2)],
  })
  await gradcheck(halfWrong, [tensor([0.6, -0.8]).requiresGrad_()])
  assert.ok((await gradgradcheck(halfWrong, [tensor([0.6, -0.8]).requiresGrad_()]).catch((e: Error) => e)) instanceof Error)
})

test('the product: every derivative up to the fourth, at one zero and at two', async () => {
  const list = [0, 2, 0, 3]
  const x = tensor(list).requiresGrad_()
  let d = x.prod()
  const left = [0, 1, 2, 3]
  for (const i of [2, 0, 3, 1]) {
    d = bms.grad(d, x, { createGraph: true }).select(0, i)
    left.splice(left.indexOf(i), 1)
    assert.is(
      await d.item(),
      left.reduce((p, j) => p * list[j]!, 1),
      `left: ${left}`,
    )
  }
  const many = tensor(Float32Array.from({ length: 1000 }, (_, i) => Number(i !== 500))).requiresGrad_()
  assert.equal(
    await bms.grad(many.prod(), many).data(),
    Float32Array.from({ length: 1000 }, (_, i) => Number(i === 500)),
  )
  const none = bms.zeros([2, 0]).requiresGrad_()
  assert.equal(bms.grad(none.prod(1).sum(), none).shape, [2, 0])
})

test('two gradients where several are right: PyTorch’s', async () => {
  const x = tensor([0, 1, 1, -2]).requiresGrad_()
  const of = async (y: Tensor): Promise<number[]> => Array.from(await bms.grad(y.sum(), x).data())
  assert.equal(await of(x.abs()), [0, 1, 1, -1])
  assert.equal(await of(x.relu()), [0, 1, 1, 0])
  assert.equal(await of(x.max()), [0, 0.5, 0.5, 0])
  assert.equal(await of(x.maximum(1)), [0, 0.5, 0.5, 0])
  assert.equal(await of(x.clamp(0, 1)), [1, 1, 1, 0])
  assert.equal(await of(x.clamp(1)), [0, 1, 1, 0])
  assert.equal(await of(x.clamp(null, 1)), [1, 1, 1, 1])
  assert.equal(await of(x.mul(0).norm()), [0, 0, 0, 0])
  assert.equal(await of(x.mul(0).std()), [0, 0, 0, 0])
  assert.equal(await of(x.pow(2)), [0, 2, 2, -4])
  assert.equal(await of(x.prod()), [-2, 0, 0, 0])
  assert.equal(await of(x.sign()), [0, 0, 0, 0])
})

test.run()
