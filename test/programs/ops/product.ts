// Matrix products of random programs, alone and with what compiled steps fold into them.
import { cat, leakyReluGrad, reluGrad, sigmoidGrad, tanhGrad, type Tensor } from '@bms/nn'
import { product } from '../../helpers/arrays.js'
import * as nd from '../../helpers/nd.js'
import type { Nd } from '../../helpers/nd.js'
import { each } from '../../helpers/nd-more.js'
import { scalar } from '../../table/scalar.js'
import { type Accept, both, fits, float, LARGEST, type Meta, type ProgramOp, promoted, rank, sameType } from '../op.js'

const absolute = (x: Nd): Nd => each(Math.abs, x)
const lead = (x: Meta): readonly number[] => x.shape.slice(0, -2)
const turned = (x: Meta): Meta => ({ ...x, shape: [...lead(x), ...x.shape.slice(-2).reverse()] })

/** The second factor of a product with the first. */
const factor: Accept = (y, [x]) => {
  const inner = y.shape[Math.max(0, y.shape.length - 2)]
  if (x!.shape.at(-1) !== inner || !fits({ ...y, shape: lead(y) }, [{ ...x!, shape: lead(x!) }])) return false
  const matrix = [x!.shape.at(-2) ?? 1, y.shape.length > 1 ? y.shape.at(-1)! : 1]
  return product([...nd.broadcast(lead(x!), lead(y)), ...matrix]) <= LARGEST
}

const matrix: Accept = both(float, rank(2))

const activations = ['relu', 'tanh', 'sigmoid', 'leakyRelu'] as const
const gates = { relu: reluGrad, tanh: tanhGrad, sigmoid: sigmoidGrad, leakyRelu: leakyReluGrad }
const SLOPE = 0.125

const factors: Accept[] = [matrix, both(sameType, (w, before) => w.shape.length === 2 && factor(w, before))]
const productShape = ([x, w]: readonly Meta[]): number[] => [...x!.shape.slice(0, -1), w!.shape[1]!]

/** Has enough elements to be read as a bias, or as an activation's output beside a product. */
const enough =
  (need: (factors: readonly Meta[]) => readonly number[]): Accept =>
  (y, before) =>
    product(y.shape) >= product(need(before))
const first = (y: Tensor, shape: readonly number[]): Tensor => y.flatten().narrow(0, 0, product(shape)).reshape(shape)
const firstNd = (y: Nd, shape: readonly number[]): Nd => ({ shape, data: y.data.slice(0, product(shape)) })

export const productOps: readonly ProgramOp[] = [
  {
    name: 'matmul',
    takes: [both(float, rank(1)), both(float, rank(1), factor)],
    reference: ([x, y]) => nd.matmul(x!, y!),
    dtype: promoted,
    magnitude: ([x, y]) => nd.matmul(absolute(x!), absolute(y!)).data,
  },
  {
    name: '$0.matmul($1.transpose())',
    takes: [both(float, rank(1)), both(matrix, (y, before) => factor(turned(y), before))],
    run: ([x, y]) => x!.matmul(y!.transpose()),
    reference: ([x, y]) => nd.matmul(x!, nd.transpose(y!)),
    dtype: promoted,
    magnitude: ([x, y]) => nd.matmul(absolute(x!), absolute(nd.transpose(y!))).data,
  },
  {
    name: '$0.matmul($1).add(first($2)).activation()',
    takes: [
      ...factors,
      both(
        sameType,
        enough(([, w]) => [w!.shape[1]!]),
      ),
    ],
    // What is added is mostly a row for all rows, but sometimes a whole matrix, which is no bias.
    args: ([x, w, b], pick) => {
      const whole = productShape([x!, w!])
      return [activations[pick(4)]!, pick(3) === 0 && product(b!.shape) >= product(whole) ? whole : whole.slice(-1)]
    },
    run: ([x, w, b], [name, shape]) =>
      x!
        .matmul(w!)
        .add(first(b!, shape))
        [name as 'leakyRelu'](name === 'leakyRelu' ? SLOPE : undefined),
    reference: ([x, w, b], [name, shape]) => each((v, u) => scalar[name as 'relu'].of(v! + u!, SLOPE), nd.matmul(x!, w!), firstNd(b!, shape)),
    dtype: promoted,
    magnitude: ([x, w, b], _, [, shape]) => each((v, u) => v! + u! + 1, nd.matmul(absolute(x!), absolute(w!)), absolute(firstNd(b!, shape))).data,
  },
  {
    name: 'activationGrad($0.matmul($1), first($2))',
    takes: [...factors, both(sameType, enough(productShape))],
    args: (x, pick) => [activations[pick(4)]!, productShape(x)],
    run: ([x, w, y], [name, shape]) => gates[name as keyof typeof gates](x!.matmul(w!), first(y!, shape), SLOPE),
    reference: ([x, w, y], [name, shape]) => each((g, out) => scalar[`${name as 'relu'}Grad`].of(g!, out!, SLOPE), nd.matmul(x!, w!), firstNd(y!, shape)),
    dtype: promoted,
    magnitude: ([x, w, y], _, [, shape]) => each((g, out) => g! * (1 + out! * out!), nd.matmul(absolute(x!), absolute(w!)), absolute(firstNd(y!, shape))).data,
  },
  {
    name: '[$0.transpose().matmul($1), $1.sum(0)]',
    takes: [
      (x) => x.shape.length === 2 && x.dtype === 'f32',
      both(sameType, (g, [x]) => g.shape.length === 2 && g.shape[0] === x!.shape[0] && g.shape[1]! * x!.shape[1]! <= LARGEST),
    ],
    run: ([x, g]) => [x!.transpose().matmul(g!), g!.sum(0)],
    reference: ([x, g]) => [nd.matmul(nd.transpose(x!), g!), nd.sum(g!, 0)],
    dtype: ([x]) => [x!.dtype, x!.dtype],
    magnitude: ([x, g], out) => (out.shape.length === 2 ? nd.matmul(nd.transpose(absolute(x!)), absolute(g!)) : nd.sum(absolute(g!), 0)).data,
  },
  // Parts that their producers could write where they go: into a joined tensor, into memory outside.
  {
    name: 'cat([$0.matmul($1), $1.sum(0, true)])',
    takes: [(x) => x.shape.length === 2 && x.dtype === 'f32', both(sameType, (w, before) => w.shape.length === 2 && factor(w, before))],
    run: ([x, w]) => cat([x!.matmul(w!), w!.sum(0, true)]),
    reference: ([x, w]) => nd.cat([nd.matmul(x!, w!), nd.sum(w!, 0, true)]),
    magnitude: ([x, w]) => nd.cat([nd.matmul(absolute(x!), absolute(w!)), nd.sum(absolute(w!), 0, true)]).data,
  },
  {
    name: '$0.copy_($1.matmul($2))',
    takes: [
      matrix,
      both(sameType, matrix),
      both(sameType, (w, [to, x]) => w.shape.length === 2 && factor(w, [x!]) && to!.shape.join() === productShape([x!, w]).join()),
    ],
    run: ([to, x, w]) => to!.copy_(x!.matmul(w!)),
    reference: ([, x, w]) => nd.matmul(x!, w!),
    magnitude: ([, x, w]) => nd.matmul(absolute(x!), absolute(w!)).data,
    writes: true,
  },
  {
    name: '$0.copy_($1.sum(0))',
    takes: [float, both(sameType, rank(1), (x, [to]) => x.shape.slice(1).join() === to!.shape.join())],
    run: ([to, x]) => to!.copy_(x!.sum(0)),
    reference: ([, x]) => nd.sum(x!, 0),
    magnitude: ([, x]) => nd.sum(absolute(x!), 0).data,
    writes: true,
  },
]
