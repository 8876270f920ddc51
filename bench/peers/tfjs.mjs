// TensorFlow.js on WebGPU beside conv.mjs and dcgan.mjs: the same work, in its own order of dims (channels last).
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { likePage, serve } from './serve.mjs'

likePage()
const require = createRequire(import.meta.url)
const tf = require('@tensorflow/tfjs')
require('@tensorflow/tfjs-backend-webgpu')
await tf.setBackend('webgpu')
await tf.ready()

/** Runs `fn` and waits until the device has. */
const finished = async (fn) => {
  const result = tf.tidy(fn)
  await (Array.isArray(result) ? result.at(-1) : result).data()
  tf.dispose(result)
}

const works = {}
for (const [i, { batch, from, to, side, kernel, stride }] of JSON.parse(readFileSync(new URL('../conv-sizes.json', import.meta.url), 'utf8')).entries()) {
  const out = side / stride
  const x = () => tf.randomNormal([batch, side, side, from])
  const w = () => tf.randomNormal([kernel, kernel, from, to])
  const g = () => tf.randomNormal([batch, out, out, to])
  const shared = { strides: stride, pad: 1, dataFormat: 'NHWC', dimRoundingMode: 'floor' }
  const explicit = [
    [0, 0],
    [1, 1],
    [1, 1],
    [0, 0],
  ]
  // One element read from the end of the result waits for all of it and moves next to nothing.
  const last = (t) => t.flatten().slice([t.size - 1], [1])
  works[`forward ${i}`] = () => {
    const [a, b] = [x(), w()]
    return () => finished(() => last(tf.conv2d(a, b, stride, explicit)))
  }
  works[`input gradient ${i}`] = () => {
    const [d, b] = [g(), w()]
    const attrs = { ...shared, inputShape: [batch, side, side, from] }
    return () => finished(() => last(tf.engine().runKernel('Conv2DBackpropInput', { dy: d, filter: b }, attrs)))
  }
  works[`weight gradient ${i}`] = () => {
    const [a, d] = [x(), g()]
    const attrs = { ...shared, filterShape: [kernel, kernel, from, to] }
    return () => finished(() => last(tf.engine().runKernel('Conv2DBackpropFilter', { x: a, dy: d }, attrs)))
  }
}

works.dcgan = () => {
  const BATCH = 16
  const normal = (shape) => tf.variable(tf.randomNormal(shape, 0, 0.05))
  const zeros = (n) => tf.variable(tf.zeros([n]))
  const ones = (n) => tf.variable(tf.ones([n]))
  const g = {
    dense: normal([100, 4096]),
    bias: zeros(4096),
    ...Object.fromEntries(
      [256, 128, 64].flatMap((n) => [
        [`scale${n}`, ones(n)],
        [`shift${n}`, zeros(n)],
      ]),
    ),
    w0: normal([4, 4, 128, 256]),
    b0: zeros(128),
    w1: normal([4, 4, 64, 128]),
    b1: zeros(64),
    w2: normal([4, 4, 3, 64]),
    b2: zeros(3),
  }
  const d = {
    w0: normal([4, 4, 3, 64]),
    b0: zeros(64),
    w1: normal([4, 4, 64, 128]),
    b1: zeros(128),
    w2: normal([4, 4, 128, 256]),
    b2: zeros(256),
    w3: normal([4, 4, 256, 1]),
    b3: zeros(1),
  }
  const normalised = (x, n) => {
    const { mean, variance } = tf.moments(x, [0, 1, 2])
    return tf.batchNorm(x, mean, variance, g[`shift${n}`], g[`scale${n}`], 1e-5).relu()
  }
  const up = (x, w, b, side) => tf.conv2dTranspose(x, w, [BATCH, side, side, w.shape[2]], 2, 'same').add(b)
  const generate = () => {
    const x = tf.randomNormal([BATCH, 100]).matMul(g.dense).add(g.bias).reshape([BATCH, 4, 4, 256])
    const y = normalised(up(normalised(x, 256), g.w0, g.b0, 8), 128)
    return up(normalised(up(y, g.w1, g.b1, 16), 64), g.w2, g.b2, 32).tanh()
  }
  const judge = (x) => {
    let y = x
    for (const k of [0, 1, 2]) y = tf.conv2d(y, d[`w${k}`], 2, 'same').add(d[`b${k}`]).leakyRelu(0.2)
    return tf.conv2d(y, d.w3, 1, 'valid').add(d.b3)
  }
  const [forG, forD] = [tf.train.adam(2e-4, 0.5, 0.9), tf.train.adam(2e-4, 0.5, 0.9)]
  const real = tf.randomUniform([BATCH, 32, 32, 3], -1, 1)
  return async () => {
    const losses = tf.tidy(() => {
      const fake = generate()
      const critic = forD.minimize(
        () =>
          tf
            .relu(tf.sub(1, judge(real)))
            .mean()
            .add(tf.relu(tf.add(1, judge(fake))).mean()),
        true,
        Object.values(d),
      )
      return [critic, forG.minimize(() => judge(generate()).mean().neg(), true, Object.values(g))]
    })
    for (const loss of losses) await loss.data()
    // The last update too.
    await tf.tidy(() => g.b2.add(0)).data()
    tf.dispose(losses)
  }
}

await serve(`tfjs ${tf.version.tfjs}`, works)
