// Learning rate schedules, PyTorch's. They run on the host between steps and set the optimiser's learning rate, which is
// data on the device. Each is a formula of the step count and the initial rates, so that resuming needs only the count.
import { ArgumentError, BmsError, show } from '@bms/autograd'
import { checkCount, checkNames, checkNumber } from '../check.js'
import type { ParamGroup } from './group.js'

/** What a scheduler needs of an optimiser. */
export interface Schedulable {
  readonly groups: readonly Pick<ParamGroup, 'lr'>[]
}

export interface SchedulerState {
  /** Steps taken. */
  lastEpoch: number
  /** Initial learning rates of the groups. */
  baseLrs: number[]
}

/** Base of schedulers: `rate(t, base, group)` is the learning rate after `t` steps. Takes effect at construction, for t = 0. */
export abstract class LRScheduler {
  protected baseLrs: number[]
  lastEpoch = 0

  constructor(readonly optimizer: Schedulable) {
    if (!Array.isArray(optimizer?.groups)) throw new ArgumentError(new.target.name, 'the first argument must be an optimiser')
    this.baseLrs = optimizer.groups.map((g) => g.lr)
  }

  /** The learning rate after `t` steps of a group that started with `base`. */
  protected abstract rate(t: number, base: number, group: number): number

  protected apply(): void {
    this.optimizer.groups.forEach((g, i) => {
      g.lr = this.rate(this.lastEpoch, this.baseLrs[i]!, i)
    })
  }

  /** One step further (an epoch or an update, as you count). */
  step(): void {
    this.lastEpoch++
    this.apply()
  }

  /** The learning rates of the groups as they were set last. */
  getLastLr(): number[] {
    return this.optimizer.groups.map((g) => g.lr)
  }

  stateDict(): SchedulerState {
    return { lastEpoch: this.lastEpoch, baseLrs: [...this.baseLrs] }
  }

  /** Continues from a state: sets the learning rates it had. Throws a BmsError 'STATE_DICT' and changes nothing where it does not fit. */
  loadStateDict(state: SchedulerState): void {
    const { lastEpoch, baseLrs } = state ?? {}
    const isRate = (x: number): boolean => Number.isFinite(x) && x >= 0
    const good =
      Number.isSafeInteger(lastEpoch) && lastEpoch >= 0 && Array.isArray(baseLrs) && baseLrs.length === this.optimizer.groups.length && baseLrs.every(isRate)
    const refuse = (why: string): never => {
      throw new BmsError('STATE_DICT', `${this.constructor.name}.loadStateDict: ${why}`)
    }
    if (!good) refuse(`{ lastEpoch, baseLrs } with ${this.optimizer.groups.length} rates is needed, got ${show(state)}`)
    if (!baseLrs.every((base, i) => isRate(this.rate(lastEpoch, base, i)))) refuse(`step ${lastEpoch} has no rate`)
    this.lastEpoch = lastEpoch
    this.baseLrs = [...baseLrs]
    this.apply()
  }
}

/** base · lrLambda(t); a list of functions gives each group its own. */
export class LambdaLR extends LRScheduler {
  constructor(
    optimizer: Schedulable,
    readonly lrLambda: ((t: number) => number) | readonly ((t: number) => number)[],
  ) {
    super(optimizer)
    if (Array.isArray(lrLambda) && lrLambda.length !== optimizer.groups.length) {
      throw new ArgumentError('LambdaLR', `${lrLambda.length} functions for ${optimizer.groups.length} groups`)
    }
    this.apply()
  }

  protected rate(t: number, base: number, group: number): number {
    const f = typeof this.lrLambda === 'function' ? this.lrLambda : this.lrLambda[group]!
    return base * f(t)
  }
}

/** base · gamma^⌊t / stepSize⌋; gamma 0.1 by default. */
export class StepLR extends LRScheduler {
  readonly gamma: number

  constructor(
    optimizer: Schedulable,
    readonly stepSize: number,
    options: { gamma?: number } = {},
  ) {
    super(optimizer)
    checkCount('StepLR', 'stepSize', stepSize)
    checkNames('StepLR', options, ['gamma'])
    this.gamma = checkNumber('StepLR', 'gamma', options.gamma ?? 0.1, { min: 0 })
    this.apply()
  }

  protected rate(t: number, base: number): number {
    return base * this.gamma ** Math.floor(t / this.stepSize)
  }
}

/** base · gamma^(milestones passed); gamma 0.1 by default. */
export class MultiStepLR extends LRScheduler {
  readonly gamma: number

  constructor(
    optimizer: Schedulable,
    readonly milestones: readonly number[],
    options: { gamma?: number } = {},
  ) {
    super(optimizer)
    for (const m of milestones) checkCount('MultiStepLR', 'milestones', m, 0)
    checkNames('MultiStepLR', options, ['gamma'])
    this.gamma = checkNumber('MultiStepLR', 'gamma', options.gamma ?? 0.1, { min: 0 })
    this.apply()
  }

  protected rate(t: number, base: number): number {
    return base * this.gamma ** this.milestones.filter((m) => m <= t).length
  }
}

/** base · gamma^t. */
export class ExponentialLR extends LRScheduler {
  constructor(
    optimizer: Schedulable,
    readonly gamma: number,
  ) {
    super(optimizer)
    checkNumber('ExponentialLR', 'gamma', gamma, { min: 0 })
    this.apply()
  }

  protected rate(t: number, base: number): number {
    return base * this.gamma ** t
  }
}

/** Half a cosine wave from base to etaMin (default 0) in tMax steps, and back in the next tMax. */
export class CosineAnnealingLR extends LRScheduler {
  readonly etaMin: number

  constructor(
    optimizer: Schedulable,
    readonly tMax: number,
    options: { etaMin?: number } = {},
  ) {
    super(optimizer)
    checkCount('CosineAnnealingLR', 'tMax', tMax)
    checkNames('CosineAnnealingLR', options, ['etaMin'])
    this.etaMin = checkNumber('CosineAnnealingLR', 'etaMin', options.etaMin ?? 0, { min: 0 })
    this.apply()
  }

  protected rate(t: number, base: number): number {
    return this.etaMin + ((base - this.etaMin) * (1 + Math.cos((Math.PI * t) / this.tMax))) / 2
  }
}

/** base · factor, the factor going evenly from startFactor (default 1/3) to endFactor (default 1) in totalIters (default 5) steps. */
export class LinearLR extends LRScheduler {
  readonly startFactor: number
  readonly endFactor: number
  readonly totalIters: number

  constructor(optimizer: Schedulable, options: { startFactor?: number; endFactor?: number; totalIters?: number } = {}) {
    super(optimizer)
    checkNames('LinearLR', options, ['startFactor', 'endFactor', 'totalIters'])
    this.startFactor = checkNumber('LinearLR', 'startFactor', options.startFactor ?? 1 / 3, { min: 0, max: 1 })
    this.endFactor = checkNumber('LinearLR', 'endFactor', options.endFactor ?? 1, { min: 0, max: 1 })
    this.totalIters = checkCount('LinearLR', 'totalIters', options.totalIters ?? 5)
    this.apply()
  }

  protected rate(t: number, base: number): number {
    const { startFactor, endFactor, totalIters } = this
    return base * (startFactor + ((endFactor - startFactor) * Math.min(totalIters, t)) / totalIters)
  }
}

export interface OneCycleOptions {
  /** Steps in all. */
  totalSteps: number
  /** Share of them that goes up; default 0.3. */
  pctStart?: number
  /** Default cos. */
  annealStrategy?: 'cos' | 'linear'
  /** maxLr over the first rate; default 25. */
  divFactor?: number
  /** First rate over the last; default 1e4. */
  finalDivFactor?: number
}

/** Up from maxLr / divFactor to maxLr, then down to a rate finalDivFactor times smaller than the first. Does not cycle momentum. */
export class OneCycleLR extends LRScheduler {
  private readonly o: Required<OneCycleOptions>

  constructor(
    optimizer: Schedulable,
    readonly maxLr: number,
    options: OneCycleOptions,
  ) {
    super(optimizer)
    checkNumber('OneCycleLR', 'maxLr', maxLr, { min: 0 })
    checkNames('OneCycleLR', options, ['totalSteps', 'pctStart', 'annealStrategy', 'divFactor', 'finalDivFactor'])
    this.o = {
      totalSteps: checkCount('OneCycleLR', 'totalSteps', options?.totalSteps),
      pctStart: checkNumber('OneCycleLR', 'pctStart', options.pctStart ?? 0.3, { min: 0, max: 1 }),
      annealStrategy: options.annealStrategy ?? 'cos',
      divFactor: checkNumber('OneCycleLR', 'divFactor', options.divFactor ?? 25, { min: 0, open: 'min' }),
      finalDivFactor: checkNumber('OneCycleLR', 'finalDivFactor', options.finalDivFactor ?? 1e4, { min: 0, open: 'min' }),
    }
    if (this.o.annealStrategy !== 'cos' && this.o.annealStrategy !== 'linear') {
      throw new ArgumentError('OneCycleLR', `annealStrategy must be cos or linear, got ${JSON.stringify(this.o.annealStrategy)}`, { option: 'annealStrategy' })
    }
    this.apply()
  }

  protected rate(t: number): number {
    const { totalSteps, pctStart, annealStrategy, divFactor, finalDivFactor } = this.o
    if (t > totalSteps) throw new ArgumentError('OneCycleLR', `step ${t} is beyond the ${totalSteps} steps of the cycle`, { step: t, totalSteps })
    const anneal = (from: number, to: number, share: number): number =>
      annealStrategy === 'cos' ? to + ((from - to) / 2) * (Math.cos(Math.PI * share) + 1) : (to - from) * share + from
    const peak = pctStart * totalSteps - 1
    const first = this.maxLr / divFactor
    if (t <= peak) return anneal(first, this.maxLr, t / peak)
    return anneal(this.maxLr, first / finalDivFactor, (t - peak) / (totalSteps - 1 - peak))
  }
}
