// The networks of the paper's image experiments as tables of stages: DCGAN (as WGAN-GP's and Dist-GAN's code has it) and the "standard CNN" of
// SN-GAN (Miyato et al. 2018, table 3), each with a generator, a data-space critic and a recognition network. From a table follow the modules and
// their number of parameters.
import { nn } from '@bms/nn'
import type { Architecture, ImageConfig } from '../config/images.js'
import { models } from '../models.js'
import { countMlp, latentCritic } from './mlp.js'
import { Critic, Generator, hasLatentCritic, type Networks, Recogniser } from './networks.js'

/** A convolution with what stands behind it. Images shrink (or, in a generator, grow) by its stride. */
interface Stage {
  readonly from: number
  readonly to: number
  readonly kernel: 3 | 4 | 5
  readonly stride: 1 | 2
  /** Batch normalisation, which takes the place of the bias where `bias` is false. */
  readonly norm: boolean
  readonly bias: boolean
}

/** A network's stages. The side of the smallest image is 4: `channels` there. */
interface Body {
  readonly channels: number
  readonly stages: readonly Stage[]
}

interface GeneratorBody extends Body {
  /** The layer that makes the first image of a code is normalised as well. */
  readonly normFirst: boolean
}

/** Side of the smallest image. */
const SMALLEST = 4

interface Sizes {
  readonly arch: Architecture
  readonly width: number
  /** Side of the image, 4 times a power of two. */
  readonly size: number
  readonly channels: number
}

const halvings = (size: number): number => Math.log2(size / SMALLEST)

/** Widths of a DCGAN critic's stages: width, 2·width, 4·width, … */
const doubling = ({ size, width }: Sizes): number[] => Array.from({ length: halvings(size) }, (_, i) => width * 2 ** i)

function generatorBody(s: Sizes): GeneratorBody {
  if (s.arch === 'dcgan') {
    const widths = doubling(s).reverse()
    const stages = widths.map((from, i): Stage => {
      const last = i === widths.length - 1
      return { from, to: last ? s.channels : widths[i + 1]!, kernel: 5, stride: 2, norm: !last, bias: last }
    })
    return { channels: widths[0]!, stages, normFirst: true }
  }
  const base = s.arch === 'standard-wide' ? 2 * s.width : s.width
  const widths = Array.from({ length: halvings(s.size) + 1 }, (_, i) => base * 2 ** i).reverse()
  const stages = widths.slice(1).map((to, i): Stage => ({ from: widths[i]!, to, kernel: 4, stride: 2, norm: true, bias: true }))
  return { channels: widths[0]!, stages: [...stages, { from: base, to: s.channels, kernel: 3, stride: 1, norm: false, bias: true }], normFirst: false }
}

/** The body that DCGAN's critic and every recognition network have. */
function downBody(s: Sizes, norm: boolean): Body {
  const widths = doubling(s)
  const stages = widths.map((to, i): Stage => {
    const normed = norm && i > 0
    return { from: i === 0 ? s.channels : widths[i - 1]!, to, kernel: 5, stride: 2, norm: normed, bias: !normed }
  })
  return { channels: widths.at(-1)!, stages }
}

/** Miyato's critic: pairs of a 3x3 and a halving 4x4 convolution, and one 3x3 more. */
function standardCritic(s: Sizes): Body {
  const count = halvings(s.size)
  const width = (i: number): number => s.width * 2 ** i
  const plain = { norm: false, bias: true } as const
  const stages = Array.from({ length: count }, (_, i): Stage[] => [
    { from: i === 0 ? s.channels : width(i - 1), to: width(i), kernel: 3, stride: 1, ...plain },
    { from: width(i), to: width(i), kernel: 4, stride: 2, ...plain },
  ]).flat()
  return { channels: width(count), stages: [...stages, { from: width(count - 1), to: width(count), kernel: 3, stride: 1, ...plain }] }
}

const criticBody = (s: Sizes, norm: boolean): Body => (s.arch === 'dcgan' ? downBody(s, norm) : standardCritic(s))

/** "encoder_dcgan" of Dist-GAN's code for both: the standard CNN's has twice the base width, so that 64 goes with 128. */
const encoderBody = (s: Sizes): Body => downBody(s.arch === 'dcgan' ? s : { ...s, width: 2 * s.width }, true)

/** Padding that makes an image exactly `stride` times smaller. */
const padding = (kernel: number): number => (kernel - 1) >> 1

/** Weights N(0, 0.02) and biases 0, as DCGAN and SN-GAN start. */
function fresh<L extends nn.Linear | nn.Conv2d | nn.ConvTranspose2d>(layer: L): L {
  nn.init.normal_(layer.weight, 0, 0.02)
  if (layer.bias) nn.init.zeros_(layer.bias)
  return layer
}

const down = ({ from, to, kernel, stride, bias }: Stage): nn.Conv2d => fresh(new nn.Conv2d(from, to, kernel, { stride, padding: padding(kernel), bias }))

const up = (stage: Stage): nn.Module =>
  stage.stride === 1
    ? down(stage)
    : fresh(
        new nn.ConvTranspose2d(stage.from, stage.to, stage.kernel, {
          stride: 2,
          padding: padding(stage.kernel),
          outputPadding: stage.kernel % 2,
          bias: stage.bias,
        }),
      )

const volume = (body: Body): number => body.channels * SMALLEST * SMALLEST

function makeGenerator(latent: number, body: GeneratorBody): nn.Sequential {
  const layers: nn.Module[] = [
    fresh(new nn.Linear(latent, volume(body), { bias: !body.normFirst })),
    new nn.Unflatten(1, [body.channels, SMALLEST, SMALLEST]),
    ...(body.normFirst ? [new nn.BatchNorm2d(body.channels), new nn.ReLU()] : []),
  ]
  for (const stage of body.stages) {
    layers.push(up(stage))
    if (stage.norm) layers.push(new nn.BatchNorm2d(stage.to), new nn.ReLU())
  }
  return new nn.Sequential(...layers, new nn.Tanh())
}

function makeDown(body: Body, outputs: number, slope: number, options: { spectral?: boolean; track?: boolean } = {}): nn.Sequential {
  const wrap = (layer: nn.Module): nn.Module => (options.spectral ? nn.spectralNorm(layer) : layer)
  const layers: nn.Module[] = []
  for (const stage of body.stages) {
    layers.push(wrap(down(stage)))
    if (stage.norm) layers.push(new nn.BatchNorm2d(stage.to, { trackRunningStats: options.track ?? true }))
    layers.push(new nn.LeakyReLU(slope))
  }
  return new nn.Sequential(...layers, new nn.Flatten(), wrap(fresh(new nn.Linear(volume(body), outputs))))
}

const sizesOf = (config: ImageConfig): Sizes => ({ arch: config.arch, width: config.width, size: 32, channels: 3 })

/** A critic of this architecture has batch norm where nothing bounds its slope. */
const normalisedCritic = (config: ImageConfig): boolean => config.arch === 'dcgan' && config.hyper.lipschitz === 'none'

/** The slope of LeakyReLU in critics: DCGAN's 0.2, Miyato's 0.1. */
const criticSlope = (config: ImageConfig): number => (config.arch === 'dcgan' ? 0.2 : 0.1)

/** A fresh generator: codes [B, latent] → images [B, 3, 32, 32] in [-1, 1]. */
export function imageGenerator(config: ImageConfig): Generator {
  return new Generator(makeGenerator(config.hyper.latent, generatorBody(sizesOf(config))), config.dtype)
}

/**
 * Fresh networks for images [B, 3, 32, 32], initialised from the device's random stream. The critic's batch norms always use the batch that passes and
 * keep no running statistics, since a critic is used in training only.
 */
export function imageNetworks(config: ImageConfig): Networks {
  const { hyper: h, dtype } = config
  const model = models[config.model]
  const sizes = sizesOf(config)
  const G = imageGenerator(config)
  const R = model.encoder ? new Recogniser(makeDown(encoderBody(sizes), 2 * h.latent, 0.2), [h.logVarMin, h.logVarMax], dtype) : null
  const norm = normalisedCritic(config)
  const spectral = h.lipschitz === 'spectral'
  const D =
    model.critic === 'none'
      ? null
      : new Critic(makeDown(criticBody(sizes, norm), 1, criticSlope(config), { spectral, track: false }), { scale: h.criticScale, byBatch: norm, dtype })
  const L = hasLatentCritic(model, h) ? latentCritic(h.latent, h.hiddenL) : null
  return { G, R, D, L }
}

const countStage = (s: Stage): number => s.from * s.to * s.kernel ** 2 + (s.bias ? s.to : 0) + (s.norm ? 2 * s.to : 0)
const countStages = (body: Body): number => body.stages.reduce((sum, s) => sum + countStage(s), 0)
const countDown = (body: Body, outputs: number): number => countStages(body) + (volume(body) + 1) * outputs

/** Trainable numbers in each network that `imageNetworks` makes, told without making them. */
export function countImageParameters(config: ImageConfig): { G: number; R: number; D: number; L: number } {
  const { hyper: h } = config
  const model = models[config.model]
  const sizes = sizesOf(config)
  const G = generatorBody(sizes)
  const first = volume(G) * h.latent + (G.normFirst ? 2 * G.channels : volume(G))
  return {
    G: first + countStages(G),
    R: model.encoder ? countDown(encoderBody(sizes), 2 * h.latent) : 0,
    D: model.critic === 'none' ? 0 : countDown(criticBody(sizes, normalisedCritic(config)), 1),
    L: hasLatentCritic(model, h) ? countMlp(h.latent, ...h.hiddenL, 1) : 0,
  }
}
