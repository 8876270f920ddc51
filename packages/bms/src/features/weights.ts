// Weights of a user's file in a net: what does not fit is told with the file's name, what is missing or shaped otherwise, and
// what the file seems to be, since a folder of models holds many that look alike.
import { loadPth, loadSafetensors, type nn, type Tensor } from '@bms/nn'
import { BmsError, formatShape, showName } from '@bms/tensor'

/** A file's bytes, and its name for the texts of errors. */
export interface WeightsFile {
  bytes: Uint8Array | ArrayBuffer
  /** Path or URL. */
  name: string
}

/** Tensors by their names; or the file that holds them: .safetensors, or what torch.save wrote. */
export type Weights = Record<string, Tensor> | WeightsFile

const isFile = (weights: Weights): weights is WeightsFile => typeof weights['name'] === 'string'

/** A zip archive, or a pickle from before that: what torch.save writes. Else the file is taken for .safetensors. */
const isPth = (bytes: Uint8Array): boolean => (bytes[0] === 0x50 && bytes[1] === 0x4b) || (bytes[0] === 0x80 && bytes[1] === 0x02)

/** The tensors of a file, whichever of the two formats it has. */
function readTensors({ bytes, name }: WeightsFile): Record<string, Tensor> {
  const view = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes)
  try {
    return isPth(view) ? loadPth(view) : loadSafetensors(view)
  } catch (error) {
    if (error instanceof BmsError && error.code === 'BAD_FILE')
      throw new BmsError('BAD_FILE', `${name}: ${error.message}`, { ...error.fields, path: name }, { cause: error })
    throw error
  }
}

/** What known files have in common, the narrower descriptions first. */
const known: readonly [string, (shape: (name: string) => string | undefined) => boolean][] = [
  [
    "torchvision's Inception-v3, which is not the net of the FID (that is pt_inception-2015-12-05)",
    (s) => !!s('Mixed_7c.branch_pool.conv.weight') && s('fc.bias') === '[1000]',
  ],
  ['Inception-v3 of the FID', (s) => !!s('Mixed_7c.branch_pool.conv.weight')],
  ['SqueezeNet 1.0', (s) => s('features.0.weight') === '[96, 3, 7, 7]'],
  ['SqueezeNet 1.1', (s) => !!s('features.12.squeeze.weight')],
  ['AlexNet', (s) => s('features.0.weight') === '[64, 3, 11, 11]'],
  ['VGG-16', (s) => !!s('features.28.weight') && !s('features.34.weight')],
  ["LPIPS's linear layers", (s) => !!s('lin0.model.1.weight')],
  ['MobileNet v1 (Keras)', (s) => !!s('conv_preds/kernel') && !!s('conv_dw_1/depthwise_kernel')],
  ['a ResNet', (s) => !!s('layer1.0.conv1.weight')],
]

/** What the file seems to be. */
function guess(weights: Record<string, Tensor>): string {
  const shape = (name: string): string | undefined => (Object.hasOwn(weights, name) ? formatShape(weights[name]!.shape) : undefined)
  const found = known.find(([, is]) => is(shape))
  if (found) return `it looks like ${found[0]}`
  const names = Object.keys(weights)
  return names.length === 0 ? 'it holds no tensors' : `its ${names.length} tensors begin with ${names.slice(0, 3).map(showName).join(', ')}`
}

export interface FitOptions {
  /** What the weights should be, for errors. */
  what: string
  /** Names in the file that the net has no use for. */
  ignore?: RegExp
  /** Names of the net that a file may lack. */
  optional?: RegExp
}

/**
 * Copies weights into a net, all or nothing. Tensors that were read of a file are freed.
 * @throws BmsError `WEIGHTS` that names the file, missing, unexpected and mis-shaped tensors, and what the file looks like; `BAD_FILE` where it cannot be read
 */
export function fitWeights(net: nn.Module, weights: Weights, { what, ignore, optional }: FitOptions): void {
  const given = isFile(weights) ? readTensors(weights) : weights
  const path = isFile(weights) ? weights.name : undefined
  try {
    const wanted = Object.entries(given).filter(([name]) => !ignore?.test(name))
    const own = Object.entries(net.stateDict()).filter(([name]) => optional?.test(name) && !Object.hasOwn(given, name))
    net.loadStateDict(Object.fromEntries([...wanted, ...own]))
  } catch (error) {
    if (!(error instanceof BmsError) || error.code !== 'STATE_DICT') throw error
    const problems = error.message.slice(error.message.indexOf('nothing was changed: ') + 'nothing was changed: '.length)
    throw new BmsError(
      'WEIGHTS',
      `${path === undefined ? '' : `${path}: `}these are not the weights of ${what}: ${problems}; ${guess(given)}`,
      { ...error.fields, path },
      { cause: error },
    )
  } finally {
    if (isFile(weights)) for (const t of Object.values(given)) t.dispose()
  }
}
