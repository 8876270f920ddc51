// SqueezeNet 1.1 (torchvision's ImageNet weights) as a feature net: small enough to ship beside a data set, and good enough to
// tell classes apart. Distances of its features are not comparable with the FID, and go by another name.
import { interpolate, nn, tensor, type Tensor } from '@bms/nn'
import { type Backbone, squeezeNet11 } from './backbones.js'
import { checkImages, type FeatureNet, quietly } from './net.js'

/** Images with a shorter side below this are enlarged. */
const LEAST = 128

/**
 * ImageNet's mean and standard deviation for images in [-1, 1], as LPIPS has them: (x - shift) / scale.
 * Source: https://github.com/richzhang/PerceptualSimilarity, ScalingLayer.
 */
export function imageNetScale(images: Tensor): Tensor {
  const along = { shape: [1, 3, 1, 1], device: images.device }
  return images.sub(tensor(Float32Array.of(-0.03, -0.088, -0.188), along)).div(tensor(Float32Array.of(0.458, 0.448, 0.45), along))
}

/** The last fire module, averaged over the image: 512 features. Smaller images are repeated pixel by pixel first, by the least whole factor that makes both sides 128 (32 → 4 times). */
export class SqueezeNet extends nn.Module implements FeatureNet {
  readonly name: string
  readonly description: string
  readonly dims: number
  /** Not a property of the module: its names are the file's, `features.N`. */
  readonly #backbone: Backbone

  constructor(divisor = 1) {
    super()
    this.#backbone = squeezeNet11(divisor)
    this.dims = 512 / divisor
    this.name = divisor === 1 ? 'squeezenet' : `squeezenet/${divisor}`
    this.description = `SqueezeNet 1.1${divisor === 1 ? '' : ` of 1/${divisor} width`} features.12, mean-pooled, ${this.dims}-d, pixels repeated up to ${LEAST}`
  }

  override *namedChildren(): Generator<[string, nn.Module]> {
    yield* this.#backbone.namedChildren()
  }

  /** [n, 512] of images [n, 3, h, w] in [-1, 1]. */
  features(images: Tensor): Tensor {
    const [, , h, w] = checkImages('SqueezeNet', images).shape as [number, number, number, number]
    const factor = Math.ceil(LEAST / Math.min(h, w))
    const x = factor > 1 ? interpolate(images, { size: [h * factor, w * factor] }) : images
    return this.#backbone.taps(imageNetScale(x)).at(-1)!.mean([2, 3])
  }

  override forward(images: Tensor): Tensor {
    return this.features(images)
  }
}

/** SqueezeNet with initial weights; `loadFeatureNet` gives it those of a file. */
export const squeezeNet = (divisor = 1): SqueezeNet => quietly(() => new SqueezeNet(divisor))
