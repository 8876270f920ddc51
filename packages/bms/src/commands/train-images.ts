// A run on images, as `bms train` does it: the data from wherever they are, a sheet of samples from the same codes each time, reconstructions beside originals, the
// last three checkpoints, and a report that grows with the run.
import { stat } from 'node:fs/promises'
import { BmsError, type Device } from '@bms/nn'
import { type ImageConfig, resolveConfig } from '../config.js'
import { openCifar10 } from '../data/cifar10-files.js'
import { downloadCifar10 } from '../data/download.js'
import type { ImageSet } from '../data/image-set.js'
import { type BatchLoader, imageLoader } from '../data/loader.js'
import { openCifar10Sample } from '../data/sample-files.js'
import { pairsPng, sheetPng } from '../figures/sheet.js'
import { reportHtml } from '../report/report.js'
import { CHECKPOINTS_KEPT } from '../run/folder.js'
import type { MetricsLine } from '../run/metrics.js'
import { type Progress, progress } from '../run/progress.js'
import { version } from '../run/version.js'
import { ImageTraining, imageSize, isTooLarge } from '../training/images.js'
import { evaluationSeed, type LossValues } from '../training/training.js'
import type { RunKind, Running } from './kind.js'

/** Seconds between looks at the losses. */
const LOOK_EVERY = 0.5
/** Images of a sheet, and pairs of an original and its reconstruction. */
const SHEET = 64
const PAIRS = 32

const side = { width: 32, height: 32 } as const

/** Both parts of the set that a run is about: what it trains on and, where there is one, what it is tested with. */
export interface ImageData {
  readonly train: ImageSet
  readonly test: ImageSet | null
}

/**
 * The data of a run: the path that it names, or the sample of the package.
 * @param onProgress while a large set is read: done and total, in units of the set's own
 * @throws BmsError `BAD_DATA`
 */
export async function openData(
  data: string | null,
  options: { corrupt?: 'fail' | 'skip'; onProgress?: (done: number, total: number) => void } = {},
): Promise<ImageData> {
  if (data === null) return { train: await openCifar10Sample('train'), test: await openCifar10Sample('test') }
  const train = await openCifar10(data, { split: 'train', ...options })
  try {
    return { train, test: await openCifar10(data, { split: 'test', corrupt: options.corrupt }) }
  } catch (error) {
    if (error instanceof BmsError && error.code === 'BAD_DATA') return { train, test: null }
    throw error
  }
}

/** The images `from` to `to` of a set, as numbers in [-1, 1]. */
export const imagesOf = (set: ImageSet, from: number, to: number): Float32Array =>
  Float32Array.from(set.pixels.subarray(from * imageSize, to * imageSize), (byte) => byte / 127.5 - 1)

const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0)} MiB`

export interface ImageRunOptions {
  /** Fetch the data first, where they are not there yet. */
  download?: boolean
  /** Leave out pictures that cannot be read. */
  corrupt?: 'fail' | 'skip'
}

export class ImageRun implements RunKind<ImageTraining> {
  private data: ImageData | undefined
  private loader: BatchLoader | undefined
  private saved = performance.now()
  /** The step that the newest checkpoint is of. */
  private savedStep = 0

  constructor(
    private readonly config: ImageConfig,
    private readonly options: ImageRunOptions = {},
  ) {}

  async open(): Promise<void> {
    const { config, options } = this
    if (options.download) await download(config.data!)
    await withProgress('reading the data', async (show) => {
      this.data = await openData(config.data, { corrupt: options.corrupt, onProgress: show })
    })
    const { train } = this.data!
    if (train.count < config.batch)
      throw new BmsError('BAD_ARGUMENT', `--batch: got ${config.batch}, allowed is at most ${train.count}, the images of ${train.source}`, {
        option: '--batch',
        got: config.batch,
        allowed: train.count,
      })
  }

  async start(device: Device): Promise<ImageTraining> {
    const { config } = this
    this.loader = imageLoader(this.data!.train, { batch: config.batch, seed: config.seed, flips: config.hyper.flips })
    const training = new ImageTraining(config, this.loader, device)
    try {
      await training.reserve()
    } catch (error) {
      throw isTooLarge(error) ? await tooLarge(training, error) : error
    }
    return training
  }

  describe(training: ImageTraining): string[] {
    const { config, switches, device } = training
    const { train, test } = this.data!
    const { arena, unshared, results, state } = training.plan()
    const networks = Object.entries(training.nets).flatMap(([name, net]) =>
      net
        ? [
            `${name} ${net
              .parameters()
              .reduce((n: number, p: { size: number }) => n + p.size, 0)
              .toLocaleString('en')}`,
          ]
        : [],
    )
    const left = train.skipped && train.skipped.length > 0 ? `; ${train.skipped.length} left out (${train.skipped[0]!.name}: ${train.skipped[0]!.why})` : ''
    return [
      `${switches.title} (${config.arch}, width ${config.width}, ${config.dtype}): T ${config.T}, batch ${config.batch}, ${config.steps} steps, seed ${config.seed}; ${device.adapter.name} (${device.adapter.source})`,
      `data: ${train.name}, ${train.count.toLocaleString('en')} images${test ? ` and ${test.count.toLocaleString('en')} to test with` : ''} (${train.source})${left}`,
      `parameters: ${networks.join(', ')}`,
      `memory of a step: arena ${megabytes(arena)} (${megabytes(unshared)} unshared), batch and results ${megabytes(results)}; weights and optimisers ${megabytes(state)}`,
    ]
  }

  async loop(run: Running<ImageTraining>): Promise<void> {
    const { training, folder, bar, seconds, stop } = run
    const { steps, evalEvery, sampleEvery, saveEvery } = this.config
    this.saved = performance.now()
    this.savedStep = training.step
    if (training.step === 0) await this.draw(run)
    const after = (every: number): number => (Math.floor(training.step / every) + 1) * every
    while (training.step < steps && !stop()) {
      const next = Math.min(steps, after(evalEvery), after(sampleEvery))
      let losses: LossValues = {}
      while (training.step < next && !stop()) {
        const look = performance.now() + 1000 * LOOK_EVERY
        await training.advanceBy(next - training.step, () => stop() || performance.now() > look)
        losses = await training.lossValues()
        bar.update(training.step, shown(losses))
        if (performance.now() - this.saved > 60_000 * saveEvery) await this.save(run)
      }
      if (training.step % evalEvery === 0 || training.step === steps)
        folder.appendMetrics({ step: training.step, ...losses, seconds: Math.round(seconds() * 10) / 10 })
      // The last ones are drawn with the result.
      if (training.step % sampleEvery === 0 && training.step < steps) await this.draw(run)
    }
    if (training.step === steps) await this.save(run)
  }

  async save({ training, folder }: Running<ImageTraining>): Promise<void> {
    if (training.step === this.savedStep) return
    // Refuses to save what has diverged: the last good checkpoint is worth more.
    await training.lossValues()
    folder.writeCheckpoint(await training.checkpoint(), CHECKPOINTS_KEPT)
    this.saved = performance.now()
    this.savedStep = training.step
  }

  /** samples.png (and its like in sheets/), reconstructions.png, report.html. */
  private async draw({ training, folder }: Running<ImageTraining>, result?: object): Promise<void> {
    const { config } = this
    const images = await training.sample(SHEET, evaluationSeed(config.seed))
    folder.writeSheet(training.step, sheetPng(images, side))
    const { train, test } = this.data!
    const originals = imagesOf(test ?? train, 0, Math.min(PAIRS, (test ?? train).count))
    const rebuilt = await training.reconstruct(originals)
    const reconstructions = rebuilt && pairsPng(originals, rebuilt, side)
    if (reconstructions) folder.writeReconstructions(reconstructions)
    folder.writeReport(
      reportHtml({
        title: training.switches.title,
        config,
        defaults: resolveConfig({ dataset: config.dataset, model: config.model, arch: config.arch, out: config.out }),
        lines: folder.readMetrics().lines,
        sheets: folder.readSheets(training.step),
        reconstructions: reconstructions ? { step: training.step, png: reconstructions } : undefined,
        result,
        adapter: training.device.adapter.name,
        memory: training.plan(),
        notes: notes(this.data!),
        versions: { '@bms/bms': version(), node: process.version },
        time: new Date()
          .toISOString()
          .replace(/:\d\d\..*/, ' UTC')
          .replace('T', ' '),
      }),
    )
  }

  async finish(run: Running<ImageTraining>): ReturnType<RunKind['finish']> {
    const now = await run.training.lossValues()
    // A run that had come to its end before has trained no step: what it was told then still stands.
    const losses = Object.keys(now).length > 0 ? now : lossesOf(run.folder.readMetrics().lines.at(-1))
    await this.draw(run, losses)
    const told = Object.entries(losses).filter(([name]) => !name.startsWith('grad_'))
    return { metrics: { ...losses }, summary: told.map(([name, value]) => `${name} ${value!.toFixed(3)}`).join(', ') }
  }

  close(): void {
    this.loader?.close()
  }
}

/** What a line of metrics.jsonl tells of the step itself. */
const lossesOf = ({ step: _step, seconds: _seconds, ...losses }: Partial<MetricsLine> = {}): LossValues =>
  Object.fromEntries(Object.entries(losses).filter(([, value]) => typeof value === 'number'))

/** Of the line of progress: losses alone. */
const shown = (losses: LossValues): Record<string, number> =>
  Object.fromEntries(Object.entries(losses).filter(([name]) => !name.startsWith('grad_'))) as Record<string, number>

function notes({ train, test }: ImageData): string[] {
  return [
    `Trained on ${train.count.toLocaleString('en')} images: ${train.source}.`,
    test
      ? `Reconstructions are of images that were not trained on (${test.name}).`
      : 'Reconstructions are of images that were trained on: this set has no others.',
    ...(train.skipped?.length ? [`${train.skipped.length} pictures were left out because they could not be read.`] : []),
  ]
}

/** The error for a step that the adapter cannot hold, with what would fit. */
async function tooLarge(training: ImageTraining, cause: BmsError): Promise<BmsError> {
  const { config } = training
  const { batch, T } = await training.fitting()
  const choices = [...(batch ? [`--batch ${batch} with T ${config.T}`] : []), ...(T ? [`--T ${T} with batch ${config.batch}`] : [])]
  const remedy = choices.length > 0 ? `what fits: ${choices.join(', or ')}` : 'not even a batch of 1 fits; take a smaller --width'
  return new BmsError(
    'PLAN_TOO_LARGE',
    `a step of batch ${config.batch} and T ${config.T} is more than ${training.device.adapter.name} can hold (${cause.message}); ${remedy}`,
    { ...cause.fields, batch: config.batch, T: config.T, fits: { batch, T } },
    { cause },
  )
}

async function download(dir: string): Promise<void> {
  try {
    // What is there already is taken as it is.
    if ((await stat(dir)).isDirectory() && (await openCifar10(dir, { split: 'test' })).count > 0) return
  } catch (error) {
    if (!(error instanceof BmsError) && (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  await withProgress('downloading CIFAR-10 (bytes)', async (show) => {
    await downloadCifar10(dir, { onProgress: ({ bytes, total }) => show(bytes, total ?? bytes) })
  })
}

/** Runs `work` with a line of progress from its first news on, which ends with it, however that is. */
async function withProgress(label: string, work: (show: (done: number, total: number) => void) => Promise<void>): Promise<void> {
  let bar: Progress | undefined
  try {
    await work((done, total) => {
      bar ??= progress({ total, label })
      bar.update(done)
    })
  } finally {
    bar?.stop()
  }
}
