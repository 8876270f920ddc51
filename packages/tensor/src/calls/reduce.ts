// A reduction of an expression over some dims. Like a map it reads through expressions, so that a compiled step can put
// the element-wise work before a sum into the sum.
import type { Device } from '../device/device.js'
import { specialise } from '../device/pipelines.js'
import { bytesOf, computeType } from '../dtype.js'
import { LimitError } from '../errors.js'
import { reduceGroupKernel, reduceThreadKernel } from '../generated/shaders.js'
import { coalesce, MAX_RANK, sizeOf } from '../layout.js'
import { address, Bindings, coordinates, emit, fill, load, store, Words } from '../map/codegen.js'
import { type Expr, exprKey, exprName, linearize } from '../map/expr.js'
import { type Call, type Dispatch, layoutKey, linearGrid, type Operand, operandBytes, snapshot, splitGroups } from './call.js'

export type ReduceOp = 'sum' | 'max' | 'min' | 'prod'
const codes: Record<ReduceOp, number> = { sum: 0, max: 1, min: 2, prod: 3 }

/** What a reduction of nothing gives, and where it starts; infinities travel as uniforms. */
export function identityOf(op: ReduceOp, type: 'f32' | 'i32' | 'u32'): number {
  if (op === 'sum') return 0
  if (op === 'prod') return 1
  if (type === 'f32') return op === 'max' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  if (type === 'i32') return op === 'max' ? -(2 ** 31) : 2 ** 31 - 1
  return op === 'max' ? 0 : 2 ** 32 - 1
}

/** One invocation a result, or one workgroup? Pure, so that it can be tested without a GPU. */
export function planReduce(results: number, length: number, kind: 'gpu' | 'software' | 'null'): 'thread' | 'group' {
  if (kind === 'software') return results >= 32 || length <= 8192 ? 'thread' : 'group'
  return length <= 32 || results >= 16384 ? 'thread' : 'group'
}

const GROUP = { thread: 64, group: 256 }

export class ReduceCall implements Call {
  readonly kind = 'reduce'
  readonly inPlace = false
  readonly inputs: readonly Operand[]
  readonly output: Operand
  readonly outputs: readonly Operand[]

  /**
   * `inputs` have layouts over `shape`; `dims` of it are reduced, `output` is contiguous over the rest. The result is multiplied by `scale`
   * (f32 only), which makes a mean of a sum.
   */
  constructor(
    readonly op: string,
    readonly reduce: ReduceOp,
    readonly shape: readonly number[],
    readonly dims: readonly number[],
    readonly expr: Expr,
    inputs: readonly Operand[],
    output: Operand,
    readonly scale = 1,
    readonly algorithm?: 'thread' | 'group',
  ) {
    this.inputs = inputs.map(snapshot)
    this.output = snapshot(output)
    this.outputs = [this.output]
  }

  get name(): string {
    return this.expr.kind === 'input' ? this.reduce : `${exprName([this.expr])}·${this.reduce}`
  }

  replace(of: (o: Operand) => Operand): ReduceCall {
    return new ReduceCall(this.op, this.reduce, this.shape, this.dims, this.expr, this.inputs.map(of), of(this.output), this.scale, this.algorithm)
  }

  lower(device: Device): Dispatch[] {
    const { inputs, output, shape, dims } = this
    const type = computeType(output.dtype) === 'bool' ? 'u32' : (computeType(output.dtype) as 'f32' | 'i32' | 'u32')
    const kept = shape.map((_, d) => d).filter((d) => !dims.includes(d))
    const pick = (list: readonly number[], which: readonly number[]): number[] => which.map((d) => list[d]!)
    const [results, length] = [sizeOf(pick(shape, kept)), sizeOf(pick(shape, dims))]
    const outer = coalesce(
      pick(shape, kept),
      inputs.map((o) => pick(o.layout.strides, kept)),
    )
    const inner = coalesce(
      pick(shape, dims),
      inputs.map((o) => pick(o.layout.strides, dims)),
    )
    if (Math.max(outer.shape.length, inner.shape.length) > MAX_RANK)
      throw new LimitError(this.op, `needs more than ${MAX_RANK} dims after merging; call contiguous() first`, { limit: MAX_RANK })
    const bindings = new Bindings(inputs, this.outputs)
    const words = new Words()
    words.u32(results)
    words.u32(length)
    const scale = type === 'f32' ? ` * ${words.f32(this.scale)}` : ''
    const start = identityOf(this.reduce, type)
    const startText = type === 'f32' ? words.f32(start) : type === 'i32' ? words.i32(start) : words.u32(start)
    const o = coordinates('o', outer.shape, 'o_', words)
    const r = coordinates('r', inner.shape, 'r_', words)
    const read = (i: number): string => {
      const at = address(
        words.u32(inputs[i]!.layout.offset),
        [...outer.strides[i]!, ...inner.strides[i]!].map((s) => (s === 0 ? '' : words.u32(s))),
        [...o.names, ...r.names],
      )
      return load(bindings.name(inputs[i]!), at, inputs[i]!.dtype)
    }
    const code = emit([this.expr], read, words)
    const result = code.results[0]!
    const from = computeType(this.expr.dtype)
    const value = from === type ? result : from === 'bool' ? `select(${type}(0), ${type}(1), ${result})` : `${type}(${result})`
    const target = `${bindings.name(output)}[${words.u32(output.layout.offset)} + o]`
    const stored = output.dtype === 'bool' ? 'select(0u, 1u, total != 0u)' : store('total', output.dtype)
    const body = [
      words.declaration,
      bindings.declarations,
      `fn value(o: u32, r: u32) -> ${type} {`,
      o.text,
      r.text,
      code.text,
      `  return ${value};`,
      '}',
      `fn finish(o: u32, total_: ${type}) {`,
      `  let total = total_${scale};`,
      `  ${target} = ${stored};`,
      '}',
      `fn start() -> ${type} { return ${startText}; }`,
    ]
      .filter((s) => s !== '')
      .join('\n')
    const algorithm = this.algorithm ?? planReduce(results, length, device.adapter.kind)
    const group = algorithm === 'thread' ? GROUP.thread : Math.min(GROUP.group, device.limits.maxComputeInvocationsPerWorkgroup)
    const kernel = algorithm === 'thread' ? reduceThreadKernel : reduceGroupKernel
    const half = bindings.list.some((b) => b.dtype === 'f16') || body.includes('f16(')
    return [
      {
        op: this.op,
        pipeline: {
          key: `${kernel.name}|${this.reduce}|${type}|${group}|${body}`,
          kernel,
          source: () => (half ? 'enable f16;' : '') + specialise(fill(kernel, `// <body>\n${body}`, false), { WG: group, OP: codes[this.reduce] }, { T: type }),
        },
        buffers: bindings.list.map((b, i) => ({ binding: i + 1, storage: b.storage })),
        params: words.pack(),
        paramsBinding: 0,
        grid:
          algorithm === 'thread' ? linearGrid(device, this.op, results, group) : splitGroups(device.limits.maxComputeWorkgroupsPerDimension, this.op, results),
        flops: results * length * (1 + linearize([this.expr]).lines.filter((l) => l.expr.kind === 'op').length),
        bytes: inputs.reduce((sum, i) => sum + operandBytes(i), 0) + results * bytesOf(output.dtype),
      },
    ]
  }

  identity(operand: (o: Operand) => string): string {
    const inputs = this.inputs.map((o) => `${operand(o)}:${layoutKey(o)}`).join(';')
    return `reduce|${this.reduce}|${this.shape.join('x')}|${this.dims.join(',')}|${exprKey([this.expr], true)}|${this.scale}|${inputs}|${layoutKey(this.output)}`
  }
}
