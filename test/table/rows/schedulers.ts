// Learning rate schedules: the rates of two groups, exact, also when continued from a state.
import { nn, optim, zeros } from '@bms/nn'
import { type Asked, cases } from '../cases.js'
import type { ErrorCase } from '../errors.js'

const rates = [0.1, 0.02]
const makeOptimizer = (): optim.SGD => new optim.SGD(rates.map((lr) => ({ params: [nn.parameter(zeros([1]))], lr })))
/** Both sides work in double precision; some of PyTorch's schedules go from rate to rate, which rounds more often. */
const TOLERANCE = 1e-12

/** The rates of `steps` steps, halfway through which a new schedule takes over. */
const schedule = (make: (o: optim.Schedulable) => optim.LRScheduler, torch: string, steps = 20): Asked => ({
  spec: { torch: `schedulers.${torch}`, rates, steps },
  run(golden) {
    const { data } = golden.get('rates')!
    let current = make(makeOptimizer())
    for (let t = 0; t <= steps; t++) {
      if (t > 0) current.step()
      if (t === steps >> 1) {
        const next = make(makeOptimizer())
        next.loadStateDict(JSON.parse(JSON.stringify(current.stateDict())))
        current = next
      }
      const set = current.optimizer.groups.map((g) => g.lr)
      for (const [i, lr] of current.getLastLr().entries()) {
        const expected = data[t * rates.length + i]!
        if (!(Math.abs(lr - expected) <= TOLERANCE * expected + 1e-18) || set[i] !== lr)
          throw new Error(`${torch}: group ${i} after ${t} steps: ${lr}, set ${set[i]}, expected ${expected}`)
      }
    }
  },
})

const row = (name: string, samples: Asked[], errors: ErrorCase[] | string) =>
  cases(name, 'schedulers', { covers: [`optim.${name}`], cases: Object.fromEntries(samples.map((s) => [s.spec.torch.replace('schedulers.', ''), s])), errors })

const one = (): optim.SGD => new optim.SGD([nn.parameter(zeros([1]))])

export const schedulerRows = [
  row(
    'LambdaLR',
    [
      schedule((o) => new optim.LambdaLR(o, (t) => 1 / (1 + t)), 'LambdaLR(opt, lambda t: 1 / (1 + t))'),
      schedule((o) => new optim.LambdaLR(o, [(t) => 1 + t, (t) => 0.5 ** t]), 'LambdaLR(opt, [lambda t: 1 + t, lambda t: 0.5 ** t])'),
    ],
    [[() => new optim.LambdaLR(one(), [() => 1, () => 2]), 'ARGUMENT', 'LambdaLR: 2 functions for 1 groups']],
  ),
  row(
    'StepLR',
    [schedule((o) => new optim.StepLR(o, 3, { gamma: 0.5 }), 'StepLR(opt, 3, gamma=0.5)'), schedule((o) => new optim.StepLR(o, 7), 'StepLR(opt, 7)')],
    [
      [() => new optim.StepLR(one(), 0), 'ARGUMENT', 'StepLR: stepSize must be a whole number ≥ 1, got 0'],
      [() => new optim.StepLR(one(), 2, { Gamma: 1 } as never), 'ARGUMENT', 'StepLR: unknown option "Gamma"; known: gamma'],
      [() => new optim.StepLR({} as never, 2), 'ARGUMENT', 'StepLR: the first argument must be an optimiser'],
    ],
  ),
  row(
    'MultiStepLR',
    [
      schedule((o) => new optim.MultiStepLR(o, [2, 5, 5, 8]), 'MultiStepLR(opt, [2, 5, 5, 8])'),
      schedule((o) => new optim.MultiStepLR(o, [8, 3], { gamma: 0.7 }), 'MultiStepLR(opt, [8, 3], gamma=0.7)'),
    ],
    [[() => new optim.MultiStepLR(one(), [-1]), 'ARGUMENT', 'MultiStepLR: milestones must be a whole number ≥ 0, got -1']],
  ),
  row(
    'ExponentialLR',
    [schedule((o) => new optim.ExponentialLR(o, 0.9), 'ExponentialLR(opt, 0.9)')],
    [[() => new optim.ExponentialLR(one(), Number.NaN), 'ARGUMENT', 'ExponentialLR: gamma must be a finite number ≥ 0, got NaN']],
  ),
  row(
    'CosineAnnealingLR',
    [
      schedule((o) => new optim.CosineAnnealingLR(o, 8, { etaMin: 0.001 }), 'CosineAnnealingLR(opt, 8, eta_min=0.001)'),
      schedule((o) => new optim.CosineAnnealingLR(o, 20), 'CosineAnnealingLR(opt, 20)'),
    ],
    [[() => new optim.CosineAnnealingLR(one(), 1.5), 'ARGUMENT', 'CosineAnnealingLR: tMax must be a whole number ≥ 1, got 1.5']],
  ),
  row(
    'LinearLR',
    [
      schedule((o) => new optim.LinearLR(o), 'LinearLR(opt)'),
      schedule(
        (o) => new optim.LinearLR(o, { startFactor: 0.25, endFactor: 0.75, totalIters: 6 }),
        'LinearLR(opt, start_factor=0.25, end_factor=0.75, total_iters=6)',
      ),
    ],
    [[() => new optim.LinearLR(one(), { startFactor: 2 }), 'ARGUMENT', 'LinearLR: startFactor must be a finite number ≥ 0 and ≤ 1, got 2']],
  ),
  row(
    'OneCycleLR',
    [
      schedule((o) => new optim.OneCycleLR(o, 0.2, { totalSteps: 12 }), 'OneCycleLR(opt, 0.2, total_steps=12, cycle_momentum=False)', 11),
      schedule(
        (o) => new optim.OneCycleLR(o, 0.3, { totalSteps: 20, pctStart: 0.4, annealStrategy: 'linear', divFactor: 10, finalDivFactor: 100 }),
        "OneCycleLR(opt, 0.3, total_steps=20, pct_start=0.4, anneal_strategy='linear', div_factor=10, final_div_factor=100, cycle_momentum=False)",
        19,
      ),
    ],
    [
      [() => new optim.OneCycleLR(one(), 0.2, {} as never), 'ARGUMENT', 'OneCycleLR: totalSteps must be a whole number ≥ 1, got undefined'],
      [
        () => new optim.OneCycleLR(one(), 0.2, { totalSteps: 3, annealStrategy: 'cubic' as never }),
        'ARGUMENT',
        'OneCycleLR: annealStrategy must be cos or linear, got "cubic"',
      ],
      [
        () => {
          const schedule = new optim.OneCycleLR(one(), 0.2, { totalSteps: 2 })
          for (let i = 0; i < 3; i++) schedule.step()
        },
        'ARGUMENT',
        'OneCycleLR: step 3 is beyond the 2 steps of the cycle',
      ],
    ],
  ),
  cases('LRScheduler', 'schedulers', {
    covers: ['optim.LRScheduler'],
    cases: {
      'a schedule of one’s own': () => {
        class Halving extends optim.LRScheduler {
          constructor(o: optim.Schedulable) {
            super(o)
            this.apply()
          }

          protected rate(t: number, base: number): number {
            return base / 2 ** t
          }
        }
        const own = new Halving(one())
        own.step()
        own.step()
        if (own.lastEpoch !== 2 || own.getLastLr()[0] !== 1e-3 / 4) throw new Error(`${own.getLastLr()}`)
      },
    },
    errors: [
      [
        () => new optim.StepLR(one(), 2).loadStateDict({ lastEpoch: -1, baseLrs: [1] }),
        'STATE_DICT',
        'StepLR.loadStateDict: { lastEpoch, baseLrs } with 1 rates is needed, got {"lastEpoch":-1,"baseLrs":[1]}',
      ],
      [
        () => new optim.StepLR(one(), 2).loadStateDict(null as never),
        'STATE_DICT',
        'StepLR.loadStateDict: { lastEpoch, baseLrs } with 1 rates is needed, got null',
      ],
    ],
  }),
]
