// Moving averages of parameters, against float64: PyTorch's AveragedModel takes the formula from its user, so there is nothing of its own to compare with.
import * as bms from '@bms/nn'
import { nn, optim } from '@bms/nn'
import { same } from '../compare.js'
import { cases } from '../cases.js'
import { dense, make, real } from '../values.js'

/** More than six tensors, which is what a dispatch takes; a number, nothing, large ones. */
const shapes = [[3, 4], [5], [], [2, 1, 3], [0], [7], [65], [1], [4, 4]]
const passes = Array.from({ length: 12 }, (_, t) =>
  make(
    'EMA',
    shapes.map((s) => real(s)),
    t,
  ),
)

const parameters = (): nn.Parameter[] => passes[0]!.map((x) => nn.parameter(dense(x)))
const become = (params: readonly nn.Parameter[], t: number): void => bms.noGrad(() => params.forEach((p, i) => void p.copy_(dense(passes[t]![i]!))))

/** The averages after the passes, `decay(t)` at the t-th update. */
const reference = (decay: (t: number) => number) =>
  shapes.map((shape, i) => ({
    shape,
    data: passes[0]![i]!.data.map((first, j) => passes.slice(1).reduce((a, pass, t) => decay(t) * a + (1 - decay(t)) * pass[i]!.data[j]!, first)),
  }))

async function sameAverages(ema: optim.EMA, expected: ReturnType<typeof reference>): Promise<void> {
  for (const [i, e] of expected.entries()) await same(`EMA: average ${i}`, ema.params[i]!, e)
}

const average = async (options: optim.EMAOptions, decay: (t: number) => number): Promise<void> => {
  const params = parameters()
  const ema = new optim.EMA(params, options)
  for (let t = 1; t < passes.length; t++) {
    become(params, t)
    ema.update()
  }
  await sameAverages(ema, reference(decay))
}

const layer = (): nn.Linear => new nn.Linear(3, 2)
const bits = async (module: nn.Module): Promise<string> => String(await Promise.all(module.parameters().map((p) => p.data())))

export const emaRows = [
  cases('EMA', 'optimizers', {
    covers: ['optim.EMA'],
    cases: {
      'a decay': () => average({ decay: 0.7 }, () => 0.7),
      'the usual decay': () => average({}, () => 0.999),
      'a decay that warms up': () => average({ decay: 0.4, warmup: true }, (t) => Math.min(0.4, (1 + t) / (10 + t))),
      'compiled, with a decay that changes between replays': async () => {
        for (const warmup of [false, true]) {
          const params = parameters()
          const ema = new optim.EMA(params, { decay: 0.9, warmup })
          const step = bms.compile(() => {
            ema.update()
            return params[0]!.add(0)
          })
          const decay = (t: number): number => 0.05 + 0.07 * t
          for (let t = 1; t < passes.length; t++) {
            become(params, t)
            ema.decay = decay(t - 1)
            step()
          }
          await sameAverages(
            ema,
            reference((t) => (warmup ? Math.min(decay(t), (1 + t) / (10 + t)) : decay(t))),
          )
          step.dispose()
        }
      },
      'copied to another module, and applied for a while': async () => {
        const [source, twin] = [layer(), layer()]
        const ema = new optim.EMA(source, { decay: 0.5 })
        const before = await bits(source)
        bms.noGrad(() => source.parameters().forEach((p) => void p.copy_(p.add(1))))
        ema.update()
        const now = await bits(source)
        ema.copyTo(twin)
        const averages = await bits(twin)
        if (averages === now || averages === before) throw new Error('no average')
        if ((await ema.applied(source, () => bits(source))) !== averages || (await bits(source)) !== now) throw new Error('applied')
        const fail = (): never => {
          throw new Error('on purpose')
        }
        for (const fn of [fail, async () => fail()]) {
          const error = await (async () => ema.applied(source, fn))().catch((e: Error) => e)
          if ((error as Error).message !== 'on purpose' || (await bits(source)) !== now) throw new Error('not put back')
        }
      },
      'a checkpoint with the parameters’ names and the count of updates': async () => {
        const [source, twin] = [layer(), layer()]
        const [ema, other] = [source, twin].map((m) => new optim.EMA(m, { warmup: true })) as [optim.EMA, optim.EMA]
        for (let i = 0; i < 3; i++) ema.update()
        other.loadStateDict(bms.loadSafetensors(await bms.saveSafetensors(ema.stateDict())))
        bms.noGrad(() => [source, twin].forEach((m) => m.parameters().forEach((p) => void p.fill_(4))))
        for (const e of [ema, other]) e.update()
        const [a, b] = await Promise.all(
          [ema, other].map(async (e) => JSON.stringify(await Promise.all(Object.entries(e.stateDict()).map(async ([n, t]) => [n, ...(await t.data())])))),
        )
        if (a !== b) throw new Error(`${a}\n${b}`)
        if (Object.keys(ema.stateDict()).join() !== 'weight,bias,num_updates' || (await ema.stateDict()['num_updates']!.item()) !== 4) throw new Error(a)
      },
      'updates take no memory': () => {
        const ema = new optim.EMA(parameters(), { warmup: true })
        const { device } = ema.params[0]!
        ema.update()
        const before = device.memory().storages
        for (let i = 0; i < 5; i++) ema.update()
        if (device.memory().storages > before) throw new Error('storages are left behind')
      },
    },
    errors: [
      [() => new optim.EMA([]), 'ARGUMENT', 'EMA: there are no parameters'],
      [() => new optim.EMA(layer(), { decay: 1.1 }), 'ARGUMENT', 'EMA: decay must be a finite number ≥ 0 and ≤ 1, got 1.1'],
      [() => new optim.EMA(layer(), { warmup: 1 as never }), 'ARGUMENT', 'EMA: warmup must be true or false, got 1'],
      [() => new optim.EMA([3 as never]), 'ARGUMENT', 'EMA: parameter 0 is no Tensor'],
      [() => new optim.EMA([bms.zeros([2], { dtype: 'i32' })]), 'DTYPE', 'EMA: parameter 0 must be f32 without gaps, it is i32'],
      [() => new optim.EMA(layer()).copyTo(new nn.Linear(2, 3)), 'ARGUMENT', 'EMA.copyTo: the target has other parameters than those that are averaged'],
      [
        () => bms.compile(() => new optim.EMA(layer()).applied(layer(), () => bms.zeros([1])))(),
        'RECORDING',
        'EMA.applied: inside compile() this would happen once, when the step is recorded, and never again; do it between the steps',
      ],
    ],
  }),
]
