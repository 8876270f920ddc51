// The functions that make tensors, with PyTorch's `requiresGrad` beside their own options. They stand in front of those of @bms/tensor.
import * as t from '@bms/tensor'
import './record.js'

interface Wanted {
  /** Are gradients wanted for the new tensor? Default false. */
  requiresGrad?: boolean
}

const marked = (x: t.Tensor, options: Wanted | undefined): t.Tensor => (options?.requiresGrad ? x.requiresGrad_() : x)

/** A tensor of host values: nested lists, a number, or a typed array with a shape. See @bms/tensor. */
export const tensor = (values: Parameters<typeof t.tensor>[0], options?: Parameters<typeof t.tensor>[1] & Wanted): t.Tensor =>
  marked(t.tensor(values, options), options)
/** Every element `value`. */
export const full = (shape: readonly number[], value: number, options?: t.CreateOptions & Wanted): t.Tensor => marked(t.full(shape, value, options), options)
export const zeros = (shape: readonly number[], options?: t.CreateOptions & Wanted): t.Tensor => marked(t.zeros(shape, options), options)
export const ones = (shape: readonly number[], options?: t.CreateOptions & Wanted): t.Tensor => marked(t.ones(shape, options), options)
/** Uniform in [0, 1). */
export const rand = (shape: readonly number[], options?: t.CreateOptions & Wanted): t.Tensor => marked(t.rand(shape, options), options)
/** Standard normal. */
export const randn = (shape: readonly number[], options?: t.CreateOptions & Wanted): t.Tensor => marked(t.randn(shape, options), options)
