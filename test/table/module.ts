// Rows for modules: from a module, PyTorch's name for it and sample inputs follow the tests of training steps (values, gradients, second gradients, state),
// evaluation, memory layouts, compiled steps, half precision, memory, state dicts, texts and errors.
import type { nn } from '@bms/nn'
import type { Tolerance } from './compare.js'
import { type ErrorCase, errorCases } from './errors.js'
import { inputSpecs, type Request } from './goldens.js'
import { type ModuleCheck, moduleChecks } from './module-checks.js'
import type { Case, Row } from './row.js'
import { type Input, type Lacks, type Maker, make, shapeGaps } from './values.js'

/** One way to make and use the module. */
export interface ModuleSample {
  name: string
  make: () => nn.Module
  /** The same in Python, with torch, nn and spectral_norm in scope: an expression, or a program that ends with one named `module`. */
  torch: string
  /** Of a pass; each step has others of the same shapes. */
  inputs: readonly Maker[]
  /** Training steps; default 3. 0: training draws random numbers, only evaluation is compared with PyTorch. */
  steps?: number
  /** f16 inputs give f32, the type of the weights that they are multiplied with: of modules that do not cast their weights. */
  promotes?: boolean
  /** Its text where that is not PyTorch's, and why. */
  text?: { value: string; why: string }
  tolerance?: Tolerance
  /** Checks that do not apply, each with its reason. */
  skip?: Partial<Record<ModuleCheck, string>>
}

export interface ModuleSpec {
  /** Public names; default: the row's name in `nn`. */
  covers?: readonly string[]
  samples: readonly ModuleSample[]
  /** What this module alone does, by name. */
  behaviour?: Record<string, () => void | Promise<void>>
  /** Or why there is nothing to refuse. */
  errors: readonly ErrorCase[] | string
  /** Kinds of input that make no sense here, each with its reason. */
  lacks?: Lacks
}

/** A sample with its inputs made. */
export interface PreparedModule extends ModuleSample {
  /** "BatchNorm1d, [N, C]": unique in the table. */
  key: string
  /** Inputs of the training steps. */
  passes: readonly (readonly Input[])[]
  evaluation: readonly Input[]
  request: Request
}

const prepare = (key: string, s: ModuleSample): PreparedModule => {
  const passes = Array.from({ length: s.steps ?? 3 }, (_, k) => make(key, s.inputs, k))
  const evaluation = make(key, s.inputs, passes.length)
  const spec = { torch: s.torch, steps: passes.map(inputSpecs), evaluation: inputSpecs(evaluation) }
  return { ...s, key, passes, evaluation, request: { part: 'modules', key, spec } }
}

/** A row of the table. */
export function module(name: string, { covers = [`nn.${name}`], samples, behaviour = {}, errors, lacks = {} }: ModuleSpec): Row {
  const prepared = samples.map((s) => prepare(`${name}, ${s.name}`, s))
  const cases = (): Case[] => [
    ...prepared.flatMap((s) =>
      Object.entries(moduleChecks)
        .filter(([check, { applies }]) => !s.skip?.[check as ModuleCheck] && (applies?.(s) ?? true))
        .map(([kind, { run }]) => ({ kind, name: s.key, half: kind === 'module f16', run: () => run(s) })),
    ),
    ...Object.entries(behaviour).map(([title, run]) => ({ kind: 'behaviour', name: `${name}: ${title}`, run: async () => run() })),
    ...errorCases(name, errors),
  ]
  const shapes = prepared.flatMap((s) => s.evaluation.map((x) => x.shape))
  return { name, covers, cases, requests: prepared.map((s) => s.request), gaps: () => (samples.length > 0 ? shapeGaps(shapes, lacks) : []) }
}
