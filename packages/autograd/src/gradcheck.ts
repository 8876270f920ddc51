// Compares gradients with finite differences: the test that every rule must pass, and users' own functions too.
import { BmsError, formatShape, randn, type Tensor, tensor } from '@bms/tensor'
import { grad } from './engine.js'
import { enableGrad, noGrad } from './mode.js'

export interface GradcheckOptions {
  /** Step of the central differences. Default 1e-2: values are f32, so smaller steps drown in rounding. */
  eps?: number
  /** Allowed difference: atol + rtol · |numeric|. Defaults 1e-2 and 1e-2. */
  atol?: number
  rtol?: number
}

type Fn = (...inputs: Tensor[]) => Tensor | Tensor[]

const list = (t: Tensor | readonly Tensor[]): readonly Tensor[] => (Array.isArray(t) ? t : [t as Tensor])

/** Σ out · weights over all outputs, in double precision on the host. */
async function weighted(fn: Fn, inputs: Tensor[], weights: readonly Float32Array[]): Promise<number> {
  const outs = list(noGrad(() => fn(...inputs)))
  let total = 0
  for (const [k, out] of outs.entries()) {
    const values = await out.data()
    const w = weights[k]!
    for (let i = 0; i < w.length; i++) total += values[i]! * w[i]!
  }
  return total
}

/**
 * Checks the gradients of `fn` at `inputs` (f32, those with requiresGrad) against central differences, the outputs weighted by random numbers.
 * Resolves to true, or throws a BmsError that names the input, the element and both numbers.
 */
export async function gradcheck(fn: Fn, inputs: readonly Tensor[], options: GradcheckOptions = {}): Promise<true> {
  const { eps = 1e-2, atol = 1e-2, rtol = 1e-2 } = options
  const outs = list(enableGrad(() => fn(...inputs)))
  const weightTensors = outs.map((o) => noGrad(() => randn(o.shape, { device: o.device })))
  const weights = await Promise.all(weightTensors.map(async (w) => (await w.data()) as Float32Array))
  const checked = inputs.filter((t) => t.requiresGrad)
  const differentiable = outs.map((o, k) => ({ o, w: weightTensors[k]! })).filter(({ o }) => o.requiresGrad)
  const gradients = grad(
    differentiable.map(({ o }) => o),
    checked,
    { gradOutputs: differentiable.map(({ w }) => w), allowUnused: true },
  ) as (Tensor | null)[]
  for (const [n, x] of checked.entries()) {
    const values = Float32Array.from(await x.data())
    const analytic = gradients[n] ? await gradients[n]!.data() : new Float32Array(values.length)
    const at = inputs.indexOf(x)
    for (let i = 0; i < values.length; i++) {
      const side = async (sign: number): Promise<{ x: number; y: number }> => {
        const moved = Float32Array.from(values)
        moved[i] = values[i]! + sign * eps
        const other = tensor(moved, { shape: x.shape, device: x.device })
        const y = await weighted(
          fn,
          inputs.map((t, k) => (k === at ? other : t)),
          weights.map((w, k) => (outs[k]!.requiresGrad ? w : new Float32Array(w.length))),
        )
        other.dispose()
        return { x: moved[i]!, y }
      }
      const [low, high] = [await side(-1), await side(1)]
      const numeric = (high.y - low.y) / (high.x - low.x)
      const difference = Math.abs(numeric - analytic[i]!)
      if (!(difference <= atol + rtol * Math.abs(numeric))) {
        throw new BmsError(
          'GRADCHECK',
          `gradcheck: input ${at + 1} ${formatShape(x.shape)}, element ${i}: the gradient is ${analytic[i]}, finite differences give ${numeric} (difference ${difference}, allowed ${atol + rtol * Math.abs(numeric)})`,
          { input: at, element: i, analytic: analytic[i], numeric },
        )
      }
    }
  }
  return true
}

/** The same for second derivatives: checks the gradient of the gradient. */
export async function gradgradcheck(fn: Fn, inputs: readonly Tensor[], options: GradcheckOptions = {}): Promise<true> {
  const outs = list(enableGrad(() => fn(...inputs)))
  const seeds = outs.filter((o) => o.requiresGrad).map((o) => noGrad(() => randn(o.shape, { device: o.device })).requiresGrad_())
  const wanted = inputs.map((t, i) => (t.requiresGrad ? i : -1)).filter((i) => i >= 0)
  const first: Fn = (...all) => {
    const args = all.slice(0, inputs.length)
    return enableGrad(() => {
      const tracked = args.map((t, i) => (wanted.includes(i) && !t.requiresGrad ? t.view(t.layout).requiresGrad_() : t))
      const results = list(fn(...tracked)).filter((o) => o.requiresGrad)
      const gs = grad(
        results,
        wanted.map((i) => tracked[i]!),
        { gradOutputs: all.slice(inputs.length), createGraph: true, allowUnused: true },
      ) as (Tensor | null)[]
      return gs.map((g, k) => g ?? tracked[wanted[k]!]!.mul(0))
    })
  }
  return gradcheck(first, [...inputs, ...seeds], options)
}
