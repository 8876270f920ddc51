// Rows for optimisers: from one way to make it and PyTorch's follow the tests of twenty steps, of a checkpoint half-way, of compiled steps whose learning
// rate changes, of memory and errors.
import { compile, currentDevice, loadSafetensors, nn, noGrad, type optim, saveSafetensors, type Tensor, tidy } from '@bms/nn'
import { count } from '../support/figures.js'
import { same, type Tolerance } from './compare.js'
import { type ErrorCase, errorCases } from './errors.js'
import { answer, inputSpecs, type Request } from './goldens.js'
import type { Case, Row } from './row.js'
import { dense, type Input, make, real } from './values.js'

type AnyOptimizer = optim.Optimizer<any>

/** One way to make the optimiser. */
export interface OptimizerSample {
  name: string
  make: (params: Tensor[]) => AnyOptimizer
  /** The same in Python, of `params`, with torch.optim in scope as `optim`. */
  torch: string
  /** A schedule that takes a step after each of the optimiser's; in Python of `opt`, with torch.optim.lr_scheduler in scope as `schedulers`. */
  schedule?: { make: (opt: AnyOptimizer) => optim.LRScheduler; torch: string }
  /** Leaves out every third gradient. */
  sparse?: boolean
  /** Of the parameters. */
  shapes?: readonly (readonly number[])[]
  /** Hyper-parameters of the first group that change while a compiled step is in use. */
  change?: Record<string, unknown>
  tolerance?: Tolerance
}

export interface OptimizerSpec {
  /** Public names; default: the row's name in `optim`. */
  covers?: readonly string[]
  samples: readonly OptimizerSample[]
  errors: readonly ErrorCase[]
}

interface Prepared extends OptimizerSample {
  key: string
  /** Where the parameters start, and the minima of the squares that they run down. */
  start: readonly Input[]
  targets: readonly Input[]
  request: Request
}

const STEPS = 20
/** After which of them the parameters are compared. */
const LOOKS = [1, 2, 10, 20]
const shapes = [[3, 4], [5], [2, 1, 3], [], [1, 7], [2, 0]]

function prepare(key: string, s: OptimizerSample): Prepared {
  const makers = (s.shapes ?? shapes).map((shape) => real(shape))
  const [start, targets] = [make(key, makers), make(key, makers, 1)]
  const spec = {
    torch: s.torch,
    schedule: s.schedule?.torch ?? '',
    sparse: s.sparse ?? false,
    looks: LOOKS,
    start: inputSpecs(start),
    targets: inputSpecs(targets),
  }
  return { ...s, key, start, targets, request: { part: 'optimizers', key, spec } }
}

/** Parameters, their optimiser and its schedule. */
class Run {
  readonly params: nn.Parameter[]
  readonly targets: readonly Tensor[]
  readonly opt: AnyOptimizer
  readonly schedule: optim.LRScheduler | undefined
  done = 0

  constructor(private readonly s: Prepared) {
    this.params = s.start.map((x) => nn.parameter(dense(x)))
    this.targets = s.targets.map((x) => dense(x))
    this.opt = s.make(this.params)
    this.schedule = s.schedule?.make(this.opt)
  }

  /** The gradients of Σ (½ + ¼i)·(pᵢ - targetᵢ)²/2: as in test/golden/optimizers.py. */
  private gradients(targets: readonly Tensor[]): (Tensor | null)[] {
    return this.params.map((p, i) => (this.s.sparse && (this.done + i) % 3 === 0 ? null : p.sub(targets[i]!).mul(0.5 + 0.25 * i)))
  }

  /** An update, without the schedule. */
  readonly update = (...targets: Tensor[]): Tensor[] => {
    noGrad(() => this.opt.step(this.gradients(targets)))
    return this.params.map((p) => p.detach().add(0))
  }

  step(): void {
    tidy(() => {
      this.update(...this.targets)
      return null
    })
    this.done++
    this.schedule?.step()
  }

  steps(n: number): void {
    for (let i = 0; i < n; i++) this.step()
  }
}

const CANCELS: Tolerance = { value: 1e-5, each: true, why: 'a mean of gradients of either sign: what is near 0 came of numbers around 1' }

const list = <T>(x: Iterable<T>): string => [...x].join(', ')

/** Parameters along the way, and the state at the end by PyTorch's names. */
async function takesSteps(s: Prepared): Promise<void> {
  const golden = await answer(s.request)
  const run = new Run(s)
  for (const look of LOOKS) {
    run.steps(look - run.done)
    for (const [i, p] of run.params.entries()) await same(`${s.key}: parameter ${i} after step ${look} (PyTorch)`, p, golden.get(`${look}|${i}`)!, s.tolerance)
  }
  const [own, theirs] = [run.opt.stateDict(), golden.under('state.')]
  const kept = Object.keys(own).filter((name) => name.startsWith('state.'))
  // Counts that no formula needs are not kept.
  const expected = [...theirs.keys()].map((name) => `state.${name}`).filter((name) => !name.endsWith('.step') || kept.includes(name))
  const missing = expected.filter((name) => !kept.includes(name))
  if (missing.length > 0) throw new Error(`${s.key}: no ${list(missing)} in ${list(kept)}`)
  for (const [name, e] of theirs) {
    const state = own[`state.${name}`]
    if (state) await same(`${s.key}: state.${name} (PyTorch)`, state, e, /_avg$|buffer$/.test(name) && !/square/.test(name) ? CANCELS : s.tolerance)
  }
  count('goldens', LOOKS.length * run.params.length + expected.length)
}

/** Saved after ten steps and loaded into a new optimiser with other hyper-parameters, it goes on with the same bits. */
async function resumes(s: Prepared): Promise<void> {
  const first = new Run(s)
  first.steps(STEPS / 2)
  const second = new Run(s)
  second.opt.lr = 0.777
  for (const [i, p] of first.params.entries()) second.params[i]!.copy_(p)
  const dict = loadSafetensors(await saveSafetensors(first.opt.stateDict()))
  await second.opt.loadStateDict(dict)
  // The file holds the device's numbers, in single precision.
  const rates = (run: Run): string => list(run.opt.groups.map((g) => Math.fround(g.lr)))
  if (rates(second) !== rates(first)) throw new Error(`${s.key}: the learning rate is ${second.opt.lr}`)
  second.schedule?.loadStateDict(JSON.parse(JSON.stringify(first.schedule!.stateDict())))
  second.done = first.done
  for (const run of [first, second]) run.steps(STEPS / 2)
  for (const [i, p] of first.params.entries()) {
    const expected = { shape: p.shape, data: await p.data() }
    await same(`${s.key}: parameter ${i} after continuing`, second.params[i]!, expected, { value: 0 })
  }
}

/** Replays see new learning rates, other hyper-parameters and the count of steps: none of them may be frozen into the step. */
async function compiles(s: Prepared): Promise<void> {
  const [eager, recorded] = [new Run(s), new Run(s)]
  const step = compile(recorded.update)
  for (let i = 0; i < 6; i++) {
    for (const { opt } of [eager, recorded]) {
      // Tenfold up and down: a rate of an earlier replay would be far off.
      for (const group of opt.groups) group.lr *= i % 2 === 0 ? 10 : 0.1
      if (i === 4 && s.change) opt.groups[0]!.set(s.change)
    }
    const expected = eager.update(...eager.targets)
    const got = step(...recorded.targets)
    for (const [k, e] of expected.entries())
      await same(`${s.key}: parameter ${k} after replay ${i}`, got[k]!, { shape: e.shape, data: await e.data() }, { value: 1e-6 })
  }
  step.dispose()
}

/** Steps allocate nothing that stays. */
async function memory(s: Prepared): Promise<void> {
  const run = new Run(s)
  run.steps(2)
  const before = currentDevice().memory().storages
  run.steps(5)
  const after = currentDevice().memory().storages
  if (after > before) throw new Error(`${s.key}: ${after - before} storages are left behind`)
}

const checks: Record<string, (s: Prepared) => Promise<void>> = {
  'optimiser steps': takesSteps,
  'optimiser continued': resumes,
  'optimiser compiled': compiles,
  'optimiser memory': memory,
}

/** A row of the table. */
export function optimizer(name: string, { covers = [`optim.${name}`], samples, errors }: OptimizerSpec): Row {
  const prepared = samples.map((s) => prepare(`${name}, ${s.name}`, s))
  const all = (): Case[] => [
    ...prepared.flatMap((s) => Object.entries(checks).map(([kind, run]) => ({ kind, name: s.key, run: () => run(s) }))),
    ...errorCases(name, errors),
  ]
  return { name, covers, cases: all, requests: prepared.map((s) => s.request), gaps: () => [] }
}
