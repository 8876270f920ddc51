// The one place where WGSL is generated: declarations, address arithmetic and the expression of element-wise kernels
// (map.wgsl) and of what a reduction reads (reduce.wgsl). Sizes, strides, offsets and constants are words of a uniform,
// so that one pipeline serves every shape and value of the same expression.
import { computeType, type DType, isFloat, storageType } from '../dtype.js'
import type { ShaderInfo } from '../generated/shaders.js'
import type { Operand } from '../calls/call.js'
import { isContiguous, sizeOf } from '../layout.js'
import { type Expr, linearize } from './expr.js'
import { type MapOp, mapOps } from './ops.js'

/** How an operand is walked: by the running index, always the same element, or by coordinates. */
export type Walk = 'linear' | 'scalar' | 'strided'

export function walkOf(o: Operand): Walk {
  if (sizeOf(o.layout.shape) === 1 || o.layout.strides.every((s, d) => s === 0 || o.layout.shape[d] === 1)) return 'scalar'
  return isContiguous(o.layout) ? 'linear' : 'strided'
}

/** Collects uniform words and gives the WGSL that reads them. */
export class Words {
  private readonly values: number[] = []
  private readonly view = new DataView(new ArrayBuffer(4))

  u32(value: number): string {
    return this.at(this.values.push(value >>> 0) - 1)
  }

  i32(value: number): string {
    return `bitcast<i32>(${this.u32(value)})`
  }

  f32(value: number): string {
    this.view.setFloat32(0, value)
    return `bitcast<f32>(${this.u32(this.view.getUint32(0))})`
  }

  private at(i: number): string {
    return `params[${i >> 2}].${'xyzw'[i & 3]}`
  }

  /** The uniform's declaration and bytes; at least one vec4. */
  get declaration(): string {
    return `@group(0) @binding(0) var<uniform> params: array<vec4<u32>, ${this.vectors}>;`
  }

  get vectors(): number {
    return Math.max(1, Math.ceil(this.values.length / 4))
  }

  pack(): Uint32Array {
    const out = new Uint32Array(4 * this.vectors)
    out.set(this.values)
    return out
  }
}

/** One binding for each storage; read_write where something is written to it. `apart`: one for each operand that is only read. */
export class Bindings {
  readonly list: { storage: Operand['storage']; dtype: DType; writable: boolean; operands: Operand[] }[] = []

  constructor(inputs: readonly Operand[], outputs: readonly Operand[], apart = false) {
    for (const o of outputs) this.note(o, true, false)
    for (const o of inputs) this.note(o, false, apart)
  }

  private note(o: Operand, writable: boolean, apart: boolean): void {
    const found = this.list.find((b) => b.storage === o.storage && (b.writable || !apart))
    if (found) found.operands.push(o)
    else this.list.push({ storage: o.storage, dtype: o.dtype, writable, operands: [o] })
  }

  /** Where an operand is bound. */
  indexOf(o: Operand): number {
    return this.list.findIndex((b) => b.operands.includes(o))
  }

  name(o: Operand): string {
    return `buffer${this.indexOf(o)}`
  }

  get declarations(): string {
    return this.list
      .map((b, i) => `@group(0) @binding(${i + 1}) var<storage, ${b.writable ? 'read_write' : 'read'}> buffer${i}: array<${storageType(b.dtype)}>;`)
      .join('\n')
  }
}

/** `x` as WGSL of the compute type of `dtype`, loaded from an array of its storage type. */
export function load(name: string, index: string, dtype: DType): string {
  const element = `${name}[${index}]`
  if (dtype === 'bool') return `(${element} != 0u)`
  return dtype === 'f16' ? `f32(${element})` : element
}

export const store = (value: string, dtype: DType): string => (dtype === 'bool' ? `select(0u, 1u, ${value})` : dtype === 'f16' ? `f16(${value})` : value)

function castTo(value: string, from: DType, to: DType): string {
  const [a, b] = [computeType(from), computeType(to)]
  // Mesa takes f32(f16(x)) for x.
  if (from !== 'f16' && to === 'f16') return `quantizeToF16(${b === a ? value : `f32(${value})`})`
  if (a === b) return value
  if (b === 'bool') return `!(${value} == ${a === 'f32' ? '0.0' : a === 'i32' ? '0i' : '0u'})`
  if (a === 'bool') return `select(${b}(0), ${b}(1), ${value})`
  return `${b}(${value})`
}

/** Statements that compute the expressions, and the WGSL names of their results. `read(i)` is the WGSL that loads input i. */
export function emit(exprs: readonly Expr[], read: (index: number) => string, words: Words): { text: string; results: string[] } {
  const { lines, roots } = linearize(exprs)
  const text: string[] = []
  // Names by value: two inputs that read the same element are one, so that what is done with a value and itself is seen.
  const known = new Map<string, string>()
  const names: string[] = []
  lines.forEach(({ expr, args }, i) => {
    const value = valueOf(
      expr,
      args.map((a) => names[a]!),
      read,
      words,
    )
    names[i] = known.get(value) ?? `v${i}`
    if (known.has(value)) return
    known.set(value, names[i])
    text.push(`  let ${names[i]} = ${value};`)
  })
  return { text: text.join('\n'), results: roots.map((r) => names[r]!) }
}

function valueOf(expr: Expr, args: readonly string[], read: (index: number) => string, words: Words): string {
  if (expr.kind === 'input') return read(expr.index)
  if (expr.kind === 'const') return literal(expr.value, expr.dtype, words)
  if (expr.kind === 'cast') return castTo(args[0]!, expr.args[0].dtype, expr.dtype)
  const op: MapOp = mapOps[expr.op]
  const { dtype } = expr.args[expr.args.length - 1]!
  return op.itself && isFloat(dtype) && args[0] === args[1] ? op.itself(args[0]!) : op.wgsl(args, dtype)
}

function literal(value: number, dtype: DType, words: Words): string {
  const type = computeType(dtype)
  if (type === 'f32') return words.f32(value)
  if (type === 'i32') return words.i32(value)
  return type === 'bool' ? (value ? 'true' : 'false') : words.u32(value)
}

/** The template with the text between its body markers replaced. */
export function fill({ source }: ShaderInfo, body: string, half: boolean): string {
  const from = source.indexOf('// <body>')
  const to = source.indexOf('// </body>')
  return `${half ? 'enable f16;' : ''}${source.slice(0, from)}${body}\n${source.slice(to)}`
}

/** Index of an operand at coordinates c0, c1, …: offset + Σ cᵈ·strideᵈ, in wrapping u32 (negative strides work). */
export function address(offset: string, strides: readonly string[], coordinates: readonly string[]): string {
  const terms = strides.map((s, d) => (s === '' ? '' : `${coordinates[d]} * ${s}`)).filter((t) => t !== '')
  return [offset, ...terms].join(' + ')
}

/** Statements that split `index` into coordinates of `shape` (row-major), named `<prefix>0…`. */
export function coordinates(index: string, shape: readonly number[], prefix: string, words: Words): { text: string; names: string[] } {
  const names = shape.map((_, d) => `${prefix}${d}`)
  const text: string[] = []
  let rest = index
  for (let d = shape.length - 1; d > 0; d--) {
    const size = words.u32(shape[d]!)
    text.push(`  let ${names[d]} = ${rest} % ${size};`, `  let ${prefix}_${d} = ${rest} / ${size};`)
    rest = `${prefix}_${d}`
  }
  if (shape.length > 0) text.push(`  let ${names[0]} = ${rest};`)
  return { text: text.join('\n'), names }
}
