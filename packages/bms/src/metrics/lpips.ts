// LPIPS v0.1 (Zhang et al. 2018): how different two images look, by what the layers of a classifier make of them; and the
// diversity of samples as the mean of that distance between pairs of them.
import { cat, nn, type Tensor } from '@bms/nn'
import { BmsError, formatShape, sameShape, show } from '@bms/tensor'
import { backbones, type BackboneName } from '../features/backbones.js'
import { type ExtractOptions, seenBatches } from '../features/extract.js'
import { byteImages, countImages, type ImageBytes, type ImageSource, shuffled } from '../features/images.js'
import { checkImages, quietly } from '../features/net.js'
import { imageNetScale } from '../features/squeezenet.js'
import { fitWeights, type Weights } from '../features/weights.js'

/** How much each channel of a tap counts. Named as in the files of LPIPS, where a dropout stands before it. */
class Linear extends nn.Module {
  readonly model: nn.Sequential

  constructor(width: number) {
    super()
    this.model = new nn.Sequential({ 1: new nn.Conv2d(width, 1, 1, { bias: false }) })
  }

  override forward(x: Tensor): Tensor {
    return this.model.forward(x)
  }
}

/** One for each tap: `lin0`, `lin1`, … */
class Linears extends nn.Module {
  constructor(widths: readonly number[]) {
    super()
    widths.forEach((width, i) => Object.assign(this, { [`lin${i}`]: new Linear(width) }))
  }
}

const titles: Record<BackboneName, string> = { squeeze: 'SqueezeNet 1.1', alex: 'AlexNet', vgg: 'VGG-16' }

/** Along the channels of unit length; what is zero stays so. */
const unit = (x: Tensor): Tensor => x.div(x.square().sum(1, true).sqrt().add(1e-10))

/** The distance, by the taps of one of three backbones. Small images are looked at as they are; below 32 x 32 the last taps of some backbones have no pixels. */
export class Lpips extends nn.Module {
  readonly description: string
  readonly net: ReturnType<(typeof backbones)[BackboneName]>
  readonly linears: Linears

  constructor(
    readonly backbone: BackboneName,
    divisor = 1,
  ) {
    super()
    this.net = backbones[backbone](divisor)
    this.linears = new Linears(this.net.widths)
    this.description = `LPIPS v0.1, ${titles[backbone]}${divisor === 1 ? '' : ` of 1/${divisor} width`}`
  }

  /** What each tap adds to the distance: a list of [n] for images a and b [n, 3, h, w] in [-1, 1]. */
  taps(a: Tensor, b: Tensor): Tensor[] {
    if (!sameShape(checkImages('LPIPS', a).shape, b.shape))
      throw new BmsError('SHAPE', `LPIPS: the images are ${formatShape(a.shape)} and ${formatShape(b.shape)}; pairs of one size are needed`, {
        shapes: [a.shape, b.shape],
      })
    const n = a.shape[0]!
    const linears = this.linears.children() as Linear[]
    return this.net.taps(imageNetScale(cat([a, b]))).map((map, i) => {
      const [x, y] = unit(map).split(n) as [Tensor, Tensor]
      return linears[i]!.forward(x.sub(y).square()).mean([1, 2, 3])
    })
  }

  /** [n] distances of images a and b [n, 3, h, w] in [-1, 1]. */
  override forward(a: Tensor, b: Tensor): Tensor {
    return this.taps(a, b).reduce((sum, tap) => sum.add(tap))
  }
}

/** LPIPS with initial weights; `loadLpips` gives it those of files. */
export const lpips = (backbone: BackboneName, divisor = 1): Lpips => quietly(() => new Lpips(backbone, divisor))

/**
 * LPIPS with the weights of files (or tensors by name): the backbone as torchvision has it (its classifier may be in the file), and the linear layers of
 * LPIPS v0.1 (`lin0.model.1.weight`, …).
 * @throws BmsError `WEIGHTS` where they are of another net, `BAD_FILE` where a file cannot be read, `BAD_ARGUMENT` for another backbone
 */
export function loadLpips(backbone: BackboneName, weights: { backbone: Weights; linear: Weights }): Lpips {
  if (!Object.hasOwn(backbones, backbone))
    throw new BmsError('BAD_ARGUMENT', `unknown backbone ${show(backbone)}; known: ${Object.keys(backbones).join(', ')}`, { option: 'backbone', got: backbone })
  const made = lpips(backbone)
  try {
    fitWeights(made.net, weights.backbone, { what: titles[backbone], ignore: /^classifier\./ })
    fitWeights(made.linears, weights.linear, { what: `LPIPS's linear layers for ${titles[backbone]}` })
  } catch (error) {
    made.dispose()
    throw error
  }
  return made
}

export interface DiversityScore {
  readonly name: string
  /** Mean distance between two images. */
  readonly value: number
  /** Standard error of the mean over pairs. */
  readonly error: number
  readonly pairs: number
  readonly n: number
  readonly features: string
}

export interface DiversityOptions extends ExtractOptions {
  /** Of the pairing. Default 0. */
  seed?: number
}

/** Rounded to bytes, so that they can be paired in any order. */
async function bytesOf(source: ImageSource, options: ExtractOptions): Promise<ImageBytes> {
  let pixels = new Uint8Array(0)
  let [at, height, width] = [0, 0, 0]
  const sized: ImageSource = {
    n: source.n,
    async batch(start, count) {
      const images = await source.batch(start, count)
      ;[height, width] = images.shape.slice(-2) as [number, number]
      return images
    },
  }
  for await (const values of seenBatches((x) => x.add(1).mul(127.5), sized, options)) {
    if (at === 0) pixels = new Uint8Array(source.n * 3 * height * width)
    for (const v of values) pixels[at++] = Math.round(v)
  }
  return { pixels, height, width }
}

/**
 * The mean LPIPS distance between random disjoint pairs of images (the paper takes 5,000 samples: 2,500 pairs). An odd image is left out.
 * @throws BmsError `BAD_ARGUMENT` with fewer than two images
 */
export async function lpipsDiversity(
  net: Lpips,
  images: ImageSource | ImageBytes,
  { seed = 0, batch = 50, onProgress }: DiversityOptions = {},
): Promise<DiversityScore> {
  const all = 'pixels' in images ? images : await bytesOf(images, { batch })
  const n = countImages(all)
  const pairs = Math.floor(n / 2)
  if (pairs < 1) throw new BmsError('BAD_ARGUMENT', `diversity: got ${n} images, at least two are needed`, { got: n })
  const source = byteImages(all, shuffled(n, seed).subarray(0, 2 * pairs))
  // Pairs stay together: a batch has an even number of images, neighbours being a pair.
  const see = (x: Tensor): Tensor => {
    const [a, b] = x.reshape([x.shape[0]! / 2, 2, ...x.shape.slice(1)]).split(1, 1) as [Tensor, Tensor]
    return net.forward(a.squeeze(1), b.squeeze(1))
  }
  let [sum, squares] = [0, 0]
  for await (const distances of seenBatches(see, source, { batch: 2 * Math.max(1, Math.floor(batch / 2)), ...(onProgress && { onProgress }) })) {
    for (const d of distances) {
      sum += d
      squares += d * d
    }
  }
  const value = sum / pairs
  const variance = pairs > 1 ? Math.max(0, squares / pairs - value ** 2) * (pairs / (pairs - 1)) : Number.NaN
  return { name: 'LPIPS diversity', value, error: Math.sqrt(variance / pairs), pairs, n: 2 * pairs, features: net.description }
}

/** One line: name, value, pairs, net, and which direction is which. */
export const formatDiversity = ({ name, value, error, pairs, features }: DiversityScore): string =>
  `${name} ${value.toFixed(4)} ± ${error.toFixed(4)} (${pairs.toLocaleString('en-US')} random pairs; ${features}; a distance: higher is more diverse; the paper reads its table the other way)`
