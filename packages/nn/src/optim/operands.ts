// How numbers and gradients get to the kernels of optim.wgsl.
import type { Device, Layout, Tensor } from '@bms/autograd'
import { tensor } from '@bms/autograd'
import { lasting } from '../state.js'

export interface Source {
  operand: { storage: Tensor['storage']; layout: Layout; dtype: Tensor['dtype'] }
  /** Rows of the parameter, where the gradient is stored transposed. */
  rows: number
  /** A copy that was made for this. */
  free?: Tensor
}

/** How the kernel reads a gradient: as it lies, transposed as it lies, or a copy. */
export function gradientSource(g: Tensor, params: readonly Tensor[]): Source {
  const shared = params.some((p) => p.storage === g.storage)
  const [rows, columns] = g.shape as [number, number]
  if (shared) {
    const copy = g.clone()
    return { operand: copy, rows: 0, free: copy }
  }
  if (g.isContiguous) return { operand: g, rows: 0 }
  if (g.ndim === 2 && g.strides[0] === 1 && g.strides[1] === rows) {
    const layout = { shape: [columns, rows], strides: [rows, 1], offset: g.layout.offset }
    return { operand: { storage: g.storage, layout, dtype: g.dtype }, rows }
  }
  const copy = g.clone()
  return { operand: copy, rows: 0, free: copy }
}

/** A tensor of hyper-parameters for kernels of other state (moving averages). */
export const hostNumbers = (values: readonly number[], device: Device): Tensor => lasting(() => tensor(Float32Array.from(values), { device }), device)

/** The decimal with the fewest digits that is this number in single precision: 0.001, not 0.0010000000474974513. */
export function shortest(x: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(x.toPrecision(digits))
    if (Math.fround(short) === x) return short
  }
  return x
}
