// Activation functions and dropout as modules, with PyTorch's names and defaults.
import { dropoutMask, type Tensor } from '@bms/autograd'
import { checkNames, checkNumber, pythonFloat } from '../check.js'
import { Module } from './module.js'

/** `f(0.2)` or `f({ negativeSlope: 0.2 })`. */
function option<K extends string>(op: string, name: K, given: number | { [P in K]?: number } | undefined, fallback: number): number {
  if (typeof given === 'object') checkNames(op, given, [name])
  return checkNumber(op, name, (typeof given === 'object' ? given?.[name] : given) ?? fallback)
}

export class ReLU extends Module {
  override forward(x: Tensor): Tensor {
    return x.relu()
  }
}

/** x where positive, else negativeSlope·x (default 0.01). */
export class LeakyReLU extends Module {
  readonly negativeSlope: number

  constructor(negativeSlope?: number | { negativeSlope?: number }) {
    super()
    this.negativeSlope = option('LeakyReLU', 'negativeSlope', negativeSlope, 0.01)
  }

  override forward(x: Tensor): Tensor {
    return x.leakyRelu(this.negativeSlope)
  }

  override extraRepr(): string {
    return `negative_slope=${pythonFloat(this.negativeSlope)}`
  }
}

/** x where positive, else alpha·(exp(x) - 1) (default 1). */
export class ELU extends Module {
  readonly alpha: number

  constructor(alpha?: number | { alpha?: number }) {
    super()
    this.alpha = option('ELU', 'alpha', alpha, 1)
  }

  override forward(x: Tensor): Tensor {
    return x.elu(this.alpha)
  }

  override extraRepr(): string {
    return `alpha=${pythonFloat(this.alpha)}`
  }
}

export class Tanh extends Module {
  override forward(x: Tensor): Tensor {
    return x.tanh()
  }
}

export class Sigmoid extends Module {
  override forward(x: Tensor): Tensor {
    return x.sigmoid()
  }
}

export class SiLU extends Module {
  override forward(x: Tensor): Tensor {
    return x.silu()
  }
}

export class Softplus extends Module {
  override forward(x: Tensor): Tensor {
    return x.softplus()
  }
}

/** GELU, exact or with the tanh approximation. */
export class GELU extends Module {
  readonly approximate: 'none' | 'tanh'

  constructor(options: { approximate?: 'none' | 'tanh' } = {}) {
    super()
    checkNames('GELU', options, ['approximate'])
    this.approximate = options.approximate ?? 'none'
  }

  override forward(x: Tensor): Tensor {
    return x.gelu(this.approximate)
  }

  override extraRepr(): string {
    return `approximate='${this.approximate}'`
  }
}

export class Softmax extends Module {
  readonly dim: number

  /** @param dim default -1 */
  constructor(dim: number | { dim?: number } = -1) {
    super()
    this.dim = option('Softmax', 'dim', dim, -1)
  }

  override forward(x: Tensor): Tensor {
    return x.softmax(this.dim)
  }

  override extraRepr(): string {
    return `dim=${this.dim}`
  }
}

export class LogSoftmax extends Module {
  readonly dim: number

  /** @param dim default -1 */
  constructor(dim: number | { dim?: number } = -1) {
    super()
    this.dim = option('LogSoftmax', 'dim', dim, -1)
  }

  override forward(x: Tensor): Tensor {
    return x.logSoftmax(this.dim)
  }

  override extraRepr(): string {
    return `dim=${this.dim}`
  }
}

/** In training sets each element to 0 with probability `p` (default 0.5) and scales the others by 1/(1-p); in evaluation does nothing. */
export class Dropout extends Module {
  readonly p: number

  constructor(p?: number | { p?: number }) {
    super()
    this.p = checkNumber('Dropout', 'p', option('Dropout', 'p', p, 0.5), { min: 0, max: 1 })
  }

  override forward(x: Tensor): Tensor {
    if (!this.training || this.p === 0) return x
    return x.mul(dropoutMask(x.shape, this.p, { device: x.device, dtype: x.dtype }))
  }

  override extraRepr(): string {
    return `p=${pythonFloat(this.p)}`
  }
}
