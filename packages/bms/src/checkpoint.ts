// What a checkpoint says of itself, compared with the run that is to continue from it: all that can be told from the
// file's header is told before networks are built, memory is taken or a weight is touched.
import { BmsError, formatShape, type RandomSnapshot, readSafetensorsHeader, show, showName, type Tensor, type TensorEntry } from '@bms/nn'
import { isImageConfig, type RunConfig } from './config.js'
import { models } from './models.js'
import { countImageParameters } from './networks/images.js'
import { countMixtureParameters } from './networks/mlp.js'

const FORMAT = 'bms-checkpoint-1'
/** What must be the same in the run and in the checkpoint; the sizes of the networks show in the tensors. */
const fixed = ['dataset', 'model', 'T', 'batch', 'seed'] as const
/** Of images, these as well. */
const fixedOfImages = ['arch', 'width', 'dtype'] as const

const fixedTexts = (config: RunConfig): Record<string, string> => ({
  ...Object.fromEntries(fixed.map((name) => [name, String(config[name])])),
  ...(isImageConfig(config) ? Object.fromEntries(fixedOfImages.map((name) => [name, String(config[name])])) : {}),
})

/** Trainable numbers of all networks of a run. */
function countParameters(config: RunConfig): number {
  if (!isImageConfig(config)) return countMixtureParameters(2, config.hyper, models[config.model])
  const { G, R, D, L } = countImageParameters(config)
  return G + R + D + L
}

/** Throws the error for a checkpoint that cannot be continued from. */
export function refuse(why: string): never {
  throw new BmsError('BAD_CHECKPOINT', `the checkpoint does not fit this run: ${why}`, { why })
}

/** The texts that a checkpoint is saved with. */
export function checkpointTexts(config: RunConfig, step: number, { seed, counter }: RandomSnapshot): Record<string, string> {
  const state = { step, seed, counter }
  return { format: FORMAT, ...fixedTexts(config), ...Object.fromEntries(Object.entries(state).map(([name, value]) => [name, String(value)])) }
}

/**
 * Where a checkpoint of this configuration stood (steps done, blocks of random numbers drawn), and its tensors, unread.
 * @throws BmsError `BAD_FILE` where the file is damaged, `BAD_CHECKPOINT` where it belongs to another run, or is too small to hold the networks
 *   that the configuration asks for
 */
export function readCheckpoint(bytes: Uint8Array, config: RunConfig): { step: number; counter: number; tensors: TensorEntry[] } {
  const { metadata, tensors } = readSafetensorsHeader(bytes)
  if (metadata['format'] !== FORMAT) refuse('it was not written by `bms train`')
  for (const [name, own] of Object.entries(fixedTexts(config))) {
    if (metadata[name] !== own) refuse(`its ${name} is ${showName(metadata[name] ?? 'missing')}, the run's ${own}`)
  }
  // Fifteen digits: what a double counts on from without a slip.
  const count = (name: string): number => {
    const text = metadata[name]
    return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : refuse(`its step or random state is damaged: ${name} is ${show(text)}`)
  }
  const [step, counter] = [count('step'), count('counter')]
  const least = 4 * countParameters(config)
  if (bytes.byteLength < least) refuse(`it has ${bytes.byteLength} bytes, the run's networks alone take ${least}`)
  return { step, counter, tensors }
}

/** A checkpoint that a run can continue from, and newer ones that it cannot, with why. */
export interface FoundCheckpoint {
  readonly bytes: Uint8Array
  readonly step: number
  readonly passed: readonly { path: string; why: string }[]
}

/**
 * The newest of a run's checkpoints (given newest first) that fits its configuration; undefined where there are none.
 * @throws BmsError `BAD_FILE`, `BAD_CHECKPOINT`: of the newest, where none fits
 */
export function newestFitting(checkpoints: Iterable<{ path: string; bytes: Uint8Array }>, config: RunConfig): FoundCheckpoint | undefined {
  const passed: { path: string; why: string }[] = []
  let first: unknown
  for (const { path, bytes } of checkpoints) {
    try {
      return { bytes, step: readCheckpoint(bytes, config).step, passed }
    } catch (error) {
      first ??= error
      passed.push({ path, why: (error as Error).message })
    }
  }
  if (first) throw first
  return undefined
}

/** Throws unless a checkpoint has the tensors `own`, all of them, with their shapes and dtypes, and no others. */
export function compareTensors(tensors: readonly TensorEntry[], own: Record<string, Tensor>): void {
  const found = new Map(tensors.map((t) => [t.name, t]))
  for (const [name, t] of Object.entries(own)) {
    const got = found.get(name) ?? refuse(`it lacks ${name}`)
    const dtype = got.dtype.toLowerCase()
    if (got.shape.join() !== t.shape.join() || dtype !== t.dtype)
      refuse(`${name} is ${dtype} ${formatShape(got.shape)}, the run needs ${t.dtype} ${formatShape(t.shape)}`)
  }
  for (const { name } of tensors) if (!Object.hasOwn(own, name)) refuse(`it holds ${showName(name)}, which this run does not have`)
}
