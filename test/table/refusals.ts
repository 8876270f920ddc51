// What many ops refuse alike, with the texts of the errors.
import { type Tensor, zeros } from '@bms/nn'
import type { ErrorCase } from './op.js'

/** A number in the place of a tensor. */
export const noTensor = (name: string, call: (x: Tensor) => unknown, what = 'the input'): ErrorCase => [
  () => call(3 as unknown as Tensor),
  'ARGUMENT',
  `${name}: ${what} is number, a Tensor is needed (make one with tensor(…))`,
]

/** Dims that a tensor of 2 dims does not have. */
export const noDim = (name: string, call: (x: Tensor, dim: number) => unknown): ErrorCase[] =>
  [2, -3, 0.5].map((dim) => [() => call(zeros([2, 3]), dim), 'SHAPE', `${name}: dim ${dim} is out of range for a tensor of 2 dims (allowed: -2 to 1)`])

/** A scalar, where there must be a dim. */
export const scalar = (name: string, call: (x: Tensor) => unknown): ErrorCase => [
  () => call(zeros([])),
  'SHAPE',
  `${name}: a scalar has no dims to work along; reshape it to [1] first`,
]
