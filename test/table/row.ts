// A row of the table of ops: what it covers, and the cases that follow from it. Each kind of row (ops, modules, optimisers, …) has a file of its own
// that turns what is declared into cases.
import type { Request } from './goldens.js'

/** One test: what it shows and how. */
export interface Case {
  /** "forward", "gradcheck", …: cases of one kind are counted together. */
  kind: string
  name: string
  /** Only where the adapter has half precision. */
  half?: boolean
  run(): Promise<void>
}

export interface Row {
  name: string
  /** The public names proven here: 'softmax' (of @bms/nn), 'Tensor.softmax', 'nn.Linear', 'losses.mse', 'optim.Adam', 'init.zeros_'. */
  covers: readonly string[]
  cases(): Case[]
  /** What PyTorch is asked to compute for the cases. */
  requests?: readonly Request[]
  /** What is wrong with the row itself: kinds of input that it lacks without a reason. */
  gaps(): string[]
}
