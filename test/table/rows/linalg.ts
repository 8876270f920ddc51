// Decompositions of matrices. test/eigh.test.ts goes through sizes, scales and what is special about a matrix.
import * as bms from '@bms/nn'
import * as nd from '../../helpers/nd.js'
import * as decompositions from '../../helpers/nd-linalg.js'
import { type ErrorCase, op, type Sample } from '../op.js'
import { noTensor } from '../refusals.js'
import { fixed, type Maker, real } from '../values.js'

/** Eigenvalues far enough apart for finite differences: about 0, 3, 6, … */
const apart =
  (shape: readonly number[]): Maker =>
  (random) => {
    const x = real(shape, -0.5, 0.5)(random)
    const n = shape.at(-1)!
    return { ...x, data: x.data.map((v, e) => (Math.floor(e / n) % n === e % n ? v + 3 * (e % n) : v)) }
  }

/** Both triangles count, so that finite differences of all elements mean something. */
const symmetric = (x: bms.Tensor): bms.Tensor => x.add(x.transpose()).div(2)
const symmetricNd = (x: nd.Nd): nd.Nd => nd.zip((a, b) => (a + b) / 2, x, nd.transpose(x))
const ofBoth = (x: bms.Tensor): bms.Tensor[] => {
  const { eigenvalues, eigenvectors } = bms.linalg.eigh(x)
  return [eigenvalues, eigenvectors]
}
/** PyTorch leaves the signs open. */
const signed = (a: string): string => `(lambda w, v: (w, v * v.gather(-2, v.abs().argmax(-2, keepdim=True)).sign()))(*torch.linalg.eigh(${a}))`

const sample = (shape: readonly number[], more: Partial<Sample> = {}): Sample => ({
  name: `[${shape}]`,
  inputs: [apart(shape)],
  run: (x) => ofBoth(symmetric(x!)),
  reference: (x) => decompositions.eigh(symmetricNd(x!)),
  torch: shape.includes(0) ? undefined : signed('(a + a.mT) / 2'),
  ...more,
})

const shapes: readonly (readonly number[])[] = [
  [1, 1],
  [2, 2],
  [3, 3],
  [5, 5],
  [3, 2, 2],
  [2, 1, 4, 4],
  [0, 0],
  [0, 3, 3],
  [2, 0, 0],
]

const refused = (name: 'eigh' | 'eigvalsh'): ErrorCase[] => {
  const call: (x: bms.Tensor) => unknown = bms.linalg[name]
  const type = (dtype: bms.DType): ErrorCase => [
    () => call(bms.zeros([2, 2], { dtype })),
    'DTYPE',
    `linalg.${name}: needs f32, got ${dtype}; convert with .to('f32')`,
  ]
  return [
    [() => call(bms.zeros([2, 3])), 'SHAPE', `linalg.${name}: needs square matrices [..., n, n], got [2, 3]`],
    [() => call(bms.zeros([3])), 'SHAPE', `linalg.${name}: needs square matrices [..., n, n], got [3]`],
    [() => call(bms.zeros([])), 'SHAPE', `linalg.${name}: needs square matrices [..., n, n], got []`],
    [() => call(bms.zeros([1, 769, 769])), 'SHAPE', `linalg.${name}: takes matrices of up to 768 rows, got [1, 769, 769]`],
    type('i32'),
    type('bool'),
    noTensor(`linalg.${name}`, call),
  ]
}

const skip = { f16: 'takes f32 alone: eleven bits are too few for what happens between' }

export const linalgRows = [
  op('eigh', {
    covers: ['linalg.eigh'],
    samples: [
      ...shapes.map((shape) => sample(shape)),
      sample([3, 3], {
        name: 'vectors alone',
        run: (x) => bms.linalg.eigh(symmetric(x!)).eigenvectors,
        reference: (x) => decompositions.eigh(symmetricNd(x!))[1],
        torch: `${signed('(a + a.mT) / 2')}[1]`,
      }),
      sample([4, 4], {
        name: 'the lower triangle',
        inputs: [fixed(apart([4, 4]))],
        run: (x) => ofBoth(x!),
        reference: (x) => decompositions.eigh(x!),
        torch: signed('a'),
      }),
      // A function of the matrix: its exponential.
      sample([3, 3], {
        name: 'V f(Λ) Vᵀ',
        inputs: [real([3, 3], -0.5, 1)],
        run: (x) => {
          const { eigenvalues, eigenvectors } = bms.linalg.eigh(symmetric(x!))
          return eigenvectors.mul(eigenvalues.exp().unsqueeze(-2)).matmul(eigenvectors.transpose())
        },
        reference: (x) => {
          const [values, vectors] = decompositions.eigh(symmetricNd(x!))
          return nd.matmul(
            nd.zip((v, w) => v * Math.exp(w), vectors, nd.reshape(values, [1, 3])),
            nd.transpose(vectors),
          )
        },
        torch: 'torch.matrix_exp((a + a.mT) / 2)',
      }),
    ],
    skip,
    errors: refused('eigh'),
  }),
  op('eigvalsh', {
    covers: ['linalg.eigvalsh'],
    samples: shapes.map((shape) =>
      sample(shape, {
        run: (x) => bms.linalg.eigvalsh(symmetric(x!)),
        reference: (x) => decompositions.eigh(symmetricNd(x!))[0],
        torch: shape.includes(0) ? undefined : 'torch.linalg.eigvalsh((a + a.mT) / 2)',
      }),
    ),
    skip,
    errors: refused('eigvalsh'),
  }),
]
