// What a score needs of a feature net: a name that is printed with every number, and features of images. The nets are fixed
// functions of published weights, so they are built outside of the run's random stream and asked without gradients.
import { cat, currentDevice, type nn, noGrad, type Tensor } from '@bms/nn'
import { BmsError, formatShape } from '@bms/tensor'

/** A fixed net whose features images are compared by. */
export interface FeatureNet {
  /** 'inception', 'squeezenet' or 'mobilenet'; of a net that is not the published one (another width) with what it is behind it. */
  readonly name: string
  /** What it is and what it does to images first, for the line that a score is printed on. */
  readonly description: string
  /** Length of a feature vector. */
  readonly dims: number
  /** [n, dims] of images [n, 3, h, w] in [-1, 1]; f32. */
  features(images: Tensor): Tensor
  /** Number of classes, where the net has a classifier. */
  readonly classes?: number
  /** Class probabilities [n, classes] of features [n, dims]. */
  probabilities?(features: Tensor): Tensor
  /** Frees the weights. */
  dispose(): void
}

/** Throws unless it is a batch of colour images. */
export function checkImages(op: string, images: Tensor): Tensor {
  if (images.ndim !== 4 || images.shape[1] !== 3)
    throw new BmsError('SHAPE', `${op}: needs images [n, 3, height, width], got ${formatShape(images.shape)}`, { op, shape: images.shape })
  return images
}

/** Makes a net in evaluation mode, without gradients and without moving the device's random stream. */
export function quietly<N extends nn.Module>(make: () => N): N {
  const { random } = currentDevice()
  const before = random.snapshot()
  try {
    return noGrad(make).requiresGrad_(false).eval()
  } finally {
    random.restore(before)
  }
}

/** Tensors beside each other along the channels. */
export const join = (...parts: Tensor[]): Tensor => cat(parts, 1)

/** Weight and bias of a convolution with the batch norm after it, which in evaluation is a factor and a shift: one kernel does all. */
export function folded(conv: nn.Conv2d, norm: nn.BatchNorm2d): { weight: Tensor; bias: Tensor } {
  const scale = norm.weight!.mul(norm.running_var!.add(norm.eps).rsqrt())
  return { weight: conv.weight.mul(scale.reshape([conv.outChannels, 1, 1, 1])), bias: norm.bias!.sub(norm.running_mean!.mul(scale)) }
}
