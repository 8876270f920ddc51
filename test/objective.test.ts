// The terms of the paper's objective (eq. 7, Algorithm 1) against the formulas written out in plain TypeScript in
// float64: a wrong sign or a wrong mean trains something, only not the paper's model.
import { criticLoss, deviations, klLoss, reconstructionErrors, reconstructionLoss, sides, smallestDraw, syntheticLoss } from '@bms/bms'
import { grad, tensor } from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { seeded } from './helpers/arrays.js'
import { close, ready } from './helpers/device.js'

const test = suite('objective')
test.before(async () => void (await ready()))

const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))
const mean = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0) / list.length
const normals = (n: number, seed: number): number[] => {
  const next = seeded(seed)
  return Array.from({ length: n }, () => Math.fround(4 * next() - 2))
}

// Three draws of two points in two dims, draw-major. Errors of point 0: draws 0, 1, 2; of point 1 likewise.
const x = [1, 2, -1, 0.5]
const generated = [1.5, 2, -1, 0.5, 0, 0, 3, -0.5, 1, 2.25, -1.5, 1]
const byHand = {
  1: [
    [0.25, 0],
    [1.5, 2.5],
    [0.125, 0.5],
  ],
  2: [
    [0.125, 0],
    [2.5, 8.5],
    [0.03125, 0.25],
  ],
} as const

for (const norm of [1, 2] as const) {
  test(`L${norm} reconstruction: the mean over coordinates of every draw, by hand`, async () => {
    const [a, b] = [tensor(x, { shape: [2, 2] }), tensor(generated, { shape: [6, 2] })]
    const errors = reconstructionErrors(a, b, norm)
    assert.equal(errors.shape, [3, 2])
    close(await errors.data(), byHand[norm].flat(), 1e-6)
    assert.equal(deviations(a, b, norm).shape, [3, 2, 2])
    close([await reconstructionLoss(a, b, norm).item()], [mean(byHand[norm].flat())], 1e-6)
    // The draw that reconstructs best, for each point.
    assert.equal([...(await smallestDraw(errors).data())], [2, 0])
  })

  test(`L${norm} reconstruction's gradient is that of the formula`, async () => {
    const n = 2 * 3 * 5
    const [target, made] = [normals(10, 1), normals(n, 2)]
    const b = tensor(made, { shape: [6, 5] }).requiresGrad_()
    const slope = await grad(reconstructionLoss(tensor(target, { shape: [2, 5] }), b, norm), b).data()
    const expected = made.map((v, i) => (norm === 1 ? Math.sign(v - target[i % 10]!) : 2 * (v - target[i % 10]!)) / n)
    close(slope, expected, 1e-6)
  })
}

test('of equally good draws the first one is taken, and only along the draws', async () => {
  const values = [
    [3, 1, -2],
    [1, 1, 5],
    [1, 2, -2],
  ]
  const chosen = smallestDraw(tensor(values))
  assert.is(chosen.dtype, 'i32')
  assert.equal([...(await chosen.data())], [1, 0, 0])
  // Errors and scores at once: [2, T, B] → [2, B].
  const both = smallestDraw(tensor([values, values.map((row) => row.map((v) => -v))]))
  assert.equal(both.shape, [2, 3])
  assert.equal([...(await both.data())], [1, 0, 0, 0, 2, 1])
  assert.equal([...(await smallestDraw(tensor([[4, -4, 0]])).data())], [0, 0, 0], 'one draw')
})

test("the generator's loss is minus the mean raw score: it falls as scores rise", async () => {
  const scores = normals(12, 3)
  const s = tensor(scores, { shape: [12, 1] }).requiresGrad_()
  const loss = syntheticLoss(s)
  close([await loss.item()], [-mean(scores)], 1e-6)
  close(await grad(loss, s).data(), new Array(12).fill(-1 / 12), 1e-6)
})

test('KL by the latent critic: the ratio and the non-saturating form, and their slopes', async () => {
  const logits = [...normals(9, 4), 60, -60, 0]
  const s = tensor(logits, { shape: [12, 1] }).requiresGrad_()
  close([await klLoss(s, 'ratio').item()], [-mean(logits)], 1e-6)
  close(await grad(klLoss(s, 'ratio'), s).data(), new Array(12).fill(-1 / 12), 1e-6)
  close([await klLoss(s, 'non-saturating').item()], [mean(logits.map((v) => softplus(-v)))], 1e-5)
  const slopes = logits.map((v) => -1 / (1 + Math.exp(v)) / 12)
  close(await grad(klLoss(s, 'non-saturating'), s).data(), slopes, 1e-6)
})

for (const fakes of [1, 2]) {
  test(`a critic's batch of ${fakes + 1} groups: each side weighs 1`, async () => {
    const B = 4
    const { sign, weight } = sides(B, fakes)
    const real = new Array<number>(B)
    const fake = new Array<number>(fakes * B)
    assert.equal(sign.shape, [(1 + fakes) * B, 1])
    assert.equal(weight.shape, sign.shape)
    assert.equal([...(await sign.data())], [...real.fill(-1), ...fake.fill(1)])
    assert.equal([...(await weight.data())], [...real.fill(1 / B), ...fake.fill(1 / (fakes * B))])
  })

  for (const kind of ['hinge', 'bce'] as const) {
    test(`the critic's ${kind} loss with ${fakes} generated group${fakes > 1 ? 's' : ''}, and its gradient`, async () => {
      const B = 5
      const scores = normals((1 + fakes) * B, 5 + fakes)
      // Beyond the margin on both sides, and far out.
      scores[0] = 1.5
      scores[1] = -300
      scores[B] = -1.25
      scores[B + 1] = 300
      const s = tensor(scores, { shape: [scores.length, 1] }).requiresGrad_()
      const loss = criticLoss(s, sides(B, fakes), kind)
      const [real, fake] = [scores.slice(0, B), scores.slice(B)]
      const one = kind === 'hinge' ? (v: number) => Math.max(0, 1 + v) : softplus
      close([await loss.item()], [mean(real.map((v) => one(-v))) + mean(fake.map(one))], 1e-5)
      const slope = kind === 'hinge' ? (v: number) => Number(1 + v > 0) : (v: number) => 1 / (1 + Math.exp(-v))
      const expected = [...real.map((v) => -slope(-v) / B), ...fake.map((v) => slope(v) / (fakes * B))]
      close(await grad(loss, s).data(), expected, 1e-6)
    })
  }
}

test('two generated groups weigh half each, as Algorithm 1 has it', async () => {
  const [real, reconstructed, prior] = [
    [0.5, -0.5],
    [0, 2],
    [-2, 1],
  ] as [number[], number[], number[]]
  const hinge = (list: number[], sign: number): number => mean(list.map((v) => Math.max(0, 1 + sign * v)))
  const expected = hinge(real, -1) + (hinge(reconstructed, 1) + hinge(prior, 1)) / 2
  const scores = tensor([...real, ...reconstructed, ...prior], { shape: [6, 1] })
  assert.is(await criticLoss(scores, sides(2, 2), 'hinge').item(), expected)
  assert.is(expected, 2.5)
})

test.run()
