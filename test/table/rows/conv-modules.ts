// Convolutions and normalising layers of images as modules, with spectral normalisation of their reshaped kernels.
import * as bms from '@bms/nn'
import { nn, type Tensor } from '@bms/nn'
import { module, type ModuleSample } from '../module.js'
import { real } from '../values.js'
import { largeHalves } from './modules.js'

const zeros = (shape: readonly number[]): Tensor => bms.zeros(shape)
const images = 'images are all it takes'

const sample = (shape: readonly number[], make: () => nn.Module, torch: string, more: Partial<ModuleSample> = {}): ModuleSample => ({
  name: `[${shape}] ${torch}`,
  make,
  torch,
  inputs: [real(shape)],
  ...more,
})

/** Of a layer with weights of f32. */
const conv = (shape: readonly number[], make: () => nn.Module, torch: string): ModuleSample => sample(shape, make, torch)

const parametrised = (layer: string): ModuleSample['text'] => ({
  value: `${layer}\n  (parametrizations): Parametrizations(\n    (weight): ParametrizationList(\n      (0): SpectralNorm()\n    )\n  )\n)`,
  why: 'the class of the layer stays as it is, PyTorch makes a new one; the names of the inner modules are those of here',
})

const normalised = { inputs: [real([3, 4, 3, 2], -1, 4)] }

export const convModuleRows = [
  module('Conv2d', {
    samples: [
      conv([2, 3, 5, 7], () => new nn.Conv2d(3, 4, 3), 'nn.Conv2d(3, 4, 3)'),
      conv([3, 6, 8], () => new nn.Conv2d(3, 2, 4, { stride: 2, padding: 1, bias: false }), 'nn.Conv2d(3, 2, 4, 2, 1, bias=False)'),
      conv(
        [1, 4, 6, 5],
        () => new nn.Conv2d(4, 6, [3, 2], { stride: [1, 2], padding: [2, 1], dilation: [2, 1], groups: 2, paddingMode: 'reflect' }),
        "nn.Conv2d(4, 6, (3, 2), (1, 2), (2, 1), (2, 1), 2, padding_mode='reflect')",
      ),
      conv([2, 2, 3, 4], () => new nn.Conv2d(2, 3, 2, { padding: 'same' }), "nn.Conv2d(2, 3, 2, padding='same')"),
      conv([2, 2, 3, 3], () => new nn.Conv2d(2, 2, 3, { padding: 1, paddingMode: 'circular' }), "nn.Conv2d(2, 2, 3, padding=1, padding_mode='circular')"),
      conv([0, 2, 3, 3], () => new nn.Conv2d(2, 3, 1), 'nn.Conv2d(2, 3, 1)'),
    ],
    errors: [
      [() => new nn.Conv2d(0, 3, 3), 'ARGUMENT', 'Conv2d: inChannels must be a whole number ≥ 1, got 0'],
      [() => new nn.Conv2d(3, 4, 0), 'ARGUMENT', 'Conv2d: kernelSize must be a whole number ≥ 1, got 0'],
      [() => new nn.Conv2d(3, 4, 3, { groups: 2 }), 'ARGUMENT', 'Conv2d: inChannels 3 and outChannels 4 must be multiples of groups 2'],
      [() => new nn.Conv2d(3, 4, 3, { padding_mode: 'zeros' } as never), 'ARGUMENT', 'Conv2d: unknown option "padding_mode"; it is called paddingMode here'],
      [
        () => new nn.Conv2d(3, 4, 3, { paddingMode: 'mirror' as never }),
        'ARGUMENT',
        "Conv2d: paddingMode must be 'zeros', 'reflect', 'replicate' or 'circular', got \"mirror\"",
      ],
      [() => new nn.Conv2d(3, 4, 3, { padding: 'full' as never }), 'ARGUMENT', "Conv2d: padding is a number, two numbers, 'same' or 'valid', got \"full\""],
      [() => new nn.Conv2d(3, 4, [3, 3, 3] as never), 'ARGUMENT', 'Conv2d: kernelSize must be a whole number ≥ 1, got [3,3,3]'],
      [
        () => new nn.Conv2d(3, 4, 3, { padding: 'same', paddingMode: 'reflect' }),
        'ARGUMENT',
        "Conv2d: paddingMode 'reflect' needs padding in numbers, got 'same'",
      ],
      [
        () => new nn.Conv2d(3, 4, 3).forward(zeros([1, 2, 5, 5])),
        'SHAPE',
        'conv2d: an image [1, 2, 5, 5] and a weight [4, 3, 3, 3] in 1 groups do not fit: the weight takes 3 channels, the image has 2',
      ],
    ],
    lacks: { ranks: images },
  }),
  module('ConvTranspose2d', {
    samples: [
      conv([2, 3, 4, 5], () => new nn.ConvTranspose2d(3, 2, 4, { stride: 2, padding: 1 }), 'nn.ConvTranspose2d(3, 2, 4, 2, 1)'),
      conv([3, 1, 1], () => new nn.ConvTranspose2d(3, 4, 4, { bias: false }), 'nn.ConvTranspose2d(3, 4, 4, bias=False)'),
      conv(
        [1, 4, 3, 3],
        () => new nn.ConvTranspose2d(4, 2, [3, 2], { stride: [3, 2], padding: [1, 0], outputPadding: [2, 1], dilation: [1, 2], groups: 2 }),
        'nn.ConvTranspose2d(4, 2, (3, 2), (3, 2), (1, 0), (2, 1), 2, dilation=(1, 2))',
      ),
    ],
    errors: [
      [() => new nn.ConvTranspose2d(3, 0, 3), 'ARGUMENT', 'ConvTranspose2d: outChannels must be a whole number ≥ 1, got 0'],
      [() => new nn.ConvTranspose2d(3, 2, 3, { padding: 'same' } as never), 'ARGUMENT', 'ConvTranspose2d: padding must be a whole number ≥ 0, got "same"'],
      [
        () => new nn.ConvTranspose2d(3, 2, 3, { outputPadding: 1 }).forward(zeros([1, 3, 4, 4])),
        'ARGUMENT',
        'convTranspose2d: outputPadding must be smaller than stride or dilation, got 1 with stride 1 and dilation 1',
      ],
    ],
    lacks: { ranks: images, empty: 'Conv2d has it' },
  }),
  module('BatchNorm2d', {
    samples: [
      sample([3, 2, 3, 4], () => new nn.BatchNorm2d(2), 'nn.BatchNorm2d(2)'),
      sample([1, 3, 2, 5], () => new nn.BatchNorm2d(3, { momentum: null }), 'nn.BatchNorm2d(3, momentum=None)'),
      sample(
        [5, 2, 1, 1],
        () => new nn.BatchNorm2d(2, { affine: false, trackRunningStats: false }),
        'nn.BatchNorm2d(2, affine=False, track_running_stats=False)',
      ),
    ],
    behaviour: { 'takes halves whose squares overflow': largeHalves(() => new nn.BatchNorm2d(2), [2, 2, 1, 1]) },
    lacks: { empty: 'a batch of nothing has no mean', ranks: images },
    errors: [
      [() => new nn.BatchNorm2d(4).forward(zeros([3, 4])), 'SHAPE', 'BatchNorm2d: the input must be [N, 4, H, W], got [3, 4]'],
      [() => new nn.BatchNorm2d(4).forward(zeros([3, 5, 2, 2])), 'SHAPE', 'BatchNorm2d: the input must be [N, 4, H, W], got [3, 5, 2, 2]'],
      [
        () => new nn.BatchNorm2d(4).forward(zeros([1, 4, 1, 1])),
        'SHAPE',
        'BatchNorm2d: training needs more than one value a channel, got [1, 4, 1, 1]; use a larger batch, or eval()',
      ],
    ],
  }),
  module('GroupNorm', {
    samples: [
      sample([3, 4, 3, 2], () => new nn.GroupNorm(2, 4), 'nn.GroupNorm(2, 4)', normalised),
      sample([2, 3, 5], () => new nn.GroupNorm(1, 3, { eps: 1e-2 }), 'nn.GroupNorm(1, 3, eps=1e-2)'),
      sample([5, 6, 1, 2, 1], () => new nn.GroupNorm(3, 6, { affine: false }), 'nn.GroupNorm(3, 6, affine=False)'),
      sample([0, 4, 2, 2], () => new nn.GroupNorm(2, 4), 'nn.GroupNorm(2, 4)'),
    ],
    behaviour: { 'takes halves whose squares overflow': largeHalves(() => new nn.GroupNorm(1, 2)) },
    errors: [
      [() => new nn.GroupNorm(3, 4), 'ARGUMENT', 'GroupNorm: numChannels 4 must be a multiple of numGroups 3'],
      [() => new nn.GroupNorm(2, 4).forward(zeros([2, 6, 3])), 'SHAPE', 'GroupNorm: the input must be [N, 4, ...], got [2, 6, 3]'],
    ],
  }),
  module('InstanceNorm2d', {
    samples: [
      sample([3, 4, 3, 2], () => new nn.InstanceNorm2d(4), 'nn.InstanceNorm2d(4)', normalised),
      sample([1, 3, 5, 4], () => new nn.InstanceNorm2d(3, { affine: true, eps: 1e-3 }), 'nn.InstanceNorm2d(3, affine=True, eps=1e-3)'),
    ],
    behaviour: { 'takes halves whose squares overflow': largeHalves(() => new nn.InstanceNorm2d(1, { affine: true }), [2, 1, 1, 2]) },
    lacks: { ranks: images, empty: 'PyTorch refuses it' },
    errors: [
      [() => new nn.InstanceNorm2d(4).forward(zeros([2, 3, 5, 5])), 'SHAPE', 'InstanceNorm2d: the input must be [N, 4, H, W], got [2, 3, 5, 5]'],
      [() => new nn.InstanceNorm2d(0), 'ARGUMENT', 'InstanceNorm2d: numFeatures must be a whole number ≥ 1, got 0'],
    ],
  }),
  module('spectralNorm of convolutions', {
    covers: [],
    samples: [
      {
        ...conv([2, 3, 5, 5], () => nn.spectralNorm(new nn.Conv2d(3, 4, 3)), 'spectral_norm(nn.Conv2d(3, 4, 3))'),
        text: parametrised('Conv2d(\n  3, 4, kernel_size=(3, 3), stride=(1, 1)'),
      },
      {
        ...conv(
          [1, 3, 4, 3],
          () => nn.spectralNorm(new nn.ConvTranspose2d(3, 4, [2, 3], { stride: 2 }), { nPowerIterations: 2 }),
          'spectral_norm(nn.ConvTranspose2d(3, 4, (2, 3), 2), n_power_iterations=2)',
        ),
        text: parametrised('ConvTranspose2d(\n  3, 4, kernel_size=(2, 3), stride=(2, 2)'),
      },
    ],
    lacks: { ranks: images, empty: 'the layer’s inputs are none of its business' },
    errors: 'those of spectralNorm',
  }),
]
