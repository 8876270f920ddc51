// Spectral normalisation: divides a weight by its largest singular value, estimated by power iterations whose vectors
// live on from step to step. One kernel for matrices that a workgroup can walk; the same formulas in plain ops are the
// test's oracle, the way for larger weights, and what second derivatives go through.
import {
  ArgumentError,
  customFunction,
  empty,
  isGradEnabled,
  KernelCall,
  noGrad,
  normalDim,
  randn,
  type Tensor,
  spectralNormBackwardKernel,
  spectralNormNormaliseKernel,
} from '@bms/autograd'
import { checkCount, checkNames, checkNumber } from '../check.js'
import { lasting } from '../state.js'
import { Module } from './module.js'
import { Parameter } from './parameter.js'

export interface SpectralNormOptions {
  /** The parameter to normalise; default 'weight'. */
  name?: string
  /** Power iterations in each training forward; default 1. */
  nPowerIterations?: number
  /** Lower bound of norms that are divided by; default 1e-12. */
  eps?: number
  /** The dim that makes the rows of the matrix; default 0, and 1 of a transposed convolution, whose outputs that dim counts. */
  dim?: number
}

/** The matrix of a weight: (outer, rows, inner) row-major, `columns` = outer·inner. */
interface Shape {
  outer: number
  rows: number
  inner: number
  columns: number
}

/** A workgroup walks the matrix: spectral_norm.wgsl keeps vectors of at most this length. */
const MOST = 1024
const MOST_ELEMENTS = 128 * 1024

function shapeOf(weight: Tensor, dim: number): Shape {
  const product = (list: readonly number[]): number => list.reduce((a, b) => a * b, 1)
  const outer = product(weight.shape.slice(0, dim))
  const inner = product(weight.shape.slice(dim + 1))
  return { outer, rows: weight.shape[dim]!, inner, columns: outer * inner }
}

const normalised = (x: Tensor, eps: number): Tensor => x.div(x.norm().clamp(eps))

/** u and v as they stand beside the weight. */
const beside = (s: Shape, u: Tensor, v: Tensor): [Tensor, Tensor] => [u.reshape([1, s.rows, 1]), v.reshape([s.outer, 1, s.inner])]

/** weight / sigma in plain ops; `u` and `v` take `iterations` steps in place first. Differentiable in the weight, u and v being constants. */
export function spectralNormPlain(weight: Tensor, u: Tensor, v: Tensor, options: { dim?: number; eps?: number; iterations?: number } = {}): Tensor {
  const { dim = 0, eps = 1e-12, iterations = 1 } = options
  const s = shapeOf(weight, dim)
  noGrad(() => {
    const w = weight.detach().reshape([s.outer, s.rows, s.inner])
    for (let i = 0; i < iterations; i++) {
      u.copy_(normalised(w.mul(beside(s, u, v)[1]).sum([0, 2]), eps))
      v.copy_(normalised(w.mul(beside(s, u, v)[0]).sum([1]), eps).reshape([s.columns]))
    }
  })
  const [left, right] = noGrad(() => (iterations > 0 ? [u.clone(), v.clone()] : [u, v]))
  return weight.div(sigmaOf(weight, s, left!, right!))
}

/** uᵀWv, differentiable in the weight. */
function sigmaOf(weight: Tensor, s: Shape, u: Tensor, v: Tensor): Tensor {
  const [left, right] = beside(s, u, v)
  return weight.reshape([s.outer, s.rows, s.inner]).mul(left).mul(right).sum()
}

/** The parametrisation: holds u and v, and computes the weight from the original. */
export class SpectralNorm extends Module {
  declare _u: Tensor
  declare _v: Tensor
  private readonly shape: Readonly<Shape>
  private readonly normalise: (weight: Tensor) => Tensor

  constructor(
    weight: Tensor,
    readonly nPowerIterations: number,
    readonly eps: number,
    readonly dim: number,
  ) {
    super()
    const s = shapeOf(weight, dim)
    this.shape = s
    const { device } = weight
    // Of random length: the iterations below normalise them.
    this.registerBuffer(
      '_u',
      lasting(() => randn([s.rows], { device }), device),
    )
    this.registerBuffer(
      '_v',
      lasting(() => randn([s.columns], { device }), device),
    )
    this.normalise = customFunction<[Tensor]>({
      name: 'spectralNorm',
      forward: (ctx, w) => {
        const [out, saved] = this.launch(w, this.training ? this.nPowerIterations : 0)
        ctx.save(w, saved)
        return out
      },
      backward: (ctx, g) => [this.gradient(ctx.saved() as [Tensor, Tensor], g!)],
    })
    device.stream.outsideRecording(() => noGrad(() => this.iterate(weight, 15)))
  }

  private get fused(): boolean {
    const { rows, columns } = this.shape
    return rows <= MOST && columns <= MOST && rows * columns <= MOST_ELEMENTS
  }

  private iterate(weight: Tensor, iterations: number): void {
    const made = this.fused ? this.launch(weight, iterations) : [spectralNormPlain(weight, this._u, this._v, { dim: this.dim, eps: this.eps, iterations })]
    for (const t of made) t.dispose()
  }

  /** weight / sigma, and [u, v, sigma] as they were used. */
  private launch(weight: Tensor, iterations: number): [Tensor, Tensor] {
    const { device } = weight
    const { rows, columns, inner } = this.shape
    const out = empty('spectralNorm', device, weight.shape, 'f32')
    const saved = empty('spectralNorm', device, [rows + columns + 1], 'f32')
    const dense = weight.contiguous()
    const common = {
      op: 'spectralNorm',
      buffers: { w: dense, u: this._u, v: this._v, normal: out, saved },
      params: { rows, columns, inner, iterations, eps: this.eps },
      grid: [1, 1, 1] as const,
      kernel: spectralNormNormaliseKernel,
      flops: (4 * iterations + 3) * rows * columns,
    }
    // Without iterations u and v are only read: such calls are the same as long as nothing changed.
    if (iterations > 0) device.stream.run(new KernelCall({ ...common, updates: ['u', 'v'] }))
    else device.stream.run(new KernelCall({ ...common, writes: ['normal', 'saved'] }))
    if (dense !== weight) dense.dispose()
    return [out, saved]
  }

  /** The weight's gradient from that of weight / sigma: (g - <g, weight / sigma> u vᵀ) / sigma. */
  private gradient([weight, saved]: [Tensor, Tensor], g: Tensor): Tensor {
    const { rows, columns, inner } = this.shape
    if (isGradEnabled()) {
      const [u, v] = noGrad(() => [saved.narrow(0, 0, rows), saved.narrow(0, rows, columns)])
      const sigma = sigmaOf(weight, this.shape, u!, v!)
      const [left, right] = beside(this.shape, u!, v!)
      const along = g.mul(weight).sum().div(sigma)
      return g.sub(along.mul(left.mul(right).reshape(weight.shape))).div(sigma)
    }
    const { device } = weight
    const dw = empty('spectralNorm', device, weight.shape, 'f32')
    const [w, dense] = [weight.contiguous(), g.contiguous()]
    device.stream.run(
      new KernelCall({
        op: 'spectralNormGrad',
        kernel: spectralNormBackwardKernel,
        buffers: { w, saved, g: dense, dw },
        params: { rows, columns, inner, iterations: 0, eps: this.eps },
        grid: [1, 1, 1],
        writes: ['dw'],
        flops: 5 * rows * columns,
      }),
    )
    if (w !== weight) w.dispose()
    if (dense !== g) dense.dispose()
    return dw
  }

  override forward(weight: Tensor): Tensor {
    if (this.fused) return this.normalise(weight)
    return spectralNormPlain(weight, this._u, this._v, { dim: this.dim, eps: this.eps, iterations: this.training ? this.nPowerIterations : 0 })
  }
}

/** What stands under `parametrizations.<name>`: the original parameter, and the steps that make the used one of it, named '0', '1', …. */
class ParametrizationList extends Module {
  readonly [step: number]: Module
  original: Parameter

  constructor(original: Parameter, step: Module) {
    super()
    this.original = original
    ;(this as unknown as Record<string, Module>)['0'] = step
  }
}

class Parametrizations extends Module {}

/**
 * Makes `module[name]` its weight divided by the largest singular value (a Lipschitz constant of 1 for linear maps), as
 * torch.nn.utils.parametrizations.spectral_norm does, with its names in the state dict. Each use in training mode takes power iterations on
 * persistent vectors u and v; gradients flow through sigma. The weight needs at least 2 dims. Returns the module.
 */
export function spectralNorm<M extends Module>(module: M, options: SpectralNormOptions = {}): M {
  checkNames('spectralNorm', options, ['name', 'nPowerIterations', 'eps', 'dim'])
  const { name = 'weight', nPowerIterations = 1, eps = 1e-12 } = options
  const slots = module as unknown as Record<string, unknown>
  const original = slots[name]
  const own = (slots['parametrizations'] ?? new Parametrizations()) as Parametrizations & Record<string, Module>
  if (own[name]) throw new ArgumentError('spectralNorm', `${module.constructor.name}.${name} is already parametrised`, { name })
  if (!(original instanceof Parameter)) throw new ArgumentError('spectralNorm', `${module.constructor.name} has no parameter ${JSON.stringify(name)}`, { name })
  checkCount('spectralNorm', 'nPowerIterations', nPowerIterations)
  checkNumber('spectralNorm', 'eps', eps, { min: 0 })
  if (original.ndim < 2) throw new ArgumentError('spectralNorm', `${name} has ${original.ndim} dims, at least 2 are needed`, { name, shape: original.shape })
  const { dim = (module as { outDim?: number }).outDim ?? 0 } = options
  const step = new SpectralNorm(original, nPowerIterations, eps, normalDim('spectralNorm', dim, original.ndim))
  step.training = module.training
  delete slots[name]
  const list = new ParametrizationList(original, step)
  own[name] = list
  slots['parametrizations'] = own
  Object.defineProperty(module, name, { configurable: true, enumerable: false, get: () => step.forward(list.original) })
  return module
}
