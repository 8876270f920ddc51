// `bms eval` of runs on images: scores by name, each printed with what it was measured with, and kept in the run's folder.
import { BmsError } from '@bms/tensor'
import { unknownName } from '../names.js'
import { classProbabilities, extractFeatures, featureStatistics } from '../features/extract.js'
import { byteImages, type ImageBytes, randomImages } from '../features/images.js'
import { weightsFile } from '../features/files.js'
import { type FeatureNetName, loadFeatureNet } from '../features/load.js'
import type { ImageColumn } from '../figures/closest-match.js'
import { closestMatchFigure } from '../figures/png.js'
import type { GaussianStatistics } from '../metrics/gaussian.js'
import { formatFrechet, frechetScore } from '../metrics/frechet.js'
import { formatInceptionStyle, inceptionStyleScore } from '../metrics/inception-score.js'
import { formatIovm, iovm, type IovmOptions } from '../metrics/iovm.js'
import { formatDiversity, loadLpips, lpipsDiversity } from '../metrics/lpips.js'
import { RunFolder } from '../run/folder.js'
import { progress } from '../run/progress.js'
import { ImageTraining, imageSize } from '../training/images.js'
import { evaluationSeed } from '../training/training.js'
import { openTraining } from './finished.js'
import { type ImageData, imagesOf, openData } from './train-images.js'

/** What a run on images can be scored by, and the files of weights that each needs. */
export const imageMetrics = {
  fid: { needs: ['inception'], what: 'Fréchet distance on Inception-v3 features (pytorch-fid)' },
  'fd-squeezenet': { needs: ['squeezenet'], what: 'the same distance on SqueezeNet features' },
  'fd-mobilenet': { needs: ['mobilenet'], what: 'the same distance on MobileNet features' },
  'inception-score': { needs: ['inception'], what: 'Inception Score' },
  'is-mobilenet': { needs: ['mobilenet'], what: 'the same number with the classes of MobileNet' },
  lpips: { needs: ['squeezenet', 'lpips'], what: 'diversity: mean LPIPS distance of pairs (SqueezeNet; AlexNet or VGG with --lpips-net)' },
  iovm: { needs: [], what: 'closest match to test images by optimisation of the code, with a figure' },
} as const satisfies Record<string, { needs: readonly string[]; what: string }>

export type ImageMetric = keyof typeof imageMetrics

export const imageMetricNames = Object.keys(imageMetrics) as ImageMetric[]

/** Names of the files of weights. */
export const weightNames = ['inception', 'squeezenet', 'mobilenet', 'lpips', 'alex', 'vgg'] as const
export type WeightName = (typeof weightNames)[number]

export interface EvalImagesOptions {
  /** Which; default: all that the weights given allow, without iovm unless there is no other. */
  metrics?: readonly string[]
  /** Paths of .safetensors or .pth files by name. */
  weights?: Partial<Record<WeightName, string>>
  /** Generated images; the paper's 5,000. */
  n?: number
  /** Real images that they are compared with: of the training set, chosen by seed; the paper's 10,000. */
  real?: number
  /** Which backbone LPIPS has. */
  lpipsNet?: 'squeeze' | 'alex' | 'vgg'
  /** Test images, and how each is searched for. */
  iovm?: IovmOptions & { images?: number }
  /** Data in another place than the run had them. */
  data?: string
  adapter?: 'auto' | 'gpu' | 'software'
}

export interface ImageScore {
  readonly metric: ImageMetric
  readonly value: number
  /** With what, of how many, which direction is better: the value alone says nothing. */
  readonly text: string
  readonly details: object
}

export interface ImageScores {
  readonly dir: string
  readonly step: number
  readonly scores: ImageScore[]
  /** Where iovm was among the metrics: the test images, and the closest matches of this run. */
  readonly closest?: readonly [test: ImageColumn, own: ImageColumn]
}

/** Statistics of real images that were looked at before, by feature net, data, number and seed: several runs share them. */
type RealStatistics = Map<string, GaussianStatistics>

/** The metrics asked for, or all that can be had; what they need must have been given. */
function chosenMetrics({ metrics, weights = {}, lpipsNet = 'squeeze' }: EvalImagesOptions): ImageMetric[] {
  const needs = (metric: ImageMetric): readonly WeightName[] =>
    metric === 'lpips' ? [lpipsNet === 'squeeze' ? 'squeezenet' : lpipsNet, 'lpips'] : (imageMetrics[metric].needs as readonly WeightName[])
  const missing = (metric: ImageMetric): WeightName[] => needs(metric).filter((name) => weights[name] === undefined)
  if (!metrics) {
    const possible = imageMetricNames.filter((metric) => metric !== 'iovm' && missing(metric).length === 0)
    return possible.length > 0 ? possible : ['iovm']
  }
  return metrics.map((name) => {
    const metric = imageMetricNames.find((known) => known === name)
    if (!metric) throw unknownName('metric', name, imageMetricNames)
    const [first] = missing(metric)
    if (first)
      throw new BmsError('BAD_ARGUMENT', `--metrics ${metric}: the weights of ${first} are needed: --weights ${first}=FILE (.safetensors or .pth)`, {
        option: '--weights',
        got: Object.keys(weights),
        allowed: needs(metric),
      })
    return metric
  })
}

/** Generated images as bytes. */
async function generated(training: ImageTraining, n: number, onProgress: (done: number) => void): Promise<ImageBytes> {
  const pixels = new Uint8Array(n * imageSize)
  await training.sample(n, evaluationSeed(training.config.seed), (images, from) => {
    const at = from * imageSize
    for (const [i, v] of images.entries()) pixels[at + i] = Math.max(0, Math.min(255, Math.round((v + 1) * 127.5)))
    onProgress(from + images.length / imageSize)
  })
  return { pixels, height: 32, width: 32 }
}

/** Shows the progress of one piece of work after another. */
function watch(label: string): (done: number, total: number) => void {
  let bar: ReturnType<typeof progress> | undefined
  return (done, total) => {
    bar ??= progress({ total, label })
    bar.update(done)
    if (done >= total) bar.stop()
  }
}

/**
 * Scores a finished (or saved) run on images; writes scores.json, and closest-match.png for iovm, into its folder.
 * @param known filled with what may serve the next run
 * @throws BmsError `UNKNOWN_NAME`, `BAD_ARGUMENT`, `WEIGHTS`, `BAD_DATA`, `NOT_A_RUN`, `NO_CHECKPOINT`
 */
export async function evaluateImages(dir: string, options: EvalImagesOptions = {}, known: RealStatistics = new Map()): Promise<ImageScores> {
  const metrics = chosenMetrics(options)
  const { training, folder } = await openTraining(dir, options.adapter)
  try {
    if (!(training instanceof ImageTraining)) throw new BmsError('BAD_ARGUMENT', `${dir} holds a run on points: evaluate() judges it`, { dir })
    const data = await openData(options.data ?? training.config.data)
    const found = await scoresOf(training, folder, data, metrics, options, known)
    folder.writeScores({ step: training.step, scores: found.scores })
    return { dir, step: training.step, ...found }
  } finally {
    training.device.destroy()
  }
}

async function scoresOf(
  training: ImageTraining,
  folder: RunFolder,
  data: ImageData,
  metrics: readonly ImageMetric[],
  options: EvalImagesOptions,
  known: RealStatistics,
): Promise<Pick<ImageScores, 'scores' | 'closest'>> {
  const { weights = {}, lpipsNet = 'squeeze' } = options
  const n = options.n ?? 5000
  const real = randomImages(data.train, Math.min(options.real ?? 10_000, data.train.count), training.config.seed)
  const file = (name: WeightName) => weightsFile(weights[name]!)
  const needed = metrics.some((metric) => metric !== 'iovm')
  const sampling = watch('sampling')
  const images = needed ? await generated(training, n, (done) => sampling(done, n)) : undefined
  const out: ImageScore[] = []
  let matches: ImageScores['closest']
  for (const metric of metrics) {
    if (metric === 'iovm') {
      const { score, columns } = await closest(training, data, options)
      await drawClosest([folder], columns)
      out.push(score)
      matches = columns
    } else if (metric === 'lpips') {
      const backbone = file(lpipsNet === 'squeeze' ? 'squeezenet' : lpipsNet)
      const net = loadLpips(lpipsNet, { backbone, linear: file('lpips') })
      const score = await lpipsDiversity(net, images!, { seed: training.config.seed, onProgress: watch('lpips') })
      net.dispose()
      out.push({ metric, value: score.value, text: formatDiversity(score), details: score })
    } else {
      const [name] = imageMetrics[metric].needs as readonly [FeatureNetName]
      const net = loadFeatureNet(name, file(name))
      try {
        if (metric === 'inception-score' || metric === 'is-mobilenet') {
          const features = await extractFeatures(net, byteImages(images!), { onProgress: watch(`${name}: generated`) })
          const probabilities = await classProbabilities(net, features)
          const score = inceptionStyleScore(net, probabilities, Math.min(10, n))
          out.push({ metric, value: score.mean, text: formatInceptionStyle(score), details: score })
        } else {
          const key = `${name} ${data.train.source} ${real.n} ${training.config.seed}`
          const a = known.get(key) ?? (await featureStatistics(net, real, { onProgress: watch(`${name}: real`) }))
          known.set(key, a)
          const b = await featureStatistics(net, byteImages(images!), { onProgress: watch(`${name}: generated`) })
          const score = frechetScore(net, a, b)
          out.push({ metric, value: score.value, text: formatFrechet(score), details: score })
        }
      } finally {
        net.dispose()
      }
    }
  }
  return { scores: out, ...(matches && { closest: matches }) }
}

/** Test images, and the closest that the generator comes to each. */
async function closest(
  training: ImageTraining,
  data: ImageData,
  options: EvalImagesOptions,
): Promise<{ score: ImageScore; columns: NonNullable<ImageScores['closest']> }> {
  const set = data.test ?? data.train
  const { images = 100, ...search } = options.iovm ?? {}
  const count = Math.min(images, set.count)
  const bytes: ImageBytes = { pixels: set.pixels.subarray(0, count * imageSize), height: set.height, width: set.width }
  const generator = { module: training.averaged(), latent: training.config.hyper.latent }
  const show = watch('iovm')
  const result = await iovm(generator, byteImages(bytes), { subsets: Math.min(3, count), ...search, onProgress: (done, n) => show(Math.floor(done), n) })
  const { perImage, codes: _codes, matches, ...rest } = result
  return {
    score: { metric: 'iovm', value: result.mean, text: formatIovm(result), details: { ...rest, perImage: [...perImage], of: set.name } },
    columns: [
      { name: 'Test', images: imagesOf(set, 0, count) },
      { name: training.switches.title, detail: result.mean.toFixed(4), images: matches },
    ],
  }
}

/** Draws closest-match.png into the folders of the runs that are compared: test images, and the closest match of each run. */
export async function drawClosest(folders: readonly RunFolder[], columns: readonly ImageColumn[]): Promise<void> {
  const png = await closestMatchFigure({ columns, height: 32, width: 32, rows: Math.min(12, columns[0]!.images.length / imageSize), title: 'Closest match' })
  for (const folder of folders) folder.writeClosestMatch(png)
}

/** Scores several runs one after another; where iovm is among the metrics, they share one figure. */
export async function evaluateRuns(
  dirs: readonly string[],
  options: EvalImagesOptions,
  told: (scores: ImageScores) => void = () => {},
): Promise<ImageScores[]> {
  const all: ImageScores[] = []
  const known: RealStatistics = new Map()
  for (const dir of dirs) {
    const scores = await evaluateImages(dir, options, known)
    told(scores)
    all.push(scores)
  }
  const [first] = all
  if (all.length > 1 && first?.closest) {
    const columns = [first.closest[0], ...all.flatMap(({ closest }) => (closest ? [closest[1]] : []))]
    await drawClosest(
      dirs.map((dir) => RunFolder.open(dir)),
      columns,
    )
  }
  return all
}
