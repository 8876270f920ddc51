// Convolutions and pooling in random programs, on images that are read from the first elements of what there is.
import { avgPool2d, conv2d, convTranspose2d, maxPool2d, type Tensor } from '@bms/nn'
import { product } from '../../helpers/arrays.js'
import type { Nd } from '../../helpers/nd.js'
import { each } from '../../helpers/nd-more.js'
import { conv, convInput, convShape, type Geometry, pool } from '../../helpers/nd-images.js'
import { scalar } from '../../table/scalar.js'
import { type Accept, type Args, both, float, LARGEST, type Meta, type Pick, type ProgramOp, sameType } from '../op.js'

const absolute = (x: Nd): Nd => each(Math.abs, x)
const read = (x: Tensor, shape: readonly number[]): Tensor => x.flatten().narrow(0, 0, product(shape)).reshape(shape)
const readNd = (x: Nd, shape: readonly number[]): Nd => ({ shape, data: x.data.slice(0, product(shape)) })

/** Has so many elements. */
const enough =
  (n: number): Accept =>
  (x) =>
    product(x.shape) >= n

const activations = ['relu', 'tanh', 'sigmoid', 'leakyRelu'] as const
const SLOPE = 0.125

interface Shapes {
  image: readonly number[]
  weight: readonly number[]
  geometry: Geometry
}

/** An image [1, 2, 2, n], a weight [2, 2 / groups, 2, 1 or 2], a geometry, an activation; null where that does not fit. */
function shapes([x, w]: readonly Meta[], pick: Pick): [Shapes, (typeof activations)[number]] | null {
  const groups = 1 + pick(2)
  const geometry: Geometry = { stride: [1 + pick(2), 1 + pick(2)], padding: [pick(2), pick(2)], dilation: [1, 1 + pick(2)], groups }
  const image = [1, 2, 2, Math.min(9, Math.floor(product(x!.shape) / 4))]
  const weight = [2, 2 / groups, 2, 1 + pick(2)]
  const activation = activations[pick(4)]!
  const fits = product(w!.shape) >= product(weight) && convShape(image, weight, geometry).every((n) => n > 0)
  return fits ? [{ image, weight, geometry }, activation] : null
}

const operands: Accept[] = [both(float, enough(8)), both(sameType, enough(4)), both(sameType, enough(2))]

/** What a transposed convolution makes of an image of this height or width. */
const grown = ({ image, weight, geometry: g }: Shapes, d: 0 | 1): number =>
  (image[2 + d]! - 1) * g.stride[d] - 2 * g.padding[d] + g.dilation[d] * (weight[2 + d]! - 1) + 1

type Reference = (x: Nd, w: Nd, shapes: Shapes) => Nd

/** A product of images with a bias and an activation, which compiled steps fold into it. */
function convolution(name: 'conv2d' | 'convTranspose2d', reference: Reference, fits: (s: Shapes) => boolean): ProgramOp {
  const biased = (x: Nd, w: Nd, b: Nd, s: Shapes): Nd => {
    const y = reference(readNd(x, s.image), readNd(w, s.weight), s)
    const [, channels, rows, columns] = y.shape
    return { ...y, data: y.data.map((v, i) => v + b.data[Math.floor(i / (rows! * columns!)) % channels!]!) }
  }
  const op = { conv2d, convTranspose2d }[name]
  return {
    name: `${name}(image($0), weight($1), bias($2)).activation()`,
    takes: operands,
    args: (metas, pick) => {
      const found = shapes(metas, pick)
      return found && fits(found[0]) ? found : null
    },
    run: ([x, w, b], [s, activation]: Args) => {
      const { image, weight, geometry } = s as Shapes
      // A transposed convolution's weight counts the channels of one group.
      const channels = name === 'conv2d' ? weight[0]! : weight[1]! * geometry.groups
      const y = op(read(x!, image), read(w!, weight), read(b!, [channels]), geometry)
      return y[activation as 'leakyRelu'](activation === 'leakyRelu' ? SLOPE : undefined)
    },
    reference: ([x, w, b], [s, activation]) => each((v) => scalar[activation as 'relu'].of(v!, SLOPE), biased(x!, w!, b!, s)),
    magnitude: ([x, w, b], _, [s]) => each((v) => v! + 1, biased(absolute(x!), absolute(w!), absolute(b!), s)).data,
  }
}

/** The largest or the mean of windows of 2x2 of an image [1, 1, 2, n]. */
const pooling = (name: string, op: (x: Tensor, kernel: number) => Tensor, of: (window: readonly number[]) => number, more: Partial<ProgramOp>): ProgramOp => ({
  name: `${name}(image($0), 2)`,
  takes: [both(float, enough(4))],
  args: ([x]) => [[1, 1, 2, Math.min(LARGEST, Math.floor(product(x!.shape) / 2))]],
  run: ([x], [shape]) => op(read(x!, shape), 2),
  reference: ([x], [shape]) => pool(readNd(x!, shape), [2, 2], of),
  ...more,
})

const mean = (window: readonly number[]): number => window.reduce((a, b) => a + b, 0) / window.length

export const imageOps: readonly ProgramOp[] = [
  convolution(
    'conv2d',
    (x, w, s) => conv(x, w, s.geometry),
    () => true,
  ),
  convolution(
    'convTranspose2d',
    (x, w, s) => convInput(x, w, [grown(s, 0), grown(s, 1)], s.geometry),
    (s) => grown(s, 0) > 0 && grown(s, 1) > 0,
  ),
  pooling('maxPool2d', maxPool2d, (window) => Math.max(...window), { exact: true }),
  pooling('avgPool2d', avgPool2d, mean, { magnitude: ([x], _, [shape]) => pool(absolute(readNd(x!, shape)), [2, 2], mean).data }),
]
