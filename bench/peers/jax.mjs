// jax-js on WebGPU beside conv.mjs and dcgan.mjs: the same work, each step compiled by its jit.
import { readFileSync } from 'node:fs'
import { likePage, serve } from './serve.mjs'

likePage()
const jax = await import('@jax-js/jax')
const { lax, numpy: np } = jax
if (!(await jax.init('webgpu')).includes('webgpu')) throw new Error('jax-js finds no WebGPU')
jax.defaultDevice('webgpu')

let seed = 0
const normal = (shape, scale = 1) => jax.random.normal(jax.random.key(++seed), shape).mul(scale)

const works = {}
for (const [i, { batch, from, to, side, kernel, stride }] of JSON.parse(readFileSync(new URL('../conv-sizes.json', import.meta.url), 'utf8')).entries()) {
  const out = side / stride
  const conv = (x, w) =>
    lax.conv(
      x,
      w,
      [stride, stride],
      [
        [1, 1],
        [1, 1],
      ],
    )
  const [X, W, G] = [
    [batch, from, side, side],
    [to, from, kernel, kernel],
    [batch, to, out, out],
  ]
  const runs = (fn, ...shapes) => {
    const compiled = jax.jit(fn)
    const args = shapes.map((s) => normal(s))
    return async () => {
      const y = compiled(...args.map((a) => a.ref))
      await jax.blockUntilReady(y)
      y.dispose()
    }
  }
  works[`forward ${i}`] = () => runs(conv, X, W)
  // A convolution is linear in each operand, so its value at zero does not matter, and jit drops it.
  works[`input gradient ${i}`] = () => runs((w, g) => jax.vjp((x) => conv(x, w), [np.zeros(X)])[1](g)[0], W, G)
  works[`weight gradient ${i}`] = () => runs((x, g) => jax.vjp((w) => conv(x, w), [np.zeros(W)])[1](g)[0], X, G)
}

works.dcgan = () => {
  const BATCH = 16
  const zeros = (...shape) => np.zeros(shape)
  const ones = (n) => np.ones([n])
  const g = {
    dense: normal([100, 4096], 0.05),
    bias: zeros(4096),
    ...Object.fromEntries(
      [256, 128, 64].flatMap((n) => [
        [`scale${n}`, ones(n)],
        [`shift${n}`, zeros(n)],
      ]),
    ),
    w0: normal([256, 128, 4, 4], 0.05),
    b0: zeros(128),
    w1: normal([128, 64, 4, 4], 0.05),
    b1: zeros(64),
    w2: normal([64, 3, 4, 4], 0.05),
    b2: zeros(3),
  }
  const d = {
    w0: normal([64, 3, 4, 4], 0.05),
    b0: zeros(64),
    w1: normal([128, 64, 4, 4], 0.05),
    b1: zeros(128),
    w2: normal([256, 128, 4, 4], 0.05),
    b2: zeros(256),
    w3: normal([1, 256, 4, 4], 0.05),
    b3: zeros(1),
  }
  const channels = (b) => b.reshape([1, -1, 1, 1])
  const normalised = (p, x, n) => {
    const mean = np.mean(x.ref, [0, 2, 3], { keepdims: true })
    const centred = x.sub(mean)
    const variance = np.mean(np.square(centred.ref), [0, 2, 3], { keepdims: true })
    return jax.nn.relu(
      centred
        .div(np.sqrt(variance.add(1e-5)))
        .mul(channels(p[`scale${n}`].ref))
        .add(channels(p[`shift${n}`].ref)),
    )
  }
  const up = (x, w, b) =>
    lax
      .convTranspose(
        x,
        w.ref,
        [2, 2],
        [
          [1, 1],
          [1, 1],
        ],
        { transposeKernel: true },
      )
      .add(channels(b.ref))
  const generate = (p, z) => {
    const x = np.dot(z, p.dense.ref).add(p.bias.ref).reshape([BATCH, 256, 4, 4])
    const y = normalised(p, up(normalised(p, x, 256), p.w0, p.b0), 128)
    return np.tanh(up(normalised(p, up(y, p.w1, p.b1), 64), p.w2, p.b2))
  }
  const judge = (p, x) => {
    let y = x
    for (const k of [0, 1, 2])
      y = jax.nn.leakyRelu(
        lax
          .conv(
            y,
            p[`w${k}`].ref,
            [2, 2],
            [
              [1, 1],
              [1, 1],
            ],
          )
          .add(channels(p[`b${k}`].ref)),
        0.2,
      )
    return lax.conv(y, p.w3.ref, [1, 1], 'VALID').add(channels(p.b3.ref))
  }
  const dropped = (p) => jax.tree.dispose(p)
  const criticLoss = (p, x, fake) => {
    const loss = np.mean(jax.nn.relu(np.subtract(1, judge(p, x)))).add(np.mean(jax.nn.relu(np.add(1, judge(p, fake)))))
    dropped(p)
    return loss
  }
  const generatorLoss = (p, q, z) => {
    const loss = np.mean(judge(q, generate(p, z))).neg()
    dropped(p)
    dropped(q)
    return loss
  }
  /** Adam with betas 0.5 and 0.9. State: first moments, second moments, and the two powers of the betas. */
  const start = (p) => ({ m: jax.tree.map((v) => np.zerosLike(v.ref), p), v: jax.tree.map((v) => np.zerosLike(v.ref), p), power: np.array([1, 1]) })
  const update = (p, s, grads) => {
    const power = s.power.mul(np.array([0.5, 0.9]))
    const rest = np.subtract(1, power.ref)
    const [one, two] = [rest.ref.slice(0), rest.slice(1)]
    const m = jax.tree.map((a, gradient) => a.mul(0.5).add(gradient.ref.mul(0.5)), s.m, grads)
    const v = jax.tree.map((a, gradient) => a.mul(0.9).add(np.square(gradient).mul(0.1)), s.v, grads)
    const next = jax.tree.map(
      (a, b, c) =>
        a.sub(
          b.ref
            .div(one.ref)
            .mul(2e-4)
            .div(np.sqrt(c.ref.div(two.ref)).add(1e-8)),
        ),
      p,
      m,
      v,
    )
    one.dispose()
    two.dispose()
    return [next, { m, v, power }]
  }
  const critic = jax.jit((p, s, q, x, z) => {
    const fake = generate(q, z)
    dropped(q)
    const [loss, grads] = jax.valueAndGrad(criticLoss)(jax.tree.ref(p), x, fake)
    return [loss, ...update(p, s, grads)]
  })
  const generator = jax.jit((p, s, q, z) => {
    const [loss, grads] = jax.valueAndGrad(generatorLoss)(jax.tree.ref(p), q, z)
    return [loss, ...update(p, s, grads)]
  })
  let [pg, pd, sg, sd] = [g, d, start(g), start(d)]
  const real = normal([BATCH, 3, 32, 32])
  return async () => {
    let loss
    ;[loss, pd, sd] = critic(pd, sd, jax.tree.ref(pg), real.ref, normal([BATCH, 100]))
    await loss.data()
    ;[loss, pg, sg] = generator(pg, sg, jax.tree.ref(pd), normal([BATCH, 100]))
    await loss.data()
    await jax.blockUntilReady(pg)
  }
}

await serve(`jax-js ${JSON.parse(readFileSync(new URL('node_modules/@jax-js/jax/package.json', import.meta.url), 'utf8')).version}`, works)
