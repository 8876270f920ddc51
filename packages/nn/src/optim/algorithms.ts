// The optimisers: their options, PyTorch's defaults and ranges, and what the kernels of optim.wgsl get of them.
import { ArgumentError, optimAdamKernel, optimRmspropKernel, optimSgdKernel } from '@bms/autograd'
import { checkFlag, checkNumber } from '../check.js'
import type { Algorithm } from './group.js'
import { Optimizer, type Params } from './optimizer.js'

/** Flags of optim.wgsl. */
const MAXIMIZE = 1
const DECOUPLED = 2
const NESTEROV = 4
const MOMENTUM = 8
const CENTERED = 16

const positive = { min: 0 }
/** In f32 on the device, where infinities have no place. */
const ln = (x: number): number => Math.max(Math.log(x), -1e4)

export interface SGDOptions {
  /** Learning rate, ≥ 0; default 1e-3. */
  lr: number
  /** Default 0: none. */
  momentum: number
  /** Of the gradient that enters the momentum; default 0. */
  dampening: number
  /** L2 penalty; default 0. */
  weightDecay: number
  /** Default false. */
  nesterov: boolean
  /** Go up instead of down; default false. */
  maximize: boolean
}

const sgd: Algorithm<SGDOptions> = {
  name: 'optim.SGD',
  kernel: optimSgdKernel,
  defaults: { lr: 1e-3, momentum: 0, dampening: 0, weightDecay: 0, nesterov: false, maximize: false },
  check(name, o) {
    checkNumber(name, 'lr', o.lr, positive)
    checkNumber(name, 'momentum', o.momentum, positive)
    checkNumber(name, 'dampening', o.dampening)
    checkNumber(name, 'weightDecay', o.weightDecay, positive)
    checkFlag(name, 'maximize', o.maximize)
    if (checkFlag(name, 'nesterov', o.nesterov) && (o.momentum <= 0 || o.dampening !== 0)) {
      throw new ArgumentError(name, `nesterov needs momentum > 0 and dampening 0, got momentum ${o.momentum} and dampening ${o.dampening}`, {
        option: 'nesterov',
        value: true,
      })
    }
  },
  moments: (o) => (o.momentum !== 0 ? ['momentum_buffer'] : []),
  counts: (o) => o.momentum !== 0 && o.dampening !== 0,
  flags: (o) => (o.maximize ? MAXIMIZE : 0) + (o.nesterov ? NESTEROV : 0) + (o.momentum !== 0 ? MOMENTUM : 0),
  numbers: (o) => [o.weightDecay, 0, o.momentum, 1 - o.dampening],
  options: ([lr, weightDecay, , momentum, rest]) => ({ lr, weightDecay, momentum, dampening: 1 - rest! }),
}

/** Stochastic gradient descent, with momentum, Nesterov's included. */
export class SGD extends Optimizer<SGDOptions> {
  constructor(params: Params<SGDOptions>, options?: Partial<SGDOptions>) {
    super(sgd, params, options)
  }
}

export interface AdamOptions {
  /** Learning rate, ≥ 0; default 1e-3. */
  lr: number
  /** Decay of the mean and of the mean square of gradients, in [0, 1); default [0.9, 0.999]. */
  betas: readonly [number, number]
  /** Added to the denominator; default 1e-8. */
  eps: number
  /** Adam: L2 penalty, default 0. AdamW: decay apart from the gradient, default 0.01. */
  weightDecay: number
  /** Go up instead of down; default false. */
  maximize: boolean
}

const adam = (name: string, weightDecay: number, decoupled: boolean): Algorithm<AdamOptions> => ({
  name,
  kernel: optimAdamKernel,
  defaults: { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay, maximize: false },
  check(op, o) {
    checkNumber(op, 'lr', o.lr, positive)
    if (!Array.isArray(o.betas) || o.betas.length !== 2)
      throw new ArgumentError(op, `betas must be two numbers [beta1, beta2], got ${String(o.betas)}`, { option: 'betas', value: o.betas })
    for (const i of [0, 1]) checkNumber(op, `betas[${i}]`, o.betas[i], { min: 0, max: 1, open: 'max' })
    checkNumber(op, 'eps', o.eps, positive)
    checkNumber(op, 'weightDecay', o.weightDecay, positive)
    checkFlag(op, 'maximize', o.maximize)
  },
  moments: () => ['exp_avg', 'exp_avg_sq'],
  counts: () => true,
  flags: (o) => (o.maximize ? MAXIMIZE : 0) + (decoupled ? DECOUPLED : 0),
  numbers: ({ weightDecay: decay, eps, betas: [b1, b2] }) => [decay, eps, b1, 1 - b1, b2, 1 - b2, ln(b1), ln(b2)],
  options: ([lr, weightDecay, eps, b1, , b2]) => ({ lr, weightDecay, eps, betas: [b1!, b2!] }),
})

/** Adam (Kingma & Ba 2015), weight decay as an L2 penalty. */
export class Adam extends Optimizer<AdamOptions> {
  constructor(params: Params<AdamOptions>, options?: Partial<AdamOptions>) {
    super(adam('optim.Adam', 0, false), params, options)
  }
}

/** Adam with decoupled weight decay (Loshchilov & Hutter 2019). */
export class AdamW extends Optimizer<AdamOptions> {
  constructor(params: Params<AdamOptions>, options?: Partial<AdamOptions>) {
    super(adam('optim.AdamW', 0.01, true), params, options)
  }
}

export interface RMSpropOptions {
  /** Learning rate, ≥ 0; default 0.01. */
  lr: number
  /** Decay of the mean square, in [0, 1]; default 0.99. */
  alpha: number
  /** Added to the denominator; default 1e-8. */
  eps: number
  /** L2 penalty; default 0. */
  weightDecay: number
  /** Default 0: none. */
  momentum: number
  /** Divide by the standard deviation instead of the root mean square; default false. */
  centered: boolean
  /** Go up instead of down; default false. */
  maximize: boolean
}

const rmsprop: Algorithm<RMSpropOptions> = {
  name: 'optim.RMSprop',
  kernel: optimRmspropKernel,
  defaults: { lr: 0.01, alpha: 0.99, eps: 1e-8, weightDecay: 0, momentum: 0, centered: false, maximize: false },
  check(name, o) {
    checkNumber(name, 'lr', o.lr, positive)
    checkNumber(name, 'alpha', o.alpha, { min: 0, max: 1 })
    checkNumber(name, 'eps', o.eps, positive)
    checkNumber(name, 'weightDecay', o.weightDecay, positive)
    checkNumber(name, 'momentum', o.momentum, positive)
    checkFlag(name, 'centered', o.centered)
    checkFlag(name, 'maximize', o.maximize)
  },
  moments: (o) => ['square_avg', ...(o.centered ? ['grad_avg'] : []), ...(o.momentum !== 0 ? ['momentum_buffer'] : [])],
  counts: () => false,
  flags: (o) => (o.maximize ? MAXIMIZE : 0) + (o.centered ? CENTERED : 0) + (o.momentum !== 0 ? MOMENTUM : 0),
  numbers: (o) => [o.weightDecay, o.eps, o.alpha, 1 - o.alpha, o.momentum],
  options: ([lr, weightDecay, eps, alpha, , momentum]) => ({ lr, weightDecay, eps, alpha, momentum }),
}

/** RMSprop (Hinton), centered or not, with momentum or not. */
export class RMSprop extends Optimizer<RMSpropOptions> {
  constructor(params: Params<RMSpropOptions>, options?: Partial<RMSpropOptions>) {
    super(rmsprop, params, options)
  }
}
