// Every gradient rule against finite differences, once and twice, from one table; a rule without a row fails the test.
import * as bms from '@bms/autograd'
import { cat, gradcheck, gradgradcheck, gradientRules, type Tensor, tensor } from '@bms/autograd'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { product, seeded } from './helpers/arrays.js'
import { ready } from './helpers/device.js'

const test = suite('gradient rules')
const random = seeded(21)

test.before(async () => {
  await ready()
})

/** Numbers from `low` to `high`, at least 0.1 away from 0 and from each other's neighbours, so that kinks and ties stay where they are. */
function values(shape: readonly number[], low = -1.5, high = 1.5): Tensor {
  const n = product(shape)
  const step = (high - low) / n
  const order = Array.from({ length: n }, (_, i) => i).sort(() => random() - 0.5)
  const list = order.map((i) => low + (i + 0.5) * step)
  return tensor(
    list.map((v) => (Math.abs(v) < 0.1 ? v + 0.2 : v)),
    { shape },
  ).requiresGrad_()
}

const positive = (shape: readonly number[]): Tensor => values(shape, 0.5, 2)
const index = (list: number[], shape: number[]): Tensor => tensor(Int32Array.from(list), { shape })

interface Row {
  fn: (...t: Tensor[]) => Tensor | Tensor[]
  inputs: () => Tensor[]
}

const unary = (fn: (x: Tensor) => Tensor, make = values): Row => ({ fn, inputs: () => [make([2, 3])] })
const binary = (fn: (a: Tensor, b: Tensor) => Tensor, make = values): Row => ({ fn, inputs: () => [make([2, 3]), make([3])] })

const rows: Record<string, Row[]> = {
  neg: [unary((x) => x.neg())],
  abs: [unary((x) => x.abs())],
  sign: [unary((x) => x.sign())],
  floor: [unary((x) => x.mul(0.1).floor())],
  ceil: [unary((x) => x.mul(0.1).ceil())],
  round: [unary((x) => x.mul(0.1).round())],
  trunc: [unary((x) => x.mul(0.1).trunc())],
  square: [unary((x) => x.square())],
  exp: [unary((x) => x.exp())],
  expm1: [unary((x) => x.expm1())],
  log: [unary((x) => x.log(), positive)],
  log1p: [unary((x) => x.log1p(), positive)],
  sqrt: [unary((x) => x.sqrt(), positive)],
  rsqrt: [unary((x) => x.rsqrt(), positive)],
  reciprocal: [unary((x) => x.reciprocal(), positive)],
  sin: [unary((x) => x.sin())],
  cos: [unary((x) => x.cos())],
  tanh: [unary((x) => x.tanh())],
  sigmoid: [unary((x) => x.sigmoid())],
  softplus: [unary((x) => x.softplus())],
  silu: [unary((x) => x.silu())],
  gelu: [unary((x) => x.gelu())],
  geluTanh: [unary((x) => x.gelu('tanh'))],
  erf: [unary((x) => x.erf())],
  relu: [unary((x) => x.relu())],
  leakyRelu: [unary((x) => x.leakyRelu(0.2)), unary((x) => x.leakyRelu(-0.5)), unary((x) => x.leakyRelu(0))],
  elu: [unary((x) => x.elu(1.3))],
  add: [binary((a, b) => a.add(b)), unary((x) => x.add(x)), unary((x) => bms.add(2, x))],
  sub: [binary((a, b) => a.sub(b)), unary((x) => bms.sub(2, x))],
  mul: [binary((a, b) => a.mul(b)), unary((x) => x.mul(x)), unary((x) => x.mul(-3))],
  div: [binary((a, b) => a.div(b), positive), unary((x) => bms.div(2, x), positive), unary((x) => x.div(4))],
  floorDivide: [binary((a, b) => a.floorDivide(b.mul(10)), positive)],
  remainder: [{ fn: (a, b) => a!.remainder(b!), inputs: () => [tensor([1.2, 5.3, 7.1]).requiresGrad_(), tensor([0.9, 2.1, 1.6]).requiresGrad_()] }],
  pow: [
    binary((a, b) => a.pow(b), positive),
    unary((x) => x.pow(3)),
    unary((x) => x.pow(2)),
    unary((x) => x.pow(0)),
    unary((x) => bms.pow(1.7, x)),
    unary((x) => x.pow(-1.5), positive),
  ],
  maximum: [binary((a, b) => a.maximum(b)), unary((x) => bms.maximum(0.05, x)), unary((x) => x.maximum(x))],
  minimum: [binary((a, b) => a.minimum(b)), unary((x) => x.minimum(-0.05))],
  clamp: [unary((x) => x.clamp(-0.55, 0.55))],
  where: [binary((a, b) => a.detach().gt(0).where(a, b)), unary((x) => x.detach().gt(0).where(x, 2))],
  reluGrad: [{ fn: (g, y) => bms.reluGrad(g!, y!), inputs: () => [values([4]), values([4])] }],
  leakyReluGrad: [{ fn: (g, y) => bms.leakyReluGrad(g!, y!, 0.3), inputs: () => [values([4]), values([4])] }],
  tanhGrad: [{ fn: (g, y) => bms.tanhGrad(g!, y!), inputs: () => [values([4]), values([4])] }],
  sigmoidGrad: [{ fn: (g, y) => bms.sigmoidGrad(g!, y!), inputs: () => [values([4]), values([4])] }],
  sum: [unary((x) => x.sum()), unary((x) => x.sum(1)), unary((x) => x.sum([0, 1], true))],
  mean: [unary((x) => x.mean()), unary((x) => x.mean(0)), unary((x) => x.mean(-1, true))],
  max: [unary((x) => x.max()), unary((x) => x.max(1)), unary((x) => x.max(0, true))],
  min: [unary((x) => x.min()), unary((x) => x.min(1))],
  prod: [
    unary((x) => x.prod()),
    unary((x) => x.prod(1)),
    { fn: (x) => x!.prod([0, 2], true), inputs: () => [values([2, 2, 3])] },
    { fn: (x) => x!.prod(), inputs: () => [values([7], 0.5, 1.5)] },
    // One zero, two, and none.
    {
      fn: (x) => x!.prod(1),
      inputs: () => [
        tensor([
          [0, 2, 3],
          [0, 0, 2],
          [1, 2, 3],
        ]).requiresGrad_(),
      ],
    },
  ],
  var: [unary((x) => x.var()), unary((x) => x.var(1)), unary((x) => x.var(0, true, 0))],
  root: [unary((x) => x.std()), unary((x) => x.std(1, true)), unary((x) => x.std(1, false, 0)), unary((x) => x.norm()), unary((x) => x.norm(1, true))],
  reshape: [unary((x) => x.reshape(3, 2)), unary((x) => x.transpose().reshape(6)), unary((x) => x.unsqueeze(1).squeeze())],
  permute: [{ fn: (x) => x!.permute([2, 0, 1]), inputs: () => [values([2, 3, 2])] }, unary((x) => x.t())],
  expand: [{ fn: (x) => x!.expand([4, 2, 3]), inputs: () => [values([2, 1])] }],
  narrow: [unary((x) => x.narrow(1, 1, 2)), unary((x) => x.select(0, -1))],
  split: [{ fn: (x) => x!.split([1, 2], 1), inputs: () => [values([2, 3])] }, unary((x) => x.chunk(3, 1)[1]!)],
  flip: [unary((x) => x.flip([0, 1]))],
  cat: [{ fn: (a, b) => cat([a!, b!, a!], 1), inputs: () => [values([2, 2]), values([2, 1])] }, unary((x) => bms.stack([x, x.mul(2)], -1))],
  pad: [unary((x) => x.pad([1, 2, 0, 1], 5)), unary((x) => x.pad([-1, 1]))],
  clone: [unary((x) => x.clone()), unary((x) => x.transpose().contiguous())],
  cast: [{ fn: (x) => x!.to('f32').mul(x!.to('i32').to('f32')), inputs: () => [tensor([1.5, -2.5]).requiresGrad_()] }],
  matmul: [
    { fn: (a, b) => a!.matmul(b!), inputs: () => [values([2, 3]), values([3, 2])] },
    { fn: (a, b) => a!.matmul(b!.t()), inputs: () => [values([2, 3]), values([2, 3])] },
    { fn: (a, b) => a!.matmul(b!), inputs: () => [values([2, 2, 3]), values([3, 2])] },
    { fn: (a, b) => a!.matmul(b!), inputs: () => [values([2, 3]), values([2, 3, 2])] },
    { fn: (a, b) => a!.t().matmul(b!.transpose()), inputs: () => [values([3, 2]), values([2, 1, 2, 3])] },
    { fn: (a, b) => a!.matmul(b!), inputs: () => [values([3]), values([3])] },
    { fn: (a, b) => a!.matmul(b!), inputs: () => [values([2, 3]), values([3])] },
    { fn: (a, b) => a!.matmul(b!), inputs: () => [values([3]), values([2, 3, 2])] },
  ],
  gather: [unary((x) => x.gather(1, index([2, 0, 0, 1], [2, 2]))), unary((x) => x.gather(0, index([1, 1], [1, 2])))],
  scatterAdd: [
    { fn: (x, s) => x!.scatterAdd(1, index([2, 0, 0, 1], [2, 2]), s!), inputs: () => [values([2, 3]), values([2, 2])] },
    // An index smaller than the source, one outside of the dim.
    { fn: (x, s) => x!.scatterAdd(1, index([2, 0, 0, -1], [2, 2]), s!), inputs: () => [values([3, 3]), values([2, 4])] },
    { fn: (x, s) => x!.scatterAdd(0, index([1], [1]), s!), inputs: () => [values([2]), values([3])] },
  ],
  indexSelect: [unary((x) => x.indexSelect(1, index([2, 0, 2], [3])))],
  indexAdd: [
    { fn: (x, s) => bms.indexAdd(x!, 1, index([2, 2], [2]), s!), inputs: () => [values([2, 3]), values([2, 2])] },
    { fn: (x, s) => bms.indexAdd(x!, 0, index([5, 1], [2]), s!), inputs: () => [values([2, 3]), values([2, 3])] },
  ],
  sort: [unary((x) => x.sort(1).values), unary((x) => x.sort(0, true).values)],
  topk: [unary((x) => x.topk(2, 1).values)],
  cumsum: [unary((x) => x.cumsum(0)), unary((x) => x.cumsum(1))],
  softmax: [unary((x) => x.softmax(1)), unary((x) => x.softmax(0))],
  logSoftmax: [unary((x) => x.logSoftmax(1))],
  logsumexp: [unary((x) => x.logsumexp(1)), unary((x) => bms.logsumexp(x, [0, 1], true))],
}

/** Gradients of f32 functions by differences of 1/100: the third derivative, a few units here, times 1e-4/6, and rounding of 1e-6/2e-2. */
const options = { eps: 1e-2, atol: 4e-3, rtol: 4e-3 }

for (const [name, list] of Object.entries(rows)) {
  test(name, async () => {
    for (const { fn, inputs } of list) {
      await gradcheck(fn, inputs(), options)
      await gradgradcheck(fn, inputs(), options)
    }
  })
}

test('the table names every rule', () => {
  // Rules of floors above are tested there.
  const known = Object.keys(gradientRules).filter((name) => gradientRules[name])
  assert.equal(Object.keys(rows).sort(), known.sort())
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
  await gradcheck(halfWrong, [values([2])])
  assert.ok((await gradgradcheck(halfWrong, [values([2])]).catch((e: Error) => e)) instanceof Error)
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
