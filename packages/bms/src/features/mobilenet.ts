// MobileNet v1 of width 0.25 (Keras's ImageNet weights, as TensorFlow.js ships them): features and class probabilities for
// 2 MB. Its tensors keep Keras's names and order (height, width, in, out): a state dict's entries are views of the weights.
import { conv2d, interpolate, nn, type Tensor } from '@bms/nn'
import { checkImages, type FeatureNet, folded, quietly } from './net.js'

const SIDE = 224
const CLASSES = 1000
const STRIDES = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]
const WIDTHS = [8, 16, 32, 32, 64, 64, 128, 128, 128, 128, 128, 128, 256, 256]

/** As TensorFlow pads 3x3 kernels by 'same': what is odd goes below and to the right. */
function same(x: Tensor, stride: number): Tensor {
  const around = (size: number): [number, number] => {
    const all = Math.max(0, (Math.ceil(size / stride) - 1) * stride + 3 - size)
    return [Math.floor(all / 2), Math.ceil(all / 2)]
  }
  return x.pad([...around(x.shape[3]!), ...around(x.shape[2]!)])
}

/** A convolution without bias, batch norm (in evaluation), ReLU up to 6. */
class ConvNorm extends nn.Module {
  readonly conv: nn.Conv2d
  readonly norm: nn.BatchNorm2d

  constructor(
    inChannels: number,
    outChannels: number,
    kernel: 1 | 3,
    private readonly stride = 1,
    private readonly groups = 1,
  ) {
    super()
    this.conv = new nn.Conv2d(inChannels, outChannels, kernel, { groups, bias: false })
    this.norm = new nn.BatchNorm2d(outChannels, { eps: 0.001 })
  }

  override forward(x: Tensor): Tensor {
    const { conv, stride, groups } = this
    const { weight, bias } = folded(conv, this.norm)
    return conv2d(conv.kernelSize[0] === 1 ? x : same(x, stride), weight, bias, { stride, groups }).clamp(0, 6)
  }

  /** Under Keras's names. */
  keras(name: string): Record<string, Tensor> {
    const { conv, norm, groups } = this
    const kernel = groups > 1 ? { [`${name}/depthwise_kernel`]: conv.weight.permute(2, 3, 0, 1) } : { [`${name}/kernel`]: conv.weight.permute(2, 3, 1, 0) }
    return {
      ...kernel,
      [`${name}_bn/gamma`]: norm.weight!,
      [`${name}_bn/beta`]: norm.bias!,
      [`${name}_bn/moving_mean`]: norm.running_mean!,
      [`${name}_bn/moving_variance`]: norm.running_var!,
    }
  }
}

/** The 256 features of the last average, and 1,000 class probabilities. Images are resized to 224 x 224 first, bilinearly with pixels as areas. */
export class MobileNet extends nn.Module implements FeatureNet {
  readonly name = 'mobilenet'
  readonly dims = WIDTHS.at(-1)!
  readonly classes = CLASSES
  readonly description = `MobileNet v1 0.25, global mean, ${WIDTHS.at(-1)}-d, bilinear to ${SIDE}`
  readonly conv1 = new ConvNorm(3, WIDTHS[0]!, 3, 2)
  readonly depthwise: readonly ConvNorm[]
  readonly pointwise: readonly ConvNorm[]
  readonly predictions = new nn.Conv2d(WIDTHS.at(-1)!, CLASSES, 1)

  constructor() {
    super()
    this.depthwise = STRIDES.map((stride, i) => new ConvNorm(WIDTHS[i]!, WIDTHS[i]!, 3, stride, WIDTHS[i]!))
    this.pointwise = STRIDES.map((_, i) => new ConvNorm(WIDTHS[i]!, WIDTHS[i + 1]!, 1))
  }

  /** [n, 256] of images [n, 3, h, w] in [-1, 1]. */
  features(images: Tensor): Tensor {
    checkImages('MobileNet', images)
    let x = this.conv1.forward(interpolate(images, { size: SIDE, mode: 'bilinear' }))
    for (const [i, depthwise] of this.depthwise.entries()) x = this.pointwise[i]!.forward(depthwise.forward(x))
    return x.mean([2, 3])
  }

  override forward(images: Tensor): Tensor {
    return this.features(images)
  }

  /** [n, 1000] of features [n, 256]. */
  probabilities(features: Tensor): Tensor {
    const { weight, bias } = this.predictions
    return features
      .matmul(weight.reshape([CLASSES, this.dims]).t())
      .add(bias!)
      .softmax(1)
  }

  /** Keras's names, and weights in Keras's order: views of the module's own. */
  override stateDict(): Record<string, Tensor> {
    const out = this.conv1.keras('conv1')
    this.depthwise.forEach((depthwise, i) => {
      Object.assign(out, depthwise.keras(`conv_dw_${i + 1}`), this.pointwise[i]!.keras(`conv_pw_${i + 1}`))
    })
    return { ...out, 'conv_preds/kernel': this.predictions.weight.permute(2, 3, 1, 0), 'conv_preds/bias': this.predictions.bias! }
  }
}

/** MobileNet with initial weights; `loadFeatureNet` gives it those of a file. */
export const mobileNet = (): MobileNet => quietly(() => new MobileNet())
