// `bms eval` and `bms sample`: what can be done with a run's folder after training.
import { extname } from 'node:path'
import { init, saveSafetensors, tensor } from '@bms/nn/node'
import { BmsError } from '@bms/tensor'
import { newestFitting } from '../checkpoint.js'
import { isImageConfig } from '../config.js'
import { sampleMixture } from '../data/mixtures.js'
import { scatterFigure } from '../figures/png.js'
import { sheetPng } from '../figures/sheet.js'
import type { ModesAndQuality } from '../metrics/modes.js'
import { writeAtomic } from '../run/atomic.js'
import { quoted, RunFolder } from '../run/folder.js'
import { ImageTraining, imageShape } from '../training/images.js'
import { MixtureTraining } from '../training/mixtures.js'
import { evaluationSeed } from '../training/training.js'

type AdapterName = 'auto' | 'gpu' | 'software'

/** The training that a folder holds, at its last checkpoint; one of images cannot be trained further, since its data are not opened. */
export async function openTraining(dir: string, adapter?: AdapterName): Promise<{ training: MixtureTraining | ImageTraining; folder: RunFolder }> {
  const folder = RunFolder.open(dir)
  const { config } = folder
  const found = newestFitting(folder.checkpoints(), config)
  if (!found)
    throw new BmsError(
      'NO_CHECKPOINT',
      `${dir} has no checkpoint yet; let the run reach its first ${isImageConfig(config) ? 'checkpoint' : 'evaluation'}: bms train ${config.dataset} --resume --out ${quoted(dir)}`,
      { dir },
    )
  const device = await init({ adapter: adapter ?? config.adapter })
  try {
    const training = isImageConfig(config) ? new ImageTraining(config, null, device) : new MixtureTraining(config, device)
    await training.restore(found.bytes)
    return { training, folder }
  } catch (error) {
    device.destroy()
    throw error
  }
}

/** `bms eval` of points: modes and HQ% of `n` samples of the averaged generator. */
export async function evaluate(dir: string, options: { n: number; adapter?: AdapterName }): Promise<ModesAndQuality & { step: number }> {
  const { training } = await openTraining(dir, options.adapter)
  try {
    if (training instanceof ImageTraining) throw new BmsError('BAD_ARGUMENT', `${dir} holds a run on images: evaluateImages() scores it`, { dir })
    const { report } = await training.evaluate(options.n)
    return { ...report, step: training.step }
  } finally {
    training.device.destroy()
  }
}

/** Endings that `bms sample` writes: of points, and of images. */
const formats = { points: ['.csv', '.json', '.png', '.safetensors'], images: ['.png', '.safetensors'] } as const

/** `bms sample`: `n` samples into a file; the ending says how. */
export async function sample(dir: string, options: { n: number; out: string; seed?: number; adapter?: AdapterName }): Promise<void> {
  const format = extname(options.out).toLowerCase()
  const allowed: readonly string[] = formats[isImageConfig(RunFolder.open(dir).config) ? 'images' : 'points']
  if (!allowed.includes(format))
    throw new BmsError('BAD_ARGUMENT', `--out: ${options.out} should end in ${allowed.join(', ')}`, { option: '--out', got: options.out, allowed })
  const { training } = await openTraining(dir, options.adapter)
  try {
    const { config } = training
    const values = await training.sample(options.n, options.seed ?? evaluationSeed(config.seed))
    const shape = training instanceof ImageTraining ? [options.n, ...imageShape] : [options.n, 2]
    if (format === '.safetensors')
      writeAtomic(options.out, await saveSafetensors({ samples: tensor(values, { shape }) }, { dataset: config.dataset, model: config.model }))
    else if (training instanceof ImageTraining) writeAtomic(options.out, sheetPng(values, { width: 32, height: 32 }))
    else await writePoints(training, values, options.out, format)
  } finally {
    training.device.destroy()
  }
}

async function writePoints(training: MixtureTraining, values: Float32Array, out: string, format: string): Promise<void> {
  const { config, mixture } = training
  const n = values.length / 2
  const rows = Array.from({ length: n }, (_, i) => [values[2 * i]!, values[2 * i + 1]!])
  if (format === '.csv') writeAtomic(out, `x1,x2\n${rows.map((r) => r.join(',')).join('\n')}\n`)
  else if (format === '.json') writeAtomic(out, `${JSON.stringify(rows)}\n`)
  else {
    const figure = {
      target: sampleMixture(mixture, n, config.seed),
      generated: values,
      mixture,
      title: `${training.switches.title} on ${mixture.name}`,
      subtitle: `${n} samples, step ${training.step}`,
    }
    writeAtomic(out, await scatterFigure(figure))
  }
}
