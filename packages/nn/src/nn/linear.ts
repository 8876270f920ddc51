// Affine maps, look-up tables and shape changes.
import { type Tensor, ArgumentError, formatShape, randn, ShapeError, zeros } from '@bms/autograd'
import { checkCount, checkNames, pythonFlag } from '../check.js'
import { uniform_ } from './init.js'
import { Module } from './module.js'
import { newParameter, type Parameter } from './parameter.js'
import { castFor } from './precision.js'

/** U(-bound, bound), as a parameter. */
const uniformParameter = (shape: readonly number[], bound: number): Parameter => newParameter(() => uniform_(zeros(shape), -bound, bound))

/**
 * y = x·weightᵀ + bias. x: [..., inFeatures]; y: [..., outFeatures]; weight: [outFeatures, inFeatures]. Both start as U(-1/√inFeatures, 1/√inFeatures). An f16 input is
 * multiplied by the weight in f16.
 */
export class Linear extends Module {
  weight: Parameter
  bias: Parameter | null

  /** @param options `bias`: default true */
  constructor(
    readonly inFeatures: number,
    readonly outFeatures: number,
    options: { bias?: boolean } = {},
  ) {
    super()
    checkCount('Linear', 'inFeatures', inFeatures)
    checkCount('Linear', 'outFeatures', outFeatures)
    checkNames('Linear', options, ['bias'])
    const bound = 1 / Math.sqrt(inFeatures)
    this.weight = uniformParameter([outFeatures, inFeatures], bound)
    this.bias = (options.bias ?? true) ? uniformParameter([outFeatures], bound) : null
  }

  override forward(x: Tensor): Tensor {
    if (x.ndim === 0 || x.shape[x.ndim - 1] !== this.inFeatures) {
      throw new ShapeError('Linear', `the last dim of the input must be ${this.inFeatures} (inFeatures), got ${formatShape(x.shape)}`, { shape: x.shape })
    }
    const flat = x.ndim === 2 ? x : x.reshape([-1, this.inFeatures])
    const weight = castFor(x, this.weight)
    const bias = castFor(x, this.bias)
    const product = flat.matmul(weight.t())
    const out = bias ? product.add(bias) : product
    return x.ndim === 2 ? out : out.reshape([...x.shape.slice(0, -1), this.outFeatures])
  }

  override extraRepr(): string {
    return `in_features=${this.inFeatures}, out_features=${this.outFeatures}, bias=${pythonFlag(this.bias !== null)}`
  }
}

/** Rows of a table by their numbers. Indices: i32 or u32, any shape; result: [...indices, embeddingDim]; weight: [numEmbeddings, embeddingDim], N(0, 1). */
export class Embedding extends Module {
  weight: Parameter
  readonly paddingIdx: number | null

  /** @param options `paddingIdx`: a row that starts as zeros and gets no gradient */
  constructor(
    readonly numEmbeddings: number,
    readonly embeddingDim: number,
    options: { paddingIdx?: number | null } = {},
  ) {
    super()
    checkCount('Embedding', 'numEmbeddings', numEmbeddings)
    checkCount('Embedding', 'embeddingDim', embeddingDim)
    checkNames('Embedding', options, ['paddingIdx'])
    const given = options.paddingIdx ?? null
    if (given !== null && (!Number.isInteger(given) || given < -numEmbeddings || given >= numEmbeddings)) {
      throw new ArgumentError('Embedding', `paddingIdx must be a row from ${-numEmbeddings} to ${numEmbeddings - 1}, got ${given}`, {
        option: 'paddingIdx',
        value: given,
      })
    }
    this.paddingIdx = given !== null && given < 0 ? given + numEmbeddings : given
    this.weight = newParameter(() => {
      const table = randn([numEmbeddings, embeddingDim])
      if (this.paddingIdx !== null) table.narrow(0, this.paddingIdx, 1).zero_()
      return table
    })
  }

  override forward(indices: Tensor): Tensor {
    const flat = indices.reshape([-1])
    let rows = this.weight.indexSelect(0, flat)
    if (this.paddingIdx !== null) rows = flat.ne(this.paddingIdx).unsqueeze(1).where(rows, rows.detach())
    return rows.reshape([...indices.shape, this.embeddingDim])
  }

  override extraRepr(): string {
    return `${this.numEmbeddings}, ${this.embeddingDim}${this.paddingIdx === null ? '' : `, padding_idx=${this.paddingIdx}`}`
  }
}

/** Merges dims `startDim` (default 1) to `endDim` (default -1). */
export class Flatten extends Module {
  readonly startDim: number
  readonly endDim: number

  constructor(options: { startDim?: number; endDim?: number } = {}) {
    super()
    checkNames('Flatten', options, ['startDim', 'endDim'])
    this.startDim = options.startDim ?? 1
    this.endDim = options.endDim ?? -1
  }

  override forward(x: Tensor): Tensor {
    return x.flatten(this.startDim, this.endDim)
  }

  override extraRepr(): string {
    return `start_dim=${this.startDim}, end_dim=${this.endDim}`
  }
}

/** Gives back what it gets. */
export class Identity extends Module {
  override forward(x: Tensor): Tensor {
    return x
  }
}
