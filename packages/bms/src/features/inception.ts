// Inception-v3 as the FID uses it: TensorFlow's graph of 2015-12-05 in pytorch-fid's port, whose file of weights
// (pt_inception-2015-12-05) names its tensors as the modules here. Inside it differs from torchvision's net in how it pools.
import { adaptiveAvgPool2d, interpolate, maxPool2d, nn, type Tensor } from '@bms/nn'
import { checkImages, type FeatureNet, quietly } from './net.js'
import { BasicConv2d, InceptionA, InceptionB, InceptionC, InceptionD, InceptionE } from './inception-blocks.js'

export interface InceptionOptions {
  /** Channels are divided by this: for tests. Default 1. */
  divisor?: number
  /**
   * How images become 299 x 299: 'tensorflow' as TensorFlow 1 and the first FID did it (default), 'pytorch-fid' as that package does, with pixels as areas.
   * Scores by the two are not comparable.
   */
  resize?: 'tensorflow' | 'pytorch-fid'
}

const SIDE = 299
/** Of TensorFlow's graph: 1,000 of ImageNet and 8 that mean nothing. */
const CLASSES = 1008

/** The 2048 features of the last average pooling ("pool3"), and 1,008 class probabilities. */
export class InceptionV3 extends nn.Module implements FeatureNet {
  readonly name: string
  readonly description: string
  readonly dims: number
  readonly classes = CLASSES
  readonly resize: 'tensorflow' | 'pytorch-fid'
  readonly Conv2d_1a_3x3: BasicConv2d
  readonly Conv2d_2a_3x3: BasicConv2d
  readonly Conv2d_2b_3x3: BasicConv2d
  readonly Conv2d_3b_1x1: BasicConv2d
  readonly Conv2d_4a_3x3: BasicConv2d
  readonly Mixed_5b: InceptionA
  readonly Mixed_5c: InceptionA
  readonly Mixed_5d: InceptionA
  readonly Mixed_6a: InceptionB
  readonly Mixed_6b: InceptionC
  readonly Mixed_6c: InceptionC
  readonly Mixed_6d: InceptionC
  readonly Mixed_6e: InceptionC
  readonly Mixed_7a: InceptionD
  readonly Mixed_7b: InceptionE
  readonly Mixed_7c: InceptionE
  readonly fc: nn.Linear

  constructor({ divisor = 1, resize = 'tensorflow' }: InceptionOptions = {}) {
    super()
    const c = (channels: number): number => channels / divisor
    this.name = divisor === 1 ? 'inception' : `inception/${divisor}`
    this.dims = c(2048)
    this.resize = resize
    this.description = `Inception-v3 (2015-12-05)${divisor === 1 ? '' : ` of 1/${divisor} width`} pool3, ${this.dims}-d, bilinear to ${SIDE} as ${resize === 'tensorflow' ? 'TensorFlow 1' : 'pytorch-fid'}`
    this.Conv2d_1a_3x3 = new BasicConv2d(3, c(32), 3, { stride: 2 })
    this.Conv2d_2a_3x3 = new BasicConv2d(c(32), c(32), 3)
    this.Conv2d_2b_3x3 = new BasicConv2d(c(32), c(64), 3, { padding: 1 })
    this.Conv2d_3b_1x1 = new BasicConv2d(c(64), c(80), 1)
    this.Conv2d_4a_3x3 = new BasicConv2d(c(80), c(192), 3)
    this.Mixed_5b = new InceptionA(c(192), c(32), c)
    this.Mixed_5c = new InceptionA(c(256), c(64), c)
    this.Mixed_5d = new InceptionA(c(288), c(64), c)
    this.Mixed_6a = new InceptionB(c(288), c)
    this.Mixed_6b = new InceptionC(c(768), c(128), c)
    this.Mixed_6c = new InceptionC(c(768), c(160), c)
    this.Mixed_6d = new InceptionC(c(768), c(160), c)
    this.Mixed_6e = new InceptionC(c(768), c(192), c)
    this.Mixed_7a = new InceptionD(c(768), c)
    this.Mixed_7b = new InceptionE(c(1280), 'average', c)
    this.Mixed_7c = new InceptionE(c(2048), 'max', c)
    this.fc = new nn.Linear(c(2048), CLASSES)
  }

  /** [n, 2048] of images [n, 3, h, w] in [-1, 1], which is the range that the net takes after its own scaling. */
  features(images: Tensor): Tensor {
    checkImages('InceptionV3', images)
    let x = interpolate(images, { size: SIDE, mode: 'bilinear', legacy: this.resize === 'tensorflow' })
    x = this.Conv2d_2b_3x3.forward(this.Conv2d_2a_3x3.forward(this.Conv2d_1a_3x3.forward(x)))
    x = maxPool2d(x, 3, { stride: 2 })
    x = this.Conv2d_4a_3x3.forward(this.Conv2d_3b_1x1.forward(x))
    x = maxPool2d(x, 3, { stride: 2 })
    const blocks = [this.Mixed_5b, this.Mixed_5c, this.Mixed_5d, this.Mixed_6a, this.Mixed_6b, this.Mixed_6c, this.Mixed_6d, this.Mixed_6e]
    for (const block of [...blocks, this.Mixed_7a, this.Mixed_7b, this.Mixed_7c]) x = block.forward(x)
    return adaptiveAvgPool2d(x, 1).flatten(1)
  }

  override forward(images: Tensor): Tensor {
    return this.features(images)
  }

  /** [n, 1008] of features [n, 2048]. Without the bias, which the first Inception Score left out too. */
  probabilities(features: Tensor): Tensor {
    return features.matmul(this.fc.weight.t()).softmax(1)
  }
}

/** Inception-v3 with initial weights; `loadFeatureNet` gives it the published ones. */
export const inceptionV3 = (options: InceptionOptions = {}): InceptionV3 => quietly(() => new InceptionV3(options))
