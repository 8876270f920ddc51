// Pooling, interpolation, padding by copies and pixel shuffling of images.
import * as bms from '@bms/nn'
import { op, type OpSpec, type Sample } from '../op.js'
import { given, real } from '../values.js'

const images = 'images have 3 or 4 dims'

const sample = (name: string, shape: readonly number[], run: Sample['run'], torch: string): Sample => ({ name, inputs: [real(shape)], run, torch })

const notAnImage = (name: 'avgPool2d' | 'maxPool2d' | 'adaptiveAvgPool2d' | 'adaptiveMaxPool2d'): OpSpec['errors'] => [
  [() => bms[name](bms.zeros([3, 4]), 2), 'SHAPE', `${name}: needs [batch, channels, height, width] or [channels, height, width], got [3, 4]`],
]

/** Poolings share their shapes: PyTorch's options and ours. */
const pools: [shape: readonly number[], kernel: bms.Sides, options: bms.PoolOptions, torch: string][] = [
  [[1, 1, 2, 3], 2, {}, '2'],
  [[2, 3, 7, 5], 2, {}, '2'],
  [[3, 9, 8], [3, 2], { stride: [2, 1], padding: [1, 0] }, '(3, 2), (2, 1), (1, 0)'],
  [[1, 2, 8, 7], 3, { stride: 2, padding: 1, ceilMode: true }, '3, 2, 1, ceil_mode=True'],
  [[2, 1, 6, 6], 2, { stride: 3, ceilMode: true }, '2, 3, ceil_mode=True'],
  [[0, 2, 4, 4], 2, {}, '2'],
]

/** From 3 elements 4. */
const band: bms.Band = {
  from: 3,
  to: 4,
  taps: 2,
  first: new Int32Array([0, 1, 1, 1]),
  weight: new Float32Array([0.5, 2, 1, 0, 0, 0, -1, 3]),
}

export const imageRows = [
  op('avgPool2d', {
    covers: ['avgPool2d'],
    samples: [
      ...pools.map(([shape, kernel, options, torch]) =>
        sample(`[${shape}] ${torch}`, shape, (x) => bms.avgPool2d(x!, kernel, options), `F.avg_pool2d(a, ${torch})`),
      ),
      sample(
        'without its padding',
        [2, 5, 5],
        (x) => bms.avgPool2d(x!, 3, { stride: 2, padding: 1, countIncludePad: false }),
        'F.avg_pool2d(a, 3, 2, 1, count_include_pad=False)',
      ),
    ],
    errors: [
      ...(notAnImage('avgPool2d') as []),
      [() => bms.avgPool2d(bms.zeros([1, 2, 2]), 3), 'SHAPE', 'avgPool2d: a kernel of 3x3 does not fit an image of 2x2 with padding 0x0'],
      [() => bms.avgPool2d(bms.zeros([1, 4, 4]), 2, { padding: 2 }), 'ARGUMENT', 'avgPool2d: padding is at most half of the kernel, got 2 with a kernel of 2'],
    ],
    lacks: { ranks: images },
  }),
  op('maxPool2d', {
    covers: ['maxPool2d', 'maxPool2dWithIndices'],
    samples: [
      ...pools.map(([shape, kernel, options, torch]) =>
        sample(`[${shape}] ${torch}`, shape, (x) => bms.maxPool2d(x!, kernel, options), `F.max_pool2d(a, ${torch})`),
      ),
      {
        ...sample(
          'with indices',
          [2, 2, 6, 7],
          (x) => {
            const { values, indices } = bms.maxPool2dWithIndices(x!, 2, { dilation: 2, stride: 2 })
            return [values, indices]
          },
          'F.max_pool2d(a, 2, 2, dilation=2, return_indices=True)',
        ),
      },
      {
        name: 'ties and NaN',
        inputs: [given([1, 1, Number.NaN, 0, 1, 1, 2, 2, -1, -1, 2, 2], [1, 3, 4])],
        run: (x) => bms.maxPool2d(x!, 2, { stride: 1 }),
        torch: 'F.max_pool2d(a, 2, 1)',
        skip: { gradcheck: 'ties', gradgradcheck: 'ties' },
      },
    ],
    errors: notAnImage('maxPool2d'),
    lacks: { ranks: images },
  }),
  op('adaptiveAvgPool2d', {
    covers: ['adaptiveAvgPool2d'],
    samples: [
      sample('to 1', [2, 3, 5, 4], (x) => bms.adaptiveAvgPool2d(x!, 1), 'F.adaptive_avg_pool2d(a, 1)'),
      sample('to 2x3', [1, 5, 7], (x) => bms.adaptiveAvgPool2d(x!, [2, 3]), 'F.adaptive_avg_pool2d(a, (2, 3))'),
      sample('to more', [1, 2, 3], (x) => bms.adaptiveAvgPool2d(x!, 4), 'F.adaptive_avg_pool2d(a, 4)'),
    ],
    errors: notAnImage('adaptiveAvgPool2d'),
    lacks: { ranks: images, empty: 'avgPool2d has it' },
  }),
  op('adaptiveMaxPool2d', {
    covers: ['adaptiveMaxPool2d'],
    samples: [
      sample('to 1', [2, 3, 5, 4], (x) => bms.adaptiveMaxPool2d(x!, 1), 'F.adaptive_max_pool2d(a, 1)'),
      sample('to 2x3', [1, 5, 7], (x) => bms.adaptiveMaxPool2d(x!, [2, 3]), 'F.adaptive_max_pool2d(a, (2, 3))'),
      sample('small', [1, 2, 3], (x) => bms.adaptiveMaxPool2d(x!, 2), 'F.adaptive_max_pool2d(a, 2)'),
    ],
    errors: notAnImage('adaptiveMaxPool2d'),
    lacks: { ranks: images, empty: 'maxPool2d has it' },
  }),
  op('interpolate', {
    covers: ['interpolate'],
    samples: [
      sample('nearest, twice', [2, 3, 3, 4], (x) => bms.interpolate(x!, { scaleFactor: 2 }), 'F.interpolate(a, scale_factor=2)'),
      sample('nearest, down', [1, 2, 7, 5], (x) => bms.interpolate(x!, { size: [3, 4] }), 'F.interpolate(a, size=(3, 4))'),
      sample(
        'bilinear, up',
        [1, 1, 2, 3],
        (x) => bms.interpolate(x!, { size: [5, 7], mode: 'bilinear' }),
        "F.interpolate(a, size=(5, 7), mode='bilinear', align_corners=False)",
      ),
      sample(
        'bilinear, down',
        [2, 2, 9, 8],
        (x) => bms.interpolate(x!, { scaleFactor: [0.4, 0.5], mode: 'bilinear' }),
        "F.interpolate(a, scale_factor=(0.4, 0.5), mode='bilinear', align_corners=False)",
      ),
      sample(
        'corners',
        [1, 2, 3, 4],
        (x) => bms.interpolate(x!, { size: [6, 1], mode: 'bilinear', alignCorners: true }),
        "F.interpolate(a, size=(6, 1), mode='bilinear', align_corners=True)",
      ),
      {
        name: 'as TensorFlow 1',
        inputs: [given([0, 2, 4, 10], [1, 1, 1, 4])],
        run: (x) => bms.interpolate(x!, { size: [1, 6], mode: 'bilinear', legacy: true }),
        reference: () => ({ shape: [1, 1, 1, 6], data: [0, 4 / 3, 8 / 3, 4, 8, 10] }),
      },
    ],
    errors: [
      [() => bms.interpolate(bms.zeros([1, 2, 2]), {}), 'ARGUMENT', 'interpolate: give either size or scaleFactor'],
      [() => bms.interpolate(bms.zeros([1, 0, 2]), { size: 2 }), 'SHAPE', 'interpolate: an image of 0x2 cannot become one of 2x2'],
    ],
    lacks: { ranks: images, empty: 'it is refused' },
  }),
  op('resample', {
    covers: ['resample', 'transposeBand'],
    samples: [
      sample(
        'along the last dim',
        [2, 1, 3],
        (x) => bms.resample(x!, -1, band),
        'a @ torch.tensor([[0.5, 0, 0, 0], [2, 1, 0, -1], [0, 0, 0, 3]], dtype=a.dtype)',
      ),
      sample('along the first', [3, 5], (x) => bms.resample(x!, 0, band), 'torch.tensor([[0.5, 2, 0], [0, 1, 0], [0, 0, 0], [0, -1, 3]], dtype=a.dtype) @ a'),
      sample(
        'transposed',
        [4],
        (x) => bms.resample(x!, 0, bms.transposeBand(band)),
        'torch.tensor([[0.5, 0, 0, 0], [2, 1, 0, -1], [0, 0, 0, 3]], dtype=a.dtype) @ a',
      ),
      sample('of nothing', [3, 0], (x) => bms.resample(x!, 0, band), 'a.new_zeros(4, 0) + a.sum()'),
    ],
    errors: [
      [() => bms.resample(bms.zeros([2, 4]), 1, band), 'SHAPE', 'resample: the band takes 3 elements, dim 1 of [2, 4] has 4'],
      [() => bms.resample(bms.zeros([3], { dtype: 'i32' }), 0, band), 'DTYPE', "resample: needs f32 or f16, got i32; convert with .to('f32')"],
    ],
  }),
  op('pad by copies', {
    covers: ['padByCopies'],
    samples: [
      sample('reflect', [2, 3, 4, 5], (x) => x!.pad([2, 1, 3, 0], { mode: 'reflect' }), "F.pad(a, (2, 1, 3, 0), mode='reflect')"),
      sample('replicate', [1, 2, 3, 2], (x) => bms.padByCopies(x!, [2, 5, 1, 0], 'replicate'), "F.pad(a, (2, 5, 1, 0), mode='replicate')"),
      sample('circular', [2, 3, 4, 3], (x) => x!.pad([3, 1, 2, 2], { mode: 'circular' }), "F.pad(a, (3, 1, 2, 2), mode='circular')"),
      sample('one dim', [2, 5], (x) => bms.pad(x!, [1, 1], { mode: 'reflect' }), "F.pad(a, (1, 1), mode='reflect')"),
    ],
    errors: [[() => bms.pad(bms.zeros([2, 3]), [3, 0], { mode: 'reflect' }), 'SHAPE', "pad: mode 'reflect' can add at most 2 to dim 1 of [2, 3], got 3 and 0"]],
    lacks: { ranks: 'pad has them', empty: 'pad has it' },
  }),
  op('pixelShuffle', {
    covers: ['pixelShuffle'],
    samples: [
      sample('by 2', [2, 8, 3, 5], (x) => bms.pixelShuffle(x!, 2), 'F.pixel_shuffle(a, 2)'),
      sample('by 3, no batch', [9, 1, 1], (x) => bms.pixelShuffle(x!, 3), 'F.pixel_shuffle(a, 3)'),
    ],
    errors: [[() => bms.pixelShuffle(bms.zeros([3, 2, 2]), 2), 'SHAPE', 'pixelShuffle: 3 channels are not a multiple of 2²']],
    lacks: { ranks: images, empty: 'it is made of reshape and permute, which have it' },
  }),
  op('pixelUnshuffle', {
    covers: ['pixelUnshuffle'],
    samples: [
      sample('by 2', [2, 3, 4, 6], (x) => bms.pixelUnshuffle(x!, 2), 'F.pixel_unshuffle(a, 2)'),
      sample('by 3, no batch', [1, 3, 3], (x) => bms.pixelUnshuffle(x!, 3), 'F.pixel_unshuffle(a, 3)'),
    ],
    errors: [[() => bms.pixelUnshuffle(bms.zeros([1, 3, 4]), 2), 'SHAPE', 'pixelUnshuffle: an image of 3x4 cannot be divided by 2']],
    lacks: { ranks: images, empty: 'it is made of reshape and permute, which have it' },
  }),
]
