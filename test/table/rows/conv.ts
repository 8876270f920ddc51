// Convolutions: the three passes, each with its gradients, which are the other two.
import * as bms from '@bms/nn'
import { op, type Sample } from '../op.js'
import { real } from '../values.js'

interface Config {
  /** [batch, in, height, width], or without batch. */
  x: readonly number[]
  /** conv2d: [out, in / groups, kh, kw]. convTranspose2d: [in, out / groups, kh, kw]. */
  w: readonly number[]
  bias?: boolean
  options?: Omit<bms.ConvTransposeOptions, 'padding'> & bms.ConvOptions
}

const python = (v: unknown): string => (Array.isArray(v) ? `(${v.join(', ')})` : JSON.stringify(v))

const textOf = (options: object): string =>
  Object.entries(options)
    .map(([name, v]) => `, ${name === 'outputPadding' ? 'output_padding' : name}=${python(v)}`)
    .join('')

const title = ({ x, w, bias, options = {} }: Config): string => `[${x}] by [${w}]${bias ? ' + bias' : ''}${textOf(options)}`

function samples(op: 'conv2d' | 'convTranspose2d', configs: readonly Config[]): Sample[] {
  return configs.map((config) => {
    const { x, w, bias, options = {} } = config
    const channels = op === 'conv2d' ? w[0]! : w[1]! * (options.groups ?? 1)
    return {
      name: title(config),
      inputs: bias ? [real(x), real(w), real([channels])] : [real(x), real(w)],
      run: (a, b, c) => (op === 'conv2d' ? bms.conv2d(a!, b!, c, options) : bms.convTranspose2d(a!, b!, c, options as bms.ConvTransposeOptions)),
      torch: `F.${op === 'conv2d' ? 'conv2d' : 'conv_transpose2d'}(a, b${bias ? ', c' : ', None'}${textOf(options)})`,
    }
  })
}

const forward: Config[] = [
  { x: [1, 1, 2, 2], w: [1, 1, 2, 2], options: { padding: 1 } },
  { x: [2, 3, 5, 7], w: [4, 3, 3, 3], bias: true },
  { x: [2, 3, 8, 8], w: [5, 3, 4, 4], bias: true, options: { stride: 2, padding: 1 } },
  { x: [3, 5, 6], w: [2, 3, 2, 3], options: { stride: [2, 1], padding: [0, 2], dilation: [1, 2] } },
  { x: [1, 4, 7, 5], w: [6, 2, 3, 2], bias: true, options: { groups: 2, stride: 3, padding: 2 } },
  { x: [2, 4, 5, 5], w: [4, 1, 3, 3], options: { groups: 4, padding: 'same' } },
  { x: [1, 2, 6, 6], w: [3, 2, 2, 4], options: { padding: 'same', dilation: 2 } },
  { x: [2, 3, 4, 5], w: [4, 3, 1, 1], bias: true },
  { x: [2, 3, 4, 5], w: [4, 3, 1, 1], options: { stride: 2 } },
  { x: [1, 20, 9, 9], w: [37, 20, 3, 3], bias: true, options: { padding: 1, stride: 2 } },
  { x: [0, 3, 4, 4], w: [2, 3, 3, 3], bias: true },
]

const transposed: Config[] = [
  { x: [1, 1, 2, 1], w: [1, 2, 2, 2], options: { stride: 2 } },
  { x: [2, 4, 3, 5], w: [4, 3, 3, 3], bias: true },
  { x: [2, 5, 4, 4], w: [5, 3, 4, 4], bias: true, options: { stride: 2, padding: 1 } },
  { x: [2, 5, 3, 3], w: [5, 2, 5, 5], options: { stride: 2, padding: 2, outputPadding: 1 } },
  { x: [3, 4, 2], w: [3, 2, 2, 3], options: { stride: [3, 1], padding: [1, 0], dilation: [1, 2], outputPadding: [2, 0] } },
  { x: [1, 4, 3, 4], w: [4, 3, 3, 2], bias: true, options: { groups: 2, stride: 3, padding: 1 } },
  { x: [1, 2, 3, 3], w: [2, 1, 2, 2], options: { dilation: 3, outputPadding: 2 } },
  { x: [1, 37, 4, 4], w: [37, 20, 4, 4], bias: true, options: { stride: 2, padding: 1 } },
  { x: [2, 3, 4, 4], w: [3, 4, 1, 1], bias: true },
]

const geometry: bms.ConvAttrs = { stride: [2, 1], padding: [1, 0], dilation: [1, 2], groups: 1 }

export const convRows = [
  op('conv2d', {
    covers: ['conv2d'],
    samples: samples('conv2d', forward),
    errors: [
      [
        () => bms.conv2d(bms.zeros([1, 3, 4, 4]), bms.zeros([2, 4, 3, 3])),
        'SHAPE',
        'conv2d: an image [1, 3, 4, 4] and a weight [2, 4, 3, 3] in 1 groups do not fit: the weight takes 4 channels, the image has 3',
      ],
      [
        () => bms.conv2d(bms.zeros([1, 3, 4, 4]), bms.zeros([2, 3, 5, 5])),
        'SHAPE',
        'conv2d: a kernel of 5x5 (dilation 1x1) does not fit an image of 4x4 with padding 0x0',
      ],
      [
        () => bms.conv2d(bms.zeros([1, 3, 4, 4]), bms.zeros([2, 3, 3, 3]), null, { stride: 0 }),
        'ARGUMENT',
        'conv2d: stride is a whole number ≥ 1 or two of them [height, width], got 0',
      ],
    ],
  }),
  op('convTranspose2d', {
    covers: ['convTranspose2d'],
    samples: samples('convTranspose2d', transposed),
    errors: [
      [
        () => bms.convTranspose2d(bms.zeros([1, 3, 4, 4]), bms.zeros([3, 2, 3, 3]), null, { stride: 2, outputPadding: 2 }),
        'ARGUMENT',
        'convTranspose2d: outputPadding must be smaller than stride or dilation, got 2 with stride 2 and dilation 1',
      ],
    ],
    lacks: { empty: 'conv2d has it' },
  }),
  op('conv2dInput', {
    covers: ['conv2dInput', 'conv2dForward'],
    samples: [
      {
        name: 'stride, padding, dilation',
        inputs: [real([2, 4, 3, 2]), real([4, 3, 3, 2])],
        run: (g, w) => bms.conv2dInput(g!, w!, [6, 4], geometry),
        torch: 'torch.nn.grad.conv2d_input((2, 3, 6, 4), b, a, (2, 1), (1, 0), (1, 2))',
      },
      {
        name: 'small',
        inputs: [real([1, 1, 2, 1]), real([1, 1, 2, 2])],
        run: (g, w) => bms.conv2dInput(g!, w!, [3, 2], { ...geometry, dilation: [1, 1], stride: [1, 1], padding: [0, 0] }),
        torch: 'torch.nn.grad.conv2d_input((1, 1, 3, 2), b, a)',
      },
    ],
    errors: 'it is called by gradient rules, with shapes that fit',
    lacks: { empty: 'conv2d has it', ranks: 'images have 4 dims' },
  }),
  op('conv2dWeight', {
    covers: ['conv2dWeight'],
    samples: [
      {
        name: 'stride, padding, dilation',
        inputs: [real([2, 3, 6, 4]), real([2, 4, 3, 2])],
        run: (x, g) => bms.conv2dWeight(x!, g!, [3, 2], geometry),
        torch: 'torch.nn.grad.conv2d_weight(a, (4, 3, 3, 2), b, (2, 1), (1, 0), (1, 2))',
      },
      {
        name: 'small',
        inputs: [real([1, 1, 3, 2]), real([1, 1, 2, 1])],
        run: (x, g) => bms.conv2dWeight(x!, g!, [2, 2], { ...geometry, dilation: [1, 1], stride: [1, 1], padding: [0, 0] }),
        torch: 'torch.nn.grad.conv2d_weight(a, (1, 1, 2, 2), b)',
      },
    ],
    errors: 'it is called by gradient rules, with shapes that fit',
    lacks: { empty: 'conv2d has it', ranks: 'images have 4 dims' },
  }),
]
