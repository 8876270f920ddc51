// NaN, infinities, zeros of both signs and extremes through the ops, forward and backward, against what PyTorch gives (test/golden/nan_inf.py): which
// values are NaN, which infinite, and the signs of zeros; and the same once more fused into compiled steps. Where the two differ, and why, stands here.
import * as bms from '@bms/nn'
import { compile, type Compiled, grad, isFloat, loadSafetensors, matmul, readSafetensorsHeader, type Tensor, tensor, zerosLike } from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ready } from './helpers/device.js'
import { goldenBytes } from './helpers/host.js'

const test = suite('NaN and infinity')
const { NaN: nan, POSITIVE_INFINITY: inf } = Number

interface Golden {
  inputs: string[]
  results: number
  /** Inputs whose gradients PyTorch gave. */
  gradients: number[]
}
const bytes = await goldenBytes('nan_inf.safetensors')
const golden: Record<string, Golden> = JSON.parse(readSafetensorsHeader(bytes).metadata['rows']!)
/** PyTorch's tensors by name, and their values. */
let stored: Record<string, Tensor>
const values: Record<string, ArrayLike<number>> = {}

test.before(async () => {
  await ready()
  stored = await loadSafetensors(bytes)
  for (const [name, t] of Object.entries(stored)) values[name] = await t.data()
})

type Fn = (...x: Tensor[]) => Tensor | Tensor[]
const pair = ({ values: v, indices }: { values: Tensor; indices: Tensor }): Tensor[] => [v, indices]
const methods = (...names: (keyof Tensor)[]): Record<string, Fn> =>
  Object.fromEntries(names.map((name) => [name, (x: Tensor, ...y: Tensor[]) => (x[name] as Fn).call(x, ...y)]))
const alongRows = (...names: (keyof Tensor)[]): Record<string, Fn> =>
  Object.fromEntries(names.map((name) => [name, (x: Tensor) => (x[name] as (dim: number) => Tensor).call(x, 1)]))
const activations: Record<string, (x: Tensor) => Tensor> = {
  relu: (x) => x.relu(),
  leakyRelu: (x) => x.leakyRelu(0.25),
  tanh: (x) => x.tanh(),
  sigmoid: (x) => x.sigmoid(),
}

/** The golden rows in this library's words; those that differ only in the input ("sum of one") share an entry. */
const rows: Record<string, Fn> = {
  ...methods('neg', 'abs', 'sign', 'floor', 'ceil', 'round', 'trunc', 'square', 'exp', 'expm1', 'log', 'log1p', 'sqrt', 'rsqrt', 'reciprocal', 'sin', 'cos'),
  ...methods('tanh', 'sigmoid', 'softplus', 'silu', 'gelu', 'erf', 'relu', 'isnan', 'isinf', 'logicalNot', 'bool', 'int', 'half'),
  ...methods('add', 'sub', 'mul', 'div', 'floorDivide', 'remainder', 'pow', 'maximum', 'minimum', 'matmul'),
  ...methods('eq', 'ne', 'lt', 'le', 'gt', 'ge', 'logicalAnd', 'logicalOr'),
  ...alongRows('sum', 'mean', 'prod', 'var', 'std', 'norm', 'logsumexp', 'all', 'any', 'cumsum', 'softmax', 'logSoftmax', 'max', 'min', 'argmax', 'argmin'),
  geluTanh: (x) => x.gelu('tanh'),
  leakyRelu: (x) => x.leakyRelu(0.25),
  'leakyRelu 0': (x) => x.leakyRelu(0),
  'leakyRelu -0.5': (x) => x.leakyRelu(-0.5),
  elu: (x) => x.elu(1.5),
  clamp: (x) => x.clamp(-1, 1),
  'clamp min > max': (x) => x.clamp(1, -1),
  'clamp min': (x) => x.clamp(1),
  'clamp max': (x) => x.clamp(null, 1),
  'clamp NaN': (x) => x.clamp(nan, 1),
  'clamp inf': (x) => x.clamp(-inf, inf),
  'add inf': (x) => x.add(inf),
  'mul 0': (x) => x.mul(0),
  'div 0': (x) => x.div(0),
  'maximum 1': (x) => x.maximum(1),
  ...Object.fromEntries([2, 3, 0.5, -0.5, -1, -2, 0, 1, 1.5].map((e): [string, Fn] => [`pow ${e}`, (x) => x.pow(e)])),
  'pow inf': (x) => x.pow(inf),
  ...Object.fromEntries([2, 0, -2].map((base): [string, Fn] => [`pow of ${base}`, (x) => bms.pow(base, x)])),
  'eq NaN': (x) => x.eq(nan),
  'ne NaN': (x) => x.ne(nan),
  'lt inf': (x) => x.lt(inf),
  'x - x': (x) => x.sub(x),
  'x + -x': (x) => x.add(x.neg()),
  'x / x': (x) => x.div(x),
  'x == x': (x) => x.eq(x),
  'x != x': (x) => x.ne(x),
  'x >= x': (x) => x.ge(x),
  'x < x': (x) => x.lt(x),
  where: (a, b) => a!.lt(b!).where(a!, b!),
  'where log': (x) => x.gt(0).where(x.log(), 0),
  'where safe log': (x) => x.gt(0).where(x.gt(0).where(x, 1).log(), 0),
  'where sqrt': (x) => x.gt(1).where(x.sqrt(), x),
  'var 0': (x) => x.var(1, false, 0),
  'sum of all': (x) => x.sum(),
  'max of all': (x) => x.max(),
  sort: (x) => pair(x.sort(1)),
  'sort descending': (x) => pair(x.sort(1, true)),
  topk: (x) => pair(x.topk(2, 1)),
  'topk smallest': (x) => pair(x.topk(2, 1, false)),
  'topk 0': (x) => pair(x.topk(0, 1)),
  gather: (x, i) => x.gather(1, i!),
  scatterAdd: (x, i, source) => x.scatterAdd(1, i!, source!),
  ...Object.fromEntries(Object.entries(activations).map(([name, fn]): [string, Fn] => [`matmul ${name}`, (x, w, b) => fn(x.matmul(w!).add(b!))])),
  ...Object.fromEntries(Object.entries(activations).map(([name, fn]): [string, Fn] => [`matmul of ${name}`, (x, w) => fn(x).matmul(w!)])),
  conv2d: (x, w) => bms.conv2d(x, w!),
  convTranspose2d: (x, w) => bms.convTranspose2d(x, w!.transpose(0, 1), null, { stride: 2 }),
  ...Object.fromEntries(Object.entries(activations).map(([name, fn]): [string, Fn] => [`conv2d ${name}`, (x, w, b) => fn(bms.conv2d(x, w!, b!))])),
  ...Object.fromEntries(Object.entries(activations).map(([name, fn]): [string, Fn] => [`conv2d of ${name}`, (x, w) => bms.conv2d(fn(x), w!)])),
  maxPool2d: (x) => bms.maxPool2d(x, 2),
  'maxPool2d stride 1': (x) => bms.maxPool2d(x, 2, { stride: 1 }),
  avgPool2d: (x) => bms.avgPool2d(x, 2),
  interpolate: (x) => bms.interpolate(x, { scaleFactor: 2 }),
  'pad reflect': (x) => x.pad([1, 1, 1, 1], { mode: 'reflect' }),
}
const entryOf = (row: string): string => (rows[row] ? row : row.replace(/ of (one|none|huge)$/, ''))

/** The i-th element of the gradient of a result. */
const weight = (i: number): number => [1, 0.5, 2, -1, 3][i % 5]!

/** Where this library's value is another than PyTorch's: the value, from PyTorch's, the place and the inputs there. */
interface Difference {
  why: string
  /** null: none is expected. */
  value: (torch: number, i: number, ...inputs: number[]) => number | null
}
const quotient = (torch: number, _: number, a?: number, b?: number): number =>
  Number.isNaN(torch) && Number.isFinite(a) && Number.isFinite(b) && b !== 0 ? Math.sign(a! * b!) * inf : torch
const differences: Record<string, Difference> = {
  'y0.log1p': { why: 'PyTorch’s vector code overflows near the largest number', value: (torch, _, x) => (torch === inf && x! < inf ? Math.log1p(x!) : torch) },
  'y0.pow -0.5': {
    why: 'PyTorch makes it rsqrt, which at -inf and -0 is not the power',
    value: (torch, _, x) => (x === -inf ? 0 : Object.is(x, -0) ? inf : torch),
  },
  'y0.floorDivide': { why: 'a quotient beyond f32 is infinite; PyTorch’s vector code makes NaN of it', value: quotient },
  'y0.remainder': {
    why: 'the remainder of a quotient beyond 2^24 is lost in f32',
    value: (torch, _, a, b) => (Math.abs(a! / b!) >= 2 ** 24 && Number.isFinite(a) && b !== 0 ? null : torch),
  },
  'd1.remainder': { why: 'likewise', value: (torch, i, a, b) => (Number.isNaN(torch) ? -weight(i) * quotient(torch, i, a!, b!) : torch) },
  'd0.prod of huge': {
    why: 'the gradient is a product of the others; PyTorch divides the product of all, which overflowed',
    value: (torch, i, x) => ([0, 1, 3, 4].includes(i) ? x! * weight(Math.floor(i / 3)) : torch),
  },
}
/** Rows whose zeros may have either sign. */
const anySign: Record<string, string> = {
  gelu: 'PyTorch’s vector code gives +0 below 0',
  elu: 'PyTorch computes exp(-0) - 1, which is +0',
  remainder: 'PyTorch gives zero the sign of the dividend, Python that of the divisor, a - floor(a / b)·b is +0',
  sin: 'SwiftShader’s sine of -0 is +0',
}
/** WGSL lets sines be off by 2^-11. */
const tolerances: Record<string, number> = { sin: 2 ** -11, cos: 2 ** -11 }
/** Rows that are not asked for inside compiled steps: what drivers make of a longer formula. */
const eagerOnly: Record<string, string> = {
  'x + -x': 'WGSL lets drivers assume that it is 0, and Mesa does',
  half: 'Mesa drops a rounding to f16 that is followed by work in f32',
}

const text = (x: number | undefined): string => (Object.is(x, -0) ? '-0' : String(x))

/** Throws unless a tensor has PyTorch's values: NaN, infinities and (in results) signs of zeros exactly, the rest closely. */
async function compare(row: string, which: string, actual: Tensor): Promise<void> {
  const [torch, own] = [values[which]!, await actual.data()]
  assert.equal(actual.shape, stored[which]!.shape, which)
  const inputs = golden[row]!.inputs.map((n) => values[`in.${n}`]!).filter((v) => v.length === torch.length)
  const difference = differences[which]
  const entry = entryOf(row)
  const signed = which.startsWith('y') && !anySign[entry]
  let different = 0
  for (let i = 0; i < torch.length; i++) {
    const at = inputs.map((v) => v[i]!)
    const expected = difference ? difference.value(torch[i]!, i, ...at) : torch[i]!
    if (!Object.is(expected, torch[i])) different++
    if (expected === null) continue
    const a = own[i]!
    const equal = Object.is(a, expected) || (a === expected && (a !== 0 || !signed))
    const zeros = a === 0 && expected === 0
    const close = Number.isFinite(expected) && !zeros && Math.abs(a - expected) <= (tolerances[entry] ?? 1e-5) * Math.max(1, Math.abs(expected))
    if (!equal && !close) throw new Error(`${which}: element ${i} (of ${at.map(text).join(', ')}) is ${text(a)}, expected ${text(expected)}`)
  }
  if (difference && different === 0) throw new Error(`${which}: does not differ from PyTorch any more; take it off the list`)
}

/** The results of a row and its gradients. `one`, a 1 that a compiled step does not know, puts element-wise work before and after. */
function results(row: string, one?: Tensor): Tensor[] {
  const { inputs, gradients } = golden[row]!
  const args = inputs.map((name) => {
    const t = stored[`in.${name}`]!
    return isFloat(t.dtype) ? t.detach().requiresGrad_() : t
  })
  const scaled = (t: Tensor): Tensor => (one && isFloat(t.dtype) ? t.mul(one) : t)
  const found = rows[entryOf(row)]!(...(args.map(scaled) as [Tensor]))
  const out = (Array.isArray(found) ? found : [found]).map(scaled)
  if (gradients.length === 0) return out
  const wanted = gradients.map((k) => args[k]!)
  const weights = tensor(
    Float32Array.from({ length: out[0]!.size }, (_, i) => weight(i)),
    { shape: out[0]!.shape },
  )
  const slopes = grad(out[0]!, wanted, { gradOutputs: weights, allowUnused: true }) as (Tensor | null)[]
  return [...out, ...slopes.map((g, k) => g ?? zerosLike(wanted[k]!))]
}

const namesOf = (row: string): string[] => {
  const { results: n, gradients } = golden[row]!
  return [...Array.from({ length: n }, (_, k) => `y${k}.${row}`), ...gradients.map((k) => `d${k}.${row}`)]
}

/** Adapters without f16 have no such row. */
const possible = async (row: string): Promise<boolean> => row !== 'half' || (await ready()).features.has('shader-f16')

for (const row of Object.keys(golden)) {
  test(row, async () => {
    if (!(await possible(row))) return
    const own = results(row)
    for (const [k, which] of namesOf(row).entries()) await compare(row, which, own[k]!)
  })
}

const CHUNK = 12
for (let first = 0; first < Object.keys(golden).length; first += CHUNK) {
  const all = Object.keys(golden).slice(first, first + CHUNK)
  test(`compiled: ${all[0]} to ${all.at(-1)}`, async () => {
    const can = await Promise.all(all.map(possible))
    const part = all.filter((_, r) => can[r])
    const step: Compiled<[Tensor], Tensor[][]> = compile((one) => part.map((row) => results(row, one)))
    const own = step(tensor(1))
    for (const [r, row] of part.entries()) {
      if (!eagerOnly[row]) for (const [k, which] of namesOf(row).entries()) await compare(row, which, own[r]![k]!)
    }
    step.dispose()
  })
}

test('every entry of the tables is used', () => {
  const entries = new Set(Object.keys(golden).map(entryOf))
  assert.equal(
    Object.keys(rows).filter((name) => !entries.has(name)),
    [],
  )
  const all = new Set(Object.keys(golden).flatMap(namesOf))
  assert.equal(
    Object.keys(differences).filter((name) => !all.has(name)),
    [],
  )
  for (const list of [anySign, tolerances, eagerOnly])
    assert.equal(
      Object.keys(list).filter((name) => !entries.has(name)),
      [],
    )
})

test('products: an infinity or NaN reaches its row or column and nothing else, in every algorithm', async () => {
  const device = await ready()
  for (const algorithm of ['lanes', 'rows', 'tiles', 'dots'] as const) {
    if (algorithm === 'lanes' && device.subgroupSize === undefined) continue
    for (const [m, k, n] of [
      [5, 7, 3],
      [17, 33, 18],
      [1, 9, 5],
    ] as const) {
      for (const bad of [nan, inf]) {
        const a = Array.from({ length: m * k }, (_, i) => (i === m * k - 1 ? bad : 1))
        const b = Array.from({ length: k * n }, (_, i) => (i === k * n - 1 ? bad : 1))
        const c = await matmul(tensor(a, { shape: [m, k] }), tensor(b, { shape: [k, n] }), { algorithm }).data()
        const wanted = Array.from(c, (_, e) => (e % n === n - 1 || Math.floor(e / n) === m - 1 ? bad : k))
        assert.equal(Array.from(c), wanted, `${algorithm} ${m}x${k}x${n}`)
      }
    }
  }
})

test('convolutions: an infinity or NaN reaches the pixels that it meets and nothing else, in every algorithm', async () => {
  const device = await ready()
  for (const algorithm of ['lanes', 'rows', 'tiles'] as const) {
    if (algorithm === 'lanes' && device.subgroupSize !== 8) continue
    for (const bad of [nan, inf]) {
      const ones = (shape: number[], at: number): Tensor =>
        tensor(Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => (i === at ? bad : 1)), { shape }) // biome-ignore format: one line
      // The last pixel of the first image, the first tap of the second of 17 channels.
      const [x, w] = [ones([2, 3, 4, 4], 47), ones([17, 3, 2, 2], 12)]
      const y = await bms.conv2d(x, w, null, { algorithm }).data()
      const met = (e: number): boolean => e === 8 || Math.floor(e / 9) % 17 === 1
      const pixels = Array.from(y, (_, e) => (met(e) || (e < 17 * 9 && e % 9 === 8) ? bad : 12))
      assert.equal(Array.from(y), pixels, algorithm)
    }
  }
})

test.run()
