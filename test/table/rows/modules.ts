// Modules with parameters or state, and what modules are made of.
import * as bms from '@bms/nn'
import { nn, type Tensor } from '@bms/nn'
import { module, type ModuleSample } from '../module.js'
import { real, whole } from '../values.js'

const zeros = (shape: readonly number[]): Tensor => bms.zeros(shape)

const linear = (shape: readonly number[], outputs: number, bias = true): ModuleSample => ({
  name: `[${shape}] to ${outputs}${bias ? '' : ' without bias'}`,
  make: () => new nn.Linear(shape.at(-1)!, outputs, bias ? {} : { bias }),
  torch: `nn.Linear(${shape.at(-1)}, ${outputs}${bias ? '' : ', bias=False'})`,
  inputs: [real(shape)],
})

const batchNorm = (shape: readonly number[], options: ConstructorParameters<typeof nn.BatchNorm1d>[1], torch: string): ModuleSample => ({
  name: `[${shape}]${torch}`,
  make: () => new nn.BatchNorm1d(shape[1]!, options),
  torch: `nn.BatchNorm1d(${shape[1]}${torch})`,
  inputs: [real(shape, -1, 4)],
})

const layerNorm = (
  shape: readonly number[],
  over: readonly number[],
  options: ConstructorParameters<typeof nn.LayerNorm>[1] = {},
  torch = '',
): ModuleSample => ({
  name: `[${shape}] over [${over}]${torch}`,
  make: () => new nn.LayerNorm(over, options),
  torch: `nn.LayerNorm([${over}]${torch})`,
  inputs: [real(shape, -2, 5)],
})

const garbage = 'its parameter shares memory with a tensor that is left to the garbage collector'

/** Statistics are taken in f32: squares of f16 would overflow. */
export const largeHalves =
  (make: () => nn.Module, shape = [2, 2]) =>
  async (): Promise<void> => {
    const module = make()
    if (!module.parameters()[0]!.device.features.has('shader-f16')) return
    const y = module.forward(bms.tensor([-300, 300, 300, -300], { dtype: 'f16', shape })) as Tensor
    if (y.dtype !== 'f16' || String(await y.data()) !== '-1,1,1,-1') throw new Error(`${y.dtype} ${await y.data()}`)
  }

/** A module of one's own: parameters, saved and unsaved buffers, a list, a module that occurs twice. */
class Net extends nn.Module {
  scale = nn.parameter(bms.ones([3]))
  first = new nn.Linear(2, 3)
  list = new nn.ModuleList([this.first, new nn.Identity(), new nn.Linear(3, 3)])

  constructor() {
    super()
    this.registerBuffer('mask', bms.tensor([1, 0, 1]), false)
    this.registerBuffer('seen', bms.zeros([3]))
  }

  override forward(x: Tensor): Tensor {
    const h = this.first.forward(x).tanh().mul(this.scale) as Tensor
    return (this.list.at(2) as nn.Linear).forward(h).mul((this as unknown as { mask: Tensor }).mask)
  }
}

const net = `
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))
        self.first = nn.Linear(2, 3)
        self.list = nn.ModuleList([self.first, nn.Identity(), nn.Linear(3, 3)])
        self.register_buffer('mask', torch.tensor([1.0, 0, 1]), persistent=False)
        self.register_buffer('seen', torch.zeros(3))

    def forward(self, x):
        return self.list[2](self.first(x).tanh() * self.scale) * self.mask

module = Net()
`

export const moduleRows = [
  module('Linear', {
    samples: [linear([4, 5], 3), linear([2, 4, 5], 3, false), linear([5], 2), linear([2, 1, 3, 2, 1], 1), linear([0, 3], 2), linear([9, 17], 7)],
    behaviour: {
      'parameters of half precision give half precision': async () => {
        const layer = new nn.Linear(3, 2)
        const [weight, bias] = [layer.weight, layer.bias!]
        if (!weight.device.features.has('shader-f16')) return
        layer.weight = nn.parameter(weight.detach().half())
        layer.bias = nn.parameter(bias.detach().half())
        const y = layer.forward(bms.ones([4, 3], { dtype: 'f16' }))
        if (y.dtype !== 'f16' || bms.grad(y.sum(), layer.weight).dtype !== 'f16') throw new Error(`${y.dtype}`)
      },
    },
    errors: [
      [() => new nn.Linear(0, 3), 'ARGUMENT', 'Linear: inFeatures must be a whole number ≥ 1, got 0'],
      [() => new nn.Linear(2, 1.5), 'ARGUMENT', 'Linear: outFeatures must be a whole number ≥ 1, got 1.5'],
      [() => new nn.Linear(2, 3, { bais: true } as never), 'ARGUMENT', 'Linear: unknown option "bais"; known: bias'],
      [() => new nn.Linear(4, 2).forward(zeros([3, 5])), 'SHAPE', 'Linear: the last dim of the input must be 4 (inFeatures), got [3, 5]'],
      [() => new nn.Linear(4, 2).forward(zeros([])), 'SHAPE', 'Linear: the last dim of the input must be 4 (inFeatures), got []'],
    ],
  }),
  module('Embedding', {
    samples: [
      { name: '[2, 3] of 4', make: () => new nn.Embedding(4, 3), torch: 'nn.Embedding(4, 3)', inputs: [whole([2, 3], 0, 4)] },
      { name: 'padding', make: () => new nn.Embedding(4, 3, { paddingIdx: -1 }), torch: 'nn.Embedding(4, 3, padding_idx=-1)', inputs: [whole([7], 0, 4)] },
      { name: 'one row', make: () => new nn.Embedding(3, 1), torch: 'nn.Embedding(3, 1)', inputs: [whole([], 0, 3)] },
      { name: 'no rows', make: () => new nn.Embedding(3, 2), torch: 'nn.Embedding(3, 2)', inputs: [whole([0, 1], 0, 3)] },
    ],
    errors: [
      [() => new nn.Embedding(0, 3), 'ARGUMENT', 'Embedding: numEmbeddings must be a whole number ≥ 1, got 0'],
      [() => new nn.Embedding(3, 2, { paddingIdx: 3 }), 'ARGUMENT', 'Embedding: paddingIdx must be a row from -3 to 2, got 3'],
    ],
  }),
  module('BatchNorm1d', {
    samples: [
      batchNorm([6, 3], {}, ''),
      batchNorm([4, 3, 5], { momentum: null }, ', momentum=None'),
      batchNorm([7, 1], { affine: false, eps: 1e-3, momentum: 0.3 }, ', affine=False, eps=1e-3, momentum=0.3'),
      batchNorm([5, 2], { trackRunningStats: false }, ', track_running_stats=False'),
    ],
    behaviour: { 'takes halves whose squares overflow': largeHalves(() => new nn.BatchNorm1d(2)) },
    lacks: { empty: 'a batch of nothing has no mean', ranks: '[N, C] and [N, C, L] are all it takes' },
    errors: [
      [() => new nn.BatchNorm1d(4).forward(zeros([3, 5])), 'SHAPE', 'BatchNorm1d: the input must be [N, 4] or [N, 4, L], got [3, 5]'],
      [() => new nn.BatchNorm1d(4).forward(zeros([4])), 'SHAPE', 'BatchNorm1d: the input must be [N, 4] or [N, 4, L], got [4]'],
      [
        () => new nn.BatchNorm1d(4).forward(zeros([1, 4])),
        'SHAPE',
        'BatchNorm1d: training needs more than one value a channel, got [1, 4]; use a larger batch, or eval()',
      ],
      [
        () => new nn.BatchNorm1d(4, { track_running_stats: false } as never),
        'ARGUMENT',
        'BatchNorm1d: unknown option "track_running_stats"; it is called trackRunningStats here',
      ],
      [() => new nn.BatchNorm1d(4, { momentum: 1.5 }), 'ARGUMENT', 'BatchNorm1d: momentum must be a finite number ≥ 0 and ≤ 1, got 1.5'],
    ],
  }),
  module('LayerNorm', {
    samples: [
      layerNorm([2, 3, 4], [3, 4]),
      layerNorm([5, 7], [7], { eps: 1e-2 }, ', eps=1e-2'),
      layerNorm([2, 1, 3, 2, 5], [5], { elementwiseAffine: false }, ', elementwise_affine=False'),
      layerNorm([0, 3], [3]),
    ],
    behaviour: { 'takes halves whose squares overflow': largeHalves(() => new nn.LayerNorm(2)) },
    errors: [
      [() => new nn.LayerNorm(4).forward(zeros([3, 5])), 'SHAPE', 'LayerNorm: the last dims of the input must be [4], got [3, 5]'],
      [() => new nn.LayerNorm([3, 4]).forward(zeros([4])), 'SHAPE', 'LayerNorm: the last dims of the input must be [3, 4], got [4]'],
      [() => new nn.LayerNorm([]), 'ARGUMENT', 'LayerNorm: normalizedShape must be a size or a list of sizes, got '],
      [() => new nn.LayerNorm(3, { eps: -1 }), 'ARGUMENT', 'LayerNorm: eps must be a finite number ≥ 0, got -1'],
    ],
  }),
  module('Sequential', {
    covers: ['nn.Sequential', 'nn.ModuleList'],
    samples: [
      {
        name: 'of everything',
        make: () =>
          new nn.Sequential(
            new nn.Linear(3, 7, { bias: false }),
            new nn.BatchNorm1d(7),
            new nn.LeakyReLU(0.2),
            new nn.Linear(7, 5),
            new nn.LayerNorm(5),
            new nn.ELU(),
            new nn.Linear(5, 1),
          ),
        torch: 'nn.Sequential(nn.Linear(3, 7, bias=False), nn.BatchNorm1d(7), nn.LeakyReLU(0.2), nn.Linear(7, 5), nn.LayerNorm(5), nn.ELU(), nn.Linear(5, 1))',
        inputs: [real([9, 3])],
      },
      {
        name: 'named, one inside the other',
        make: () => new nn.Sequential({ a: new nn.Sequential(new nn.Tanh()), b: new nn.Linear(2, 2) }),
        torch: 'nn.Sequential(OrderedDict(a=nn.Sequential(nn.Tanh()), b=nn.Linear(2, 2)))',
        inputs: [real([3, 1, 2])],
      },
      { name: 'of nothing', make: () => new nn.Sequential(), torch: 'nn.Sequential()', inputs: [real([0])] },
    ],
    behaviour: {
      'length, at, append and iteration, as of a list': () => {
        const [a, b, c] = [new nn.Tanh(), new nn.ReLU(), new nn.Identity()]
        for (const list of [new nn.Sequential(a, b), new nn.ModuleList([a, b])]) {
          list.append(c)
          if (list.length !== 3 || list.at(-1) !== c || list.at(3) !== undefined || [...list].some((m, i) => m !== [a, b, c][i])) throw new Error(String(list))
        }
      },
    },
    errors: [
      [() => new nn.Sequential(new nn.ReLU(), null as never), 'ARGUMENT', 'Sequential: module 1 is null, a Module is needed'],
      [() => new nn.Sequential({ a: 3 as never }), 'ARGUMENT', 'Sequential: a is number, a Module is needed'],
      [() => new nn.ModuleList([new nn.ReLU(), 'x' as never]), 'ARGUMENT', 'ModuleList: module 1 is string, a Module is needed'],
      [() => new nn.ModuleList([new nn.ReLU()]).forward(zeros([1])), 'ARGUMENT', 'ModuleList: this module has no forward()'],
    ],
  }),
  module('Module', {
    covers: ['nn.Module', 'nn.Parameter', 'nn.parameter'],
    samples: [{ name: 'of one’s own', make: () => new Net(), torch: net, inputs: [real([5, 2])], promotes: true, skip: { 'module memory': garbage } }],
    lacks: { empty: 'a user’s module', one: 'a user’s module', ranks: 'a user’s module' },
    behaviour: {
      'an array of modules counts': () => {
        class Blocks extends nn.Module {
          blocks = [new nn.Linear(2, 2, { bias: false }), new nn.BatchNorm1d(2, { trackRunningStats: false })]
        }
        const names = Object.keys(new Blocks().stateDict()).join()
        if (names !== 'blocks.0.weight,blocks.1.weight,blocks.1.bias') throw new Error(names)
      },
      'modes, gradients wanted or not, and a visit to every module, the inner ones first': () => {
        const own = new Net()
        if (!own.modules().every((m) => m.training)) throw new Error('a fresh module trains')
        if (
          own
            .eval()
            .modules()
            .some((m) => m.training) ||
          !own
            .train()
            .modules()
            .every((m) => m.training)
        )
          throw new Error('the mode is that of all')
        if (
          own
            .requiresGrad_(false)
            .parameters()
            .some((p) => p.requiresGrad) ||
          own.parameters().length !== 5
        )
          throw new Error('requiresGrad_')
        const visited: string[] = []
        own.apply((m) => void visited.push(m.constructor.name))
        if (visited.join() !== 'Linear,Linear,Identity,Linear,ModuleList,Net') throw new Error(visited.join())
      },
      'a parameter shares its tensor’s memory, and copies what has gaps': async () => {
        const data = bms.tensor([
          [1, 2],
          [3, 4],
        ])
        const [p, q] = [new nn.Parameter(data), nn.parameter(data.t(), { requiresGrad: false })]
        data.zero_()
        const got = JSON.stringify([await p.toArray(), await q.toArray(), p.requiresGrad, q.requiresGrad, q.isContiguous])
        if (got !== '[[[0,0],[0,0]],[[1,3],[2,4]],true,false,true]') throw new Error(got)
      },
      'zeroGrad forgets the gradients': () => {
        const layer = new nn.Linear(2, 1)
        layer
          .forward(bms.ones([3, 2]))
          .sum()
          .backward()
        if (!layer.weight.grad) throw new Error('no gradient')
        layer.zeroGrad()
        if (layer.weight.grad || layer.bias!.grad) throw new Error('still there')
      },
    },
    errors: [
      [() => new nn.Module().forward(), 'ARGUMENT', 'Module: this module has no forward()'],
      [() => new nn.Module().registerBuffer('x', 3 as never), 'ARGUMENT', 'registerBuffer: x must be a Tensor or null'],
      [() => new nn.Parameter(3 as never), 'ARGUMENT', 'Parameter: a Tensor is needed'],
    ],
  }),
]
