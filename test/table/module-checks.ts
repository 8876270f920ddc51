// The tests that every sample of a module goes through.
import { compile, currentDevice, grad, loadSafetensors, type nn, noGrad, saveSafetensors, type Tensor, tensor, tidy, type TypedArray } from '@bms/nn'
import { count } from '../support/figures.js'
import { HALF, halved, list } from './checks.js'
import { type Expected, same } from './compare.js'
import { answer, weights } from './goldens.js'
import type { PreparedModule } from './module.js'
import { dense, expandedValues, type Input, layouts, strided } from './values.js'

export type ModuleCheck =
  | 'module steps'
  | 'module second gradient'
  | 'module evaluation'
  | 'module layouts'
  | 'module compiled'
  | 'module f16'
  | 'module memory'
  | 'state dict'
  | 'text'

/** Of the steps of plain gradient descent between the passes: as in test/golden/modules.py. */
const RATE = 0.1

type Named = Record<string, Tensor>

const tensors = (inputs: readonly Input[], of: (x: Input) => Tensor = dense): Tensor[] => inputs.map((x) => (x.grad ? of(x).requiresGrad_() : of(x)))

/** Inputs and parameters that want gradients, by the names that the goldens give them. */
const leavesOf = (module: nn.Module, inputs: readonly Tensor[]): Named =>
  Object.fromEntries([
    ...inputs.flatMap((x, i) => (x.requiresGrad ? [[`x${i}`, x] as const] : [])),
    ...Array.from(module.namedParameters(), ([name, p]) => [`p ${name}`, p] as const),
  ])

/** The gradients of the weighted outputs; null where there is none. */
function gradients(outputs: readonly (Tensor | null)[], leaves: readonly Tensor[], first = 0, createGraph = false): (Tensor | null)[] {
  const flowing = outputs.flatMap((y, k) => (y?.requiresGrad ? [{ y, w: tensor(weights(y, k + first), { shape: y.shape, dtype: y.dtype }) }] : []))
  if (flowing.length === 0 || leaves.length === 0) return leaves.map(() => null)
  return grad(
    flowing.map(({ y }) => y),
    leaves,
    { gradOutputs: flowing.map(({ w }) => w), allowUnused: true, createGraph },
  ) as (Tensor | null)[]
}

const there = (prefix: string, names: readonly string[], values: readonly (Tensor | null)[]): Named =>
  Object.fromEntries(names.flatMap((name, i) => (values[i] ? [[`${prefix}${name}`, values[i]]] : [])))

/** A pass: outputs `y0`, `y1` … and gradients `d x0`, `d p weight` … */
function pass(module: nn.Module, inputs: readonly Tensor[]): Named {
  const outputs = list(module.forward(...inputs) as Tensor | Tensor[])
  const leaves = leavesOf(module, inputs)
  return { ...Object.fromEntries(outputs.map((y, k) => [`y${k}`, y])), ...there('d ', Object.keys(leaves), gradients(outputs, Object.values(leaves))) }
}

/** A pass, then a step down the gradients. */
function train(module: nn.Module, inputs: readonly Tensor[]): Named {
  const results = pass(module, inputs)
  noGrad(() => {
    for (const [name, p] of module.namedParameters()) {
      const g = results[`d p ${name}`]
      if (g) p.copy_(p.sub(g.mul(RATE)))
    }
  })
  return results
}

const host = async (named: Named): Promise<Map<string, Expected>> =>
  new Map(await Promise.all(Object.entries(named).map(async ([name, t]) => [name, { shape: t.shape, data: await t.data() }] as const)))

const stateOf = (module: nn.Module): Promise<Map<string, Expected>> => host(module.stateDict())

/** Compares everything by name; `tolerance` 'bits' asks for the same numbers. */
async function sameNamed(
  s: PreparedModule,
  what: string,
  actual: Named,
  expected: Map<string, Expected>,
  tolerance: 'bits' | { value: number } | undefined = s.tolerance,
) {
  const [names, wanted] = [Object.keys(actual), [...expected.keys()]]
  if (names.join() !== wanted.join()) throw new Error(`${s.key}: ${what}: there are ${names.join(', ')}, expected ${wanted.join(', ')}`)
  for (const [name, e] of expected) await same(`${s.key}: ${what}: ${name}`, actual[name]!, e, tolerance === 'bits' ? { value: 0 } : tolerance)
}

/** The module with PyTorch's state, and PyTorch's results. */
async function start(s: PreparedModule) {
  const golden = await answer(s.request)
  const dict: Named = Object.fromEntries([...golden.under('start|')].map(([name, { shape, data }]) => [name, tensor(data as unknown as TypedArray, { shape })]))
  const fresh = (): nn.Module => {
    const module = s.make()
    module.loadStateDict(dict)
    return module
  }
  return { golden, dict, fresh }
}

/** PyTorch's results of one pass: 'y0', 'd x0', …. */
const resultsAt = (under: Map<string, Expected>, keep: (name: string) => boolean): Map<string, Expected> => new Map([...under].filter(([name]) => keep(name)))

/** Training steps from one state, gradient descent between them; then evaluation. */
async function steps(s: PreparedModule): Promise<void> {
  const { golden, fresh } = await start(s)
  const module = fresh()
  for (const [k, values] of s.passes.entries()) {
    const expected = golden.under(`${k}|`)
    await sameNamed(
      s,
      `step ${k} (PyTorch)`,
      train(module, tensors(values)),
      resultsAt(expected, (name) => !name.startsWith('s ')),
    )
    const state = new Map([...expected].flatMap(([name, e]) => (name.startsWith('s ') ? [[name.slice(2), e] as const] : [])))
    await sameNamed(s, `state after step ${k} (PyTorch)`, module.stateDict(), state)
    count('goldens', expected.size)
  }
  module.eval()
  const expected = golden.under('eval|')
  await sameNamed(s, 'evaluation (PyTorch)', pass(module, tensors(s.evaluation)), expected)
  count('goldens', expected.size)
}

/** Gradients of the weighted gradients of inputs and parameters. Where PyTorch has none, none or zeros here. */
async function secondGradient(s: PreparedModule): Promise<void> {
  const { golden, fresh } = await start(s)
  const module = fresh()
  const inputs = tensors(s.passes[0]!)
  const leaves = leavesOf(module, inputs)
  const names = Object.keys(leaves)
  const all = inputs.map((_, i) => `x${i}`).concat(names.filter((n) => n.startsWith('p ')))
  const firsts = gradients(list(module.forward(...inputs) as Tensor | Tensor[]), Object.values(leaves), 0, true)
  const seconds = gradients(
    all.map((name) => firsts[names.indexOf(name)] ?? null),
    Object.values(leaves),
    5,
  )
  const expected = golden.under('second|h ')
  for (const [i, name] of names.entries()) {
    const e = expected.get(name) ?? { shape: leaves[name]!.shape, data: new Float32Array(leaves[name]!.size) }
    if (seconds[i]) await same(`${s.key}: second gradient of ${name} (PyTorch)`, seconds[i], e, s.tolerance)
    else if (expected.has(name)) throw new Error(`${s.key}: no second gradient of ${name}, PyTorch has one`)
  }
  count('goldens', expected.size)
}

/** Nothing changes in evaluation, eager or compiled, however often. */
async function evaluation(s: PreparedModule): Promise<void> {
  const module = (await start(s)).fresh().eval()
  const before = await stateOf(module)
  const first = await host(pass(module, tensors(s.evaluation)))
  await sameNamed(s, 'evaluation again', pass(module, tensors(s.evaluation)), first, 'bits')
  const step = compile((...inputs: Tensor[]) => pass(module, inputs))
  for (let i = 0; i < 2; i++) await sameNamed(s, 'compiled evaluation', step(...tensors(s.evaluation)), first)
  step.dispose()
  await sameNamed(s, 'state after evaluation', module.stateDict(), before, 'bits')
}

/** Results and state with inputs that lie strangely in memory, against those of the same inputs row by row. */
async function inLayouts(s: PreparedModule): Promise<void> {
  const { fresh } = await start(s)
  const usual = new Map<readonly Input[], Map<string, Expected>>()
  const run = (values: readonly Input[], of?: (x: Input) => Tensor): { module: nn.Module; results: Named } => {
    const module = fresh()
    if (s.passes.length === 0) module.eval()
    return { module, results: train(module, tensors(values, of)) }
  }
  for (const layout of layouts) {
    const values = layout === 'expanded' ? s.evaluation.map(expandedValues) : s.evaluation
    if (!usual.has(values)) {
      const { module, results } = run(values)
      usual.set(values, new Map([...(await host(results)), ...(await stateOf(module))]))
    }
    const { module, results } = run(values, (x) => strided(x, layout))
    await sameNamed(s, layout, { ...results, ...module.stateDict() }, usual.get(values)!)
  }
}

/** A compiled training step replays what eager ones do, state included, three times or more. */
async function compiled(s: PreparedModule): Promise<void> {
  const { fresh } = await start(s)
  const [eager, recorded] = [fresh(), fresh()]
  const step = compile((...inputs: Tensor[]) => train(recorded, inputs))
  for (const [k, values] of [...s.passes, s.evaluation, s.passes[0]!].entries()) {
    const expected = await host(train(eager, tensors(values)))
    await sameNamed(s, `compiled step ${k}`, step(...tensors(values)), expected)
    await sameNamed(s, `state after compiled step ${k}`, recorded.stateDict(), await stateOf(eager))
  }
  step.dispose()
}

/** f16 inputs give what f32 ones of the same values give, but for rounding. */
async function half(s: PreparedModule): Promise<void> {
  const { fresh } = await start(s)
  const [plain, module] = [fresh(), fresh()]
  const dtype = s.promotes ? 'f32' : 'f16'
  if (s.passes.length === 0) for (const m of [plain, module]) m.eval()
  const values = s.evaluation.map((x) => (x.dtype === 'f32' ? halved(x) : x))
  const run = (m: nn.Module, of: (x: Input) => Tensor = dense): Named =>
    noGrad(() => Object.fromEntries(list(m.forward(...values.map((x) => of(x))) as Tensor | Tensor[]).map((y, k) => [`y${k}`, y])))
  const expected = await host(run(plain))
  const outputs = run(module, (x) => dense(x, x.dtype === 'f32' ? 'f16' : x.dtype))
  for (const [name, y] of Object.entries(outputs)) if (y.dtype !== dtype) throw new Error(`${s.key}: f16 gives ${name} of ${y.dtype}, expected ${dtype}`)
  await sameNamed(s, 'f16', outputs, expected, HALF)
  await sameNamed(s, 'state after f16', module.stateDict(), await stateOf(plain), HALF)
}

/** A module made, used and disposed leaves nothing behind. */
async function memory(s: PreparedModule): Promise<void> {
  const run = (): number => {
    const module = s.make()
    const inputs = tensors(s.evaluation)
    tidy(() => {
      train(module, inputs)
      return null
    })
    for (const x of inputs) x.dispose()
    module.dispose()
    return currentDevice().memory().storages
  }
  // What is made once and kept is made in the first run.
  const before = run()
  const after = run()
  if (after > before) throw new Error(`${s.key}: ${after - before} storages are left behind`)
}

const sameNames = (s: PreparedModule, what: string, actual: readonly string[], expected: readonly string[]): void => {
  if (actual.join() !== expected.join()) throw new Error(`${s.key}: ${what}: ${actual.join(', ')}, expected ${expected.join(', ')}`)
}

/** PyTorch's names in PyTorch's order; what starts as ones and zeros; every bit after loading, and after the way through a file. */
async function stateDict(s: PreparedModule): Promise<void> {
  const { golden, dict, fresh } = await start(s)
  const names = (entries: Iterable<[string, unknown]>): string[] => Array.from(entries, ([name]) => name)
  const made = s.make()
  const state = made.stateDict()
  sameNames(s, 'state dict', Object.keys(state), Object.keys(dict))
  sameNames(s, 'parameters', names(made.namedParameters()), golden.note.parameters)
  sameNames(s, 'buffers', names(made.namedBuffers()), golden.note.buffers)
  sameNames(s, 'modules', names(made.namedModules()), golden.note.modules)
  for (const [name, value] of Object.entries<number>(golden.note.constants)) {
    const data = Array.from(await state[name]!.data())
    if (data.some((v) => v !== value)) throw new Error(`${s.key}: ${name} starts as ${data}, in PyTorch as ${value} throughout`)
  }
  const module = fresh()
  const bits = golden.under('start|')
  await sameNamed(s, 'after loading', module.stateDict(), bits, 'bits')
  const other = s.make()
  other.loadStateDict(loadSafetensors(await saveSafetensors(module.stateDict())))
  await sameNamed(s, 'after the way through a file', other.stateDict(), bits, 'bits')
  for (const [name, t] of Object.entries(other.stateDict()))
    if (t.dtype !== dict[name]!.dtype) throw new Error(`${s.key}: ${name} is ${t.dtype}, expected ${dict[name]!.dtype}`)
}

async function text(s: PreparedModule): Promise<void> {
  const expected = s.text?.value ?? ((await answer(s.request)).note.text as string)
  const got = String(s.make())
  if (got !== expected) throw new Error(`${s.key}: prints as\n${got}\nexpected\n${expected}`)
}

const trains = (s: PreparedModule): boolean => s.passes.length > 0

/** What there is to check, and of which samples. */
export const moduleChecks: Record<ModuleCheck, { applies?: (s: PreparedModule) => boolean; run: (s: PreparedModule) => Promise<void> }> = {
  'module steps': { run: steps },
  'module second gradient': { applies: trains, run: secondGradient },
  'module evaluation': { run: evaluation },
  'module layouts': { applies: (s) => s.evaluation.length > 0, run: inLayouts },
  'module compiled': { applies: trains, run: compiled },
  'module f16': { applies: (s) => s.evaluation.some((x) => x.dtype === 'f32'), run: half },
  'module memory': { run: memory },
  'state dict': { run: stateDict },
  text: { run: text },
}
