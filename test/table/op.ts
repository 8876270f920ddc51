// Rows for functions of tensors: from sample inputs, a reference and what PyTorch would call it follow the tests of values, memory layouts, gradients,
// second gradients, compiled steps, half precision, memory and error texts.
import type { DType, Tensor } from '@bms/nn'
import type { Nd } from '../helpers/nd.js'
import { type Check, checks, list } from './checks.js'
import type { Tolerance } from './compare.js'
import { type ErrorCase, errorCases } from './errors.js'
import { type Request, sampleSpec } from './goldens.js'
import type { Case, Row } from './row.js'
import { type Input, type Lacks, type Maker, make, real, shapeGaps } from './values.js'

export type { ErrorCase } from './errors.js'

/** One way to call the op. */
export interface Sample {
  name: string
  inputs: readonly Maker[]
  run: (...inputs: Tensor[]) => Tensor | readonly Tensor[]
  /** What `run` does to a copy of its first input, where it writes in place: for a tensor that lives on outside of a compiled step. */
  inPlace?: (target: Tensor, ...rest: Tensor[]) => void
  /** The same in float64. Needed where there is no `torch`. */
  reference?: (...inputs: Nd[]) => Nd | readonly Nd[]
  /** The same in Python; the inputs are a, b, c, … (float64), in scope are torch, F, nn and math. Its values and gradients are committed goldens. */
  torch?: string
  /** Of each output; one for all. Default f32. */
  dtype?: DType | readonly DType[]
  /** Computes in half precision by itself. */
  half?: boolean
  /** Of values and gradients. */
  tolerance?: Tolerance
  /** Checks that do not apply, each with its reason. */
  skip?: Partial<Record<Check, string>>
}

export interface OpSpec {
  /** Public names; default: the row's name as a function and as a method of Tensor. */
  covers?: readonly string[]
  samples: readonly Sample[]
  /** Or why there is nothing to refuse. */
  errors: readonly ErrorCase[] | string
  /** Why no gradient flows through any sample. Default: gradients are checked. */
  noGradient?: string
  /** For every sample: checks that do not apply, each with its reason. */
  skip?: Partial<Record<Check, string>>
  tolerance?: Tolerance
  /** Kinds of input that make no sense here, each with its reason. */
  lacks?: Lacks
}

/** A sample with its row's settings and its inputs made. */
export interface Prepared extends Sample {
  /** "softmax, last dim": unique in the table. */
  key: string
  values: readonly Input[]
  errors?: never
  noGradient: string | undefined
  /** Other inputs of the same shapes. */
  others: readonly Input[]
}

export class OpRow implements Row {
  readonly covers: readonly string[]
  readonly samples: readonly Prepared[]
  readonly requests: readonly Request[]

  constructor(
    readonly name: string,
    readonly spec: OpSpec,
  ) {
    this.covers = spec.covers ?? [name, `Tensor.${name}`]
    this.samples = spec.samples.map((s) => {
      const key = `${name}, ${s.name}`
      return {
        ...s,
        key,
        values: make(key, s.inputs).map((v) => ({ ...v, grad: v.grad && !spec.noGradient })),
        others: make(key, s.inputs, 1),
        noGradient: spec.noGradient,
        tolerance: s.tolerance ?? spec.tolerance,
        skip: { ...spec.skip, ...s.skip },
      }
    })
    this.requests = this.samples.flatMap(({ key, torch, values }) => (torch ? [{ part: 'ops', key, spec: sampleSpec(torch, values) }] : []))
  }

  cases(): Case[] {
    const found = this.samples.flatMap((sample) =>
      Object.entries(checks)
        .filter(([check, { applies }]) => !sample.skip?.[check as Check] && applies(sample))
        .map(([kind, { run }]) => ({ kind, name: sample.key, half: kind === 'f16' || sample.half, run: () => run(sample) })),
    )
    return [...found, ...errorCases(this.name, this.spec.errors)]
  }

  gaps(): string[] {
    const { lacks = {}, noGradient } = this.spec
    // What takes no tensors is judged by what it makes.
    const shapes = this.samples.flatMap((s) => (s.values.length > 0 ? s.values : s.reference ? list(s.reference()) : []).map((v) => v.shape))
    const gaps = shapeGaps(shapes, lacks)
    if (!noGradient && !this.cases().some((c) => c.kind === 'gradcheck')) gaps.push('has no sample small enough for gradcheck, and no reason for it')
    for (const s of this.samples) if (!s.reference && !s.torch) gaps.push(`${s.name}: neither a reference nor PyTorch`)
    return gaps
  }
}

/** A sample in one line: the shape of its f32 input, what PyTorch calls it, the call and the reference. */
export type OneLiner = readonly [
  shape: readonly number[],
  torch: string,
  run: (x: Tensor) => Tensor | readonly Tensor[],
  reference: (x: Nd) => Nd | readonly Nd[],
  more?: Partial<Sample>,
]

/** Samples of such lines, named by their shapes and PyTorch's words. */
export const oneLiners = (list: readonly OneLiner[]): Sample[] =>
  list.map(([shape, torch, run, reference, more]) => ({
    name: `[${shape}] ${torch}`,
    inputs: [real(shape)],
    run: (x) => run(x!),
    reference: (x) => reference(x!),
    torch,
    ...more,
  }))

/** A row of the table. */
export const op = (name: string, spec: OpSpec): OpRow => new OpRow(name, spec)
