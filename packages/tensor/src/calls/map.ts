// An element-wise call: expressions over inputs, each walked by its own strides, evaluated once for every element of a
// shape. A compiled step merges chains of them into one.
import type { Device } from '../device/device.js'
import type { Storage } from '../device/storage.js'
import { bytesOf } from '../dtype.js'
import { LimitError } from '../errors.js'
import { mapKernel } from '../generated/shaders.js'
import { coalesce, MAX_RANK, sizeOf } from '../layout.js'
import { address, Bindings, coordinates, emit, fill, load, store, walkOf, Words } from '../map/codegen.js'
import { type Expr, exprKey, exprName, linearize } from '../map/expr.js'
import { type Call, type Dispatch, layoutKey, linearGrid, type Operand, operandBytes, snapshot } from './call.js'

const GROUP = 256

/** What is bound of a storage: all of it where that is allowed, else the part that the operands reach. */
interface Range {
  /** Bytes. */
  size: number
  /** The element that the binding starts at. */
  first: number
  part: { offset: number; size: number } | null
}

function rangeOf(device: Device, storage: Storage, operands: readonly Operand[]): Range {
  if (storage.bytes <= device.limits.maxStorageBufferBindingSize) return { size: storage.bytes, first: 0, part: null }
  let [low, high, bytes] = [Number.POSITIVE_INFINITY, 0, 4]
  for (const { layout, dtype } of operands) {
    const reach = layout.strides.map((stride, d) => (layout.shape[d]! - 1) * stride)
    bytes = bytesOf(dtype)
    low = Math.min(
      low,
      reach.reduce((at, r) => at + Math.min(0, r), layout.offset),
    )
    high = Math.max(
      high,
      reach.reduce((at, r) => at + Math.max(0, r), layout.offset),
    )
  }
  const align = Math.max(16, device.limits.minStorageBufferOffsetAlignment)
  const offset = Math.floor((low * bytes) / align) * align
  const size = Math.min(Math.ceil(((high + 1) * bytes) / 16) * 16, storage.bytes) - offset
  return { size, first: offset / bytes, part: { offset, size } }
}

export class MapCall implements Call {
  readonly kind = 'map'
  readonly inPlace: boolean
  readonly inputs: readonly Operand[]
  readonly outputs: readonly Operand[]

  /** All operands have layouts over `shape`; `exprs[k]` is stored to `outputs[k]`. */
  constructor(
    readonly op: string,
    readonly shape: readonly number[],
    readonly exprs: readonly Expr[],
    inputs: readonly Operand[],
    outputs: readonly Operand[],
    /** True when an output is memory that outlives the step or already held something. */
    inPlace = false,
  ) {
    this.inPlace = inPlace
    this.inputs = inputs.map(snapshot)
    this.outputs = outputs.map(snapshot)
  }

  get name(): string {
    return exprName(this.exprs)
  }

  replace(of: (o: Operand) => Operand): MapCall {
    return new MapCall(this.op, this.shape, this.exprs, this.inputs.map(of), this.outputs.map(of), this.inPlace)
  }

  lower(device: Device): Dispatch[] {
    const most = device.limits.maxStorageBufferBindingSize
    const large = [...this.inputs, ...this.outputs].some((o) => o.storage.bytes > most)
    const bindings = new Bindings(this.inputs, this.outputs, large)
    const limit = device.limits.maxStorageBuffersPerShaderStage
    if (bindings.list.length > limit)
      throw new LimitError(this.op, `needs ${bindings.list.length} buffers in one kernel, the adapter takes ${limit}`, { need: bindings.list.length, limit })
    const ranges = bindings.list.map((b) => rangeOf(device, b.storage, b.operands))
    const tooLong = ranges.findIndex((r) => r.size > most)
    if (tooLong >= 0) return this.halves(bindings.list[tooLong]!.operands, ranges[tooLong]!.size, most).flatMap((half) => half.lower(device))
    return [this.dispatch(device, bindings, ranges)]
  }

  /** The call in two parts, each over half of the dim along which these operands reach furthest. */
  private halves(operands: readonly Operand[], need: number, limit: number): MapCall[] {
    let [longest, dim] = [0, 0]
    for (const o of operands) {
      o.layout.strides.forEach((s, d) => {
        const reach = (this.shape[d]! - 1) * Math.abs(s) * bytesOf(o.dtype)
        if (reach > longest) [longest, dim] = [reach, d]
      })
    }
    // Short operands of a tensor that is also written, far apart: they stay so, however the work is divided.
    if (longest < limit / 16) {
      throw new LimitError(
        this.op,
        `uses ${need} bytes of one tensor at once, the adapter's maxStorageBufferBindingSize is ${limit}; clone() one of the parts`,
        { need, limit },
      )
    }
    const middle = Math.ceil(this.shape[dim]! / 2)
    const part = (start: number, length: number): MapCall => {
      const shape = this.shape.map((s, d) => (d === dim ? length : s))
      const of = (o: Operand): Operand => ({
        ...snapshot(o),
        layout: { shape, strides: o.layout.strides, offset: o.layout.offset + start * o.layout.strides[dim]! },
      })
      return new MapCall(this.op, shape, this.exprs, this.inputs.map(of), this.outputs.map(of), this.inPlace)
    }
    return [part(0, middle), part(middle, this.shape[dim]! - middle)]
  }

  private dispatch(device: Device, bindings: Bindings, ranges: readonly Range[]): Dispatch {
    const { inputs, outputs, exprs } = this
    const operands = [...inputs, ...outputs]
    const walks = operands.map(walkOf)
    const { shape, strides } = coalesce(
      this.shape,
      operands.map((o) => o.layout.strides),
    )
    if (shape.length > MAX_RANK)
      throw new LimitError(this.op, `needs ${shape.length} dims after merging, ${MAX_RANK} are supported; call contiguous() first`, {
        need: shape.length,
        limit: MAX_RANK,
      })
    const words = new Words()
    words.u32(sizeOf(this.shape))
    const strided = walks.includes('strided')
    const at = strided ? coordinates('i', shape, 'c', words) : { text: '', names: [] }
    const index = operands.map((o, k) => {
      const offset = words.u32(o.layout.offset - ranges[bindings.indexOf(o)]!.first)
      if (walks[k] === 'scalar') return offset
      if (walks[k] === 'linear') return `${offset} + i`
      return address(
        offset,
        strides[k]!.map((s) => (s === 0 ? '' : words.u32(s))),
        at.names,
      )
    })
    const code = emit(exprs, (i) => load(bindings.name(inputs[i]!), index[i]!, inputs[i]!.dtype), words)
    const stores = outputs.map((o, k) => `  ${bindings.name(o)}[${index[inputs.length + k]}] = ${store(code.results[k]!, o.dtype)};`)
    const body = [words.declaration, bindings.declarations, 'fn element(i: u32) {', at.text, code.text, ...stores, '}'].filter((s) => s !== '').join('\n')
    const half = bindings.list.some((b) => b.dtype === 'f16') || body.includes('f16(')
    const n = sizeOf(this.shape)
    return {
      op: this.op,
      pipeline: { key: `map|${body}`, kernel: mapKernel, source: () => fill(mapKernel, `// <body>\n${body}`, half) },
      buffers: bindings.list.map((b, i) => ({ binding: i + 1, storage: b.storage, ...ranges[i]!.part })),
      params: words.pack(),
      paramsBinding: 0,
      grid: linearGrid(device, this.op, n, GROUP),
      flops: n * linearize(exprs).lines.filter((l) => l.expr.kind === 'op').length,
      bytes: operands.reduce((sum, o) => sum + operandBytes(o), 0),
    }
  }

  identity(operand: (o: Operand) => string): string {
    return `map|${this.shape.join('x')}|${exprKey(this.exprs, true)}|${this.inputs.map((o) => `${operand(o)}:${layoutKey(o)}`).join(';')}|${this.outputs.map(layoutKey).join(';')}`
  }
}
