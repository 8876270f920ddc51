// `bms eval` and `bms sample`: what can be done with a run's folder after training.
import { extname } from 'node:path'
import { init, saveSafetensors, tensor } from '@bms/nn/node'
import { BmsError } from '@bms/tensor'
import { readCheckpoint } from '../checkpoint.js'
import { sampleMixture } from '../data/mixtures.js'
import { scatterFigure } from '../figures/png.js'
import type { ModesAndQuality } from '../metrics/modes.js'
import { writeAtomic } from '../run/atomic.js'
import { quoted, RunFolder } from '../run/folder.js'
import { evaluationSeed, Training } from '../training.js'

/** The training that a folder holds, at its last checkpoint. */
export async function openTraining(dir: string, adapter?: 'auto' | 'gpu' | 'software'): Promise<{ training: Training; folder: RunFolder }> {
  const folder = RunFolder.open(dir)
  const bytes = folder.readCheckpoint()
  if (!bytes)
    throw new BmsError(
      'NO_CHECKPOINT',
      `${dir} has no checkpoint yet; let the run reach its first evaluation: bms train ${folder.config.dataset} --resume --out ${quoted(dir)}`,
      { dir },
    )
  readCheckpoint(bytes, folder.config)
  const device = await init({ adapter: adapter ?? folder.config.adapter })
  try {
    const training = new Training(folder.config, device)
    await training.restore(bytes)
    return { training, folder }
  } catch (error) {
    device.destroy()
    throw error
  }
}

/** `bms eval`: modes and HQ% of `n` samples of the averaged generator. */
export async function evaluate(dir: string, options: { n: number; adapter?: 'auto' | 'gpu' | 'software' }): Promise<ModesAndQuality & { step: number }> {
  const { training } = await openTraining(dir, options.adapter)
  try {
    const { report } = await training.evaluate(options.n)
    return { ...report, step: training.step }
  } finally {
    training.device.destroy()
  }
}

const formats = ['.csv', '.json', '.png', '.safetensors']

/** `bms sample`: `n` samples into a file; the ending says how. */
export async function sample(dir: string, options: { n: number; out: string; seed?: number; adapter?: 'auto' | 'gpu' | 'software' }): Promise<void> {
  const format = extname(options.out).toLowerCase()
  if (!formats.includes(format))
    throw new BmsError('BAD_ARGUMENT', `--out: ${options.out} should end in ${formats.join(', ')}`, { option: '--out', got: options.out, allowed: formats })
  const { training } = await openTraining(dir, options.adapter)
  try {
    const { config, mixture } = training
    const values = await training.sample(options.n, options.seed ?? evaluationSeed(config.seed))
    const rows = Array.from({ length: options.n }, (_, i) => [values[2 * i]!, values[2 * i + 1]!])
    if (format === '.csv') writeAtomic(options.out, `x1,x2\n${rows.map((r) => r.join(',')).join('\n')}\n`)
    else if (format === '.json') writeAtomic(options.out, `${JSON.stringify(rows)}\n`)
    else if (format === '.safetensors')
      writeAtomic(options.out, await saveSafetensors({ samples: tensor(values, { shape: [options.n, 2] }) }, { dataset: config.dataset, model: config.model }))
    else {
      const figure = {
        target: sampleMixture(mixture, options.n, config.seed),
        generated: values,
        mixture,
        title: `${training.switches.title} on ${mixture.name}`,
        subtitle: `${options.n} samples, step ${training.step}`,
      }
      writeAtomic(options.out, await scatterFigure(figure))
    }
  } finally {
    training.device.destroy()
  }
}
