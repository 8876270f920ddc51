// The tests that every sample of an op goes through.
import { compile, currentDevice, floatToHalf, grad, gradcheck, gradgradcheck, halfToFloat, noGrad, type Tensor, tensor, tidy } from '@bms/nn'
import { count } from '../support/figures.js'
import { type Expected, same, type Tolerance } from './compare.js'
import { goldenOf, weights } from './goldens.js'
import type { Prepared } from './op.js'
import { dense, expandedValues, type Input, type LayoutName, layouts, strided } from './values.js'

export type Check =
  | 'forward'
  | 'torch'
  | 'torch gradient'
  | 'layouts'
  | 'gradcheck'
  | 'gradgradcheck'
  | 'compiled'
  | 'compiled gradient'
  | 'state'
  | 'f16'
  | 'memory'

export const list = <T>(x: T | readonly T[]): readonly T[] => (Array.isArray(x) ? x : [x as T])

/** Finite differences cost two runs an element. */
const SMALL = 12

const hasGradient = (s: Prepared): boolean => !s.noGradient && s.values.some((v) => v.grad)
const isSmall = (s: Prepared): boolean =>
  s.values.reduce((n, v) => n + (v.grad ? v.data.length : 0), 0) <= SMALL && s.values.some((v) => v.grad && v.data.length > 0)

/** The tensors of a sample, those with gradients marked. */
const tensors = (s: Prepared, values: readonly Input[] = s.values, of: (x: Input) => Tensor = dense): Tensor[] =>
  values.map((v) => (v.grad && hasGradient(s) ? of(v).requiresGrad_() : of(v)))

const run = (s: Prepared, inputs: readonly Tensor[]): readonly Tensor[] => list(s.run(...inputs))

/** The outputs, then the gradients (null where there is none) of the weighted outputs with respect to the inputs that want one. */
function withGradients(s: Prepared, inputs: readonly Tensor[], createGraph = false): { outputs: readonly Tensor[]; gradients: (Tensor | null)[] } {
  const outputs = run(s, inputs)
  const flowing = outputs.map((y, k) => ({ y, w: y.requiresGrad ? tensor(weights(y, k), { shape: y.shape }) : null })).filter(({ w }) => w !== null)
  const wanted = inputs.filter((x) => x.requiresGrad)
  if (flowing.length === 0 || wanted.length === 0) return { outputs, gradients: inputs.map(() => null) }
  const found = grad(
    flowing.map(({ y }) => y),
    wanted,
    { gradOutputs: flowing.map(({ w }) => w), allowUnused: true, createGraph },
  ) as (Tensor | null)[]
  return { outputs, gradients: inputs.map((x) => (x.requiresGrad ? found[wanted.indexOf(x)]! : null)) }
}

const host = async (t: Tensor): Promise<Expected> => ({ shape: t.shape, data: await t.data() })

/** Compares two lists of results, one of them known to be right. */
async function sameAll(
  s: Prepared,
  what: string,
  actual: readonly (Tensor | null)[],
  expected: readonly (Expected | null)[],
  tolerance = s.tolerance,
): Promise<void> {
  for (const [i, e] of expected.entries()) {
    const a = actual[i]
    if (!a !== !e) throw new Error(`${s.key}: ${what} ${i}: ${a ? 'is there' : 'is missing'}, expected the contrary`)
    if (a && e) await same(`${s.key}: ${what} ${i}`, a, e, tolerance)
  }
}

const hostAll = (results: readonly (Tensor | null)[]): Promise<(Expected | null)[]> => Promise.all(results.map((t) => (t ? host(t) : null)))

/** Values, shapes and dtypes against the float64 reference. */
async function forward(s: Prepared): Promise<void> {
  const outputs = noGrad(() => run(s, tensors(s)))
  const expected = list(s.reference!(...s.values))
  if (outputs.length !== expected.length) throw new Error(`${s.key}: ${outputs.length} outputs, expected ${expected.length}`)
  for (const [k, y] of outputs.entries()) {
    const dtype = list(s.dtype ?? 'f32')[k] ?? list(s.dtype ?? 'f32')[0]
    if (y.dtype !== dtype) throw new Error(`${s.key}: output ${k} is ${y.dtype}, expected ${dtype}`)
  }
  await sameAll(s, 'output', outputs, expected)
}

async function torchForward(s: Prepared): Promise<void> {
  const golden = await goldenOf(s.key, s.torch!, s.values)
  const outputs = noGrad(() => run(s, tensors(s)))
  const expected = outputs.map((_, k) => golden(`y${k}`) ?? null)
  if (golden(`y${outputs.length}`)) throw new Error(`${s.key}: PyTorch has more outputs`)
  await sameAll(s, 'output (PyTorch)', outputs, expected)
  count('goldens', outputs.length)
}

/** First and second gradients against PyTorch's in double precision. A gradient that PyTorch does not have is none or all zero here. */
async function torchGradient(s: Prepared): Promise<void> {
  const golden = await goldenOf(s.key, s.torch!, s.values)
  const inputs = tensors(s)
  const { gradients } = withGradients(s, inputs, true)
  const compare = async (name: string, results: readonly (Tensor | null)[]): Promise<void> => {
    for (const [i, g] of results.entries()) {
      const expected = golden(`${name}${i}`) ?? { shape: inputs[i]!.shape, data: new Float32Array(inputs[i]!.size) }
      if (golden(`${name}${i}`)) count('goldens')
      if (g) await same(`${s.key}: ${name === 'g' ? 'gradient' : 'second gradient'} ${i} (PyTorch)`, g, expected, s.tolerance)
      else if (Array.from(expected.data).some((v) => v !== 0)) throw new Error(`${s.key}: no ${name}${i}, PyTorch has one`)
    }
  }
  await compare('g', gradients)
  if (s.skip?.gradgradcheck) return
  const again = gradients.map((g, i) => ({ g, w: g ? tensor(weights(g, i + 5), { shape: g.shape }) : null })).filter(({ g }) => g?.requiresGrad)
  const wanted = inputs.filter((x) => x.requiresGrad)
  const second =
    again.length === 0
      ? wanted.map(() => null)
      : (grad(
          again.map(({ g }) => g!),
          wanted,
          { gradOutputs: again.map(({ w }) => w), allowUnused: true },
        ) as (Tensor | null)[])
  await compare(
    'h',
    inputs.map((x) => (x.requiresGrad ? second[wanted.indexOf(x)]! : null)),
  )
}

/** Values and gradients of inputs that lie strangely in memory, against those of the same inputs row by row. */
async function inLayouts(s: Prepared): Promise<void> {
  const plain = new Map<readonly Input[], [(Expected | null)[], (Expected | null)[]]>()
  for (const layout of layouts) {
    const values = layout === 'expanded' ? s.values.map(expandedValues) : s.values
    if (!plain.has(values)) {
      const { outputs, gradients } = withGradients(s, tensors(s, values))
      plain.set(values, [await hostAll(outputs), await hostAll(gradients)])
    }
    const [outputs, gradients] = plain.get(values)!
    const got = withGradients(
      s,
      tensors(s, values, (x) => strided(x, layout as LayoutName)),
    )
    await sameAll(s, `${layout}: output`, got.outputs, outputs)
    await sameAll(s, `${layout}: gradient`, got.gradients, gradients)
  }
}

/** Differences of 1/100: the third derivative, a few units here, times 1e-4/6, and rounding of 1e-6/2e-2. */
const differences = { eps: 1e-2, atol: 4e-3, rtol: 4e-3 }

const checked = (s: Prepared): ((...x: Tensor[]) => Tensor[]) => {
  return (...x) => [...run(s, x)]
}

/** The step replays what eager ops give, for the inputs it was recorded with and for others. */
async function compiled(s: Prepared, gradients: boolean): Promise<void> {
  const compute = (inputs: readonly Tensor[]): (Tensor | null)[] => {
    if (!gradients) return noGrad(() => [...run(s, inputs)])
    return withGradients(s, inputs).gradients
  }
  const step = compile((...inputs: Tensor[]) => compute(inputs))
  try {
    for (const values of [s.values, s.others, s.values]) {
      const eager = await hostAll(compute(tensors(s, values)))
      await sameAll(s, gradients ? 'compiled gradient' : 'compiled output', step(...tensors(s, values)), eager)
    }
  } finally {
    step.dispose()
  }
}

/** A tensor outside of the step is overwritten by each run of it, as by the eager op. */
async function state(s: Prepared): Promise<void> {
  const write = (target: Tensor, rest: readonly Tensor[]): void => s.inPlace!(target, ...rest)
  const [target, expected] = [dense(s.values[0]!), dense(s.values[0]!)]
  const step = compile((...rest: Tensor[]) => write(target, rest))
  try {
    for (const values of [s.values, s.others, s.values]) {
      const rest = values.slice(1).map((v) => dense(v))
      step(...rest)
      write(expected, rest)
      await sameAll(s, 'state', [target], [await host(expected)])
    }
  } finally {
    step.dispose()
  }
}

export const halved = (x: Input): Input => ({ ...x, data: x.data.map((v) => halfToFloat(floatToHalf(v))) })

export const HALF: Tolerance = { value: 4 / 2048, why: 'half precision: 11 bits of each value, and of each of the few roundings on the way' }

/** f16 in, f16 out, the same values but for rounding as f32 gives for the same inputs. */
async function half(s: Prepared): Promise<void> {
  const values = s.values.map((x) => (x.dtype === 'f32' ? halved(x) : x))
  const expected = noGrad(() => run(s, tensors(s, values)))
  const outputs = noGrad(() =>
    run(
      s,
      tensors(s, values, (x) => dense(x, x.dtype === 'f32' ? 'f16' : x.dtype)),
    ),
  )
  for (const [k, y] of outputs.entries()) {
    const dtype = expected[k]!.dtype === 'f32' ? 'f16' : expected[k]!.dtype
    if (y.dtype !== dtype) throw new Error(`${s.key}: f16 gives output ${k} of ${y.dtype}, expected ${dtype}`)
  }
  await sameAll(s, 'f16 output', outputs, await hostAll(expected), HALF)
}

/** A pass forward and back, freed by tidy and dispose, leaves nothing behind. */
async function memory(s: Prepared): Promise<void> {
  const device = currentDevice()
  const pass = (): number => {
    const inputs = tensors(s)
    tidy(() => {
      withGradients(s, inputs)
      return null
    })
    for (const x of inputs) x.dispose()
    return device.memory().storages
  }
  // What an op makes once and keeps is made in the first pass.
  const before = pass()
  const after = pass()
  if (after > before) throw new Error(`${s.key}: ${after - before} storages are left behind`)
}

const floats = (s: Prepared): boolean => s.values.some((v) => v.dtype === 'f32')

/** What there is to check, and of which samples. */
export const checks: Record<Check, { applies: (s: Prepared) => boolean; run: (s: Prepared) => Promise<void> }> = {
  forward: { applies: (s) => s.reference !== undefined, run: forward },
  torch: { applies: (s) => s.torch !== undefined, run: torchForward },
  'torch gradient': { applies: (s) => s.torch !== undefined && hasGradient(s), run: torchGradient },
  layouts: { applies: (s) => s.values.length > 0, run: inLayouts },
  gradcheck: { applies: (s) => hasGradient(s) && isSmall(s), run: async (s) => void (await gradcheck(checked(s), tensors(s), differences)) },
  gradgradcheck: { applies: (s) => hasGradient(s) && isSmall(s), run: async (s) => void (await gradgradcheck(checked(s), tensors(s), differences)) },
  compiled: { applies: () => true, run: (s) => compiled(s, false) },
  'compiled gradient': { applies: hasGradient, run: (s) => compiled(s, true) },
  state: { applies: (s) => s.inPlace !== undefined, run: state },
  f16: { applies: floats, run: half },
  memory: { applies: () => true, run: memory },
}
