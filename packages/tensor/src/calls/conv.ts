// A convolution, its input gradient or its weight gradient, with what may be folded into it: a bias a channel and an activation behind it, the derivative of
// an activation on it, and the row sums of the output gradient (the bias gradient beside a weight gradient).
import type { Device } from '../device/device.js'
import { specialise } from '../device/pipelines.js'
import type { Storage } from '../device/storage.js'
import { LimitError } from '../errors.js'
import { convLanesKernel, convRowsKernel, convTilesKernel, type ShaderInfo } from '../generated/shaders.js'
import { sizeOf } from '../layout.js'
import { type ConvAlgorithm, type ConvPass, type ConvPlan, type ConvShape, planConv } from '../kernels/conv-plan.js'
import { type Call, type Dispatch, layoutKey, type Operand, operandBytes, snapshot } from './call.js'
import { packParams } from './kernel.js'
import { activationCodes, type Epilogue } from './matmul.js'

export interface Convolution {
  readonly shape: ConvShape
  readonly pass: ConvPass
  /** Weight, or output gradient where a weight gradient is computed. Dense, like all operands. */
  readonly a: Operand
  readonly b: Operand
  readonly algorithm?: ConvAlgorithm
}

const kernels: Readonly<Record<ConvPlan['kernel'], ShaderInfo>> = { conv_lanes: convLanesKernel, conv_rows: convRowsKernel, conv_tiles: convTilesKernel }

export class ConvCall implements Call {
  readonly kind = 'conv'
  readonly inPlace = false
  readonly inputs: readonly Operand[]
  readonly outputs: readonly Operand[]
  readonly output: Operand
  readonly convolution: Convolution
  readonly epilogue: Epilogue

  /** `epilogue.bias` has an element for each channel of the result. */
  constructor(
    readonly op: string,
    convolution: Convolution,
    output: Operand,
    epilogue: Epilogue = {},
  ) {
    this.output = snapshot(output)
    // The bias may be a tensor that the op makes and disposes.
    this.epilogue = { ...epilogue, bias: epilogue.bias && snapshot(epilogue.bias) }
    this.convolution = { ...convolution, a: snapshot(convolution.a), b: snapshot(convolution.b) }
    const { bias, gate, rowsum } = this.epilogue
    this.inputs = [this.convolution.a, this.convolution.b, ...(bias ? [bias] : []), ...(gate ? [gate] : [])]
    this.outputs = [this.output, ...(rowsum ? [rowsum] : [])]
  }

  get name(): string {
    const { bias, activation, gate, rowsum } = this.epilogue
    const { shape: s, pass } = this.convolution
    const extra = [bias && 'bias', activation, gate && `gate ${this.epilogue.gateActivation}`, rowsum && 'rowsum'].filter(Boolean).join('·')
    return `conv ${pass} ${s.batch}x${s.inChannels}x${s.input.join('x')} → ${s.outChannels}x${s.output.join('x')}, ${s.kernel.join('x')}${extra ? ` ${extra}` : ''}`
  }

  replace(of: (o: Operand) => Operand): ConvCall {
    const { convolution: c, epilogue: e } = this
    return new ConvCall(this.op, { ...c, a: of(c.a), b: of(c.b) }, of(this.output), {
      ...e,
      bias: e.bias && of(e.bias),
      gate: e.gate && of(e.gate),
      rowsum: e.rowsum && of(e.rowsum),
    })
  }

  /** Is the sum taken in parts, each a result of its own? Then a row sum would be, too. */
  get inParts(): boolean {
    const { shape, pass } = this.convolution
    return pass === 'weight' && sizeOf(this.output.layout.shape) > (shape.outChannels * shape.inChannels * shape.kernel[0] * shape.kernel[1]) / shape.groups
  }

  /** The same with more folded in, and where it now goes. */
  fold(output: Operand, epilogue: Epilogue): ConvCall {
    return new ConvCall(this.op, this.convolution, output, { ...this.epilogue, ...epilogue })
  }

  lower(device: Device): Dispatch[] {
    const { convolution: c, epilogue: e, output } = this
    const plan = planFor(this.op, device, c.shape, c.pass, c.algorithm)
    const info = kernels[plan.kernel]
    const spare = device.spare()
    const memory: Record<string, Storage> = {
      a: c.a.storage,
      b: c.b.storage,
      bias: e.bias?.storage ?? spare.read,
      gate: e.gate?.storage ?? spare.read,
      c: output.storage,
      rowsum: e.rowsum?.storage ?? spare.write,
    }
    const params = {
      ...plan.params,
      a_offset: c.a.layout.offset,
      b_offset: c.b.layout.offset,
      c_offset: output.layout.offset,
      bias_offset: e.bias?.layout.offset ?? 0,
      gate_offset: e.gate?.layout.offset ?? 0,
      rowsum_offset: e.rowsum?.layout.offset ?? 0,
      slope: e.slope ?? 0,
      has_bias: Number(e.bias !== undefined),
      activation: activationCodes[e.activation ?? 'none'],
      gate_activation: activationCodes[e.gateActivation ?? 'none'],
      has_rowsum: Number(e.rowsum !== undefined),
    }
    // Parts of a sum are f32 whatever they are parts of.
    const types = { T: c.a.dtype, ...('C' in info.aliases ? { C: output.dtype } : {}) }
    return [
      {
        op: this.op,
        pipeline: {
          key: `${plan.kernel}|${Object.entries(plan.constants).join(';')}|${Object.values(types).join()}`,
          kernel: info,
          source: () => specialise(info.source, plan.constants, types),
        },
        buffers: info.bindings.flatMap((b) => (b.access === 'uniform' ? [] : [{ binding: b.index, storage: memory[b.name]! }])),
        params: packParams(info, params),
        paramsBinding: info.bindings.find((b) => b.access === 'uniform')!.index,
        grid: plan.workgroups,
        flops: plan.flops,
        bytes: [...this.inputs, ...this.outputs].reduce((sum, o) => sum + operandBytes(o), 0),
      },
    ]
  }

  identity(operand: (o: Operand) => string): string {
    const { shape, pass, algorithm } = this.convolution
    const { activation, gateActivation, slope } = this.epilogue
    return `conv|${JSON.stringify(shape)}|${pass}|${algorithm}|${activation}|${gateActivation}|${slope}|${this.inputs.map((o) => `${operand(o)}:${layoutKey(o)}`).join(';')}|${this.outputs.length}`
  }
}

/** How a convolution would run here. planConv is plain arithmetic and throws plain errors: here they become ours. */
export function planFor(op: string, device: Device, shape: ConvShape, pass: ConvPass, algorithm?: ConvAlgorithm): ConvPlan {
  const { limits, subgroupSize, adapter } = device
  try {
    return planConv(shape, pass, { kind: adapter.kind === 'software' ? 'software' : 'gpu', limits, subgroupSize }, algorithm)
  } catch (cause) {
    throw new LimitError(op, (cause as Error).message, { limits })
  }
}
