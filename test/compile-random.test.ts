// Random programs: whatever a step is made of, compiled with any set of rewrites it must do what it does eagerly, three times in a row,
// the tensors outside that it updates in place included.
import { cat, compile, type Compiled, type Rewrites, reluGrad, tanhGrad, type Tensor, tensor } from '@bms/tensor'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { product, seeded } from './helpers/arrays.js'
import { close, ready } from './helpers/device.js'

const test = suite('compile, random programs')

test.before(async () => {
  await ready()
})

/** One line of a program: what to do, and numbers that choose the operands among the values so far. */
type Line = [kind: number, a: number, b: number, c: number]

const KINDS = 24
const SHAPES = { x: [4, 6], y: [6], state: [4, 6], weight: [6, 6], total: [] as number[] }

interface World {
  /** From outside, updated in place. */
  state: Tensor
  weight: Tensor
  total: Tensor
}

const sameShape = (a: Tensor, b: Tensor): boolean => a.shape.join() === b.shape.join()

/** Values stay within a few units whatever the lines say, so that differences mean something. */
function run(lines: readonly Line[], x: Tensor, y: Tensor, world: World): Tensor[] {
  const values: Tensor[] = [x, y, x.mul(y)]
  const { state, weight, total } = world
  const matrices = (): Tensor[] => values.filter((v) => v.shape.join() === '4,6')
  for (const [kind, a, b, c] of lines) {
    const p = values[a % values.length]!
    const q = values[b % values.length]!
    const m = matrices()[b % matrices().length]!
    const narrow = (v: Tensor): boolean => v.ndim === 0 || (v.ndim === 1 && v.size === 1)
    const wide = (v: Tensor): boolean => v.shape[v.ndim - 1] === 6
    const fits = narrow(p) || narrow(q) || sameShape(p, q) || (wide(p) && wide(q) && p.ndim !== q.ndim)
    const other = fits ? q : p
    switch (kind) {
      case 0:
        values.push(p.add(other).mul(0.5))
        break
      case 1:
        values.push(p.sub(other).tanh())
        break
      case 2:
        values.push(p.mul(other).sin())
        break
      case 3:
        values.push(p.maximum(other.neg()))
        break
      case 4:
        values.push(p.gt(other).where(p, 0.25))
        break
      case 5:
        values.push(p.abs().add(1).log().neg())
        break
      case 6:
        values.push(m.matmul(weight).add(y).relu())
        break
      case 7:
        values.push(m.matmul(weight.transpose()).mul(0.3).tanh())
        break
      case 8:
        values.push(m.matmul(weight).add(y).tanh())
        break
      case 9:
        values.push(m.transpose().matmul(m).mul(0.1))
        break
      case 10:
        values.push(tanhGrad(m.matmul(weight), matrices()[c % matrices().length]!).clamp(-2, 2))
        break
      case 11:
        values.push(reluGrad(m.matmul(weight), matrices()[c % matrices().length]!).mul(0.2))
        break
      case 12:
        values.push(p.ndim ? p.mean(c % p.ndim, c % 2 === 0) : p.exp().clamp(0, 2))
        break
      case 13:
        values.push(
          p
            .square()
            .sum()
            .mul(1 / (product(p.shape) || 1)),
        )
        break
      case 14:
        values.push(m.sum(0).mul(0.2))
        break
      case 15:
        values.push(cat([m.narrow(1, 0, 1 + (c % 4)), m.narrow(1, 1 + (c % 4), 5 - (c % 4)).flip(0)], 1))
        break
      case 16:
        values.push(m.pad([1, 0]).narrow(1, 0, 6), p.reshape(-1).narrow(0, 0, 1))
        break
      // In place: read before, overwrite (a part, or all), read after.
      case 17:
        values.push(state.mul(0.5))
        state.copy_(m.mul(0.9))
        values.push(state.add(0.1))
        break
      case 18:
        state.narrow(c % 2, 1, 2).copy_(m.narrow(c % 2, 0, 2).tanh())
        values.push(state.mul(1))
        break
      case 19:
        weight.copy_(weight.mul(0.9).add(m.transpose().matmul(m).mul(0.01)).clamp(-1, 1))
        break
      case 20:
        total.copy_(total.mul(0.5).add(p.mean()))
        values.push(m.mul(total))
        break
      // From itself in another order: no kernel may write what others of its invocations still read.
      case 22:
        state.copy_(
          state
            .flip(c % 2)
            .mul(0.5)
            .add(m.mul(0.4)),
        )
        values.push(state.mul(0.5))
        break
      case 23:
        weight.copy_(weight.transpose().mul(0.9).tanh())
        break
      default:
        values.push(state.mul(0.5))
        state.narrow(0, c % 4, 1).fill_(0.5)
        values.push(state.sub(m).mul(0.5))
    }
  }
  return values
}

const random = seeded(77)
const fresh = (shape: readonly number[]): Float32Array => Float32Array.from({ length: product(shape) }, () => random() * 2 - 1)
const put = (name: keyof typeof SHAPES, data: Float32Array): Tensor => tensor(data, { shape: SHAPES[name] })

const settings: Rewrites[] = [
  {},
  { dead: false, equal: false, epilogues: false, maps: false, reductions: false, copies: false },
  { dead: false },
  { equal: false },
  { epilogues: false },
  { maps: false },
  { reductions: false },
  { copies: false },
]

async function compare(lines: Line[], outputs: readonly number[], rewrites: Rewrites): Promise<void> {
  const start = { state: fresh(SHAPES.state), weight: fresh(SHAPES.weight), total: fresh([]) }
  const worlds = [0, 1].map(() => ({ state: put('state', start.state), weight: put('weight', start.weight), total: put('total', start.total) })) as [
    World,
    World,
  ]
  const pick = (values: Tensor[]): Tensor[] => outputs.map((o) => values[values.length - 1 - (o % values.length)]!)
  const step: Compiled<[Tensor, Tensor], Tensor[]> = compile((x, y) => pick(run(lines, x, y, worlds[1])), { rewrites })
  for (let turn = 0; turn < 3; turn++) {
    const [dx, dy] = [fresh(SHAPES.x), fresh(SHAPES.y)]
    const eager = pick(run(lines, put('x', dx), put('y', dy), worlds[0]))
    const compiled = step(put('x', dx), put('y', dy))
    for (const [i, t] of compiled.entries()) {
      assert.equal(t.shape, eager[i]!.shape)
      // Fused kernels keep more digits, and sums are taken in another order: a few units, and three steps carry them on.
      await named(`turn ${turn}, output ${i}`, async () => close(await t.data(), await eager[i]!.data(), 2e-5))
    }
    for (const key of ['state', 'weight', 'total'] as const) {
      await named(`turn ${turn}, ${key}`, async () => close(await worlds[1][key].data(), await worlds[0][key].data(), 2e-5))
    }
  }
  step.dispose()
}

async function named(what: string, fn: () => Promise<void>): Promise<void> {
  try {
    await fn()
  } catch (error) {
    throw new Error(`${what}: ${(error as Error).message}`)
  }
}

const line = fc.tuple(fc.integer({ min: 0, max: KINDS - 1 }), fc.nat(40), fc.nat(40), fc.nat(40))
const chosen = fc.array(fc.nat(12), { minLength: 1, maxLength: 4 })

for (const [i, rewrites] of settings.entries()) {
  const off = Object.keys(rewrites)
  test(`compiled equals eager, ${off.length === 0 ? 'all rewrites' : off.length > 1 ? 'no rewrites' : `without ${off[0]}`}`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 14 }), chosen, (lines, outputs) => compare(lines, outputs, rewrites)),
      // fast-check prints the seed and the smallest program that fails.
      { seed: 1000 + i, numRuns: i === 0 ? 40 : 6, interruptAfterTimeLimit: 60_000, includeErrorInReport: true },
    )
  })
}

test.run()
