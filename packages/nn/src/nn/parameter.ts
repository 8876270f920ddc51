// A parameter: a tensor that a module trains. A class of its own, so that a module finds its parameters among its
// properties, frozen ones too.
import { ArgumentError, isTensor, keep, Tensor } from '@bms/autograd'
import { lasting } from '../state.js'

/** A tensor that belongs to a module's parameters. Shares the memory of `data`; lives until disposed or forgotten, whatever tidy scope it is made in. */
export class Parameter extends Tensor {
  constructor(data: Tensor, requiresGrad = true) {
    if (!isTensor(data)) throw new ArgumentError('Parameter', 'a Tensor is needed')
    super(data.storage.retain(), data.layout, data.dtype)
    keep(this)
    this.requiresGrad = requiresGrad
  }
}

/** Makes `data` a parameter; `requiresGrad` is true by default. Copies only what is not row-major without gaps. */
export function parameter(data: Tensor, options: { requiresGrad?: boolean } = {}): Parameter {
  const dense = isTensor(data) && !data.isContiguous ? data.detach().clone() : data
  return new Parameter(dense, options.requiresGrad ?? true)
}

/** A new parameter with the values that `make` gives, made for real even while a step is being recorded. */
export function newParameter(make: () => Tensor): Parameter {
  const values = lasting(make)
  const made = new Parameter(values)
  values.dispose()
  return made
}
