// The namespace `linalg`: decompositions of matrices, with PyTorch's names. They are functions, so that a page without them downloads none.
import { splitGroups } from '../calls/call.js'
import { KernelCall } from '../calls/kernel.js'
import { DTypeError, formatShape, ShapeError } from '../errors.js'
import { eighKernel } from '../generated/shaders.js'
import { sizeOf } from '../layout.js'
import type { Tensor } from '../tensor.js'
import { tracedAll } from '../trace.js'
import { checkTensor, empty } from './launch.js'
import { withDense } from './rows.js'

/** What `eigh` gives. */
export interface Eigh {
  /** [..., n], ascending. */
  eigenvalues: Tensor
  /** [..., n, n]: column i belongs to eigenvalue i. */
  eigenvectors: Tensor
}

/** MOST of eigh.wgsl. */
const MOST_ROWS = 768
/** QR steps a row at most, LAPACK's bound; two are usual. */
const STEPS = 30

function decompose(op: string, a: Tensor): Eigh {
  const { device, dtype, ndim, shape } = checkTensor(op, a)
  const n = shape[ndim - 1]!
  if (ndim < 2 || shape[ndim - 2] !== n) throw new ShapeError(op, `needs square matrices [..., n, n], got ${formatShape(shape)}`, { shape })
  if (n > MOST_ROWS) throw new ShapeError(op, `takes matrices of up to ${MOST_ROWS} rows, got ${formatShape(shape)}`, { shape, most: MOST_ROWS })
  if (dtype !== 'f32') throw new DTypeError(op, `needs f32, got ${dtype}; convert with .to('f32')`, { dtype })
  const [eigenvalues, eigenvectors] = tracedAll('eigh', [a], {}, () => {
    const values = empty(op, device, shape.slice(0, -1), 'f32')
    const vectors = empty(op, device, shape, 'f32')
    if (vectors.size === 0) return [values, vectors]
    const work = empty(op, device, shape, 'f32')
    const count = sizeOf(shape.slice(0, -2))
    withDense([a], (dense) => {
      device.stream.run(
        new KernelCall({
          op,
          kernel: eighKernel,
          buffers: { a: dense!, work, values, vectors },
          params: { n, count, steps: STEPS * n, nan: Number.NaN },
          grid: splitGroups(device.limits.maxComputeWorkgroupsPerDimension, op, count),
          constants: device.adapter.kind === 'software' ? { WG: 8 } : {},
          flops: 9 * count * n ** 3,
        }),
      )
    })
    work.dispose()
    return [values, vectors]
  })
  return { eigenvalues: eigenvalues!, eigenvectors: eigenvectors! }
}

/**
 * Eigenvalues and orthonormal eigenvectors of symmetric matrices [..., n, n], as torch.linalg.eigh: a = V diag(λ) Vᵀ. f32, up to 768 rows. Only the lower
 * triangle is read; a matrix with NaN or an infinity there gives NaN. Of each vector the largest component (of several about equal ones the first) is positive.
 *
 * The gradient is that of a symmetric matrix. Within the space of an eigenvalue that is there twice, vectors may be any: what their choice would contribute
 * counts as 0, for eigenvalues closer than n · 2^-23 of the largest.
 */
export const eigh = (a: Tensor): Eigh => decompose('linalg.eigh', a)

/** The eigenvalues of symmetric matrices [..., n, n] alone, ascending: [..., n]. As torch.linalg.eigvalsh; see `eigh`. */
export function eigvalsh(a: Tensor): Tensor {
  const { eigenvalues, eigenvectors } = decompose('linalg.eigvalsh', a)
  eigenvectors.dispose()
  return eigenvalues
}
