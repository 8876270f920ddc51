// A matrix product with what may be folded into it: a bias and an activation behind it, the derivative of an activation
// (a gate) on it, and the row sums of its left operand (the bias gradient beside a weight gradient).
import type { Device } from '../device/device.js'
import { specialise } from '../device/pipelines.js'
import type { Storage } from '../device/storage.js'
import { LimitError } from '../errors.js'
import { matmulDotsKernel, matmulLanesKernel, matmulRowsKernel, matmulTilesKernel, type ShaderInfo } from '../generated/shaders.js'
import { contiguous } from '../layout.js'
import { type MatmulAlgorithm, planMatmul } from '../kernels/matmul-plan.js'
import { type Call, type Dispatch, layoutKey, type Operand, operandBytes, snapshot } from './call.js'
import { packParams } from './kernel.js'

/** One factor: stored row-major, or transposed; `ld` elements between stored rows, `batch` between matrices (0 broadcasts). */
export interface Factor {
  readonly operand: Operand
  readonly transposed: boolean
  readonly ld: number
  readonly batch: number
}

/** Activations that the kernels know, by their numbers there. */
export const activationCodes = { none: 0, relu: 1, leakyRelu: 2, tanh: 3, sigmoid: 4 } as const
export type FoldedActivation = keyof typeof activationCodes

export interface Epilogue {
  /** Added to every row: [n]. */
  readonly bias?: Operand
  readonly activation?: FoldedActivation
  /** Multiplies by the derivative of this activation, given by its output `gate` [.., m, n]. */
  readonly gate?: Operand
  readonly gateActivation?: FoldedActivation
  /** Slope of leakyRelu, in whichever of the two uses it. */
  readonly slope?: number
  /** Receives Σₖ A[m, k]: [m]. */
  readonly rowsum?: Operand
}

export interface Product {
  readonly m: number
  readonly n: number
  readonly k: number
  readonly batch: number
  readonly a: Factor
  readonly b: Factor
  readonly alpha: number
  readonly algorithm?: MatmulAlgorithm
}

const kernels: Readonly<Record<MatmulAlgorithm, ShaderInfo>> = {
  lanes: matmulLanesKernel,
  rows: matmulRowsKernel,
  tiles: matmulTilesKernel,
  dots: matmulDotsKernel,
}

export class MatmulCall implements Call {
  readonly kind = 'matmul'
  readonly inPlace = false
  readonly inputs: readonly Operand[]
  readonly outputs: readonly Operand[]
  readonly output: Operand
  readonly product: Product

  /** `output` is dense: batch · m · n elements. */
  constructor(
    readonly op: string,
    product: Product,
    output: Operand,
    readonly epilogue: Epilogue = {},
  ) {
    this.output = snapshot(output)
    this.product = { ...product, a: { ...product.a, operand: snapshot(product.a.operand) }, b: { ...product.b, operand: snapshot(product.b.operand) } }
    const { bias, gate, rowsum } = epilogue
    this.inputs = [this.product.a.operand, this.product.b.operand, ...(bias ? [bias] : []), ...(gate ? [gate] : [])]
    this.outputs = [this.output, ...(rowsum ? [rowsum] : [])]
  }

  get name(): string {
    const { bias, activation, gate, rowsum } = this.epilogue
    const { m, n, k, batch, a, b } = this.product
    const extra = [bias && 'bias', activation, gate && `gate ${this.epilogue.gateActivation}`, rowsum && 'rowsum'].filter(Boolean).join('·')
    return `matmul ${batch > 1 ? `${batch}x` : ''}${m}x${k}${a.transposed ? 'ᵀ' : ''}·${k}x${n}${b.transposed ? 'ᵀ' : ''}${extra ? ` ${extra}` : ''}`
  }

  replace(of: (o: Operand) => Operand): MatmulCall {
    const { product: p, epilogue: e } = this
    return new MatmulCall(this.op, { ...p, a: { ...p.a, operand: of(p.a.operand) }, b: { ...p.b, operand: of(p.b.operand) } }, of(this.output), {
      ...e,
      bias: e.bias && of(e.bias),
      gate: e.gate && of(e.gate),
      rowsum: e.rowsum && of(e.rowsum),
    })
  }

  /** The same product with more folded in, and where it now goes. */
  fold(output: Operand, epilogue: Epilogue): MatmulCall {
    return new MatmulCall(this.op, this.product, output, { ...this.epilogue, ...epilogue })
  }

  lower(device: Device): Dispatch[] {
    const { product: p, epilogue: e, output } = this
    const offsets = { a: this.inputs[0]!.layout.offset, b: this.inputs[1]!.layout.offset }
    const plan = planned(
      this.op,
      {
        m: p.m,
        n: p.n,
        k: p.k,
        batch: p.batch,
        transA: p.a.transposed,
        transB: p.b.transposed,
        lda: p.a.ld,
        ldb: p.b.ld,
        aOffset: offsets.a,
        bOffset: offsets.b,
        aBatch: p.a.batch,
        bBatch: p.b.batch,
      },
      { kind: device.adapter.kind === 'software' ? 'software' : 'gpu', limits: device.limits, subgroupSize: device.subgroupSize },
      p.algorithm,
    )
    const info = kernels[plan.algorithm]
    // Adapters without subgroups compile fast and branch slowly: there each epilogue has a kernel of its own.
    const fixed = device.adapter.kind === 'software' && device.subgroupSize !== 8 && 'ACTIVATION' in info.constants
    const constants = fixed
      ? {
          ...plan.constants,
          BIAS: Number(e.bias !== undefined),
          ACTIVATION: activationCodes[e.activation ?? 'none'],
          GATE: activationCodes[e.gateActivation ?? 'none'],
        }
      : plan.constants
    const half = output.dtype === 'f16'
    const spare = device.spare()
    const memory: Record<string, Storage> = {
      a: this.inputs[0]!.storage,
      b: this.inputs[1]!.storage,
      bias: e.bias?.storage ?? spare.read,
      gate: e.gate?.storage ?? spare.read,
      c: output.storage,
      rowsum: e.rowsum?.storage ?? spare.write,
    }
    memory['a4'] = memory['a']!
    memory['b4'] = memory['b']!
    const params = {
      m: p.m,
      n: p.n,
      k: p.k,
      batch: p.batch,
      lda: p.a.ld,
      ldb: p.b.ld,
      a_offset: offsets.a,
      b_offset: offsets.b,
      a_batch: p.a.batch,
      b_batch: p.b.batch,
      c_offset: output.layout.offset,
      bias_offset: e.bias?.layout.offset ?? 0,
      gate_offset: e.gate?.layout.offset ?? 0,
      rowsum_offset: e.rowsum?.layout.offset ?? 0,
      alpha: p.alpha,
      slope: e.slope ?? 0,
      has_bias: Number(e.bias !== undefined),
      activation: activationCodes[e.activation ?? 'none'],
      gate_activation: activationCodes[e.gateActivation ?? 'none'],
      has_rowsum: Number(e.rowsum !== undefined),
    }
    const key = `${plan.kernel}|${Object.entries(constants).join(';')}|${half ? 'f16' : 'f32'}`
    return [
      {
        op: this.op,
        pipeline: { key, kernel: info, source: () => specialise(info.source, constants, half ? { T: 'f16' } : {}) },
        buffers: info.bindings.flatMap((b) => (b.access === 'uniform' ? [] : [{ binding: b.index, storage: memory[b.name]! }])),
        params: packParams(info, params),
        paramsBinding: info.bindings.find((b) => b.access === 'uniform')!.index,
        grid: plan.workgroups,
        flops: 2 * p.batch * p.m * p.n * p.k,
        bytes: [...this.inputs, ...this.outputs].reduce((sum, o) => sum + operandBytes(o), 0),
      },
    ]
  }

  identity(operand: (o: Operand) => string): string {
    const { m, n, k, batch, a, b, alpha, algorithm } = this.product
    const factor = (f: Factor): string => `${f.transposed}/${f.ld}/${f.batch}`
    const { activation, gateActivation, slope } = this.epilogue
    return `matmul|${m},${n},${k},${batch}|${factor(a)}|${factor(b)}|${alpha}|${algorithm}|${activation}|${gateActivation}|${slope}|${this.inputs.map((o) => `${operand(o)}:${layoutKey(o)}`).join(';')}|${this.outputs.length}`
  }
}

/** planMatmul is plain arithmetic and throws plain errors: here they become ours. */
function planned(op: string, ...args: Parameters<typeof planMatmul>): ReturnType<typeof planMatmul> {
  try {
    return planMatmul(...args)
  } catch (cause) {
    throw new LimitError(op, (cause as Error).message.replace(/^matmul: /, ''), { limits: args[1].limits })
  }
}

/** A dense operand over the same memory, whatever shape it is read as. */
export const dense = (o: Operand, size: number): Operand => ({ storage: o.storage, dtype: o.dtype, layout: contiguous([size], o.layout.offset) })
