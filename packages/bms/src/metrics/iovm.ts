// IoVM, the "inference via optimisation" measure of the paper (§4; Srivastava et al. 2017 after Metz et al. 2017): how closely a
// generator can be made to draw each test image. The paper does not say how it searches; here it is Adam on the code, from
// several random starts, with a step size that falls to nothing.
import { compile, currentDevice, grad, nn, noGrad, optim, tensor, type Tensor, tidy } from '@bms/nn'
import { BmsError, formatShape } from '@bms/tensor'
import { hostRandom } from '../data/random.js'
import type { ImageSource } from '../features/images.js'

/** A generator as it is asked here. */
export interface Generator {
  /** Put in evaluation mode for the time being: batch norms use their running statistics, power iterations rest. */
  readonly module: nn.Module
  /** Length of a code. */
  readonly latent: number
  /** Images in [-1, 1] of codes [n, latent]. Default: the module's forward. */
  generate?(codes: Tensor): Tensor
}

export interface IovmOptions {
  /** Steps of Adam. Default 500. */
  steps?: number
  /** Random starts for each image; the best counts. Default 3. */
  restarts?: number
  /** Adam's first learning rate, which falls to 0 along a cosine. Default 0.05. */
  lr?: number
  /** Of the starts. Default 0. An image's starts depend on this and its place only, and the first of many are the same as few. */
  seed?: number
  /** Images at once; `restarts` times as many codes are optimised together. Default 50. */
  chunk?: number
  /** Disjoint runs of images whose means give `std`. Default 3. */
  subsets?: number
  /** While it works: images done (parts of the current ones counted) and in all, and the current codes' mean error on [0, 1] images. */
  onProgress?: (done: number, n: number, error: number) => void
}

export interface IovmResult {
  /** Mean over test images of the smallest mean squared error of images in [0, 1]. Lower: the generator covers more of the data. */
  readonly mean: number
  /** Standard deviation of the means of disjoint subsets; NaN with one. */
  readonly std: number
  readonly n: number
  readonly subsets: number
  readonly steps: number
  readonly restarts: number
  readonly lr: number
  /** Of each image. */
  readonly perImage: Float64Array
  /** The code that came closest to each image, [n, latent]. */
  readonly codes: Float32Array
  /** What the generator makes of it, in [-1, 1], of the images' shape. */
  readonly matches: Float32Array
}

const defaults = { steps: 500, restarts: 3, lr: 0.05, seed: 0, chunk: 50, subsets: 3 }

/** Steps between looks at the error, which also keep the queue short. */
const LOOK = 25

function settings(options: IovmOptions, n: number): typeof defaults {
  const s = { ...defaults, ...Object.fromEntries(Object.entries(options).filter(([, v]) => v !== undefined)) }
  for (const name of ['steps', 'restarts', 'chunk', 'subsets'] as const) {
    if (!Number.isInteger(s[name]) || s[name] < 1)
      throw new BmsError('BAD_ARGUMENT', `IoVM: ${name}: got ${s[name]}, a whole number ≥ 1 is needed`, { option: name, got: s[name] })
  }
  if (!(Number.isFinite(s.lr) && s.lr > 0)) throw new BmsError('BAD_ARGUMENT', `IoVM: lr: got ${s.lr}, a number > 0 is needed`, { option: 'lr', got: s.lr })
  if (!Number.isInteger(n) || n < 1) throw new BmsError('BAD_ARGUMENT', `IoVM: got ${n} test images, at least one is needed`, { got: n })
  if (s.subsets > n)
    throw new BmsError('BAD_ARGUMENT', `IoVM: ${s.subsets} subsets of ${n} images; give at most as many subsets as images`, {
      option: 'subsets',
      got: s.subsets,
    })
  return s
}

/** Evaluation mode for a while, without gradients of the parameters; then everything as it was. */
async function atRest<R>(module: nn.Module, fn: () => Promise<R>): Promise<R> {
  const modes = module.modules().map((m) => [m, m.training] as const)
  const wanted = module.parameters().map((p) => [p, p.requiresGrad] as const)
  module.eval().requiresGrad_(false)
  try {
    return await fn()
  } finally {
    for (const [m, training] of modes) m.training = training
    for (const [p, requiresGrad] of wanted) p.requiresGrad = requiresGrad
  }
}

/** The starts of all images: of each, normal codes one after another, as many as are asked for. */
function starts(n: number, latent: number, seed: number): (image: number, restarts: number) => Float32Array {
  const stream = hostRandom(seed)
  const seeds = Array.from({ length: n }, () => stream.below(2 ** 32))
  return (image, restarts) => {
    const random = hostRandom(seeds[image]!)
    return Float32Array.from({ length: restarts * latent }, () => random.normal())
  }
}

/** Per-row mean squared error of images in [0, 1], of images in [-1, 1]. */
const errors = (made: Tensor, wanted: Tensor): Tensor => made.sub(wanted).mul(0.5).square().flatten(1).mean(1)

/** One chunk's codes, targets and step, used again for every chunk. */
class Search {
  readonly codes: nn.Parameter
  private readonly targets: Tensor
  private readonly optimiser: optim.Adam
  private readonly step: () => Tensor
  private readonly outcome: () => { errors: Tensor; images: Tensor }
  private readonly compiled: { dispose(): void }[]

  constructor(
    generate: (codes: Tensor) => Tensor,
    rows: number,
    latent: number,
    shape: readonly number[],
    private readonly lr: number,
  ) {
    this.codes = nn.parameter(tensor(new Float32Array(rows * latent), { shape: [rows, latent] }))
    this.targets = tensor(new Float32Array(rows * shape.reduce((a, b) => a * b, 1)), { shape: [rows, ...shape] })
    this.optimiser = new optim.Adam([this.codes], { lr })
    const { codes, targets, optimiser } = this
    const step = compile(() => {
      const each = errors(generate(codes), targets)
      // The sum: a row's gradient does not depend on how many there are.
      optimiser.step(grad(each.sum(), [codes]))
      return each.mean()
    })
    const outcome = compile(() =>
      noGrad(() => {
        const images = generate(codes)
        return { errors: errors(images, targets), images }
      }),
    )
    this.step = step
    this.outcome = outcome
    this.compiled = [step, outcome]
  }

  /** Searches from these codes; calls `look` now and then. */
  async run(targets: Tensor, codes: Float32Array, steps: number, look: (step: number, error: number) => void) {
    noGrad(() => {
      tidy(() => {
        this.targets.copy_(targets)
        this.codes.copy_(tensor(codes, { shape: this.codes.shape }))
        for (const [name, state] of Object.entries(this.optimiser.stateDict())) if (name.startsWith('state.')) state.zero_()
      })
    })
    for (let step = 0; step < steps; step++) {
      this.optimiser.lr = (this.lr * (1 + Math.cos((Math.PI * step) / steps))) / 2
      const error = this.step()
      if ((step + 1) % LOOK === 0 || step + 1 === steps) look(step + 1, await error.item())
    }
    const found = this.outcome()
    const [e, images, best] = await Promise.all([found.errors.data(), found.images.data(), this.codes.data()])
    return { errors: e as Float32Array, images: images as Float32Array, codes: best as Float32Array }
  }

  dispose(): void {
    for (const c of this.compiled) c.dispose()
    this.optimiser.dispose()
    this.codes.dispose()
    this.targets.dispose()
  }
}

/** Means of disjoint runs of images, and their standard deviation (n - 1). */
function spread(values: Float64Array, subsets: number): number {
  const mean = (from: number, to: number): number => values.subarray(from, to).reduce((a, b) => a + b, 0) / (to - from)
  const means = Array.from({ length: subsets }, (_, i) => mean(Math.floor((values.length * i) / subsets), Math.floor((values.length * (i + 1)) / subsets)))
  const centre = means.reduce((a, b) => a + b, 0) / subsets
  return subsets < 2 ? Number.NaN : Math.sqrt(means.reduce((sum, m) => sum + (m - centre) ** 2, 0) / (subsets - 1))
}

/**
 * For each test image the smallest mean squared error, on images in [0, 1], between it and G(z), over codes z that gradient descent finds from random
 * normal starts. No prior holds z back. The generator is asked in evaluation mode and comes back as it was; the device's random stream does not move.
 * @param images test images; their values in [-1, 1] and their shape are the generator's
 * @throws BmsError `BAD_ARGUMENT` for options out of range, `SHAPE` where the generator makes other shapes, `NOT_FINITE` where no start of an image ends in a number
 */
export async function iovm(generator: Generator, images: ImageSource, options: IovmOptions = {}): Promise<IovmResult> {
  const { module, latent } = generator
  const { n } = images
  const { steps, restarts, lr, seed, subsets, ...rest } = settings(options, n)
  const chunk = Math.min(rest.chunk, n)
  const generate = (codes: Tensor): Tensor => (generator.generate ? generator.generate(codes) : (module.forward(codes) as Tensor))
  const startOf = starts(n, latent, seed)
  const { random } = currentDevice()
  const before = random.snapshot()
  const perImage = new Float64Array(n)
  const codes = new Float32Array(n * latent)
  let matches = new Float32Array(0)
  let search: Search | undefined
  try {
    await atRest(module, async () => {
      for (let start = 0; start < n; start += chunk) {
        const count = Math.min(chunk, n - start)
        const wanted = await images.batch(start, count)
        if (wanted.shape[0] !== count)
          throw new BmsError('SHAPE', `IoVM: a batch of ${count} test images is ${formatShape(wanted.shape)}`, { shape: wanted.shape, expected: count })
        const shape = wanted.shape.slice(1)
        const size = shape.reduce((a, b) => a * b, 1)
        if (!search) {
          checkShapes(generate, latent, shape)
          matches = new Float32Array(n * size)
          search = new Search(generate, chunk * restarts, latent, shape, lr)
        }
        // Image after image, its starts beside each other; what a last chunk lacks is filled with its last image.
        const place = (row: number): number => Math.min(Math.floor(row / restarts), count - 1)
        const rows = Int32Array.from({ length: chunk * restarts }, (_, row) => place(row))
        const targets = tidy(() => wanted.indexSelect(0, tensor(rows)))
        wanted.dispose()
        const begin = new Float32Array(chunk * restarts * latent)
        for (let i = 0; i < count; i++) begin.set(startOf(start + i, restarts), i * restarts * latent)
        const found = await search.run(targets, begin, steps, (step, error) => options.onProgress?.(start + (count * step) / steps, n, error))
        targets.dispose()
        for (let i = 0; i < count; i++) {
          const best = smallest(found.errors.subarray(i * restarts, (i + 1) * restarts))
          if (best < 0)
            throw new BmsError('NOT_FINITE', `IoVM: no start of test image ${start + i} ended in a number; is the generator sound?`, { image: start + i })
          const row = i * restarts + best
          perImage[start + i] = found.errors[row]!
          codes.set(found.codes.subarray(row * latent, (row + 1) * latent), (start + i) * latent)
          matches.set(found.images.subarray(row * size, (row + 1) * size), (start + i) * size)
        }
      }
    })
  } finally {
    search?.dispose()
    random.restore(before)
  }
  const mean = perImage.reduce((a, b) => a + b, 0) / n
  return { mean, std: spread(perImage, subsets), n, subsets, steps, restarts, lr, perImage, codes, matches }
}

/** Where the smallest number is; -1 where there is none. */
function smallest(values: Float32Array): number {
  let best = -1
  for (const [i, v] of values.entries()) if (Number.isFinite(v) && (best < 0 || v < values[best]!)) best = i
  return best
}

/** Throws unless two codes make two images of this shape. */
function checkShapes(generate: (codes: Tensor) => Tensor, latent: number, shape: readonly number[]): void {
  const made = noGrad(() => tidy(() => generate(tensor(new Float32Array(2 * latent), { shape: [2, latent] }))))
  const got = made.shape
  made.dispose()
  if (formatShape(got) !== formatShape([2, ...shape]))
    throw new BmsError('SHAPE', `IoVM: of two codes the generator makes ${formatShape(got)}; test images are ${formatShape(shape)}`, { got, expected: shape })
}

/** One line: value ± deviation, numbers of images, and how it was searched. */
export const formatIovm = ({ mean, std, n, subsets, steps, restarts, lr }: IovmResult): string =>
  `IoVM ${mean.toFixed(4)}${Number.isNaN(std) ? '' : ` ± ${std.toFixed(4)}`} (lower is better; mean squared error on [0, 1]; n = ${n.toLocaleString('en-US')}${subsets > 1 ? ` in ${subsets} subsets` : ''}; ${restarts} starts of ${steps} steps of Adam, lr ${lr} to 0)`
