// Pooling, resizing, padding and reshaping of images as modules.
import * as bms from '@bms/nn'
import { nn } from '@bms/nn'
import { module, type ModuleSample } from '../module.js'
import { real } from '../values.js'

const images = 'images are all it takes'
const elsewhere = 'the op’s row has it'

const sample = (shape: readonly number[], make: () => nn.Module, torch: string): ModuleSample => ({
  name: `[${shape}] ${torch}`,
  make,
  torch,
  inputs: [real(shape)],
  steps: 1,
})

const of = (name: 'AvgPool2d' | 'MaxPool2d', op: string) => ({
  samples: [
    sample([2, 3, 5, 7], () => new nn[name](2), `nn.${name}(2)`),
    sample([1, 7, 6], () => new nn[name]([3, 2], { stride: [2, 1], padding: [1, 0] }), `nn.${name}((3, 2), stride=(2, 1), padding=(1, 0))`),
    sample([2, 1, 6, 6], () => new nn[name](3, { stride: 2, ceilMode: true }), `nn.${name}(3, stride=2, ceil_mode=True)`),
  ],
  lacks: { ranks: images, empty: elsewhere },
  errors: [
    [() => new nn[name](2, { ceil_mode: true } as never), 'ARGUMENT', `${name}: unknown option "ceil_mode"; it is called ceilMode here`],
    [() => new nn[name](3).forward(bms.zeros([1, 2, 2])), 'SHAPE', `${op}: a kernel of 3x3 does not fit an image of 2x2 with padding 0x0`],
    [() => new nn[name](0).forward(bms.zeros([1, 2, 2])), 'ARGUMENT', `${op}: kernelSize is a whole number ≥ 1 or two of them [height, width], got 0`],
  ] as Parameters<typeof module>[1]['errors'] & unknown[],
})

const adaptive = (name: 'AdaptiveAvgPool2d' | 'AdaptiveMaxPool2d', op: string) =>
  module(name, {
    samples: [sample([2, 3, 5, 4], () => new nn[name](1), `nn.${name}(1)`), sample([1, 5, 7], () => new nn[name]([2, 3]), `nn.${name}((2, 3))`)],
    lacks: { ranks: images, empty: elsewhere },
    errors: [
      [() => new nn[name](0).forward(bms.zeros([1, 2, 2])), 'ARGUMENT', `${op}: outputSize is a whole number ≥ 1 or two of them [height, width], got 0`],
    ],
  })

const padding = (name: 'ReflectionPad2d' | 'ReplicationPad2d' | 'ZeroPad2d') =>
  module(name, {
    samples: [sample([2, 3, 4, 5], () => new nn[name](2), `nn.${name}(2)`), sample([1, 3, 3, 2], () => new nn[name]([1, 0, 2, 1]), `nn.${name}((1, 0, 2, 1))`)],
    lacks: { ranks: images, empty: elsewhere },
    errors: [
      [() => new nn[name]([1, 2, 3] as never), 'ARGUMENT', `${name}: padding is a whole number or four of them [left, right, top, bottom], got [1,2,3]`],
    ],
  })

const { samples: maxSamples, lacks, errors: maxErrors } = of('MaxPool2d', 'maxPool2d')
const { samples: meanSamples, errors: meanErrors } = of('AvgPool2d', 'avgPool2d')

export const imageModuleRows = [
  module('MaxPool2d', {
    samples: [...maxSamples, sample([1, 2, 7, 7], () => new nn.MaxPool2d(2, { dilation: 3 }), 'nn.MaxPool2d(2, dilation=3)')],
    lacks,
    errors: maxErrors,
  }),
  module('AvgPool2d', {
    samples: [
      ...meanSamples,
      sample([1, 2, 5, 5], () => new nn.AvgPool2d(3, { padding: 1, countIncludePad: false }), 'nn.AvgPool2d(3, padding=1, count_include_pad=False)'),
    ],
    lacks,
    errors: meanErrors,
  }),
  adaptive('AdaptiveAvgPool2d', 'adaptiveAvgPool2d'),
  adaptive('AdaptiveMaxPool2d', 'adaptiveMaxPool2d'),
  module('Upsample', {
    samples: [
      sample([1, 3, 4, 5], () => new nn.Upsample({ scaleFactor: 2 }), 'nn.Upsample(scale_factor=2)'),
      sample([2, 1, 3, 3], () => new nn.Upsample({ size: [5, 4], mode: 'bilinear' }), "nn.Upsample((5, 4), mode='bilinear')"),
      sample(
        [2, 2, 3, 3],
        () => new nn.Upsample({ scaleFactor: 3, mode: 'bilinear', alignCorners: true }),
        "nn.Upsample(scale_factor=3, mode='bilinear', align_corners=True)",
      ),
    ],
    lacks: { ranks: images, empty: 'it is refused' },
    errors: [
      [() => new nn.Upsample({ scale_factor: 2 } as never), 'ARGUMENT', 'Upsample: unknown option "scale_factor"; it is called scaleFactor here'],
      [() => new nn.Upsample({}).forward(bms.zeros([1, 2, 2])), 'ARGUMENT', 'interpolate: give either size or scaleFactor'],
    ],
  }),
  module('PixelShuffle', {
    samples: [sample([2, 8, 3, 5], () => new nn.PixelShuffle(2), 'nn.PixelShuffle(2)'), sample([9, 1, 1], () => new nn.PixelShuffle(3), 'nn.PixelShuffle(3)')],
    lacks: { ranks: images, empty: elsewhere },
    errors: [[() => new nn.PixelShuffle(2).forward(bms.zeros([3, 2, 2])), 'SHAPE', 'pixelShuffle: 3 channels are not a multiple of 2²']],
  }),
  module('PixelUnshuffle', {
    samples: [
      sample([2, 3, 4, 6], () => new nn.PixelUnshuffle(2), 'nn.PixelUnshuffle(2)'),
      sample([1, 3, 3], () => new nn.PixelUnshuffle(3), 'nn.PixelUnshuffle(3)'),
    ],
    lacks: { ranks: images, empty: elsewhere },
    errors: [[() => new nn.PixelUnshuffle(2).forward(bms.zeros([1, 3, 4])), 'SHAPE', 'pixelUnshuffle: an image of 3x4 cannot be divided by 2']],
  }),
  padding('ReflectionPad2d'),
  padding('ReplicationPad2d'),
  padding('ZeroPad2d'),
  module('Unflatten', {
    samples: [
      sample([2, 12], () => new nn.Unflatten(1, [3, 2, 2]), 'nn.Unflatten(1, (3, 2, 2))'),
      sample([2, 6, 5], () => new nn.Unflatten(-2, [2, 3]), 'nn.Unflatten(-2, (2, 3))'),
      sample([1], () => new nn.Unflatten(0, [1]), 'nn.Unflatten(0, (1,))'),
      sample([0, 4], () => new nn.Unflatten(1, [2, 2]), 'nn.Unflatten(1, (2, 2))'),
    ],
    errors: [
      [() => new nn.Unflatten(2, [3]).forward(bms.zeros([2, 3])), 'SHAPE', 'Unflatten: dim 2 is out of range for a tensor of 2 dims (allowed: -2 to 1)'],
      [() => new nn.Unflatten(1, [2, 2]).forward(bms.zeros([2, 3])), 'SHAPE', 'reshape: [2, 3] has 6 elements, [2, 2, 2] has 8'],
    ],
  }),
]
