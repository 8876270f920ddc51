// The convolutional parts of SqueezeNet 1.1, AlexNet and VGG-16, under torchvision's names, with the layers that LPIPS looks at.
import { maxPool2d, nn, type Tensor } from '@bms/nn'
import { join } from './net.js'

/** A net that shows what its layers make of an image. */
export interface Backbone extends nn.Module {
  /** Channels of each tap. */
  readonly widths: readonly number[]
  /** ReLU maps [n, width, h, w] of images [n, 3, h, w] that are already normalised. */
  taps(x: Tensor): Tensor[]
}

export type BackboneName = 'squeeze' | 'alex' | 'vgg'

/** SqueezeNet's fire module: 1x1 to few channels, then 1x1 beside 3x3. */
class Fire extends nn.Module {
  readonly squeeze: nn.Conv2d
  readonly expand1x1: nn.Conv2d
  readonly expand3x3: nn.Conv2d

  constructor(inChannels: number, squeeze: number, expand: number) {
    super()
    this.squeeze = new nn.Conv2d(inChannels, squeeze, 1)
    this.expand1x1 = new nn.Conv2d(squeeze, expand, 1)
    this.expand3x3 = new nn.Conv2d(squeeze, expand, 3, { padding: 1 })
  }

  override forward(x: Tensor): Tensor {
    const few = this.squeeze.forward(x).relu()
    return join(this.expand1x1.forward(few).relu(), this.expand3x3.forward(few).relu())
  }
}

/** What a layer does with the map so far; `tap` keeps what it makes. */
interface Layer {
  /** Its number in torchvision's `features`, for layers with weights. */
  at?: number
  module: nn.Module
  tap?: boolean
}

/** Layers in order; those with weights are named `features.N`. */
class Layers extends nn.Module implements Backbone {
  readonly features = new nn.Module() as nn.Module & Record<number, nn.Module>
  readonly #layers: readonly Layer[]

  constructor(
    layers: readonly Layer[],
    readonly widths: readonly number[],
  ) {
    super()
    this.#layers = layers
    for (const { at, module } of layers) if (at !== undefined) this.features[at] = module
  }

  taps(x: Tensor): Tensor[] {
    const out: Tensor[] = []
    for (const { module, tap } of this.#layers) {
      x = module.forward(x) as Tensor
      if (tap) out.push(x)
    }
    return out
  }

  override forward(x: Tensor): Tensor {
    return this.taps(x).at(-1)!
  }
}

class Pool extends nn.Module {
  constructor(
    private readonly kernel: number,
    private readonly ceilMode = false,
  ) {
    super()
  }

  override forward(x: Tensor): Tensor {
    return maxPool2d(x, this.kernel, { stride: 2, ceilMode: this.ceilMode })
  }
}

const relu = { module: new nn.ReLU() }
const tap = { ...relu, tap: true }

/** SqueezeNet 1.1. Seven taps: after the first ReLU, and after torchvision's layers 4, 7, 9, 10, 11 and 12. */
export function squeezeNet11(divisor = 1): Backbone {
  const c = (n: number): number => n / divisor
  const fire = (at: number, inChannels: number, squeeze: number, expand: number, tapped = false): Layer => ({
    at,
    module: new Fire(c(inChannels), c(squeeze), c(expand)),
    tap: tapped,
  })
  const pool = { module: new Pool(3, true) }
  return new Layers(
    [
      { at: 0, module: new nn.Conv2d(3, c(64), 3, { stride: 2 }) },
      tap,
      pool,
      fire(3, 64, 16, 64),
      fire(4, 128, 16, 64, true),
      pool,
      fire(6, 128, 32, 128),
      fire(7, 256, 32, 128, true),
      pool,
      fire(9, 256, 48, 192, true),
      fire(10, 384, 48, 192, true),
      fire(11, 384, 64, 256, true),
      fire(12, 512, 64, 256, true),
    ],
    [64, 128, 256, 384, 384, 512, 512].map(c),
  )
}

/** AlexNet as torchvision has it. Five taps: after every convolution. */
export function alexNet(divisor = 1): Backbone {
  const c = (n: number): number => n / divisor
  const conv = (at: number, inChannels: number, outChannels: number, kernel: number, options: nn.Conv2dOptions): Layer => ({
    at,
    module: new nn.Conv2d(inChannels, c(outChannels), kernel, options),
  })
  const pool = { module: new Pool(3) }
  return new Layers(
    [
      ...[conv(0, 3, 64, 11, { stride: 4, padding: 2 }), tap, pool],
      ...[conv(3, c(64), 192, 5, { padding: 2 }), tap, pool],
      ...[conv(6, c(192), 384, 3, { padding: 1 }), tap],
      ...[conv(8, c(384), 256, 3, { padding: 1 }), tap],
      ...[conv(10, c(256), 256, 3, { padding: 1 }), tap],
    ],
    [64, 192, 384, 256, 256].map(c),
  )
}

/** VGG-16. Five taps: after the last convolution of each size. */
export function vgg16(divisor = 1): Backbone {
  const layers: Layer[] = []
  let [at, inChannels] = [0, 3]
  for (const [size, [channels, count]] of [
    [64, 2],
    [128, 2],
    [256, 3],
    [512, 3],
    [512, 3],
  ].entries() as IterableIterator<[number, [number, number]]>) {
    if (size > 0) {
      layers.push({ module: new Pool(2) })
      at++
    }
    for (let i = 0; i < count; i++) {
      layers.push({ at, module: new nn.Conv2d(inChannels, channels / divisor, 3, { padding: 1 }) }, i === count - 1 ? tap : relu)
      inChannels = channels / divisor
      at += 2
    }
  }
  return new Layers(
    layers,
    [64, 128, 256, 512, 512].map((n) => n / divisor),
  )
}

export const backbones: Readonly<Record<BackboneName, (divisor?: number) => Backbone>> = { squeeze: squeezeNet11, alex: alexNet, vgg: vgg16 }
