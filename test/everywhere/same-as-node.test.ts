// One seed, the same numbers in Node and in a browser: every kind of random draw, and a whole training run. In Node the file checks that a seed repeats and
// hands its numbers over; in a page it compares with them.
import { MixtureTraining } from '@bms/bms'
import { bernoulli, dropoutMask, loadSafetensors, manualSeed, rand, randint, randn, randomBits, randperm, type Tensor, tensor } from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { smallRun } from '../helpers/bms.js'
import { ready } from '../helpers/device.js'
import { sameAsNode } from '../helpers/same-as-node.js'

const test = suite('same as in Node')

test.before(async () => void (await ready()))

type Numbers = Float32Array | Int32Array | Uint32Array

/** Draws that are whole numbers, or exact steps of 2^-24, on every driver. */
const exact: Record<string, () => Tensor> = {
  randomBits: () => randomBits([1003]),
  rand: () => rand([1003]),
  randint: () => randint(-7, 1000, [1003]),
  randperm: () => randperm(1003),
  bernoulli: () => bernoulli(tensor([0, 0.1, 0.5, 0.9, 1]).unsqueeze(1).expand(5, 201)),
  dropoutMask: () => dropoutMask([17, 59], 0.3),
}

for (const [name, draw] of Object.entries({ ...exact, randn: () => randn([1003]) })) {
  test(`${name} repeats with its seed, and is Node's`, async () => {
    for (const seed of [0, 12345, 2 ** 40 + 7]) {
      const twice = async (): Promise<Numbers[]> => {
        manualSeed(seed)
        return Promise.all([draw(), draw()].map(async (t) => (await t.data()) as Numbers))
      }
      const [first, second] = (await twice()) as [Numbers, Numbers]
      assert.equal(await twice(), [first, second])
      assert.not.equal(second, first)
      // randn takes a logarithm and a cosine, which drivers round in their own ways.
      await sameAsNode(`${name} ${seed}, first`, first, name in exact ? 0 : 1e-6)
      await sameAsNode(`${name} ${seed}, second`, second, name in exact ? 0 : 1e-6)
    }
  })
}

test("fifty steps of training: the losses of each and all that a checkpoint holds are Node's", async () => {
  const training = new MixtureTraining(smallRun({ steps: 50 }))
  const losses: Record<string, number[]> = {}
  while (training.step < 50) {
    await training.advance()
    for (const [name, value] of Object.entries(await training.lossValues())) (losses[name] ??= []).push(value)
  }
  assert.equal(Object.keys(losses).sort(), ['critic', 'kl', 'latent', 'pri', 'rec', 'syn'])
  for (const [name, values] of Object.entries(losses)) await sameAsNode(`loss ${name}`, Float32Array.from(values), 1e-4)
  const state = loadSafetensors(await training.checkpoint())
  for (const [name, t] of Object.entries(state)) await sameAsNode(name, (await t.data()) as Numbers, 1e-4)
})

test.run()
