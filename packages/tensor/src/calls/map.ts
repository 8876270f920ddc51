// An element-wise call: expressions over inputs, each walked by its own strides, evaluated once for every element of a
// shape. A compiled step merges chains of them into one.
import type { Device } from '../device/device.js'
import { LimitError } from '../errors.js'
import { coalesce, MAX_RANK, sizeOf } from '../layout.js'
import { address, Bindings, coordinates, emit, fill, load, store, walkOf, Words } from '../map/codegen.js'
import { type Expr, exprKey, exprName, linearize } from '../map/expr.js'
import { type Call, type Dispatch, layoutKey, linearGrid, type Operand, operandBytes, snapshot } from './call.js'

const GROUP = 256

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
    const { inputs, outputs, exprs } = this
    const bindings = new Bindings(inputs, outputs)
    const limit = device.limits.maxStorageBuffersPerShaderStage
    if (bindings.list.length > limit)
      throw new LimitError(this.op, `needs ${bindings.list.length} buffers in one kernel, the adapter takes ${limit}`, { need: bindings.list.length, limit })
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
      const offset = words.u32(o.layout.offset)
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
    return [
      {
        op: this.op,
        pipeline: { key: `map|${body}`, kernel: 'map', source: () => fill('map', `// <body>\n${body}`, half) },
        buffers: bindings.list.map((b, i) => ({ binding: i + 1, storage: b.storage })),
        params: words.pack(),
        paramsBinding: 0,
        grid: linearGrid(device, this.op, n, GROUP),
        flops: n * linearize(exprs).lines.filter((l) => l.expr.kind === 'op').length,
        bytes: operands.reduce((sum, o) => sum + operandBytes(o), 0),
      },
    ]
  }

  identity(operand: (o: Operand) => string): string {
    return `map|${this.shape.join('x')}|${exprKey(this.exprs, true)}|${this.inputs.map((o) => `${operand(o)}:${layoutKey(o)}`).join(';')}|${this.outputs.map(layoutKey).join(';')}`
  }
}
