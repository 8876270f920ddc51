// The blocks of Inception-v3 (Szegedy et al. 2015, figures 5, 6, 7 and 10), under torchvision's names. `c` maps the
// published number of channels to the net's own.
import { avgPool2d, conv2d, maxPool2d, nn, type Sides, type Tensor } from '@bms/nn'
import { folded, join } from './net.js'

type Width = (channels: number) => number

/** Convolution without bias, batch norm (in evaluation), ReLU. */
export class BasicConv2d extends nn.Module {
  readonly conv: nn.Conv2d
  readonly bn: nn.BatchNorm2d

  constructor(
    inChannels: number,
    outChannels: number,
    kernel: Sides,
    private readonly options: { stride?: number; padding?: Sides } = {},
  ) {
    super()
    this.conv = new nn.Conv2d(inChannels, outChannels, kernel, { ...options, bias: false })
    this.bn = new nn.BatchNorm2d(outChannels, { eps: 0.001 })
  }

  override forward(x: Tensor): Tensor {
    const { weight, bias } = folded(this.conv, this.bn)
    return conv2d(x, weight, bias, this.options).relu()
  }
}

/** Same size; the padding does not count, as in TensorFlow. */
const average = (x: Tensor): Tensor => avgPool2d(x, 3, { stride: 1, padding: 1, countIncludePad: false })
const wide = { padding: [0, 3] } as const
const tall = { padding: [3, 0] } as const

/** 35 x 35: 1x1, 5x5, two 3x3, and pooling. */
export class InceptionA extends nn.Module {
  readonly branch1x1: BasicConv2d
  readonly branch5x5_1: BasicConv2d
  readonly branch5x5_2: BasicConv2d
  readonly branch3x3dbl_1: BasicConv2d
  readonly branch3x3dbl_2: BasicConv2d
  readonly branch3x3dbl_3: BasicConv2d
  readonly branch_pool: BasicConv2d

  constructor(inChannels: number, poolChannels: number, c: Width) {
    super()
    this.branch1x1 = new BasicConv2d(inChannels, c(64), 1)
    this.branch5x5_1 = new BasicConv2d(inChannels, c(48), 1)
    this.branch5x5_2 = new BasicConv2d(c(48), c(64), 5, { padding: 2 })
    this.branch3x3dbl_1 = new BasicConv2d(inChannels, c(64), 1)
    this.branch3x3dbl_2 = new BasicConv2d(c(64), c(96), 3, { padding: 1 })
    this.branch3x3dbl_3 = new BasicConv2d(c(96), c(96), 3, { padding: 1 })
    this.branch_pool = new BasicConv2d(inChannels, poolChannels, 1)
  }

  override forward(x: Tensor): Tensor {
    return join(
      this.branch1x1.forward(x),
      this.branch5x5_2.forward(this.branch5x5_1.forward(x)),
      this.branch3x3dbl_3.forward(this.branch3x3dbl_2.forward(this.branch3x3dbl_1.forward(x))),
      this.branch_pool.forward(average(x)),
    )
  }
}

/** From 35 x 35 to 17 x 17. */
export class InceptionB extends nn.Module {
  readonly branch3x3: BasicConv2d
  readonly branch3x3dbl_1: BasicConv2d
  readonly branch3x3dbl_2: BasicConv2d
  readonly branch3x3dbl_3: BasicConv2d

  constructor(inChannels: number, c: Width) {
    super()
    this.branch3x3 = new BasicConv2d(inChannels, c(384), 3, { stride: 2 })
    this.branch3x3dbl_1 = new BasicConv2d(inChannels, c(64), 1)
    this.branch3x3dbl_2 = new BasicConv2d(c(64), c(96), 3, { padding: 1 })
    this.branch3x3dbl_3 = new BasicConv2d(c(96), c(96), 3, { stride: 2 })
  }

  override forward(x: Tensor): Tensor {
    return join(
      this.branch3x3.forward(x),
      this.branch3x3dbl_3.forward(this.branch3x3dbl_2.forward(this.branch3x3dbl_1.forward(x))),
      maxPool2d(x, 3, { stride: 2 }),
    )
  }
}

/** 17 x 17: 7x7 as 1x7 and 7x1, once and twice. */
export class InceptionC extends nn.Module {
  readonly branch1x1: BasicConv2d
  readonly branch7x7_1: BasicConv2d
  readonly branch7x7_2: BasicConv2d
  readonly branch7x7_3: BasicConv2d
  readonly branch7x7dbl_1: BasicConv2d
  readonly branch7x7dbl_2: BasicConv2d
  readonly branch7x7dbl_3: BasicConv2d
  readonly branch7x7dbl_4: BasicConv2d
  readonly branch7x7dbl_5: BasicConv2d
  readonly branch_pool: BasicConv2d

  constructor(inChannels: number, inner: number, c: Width) {
    super()
    this.branch1x1 = new BasicConv2d(inChannels, c(192), 1)
    this.branch7x7_1 = new BasicConv2d(inChannels, inner, 1)
    this.branch7x7_2 = new BasicConv2d(inner, inner, [1, 7], wide)
    this.branch7x7_3 = new BasicConv2d(inner, c(192), [7, 1], tall)
    this.branch7x7dbl_1 = new BasicConv2d(inChannels, inner, 1)
    this.branch7x7dbl_2 = new BasicConv2d(inner, inner, [7, 1], tall)
    this.branch7x7dbl_3 = new BasicConv2d(inner, inner, [1, 7], wide)
    this.branch7x7dbl_4 = new BasicConv2d(inner, inner, [7, 1], tall)
    this.branch7x7dbl_5 = new BasicConv2d(inner, c(192), [1, 7], wide)
    this.branch_pool = new BasicConv2d(inChannels, c(192), 1)
  }

  override forward(x: Tensor): Tensor {
    const once = this.branch7x7_3.forward(this.branch7x7_2.forward(this.branch7x7_1.forward(x)))
    let twice = this.branch7x7dbl_3.forward(this.branch7x7dbl_2.forward(this.branch7x7dbl_1.forward(x)))
    twice = this.branch7x7dbl_5.forward(this.branch7x7dbl_4.forward(twice))
    return join(this.branch1x1.forward(x), once, twice, this.branch_pool.forward(average(x)))
  }
}

/** From 17 x 17 to 8 x 8. */
export class InceptionD extends nn.Module {
  readonly branch3x3_1: BasicConv2d
  readonly branch3x3_2: BasicConv2d
  readonly branch7x7x3_1: BasicConv2d
  readonly branch7x7x3_2: BasicConv2d
  readonly branch7x7x3_3: BasicConv2d
  readonly branch7x7x3_4: BasicConv2d

  constructor(inChannels: number, c: Width) {
    super()
    this.branch3x3_1 = new BasicConv2d(inChannels, c(192), 1)
    this.branch3x3_2 = new BasicConv2d(c(192), c(320), 3, { stride: 2 })
    this.branch7x7x3_1 = new BasicConv2d(inChannels, c(192), 1)
    this.branch7x7x3_2 = new BasicConv2d(c(192), c(192), [1, 7], wide)
    this.branch7x7x3_3 = new BasicConv2d(c(192), c(192), [7, 1], tall)
    this.branch7x7x3_4 = new BasicConv2d(c(192), c(192), 3, { stride: 2 })
  }

  override forward(x: Tensor): Tensor {
    const seven = this.branch7x7x3_3.forward(this.branch7x7x3_2.forward(this.branch7x7x3_1.forward(x)))
    return join(this.branch3x3_2.forward(this.branch3x3_1.forward(x)), this.branch7x7x3_4.forward(seven), maxPool2d(x, 3, { stride: 2 }))
  }
}

/** 8 x 8: 3x3 as 1x3 beside 3x1. TensorFlow's graph pools by means in the first of these blocks and by maxima in the second. */
export class InceptionE extends nn.Module {
  readonly branch1x1: BasicConv2d
  readonly branch3x3_1: BasicConv2d
  readonly branch3x3_2a: BasicConv2d
  readonly branch3x3_2b: BasicConv2d
  readonly branch3x3dbl_1: BasicConv2d
  readonly branch3x3dbl_2: BasicConv2d
  readonly branch3x3dbl_3a: BasicConv2d
  readonly branch3x3dbl_3b: BasicConv2d
  readonly branch_pool: BasicConv2d

  constructor(
    inChannels: number,
    private readonly pooling: 'average' | 'max',
    c: Width,
  ) {
    super()
    this.branch1x1 = new BasicConv2d(inChannels, c(320), 1)
    this.branch3x3_1 = new BasicConv2d(inChannels, c(384), 1)
    this.branch3x3_2a = new BasicConv2d(c(384), c(384), [1, 3], { padding: [0, 1] })
    this.branch3x3_2b = new BasicConv2d(c(384), c(384), [3, 1], { padding: [1, 0] })
    this.branch3x3dbl_1 = new BasicConv2d(inChannels, c(448), 1)
    this.branch3x3dbl_2 = new BasicConv2d(c(448), c(384), 3, { padding: 1 })
    this.branch3x3dbl_3a = new BasicConv2d(c(384), c(384), [1, 3], { padding: [0, 1] })
    this.branch3x3dbl_3b = new BasicConv2d(c(384), c(384), [3, 1], { padding: [1, 0] })
    this.branch_pool = new BasicConv2d(inChannels, c(192), 1)
  }

  override forward(x: Tensor): Tensor {
    const one = this.branch3x3_1.forward(x)
    const two = this.branch3x3dbl_2.forward(this.branch3x3dbl_1.forward(x))
    const pooled = this.pooling === 'max' ? maxPool2d(x, 3, { stride: 1, padding: 1 }) : average(x)
    return join(
      this.branch1x1.forward(x),
      this.branch3x3_2a.forward(one),
      this.branch3x3_2b.forward(one),
      this.branch3x3dbl_3a.forward(two),
      this.branch3x3dbl_3b.forward(two),
      this.branch_pool.forward(pooled),
    )
  }
}
