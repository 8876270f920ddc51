// Optimisers: each with its options, schedules, groups, missing gradients, and parameters of many shapes.
import * as bms from '@bms/nn'
import { nn, optim, type Tensor } from '@bms/nn'
import { optimizer, type OptimizerSample } from '../optimizer.js'

type Schedule = NonNullable<OptimizerSample['schedule']>

const stepped: Schedule = { make: (opt) => new optim.StepLR(opt, 4, { gamma: 0.5 }), torch: 'schedulers.StepLR(opt, 4, gamma=0.5)' }
const decaying: Schedule = { make: (opt) => new optim.ExponentialLR(opt, 0.9), torch: 'schedulers.ExponentialLR(opt, 0.9)' }
const cosine: Schedule = { make: (opt) => new optim.CosineAnnealingLR(opt, 20), torch: 'schedulers.CosineAnnealingLR(opt, 20)' }
const cycle: Schedule = {
  make: (opt) => new optim.OneCycleLR(opt, 0.2, { totalSteps: 21 }),
  torch: 'schedulers.OneCycleLR(opt, 0.2, total_steps=21, cycle_momentum=False)',
}

const many = [[], [1], [2], [3, 1], [4, 3], [65], [2, 3, 4], [0], [7], [1, 1, 1, 1, 5], [33]]

/** Samples of one optimiser: its options, and PyTorch's words for them. */
const of = (name: 'SGD' | 'Adam' | 'AdamW' | 'RMSprop', list: [options: object, torch: string, more?: Partial<OptimizerSample>][]): OptimizerSample[] =>
  list.map(([options, torch, more]) => ({
    name: `${torch}${more?.schedule ? `, ${more.schedule.torch}` : ''}${more?.sparse ? ', without some gradients' : ''}${more?.shapes ? ', many parameters' : ''}`,
    make: (params) => new optim[name](params, options),
    torch: `optim.${name}(params, ${torch})`,
    ...more,
  }))

const p = (shape: readonly number[] = [2]): Tensor => nn.parameter(bms.zeros(shape))

/** What all optimisers refuse of their parameters. */
const refused = (name: 'SGD' | 'Adam' | 'AdamW' | 'RMSprop'): [() => unknown, string, string][] => {
  const make = (options?: object) => () => new optim[name]([p()], options)
  return [
    [make({ lr: Number.NaN }), 'ARGUMENT', `optim.${name}: lr must be a finite number ≥ 0, got NaN`],
    [make({ lr: '0.1' }), 'ARGUMENT', `optim.${name}: lr must be a finite number ≥ 0, got "0.1"`],
    [make({ weight_decay: 0.1 }), 'ARGUMENT', `optim.${name}: unknown option "weight_decay"; it is called weightDecay here`],
    [() => new optim[name]([]), 'ARGUMENT', `optim.${name}: the list of parameters is empty`],
  ]
}

export const optimizerRows = [
  optimizer('SGD', {
    covers: ['optim.SGD', 'optim.Optimizer', 'optim.ParamGroup'],
    samples: [
      ...of('SGD', [
        [{ lr: 0.05 }, 'lr=0.05'],
        [
          { lr: 0.05, momentum: 0.9, weightDecay: 0.1 },
          'lr=0.05, momentum=0.9, weight_decay=0.1',
          { schedule: stepped, change: { momentum: 0.5, weightDecay: 0.3 } },
        ],
        [{ lr: 0.05, momentum: 0.9, dampening: 0.3 }, 'lr=0.05, momentum=0.9, dampening=0.3', { sparse: true, change: { dampening: 0.6 } }],
        [{ lr: 0.05, momentum: 0.8, nesterov: true, weightDecay: 0.01 }, 'lr=0.05, momentum=0.8, nesterov=True, weight_decay=0.01', { schedule: decaying }],
        [{ lr: 0.01, momentum: 0.5, maximize: true }, 'lr=0.01, momentum=0.5, maximize=True', { sparse: true }],
        [{ lr: 0.1, momentum: 0.5 }, 'lr=0.1, momentum=0.5', { shapes: many }],
      ]),
      {
        name: 'groups',
        make: (params) =>
          new optim.SGD(
            [{ params: params.slice(0, 1) }, { params: params.slice(1, 4), lr: 0.2, weightDecay: 0.1 }, { params: params.slice(4), momentum: 0.9 }],
            {
              lr: 0.05,
            },
          ),
        torch: "optim.SGD([{'params': params[:1]}, {'params': params[1:4], 'lr': 0.2, 'weight_decay': 0.1}, {'params': params[4:], 'momentum': 0.9}], lr=0.05)",
        schedule: cosine,
        change: { weightDecay: 0.5 },
      },
    ],
    errors: [
      ...refused('SGD'),
      [() => new optim.SGD([p()], { lr: -1 }), 'ARGUMENT', 'optim.SGD: lr must be a finite number ≥ 0, got -1'],
      [() => new optim.SGD([p()], { nesterov: true }), 'ARGUMENT', 'optim.SGD: nesterov needs momentum > 0 and dampening 0, got momentum 0 and dampening 0'],
      [() => new optim.SGD([p()], { maximize: 1 as never }), 'ARGUMENT', 'optim.SGD: maximize must be true or false, got 1'],
      [() => new optim.SGD(3 as never), 'ARGUMENT', 'optim.SGD: params must be a list of tensors (module.parameters()), or of groups { params, lr }'],
      [
        () => {
          const twice = p()
          return new optim.SGD([twice, twice])
        },
        'ARGUMENT',
        'optim.SGD: a parameter is listed twice',
      ],
      [() => new optim.SGD([3 as never]), 'ARGUMENT', 'optim.SGD: parameter 0 is no Tensor'],
      [() => new optim.SGD([bms.zeros([2], { dtype: 'i32' })]), 'DTYPE', 'optim.SGD: parameter 0 is i32; f32 parameters are updated'],
      [() => new optim.SGD([p().mul(2)]), 'ARGUMENT', 'optim.SGD: parameter 0 [2] was computed by an op; only leaves can be trained'],
      [() => new optim.SGD([bms.zeros([2, 3]).t()]), 'ARGUMENT', 'optim.SGD: parameter 0 [3, 2] is a view with gaps; make it with parameter(…), which copies'],
      [() => new optim.SGD([{ params: [p()], lr: -2 }]), 'ARGUMENT', 'optim.SGD: lr must be a finite number ≥ 0, got -2'],
      [() => new optim.SGD([p()]).step([]), 'ARGUMENT', 'optim.SGD: step() got 0 gradients for 1 parameters'],
      [() => new optim.SGD([p()]).step([bms.zeros([3])]), 'SHAPE', 'optim.SGD: the gradient of parameter 0 has shape [3], the parameter [2]'],
      [() => new optim.SGD([p()]).step([bms.zeros([2], { dtype: 'i32' })]), 'DTYPE', 'optim.SGD: the gradient of parameter 0 is i32, f32 is needed'],
      [
        () => {
          new optim.SGD([p()]).lr = Number.NaN
        },
        'ARGUMENT',
        'optim.SGD: lr must be a finite number ≥ 0, got NaN',
      ],
      [
        () =>
          bms.compile(() => {
            new optim.SGD([p()]).lr = 1
            return bms.zeros([1])
          })(),
        'RECORDING',
        'optim.SGD: setting lr: inside compile() this would happen once, when the step is recorded, and never again; do it between the steps',
      ],
      [
        () => new optim.SGD([p()]).groups[0]!.set({ momentum: 0.9 }),
        'ARGUMENT',
        'optim.SGD: momentum: the form of the update is fixed when the optimiser is made; make a new one',
      ],
      [
        () => new optim.SGD([p()], { momentum: 0.9 }).loadStateDict(new optim.SGD([p()]).stateDict()),
        'STATE_DICT',
        'optim.SGD.loadStateDict: the state dict does not fit, nothing was changed: missing: state.0.momentum_buffer',
      ],
    ],
  }),
  optimizer('Adam', {
    samples: of('Adam', [
      [{ lr: 0.1 }, 'lr=0.1', { schedule: cycle }],
      [
        { lr: 0.02, betas: [0.5, 0.9], eps: 1e-3, weightDecay: 0.2 },
        'lr=0.02, betas=(0.5, 0.9), eps=1e-3, weight_decay=0.2',
        { schedule: cosine, sparse: true, change: { betas: [0.8, 0.99], weightDecay: 0, eps: 1e-2 } },
      ],
      [{ lr: 0.02, betas: [0, 0.9], maximize: true }, 'lr=0.02, betas=(0.0, 0.9), maximize=True'],
      [{ lr: 0.05 }, 'lr=0.05', { shapes: many, schedule: stepped }],
    ]),
    errors: [
      ...refused('Adam'),
      [() => new optim.Adam([p()], { betas: [0.9, 1] }), 'ARGUMENT', 'optim.Adam: betas[1] must be a finite number ≥ 0 and < 1, got 1'],
      [() => new optim.Adam([p()], { betas: 0.9 as never }), 'ARGUMENT', 'optim.Adam: betas must be two numbers [beta1, beta2], got 0.9'],
      [() => new optim.Adam([p()], { eps: -1e-8 }), 'ARGUMENT', 'optim.Adam: eps must be a finite number ≥ 0, got -1e-8'],
    ],
  }),
  optimizer('AdamW', {
    samples: of('AdamW', [
      [{ lr: 0.1 }, 'lr=0.1', { schedule: decaying }],
      [
        { lr: 0.02, betas: [0.8, 0.99], weightDecay: 0.3 },
        'lr=0.02, betas=(0.8, 0.99), weight_decay=0.3',
        { schedule: stepped, sparse: true, change: { weightDecay: 0.1 } },
      ],
      [{ lr: 0.02, weightDecay: 0, maximize: true }, 'lr=0.02, weight_decay=0, maximize=True', { shapes: many }],
    ]),
    errors: [
      ...refused('AdamW'),
      [() => new optim.AdamW([p()], { betas: [-0.1, 0.9] }), 'ARGUMENT', 'optim.AdamW: betas[0] must be a finite number ≥ 0 and < 1, got -0.1'],
    ],
  }),
  optimizer('RMSprop', {
    samples: of('RMSprop', [
      [{ lr: 0.02 }, 'lr=0.02', { sparse: true }],
      [
        { lr: 0.01, alpha: 0.9, weightDecay: 0.1, momentum: 0.7 },
        'lr=0.01, alpha=0.9, weight_decay=0.1, momentum=0.7',
        { schedule: stepped, change: { alpha: 0.5, momentum: 0.2 } },
      ],
      [
        { lr: 0.01, alpha: 0.9, centered: true, momentum: 0.5, eps: 1e-3 },
        'lr=0.01, alpha=0.9, centered=True, momentum=0.5, eps=1e-3',
        { schedule: cosine, sparse: true, shapes: many },
      ],
      [{ lr: 0.01, centered: true, maximize: true, eps: 0.1 }, 'lr=0.01, centered=True, maximize=True, eps=0.1'],
    ]),
    errors: [
      ...refused('RMSprop'),
      [() => new optim.RMSprop([p()], { alpha: 1.1 }), 'ARGUMENT', 'optim.RMSprop: alpha must be a finite number ≥ 0 and ≤ 1, got 1.1'],
      [() => new optim.RMSprop([p()], { centered: 'yes' as never }), 'ARGUMENT', 'optim.RMSprop: centered must be true or false, got "yes"'],
    ],
  }),
]
