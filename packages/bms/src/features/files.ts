// Weights of feature nets from the disk, for Node.
import { readFileSync, statSync } from 'node:fs'
import { BmsError } from '@bms/tensor'
import type { WeightsFile } from './weights.js'

/** A file of weights, for `loadFeatureNet` and `loadLpips`. Throws a BmsError 'READ_FAILED' where there is no reading it. */
export function weightsFile(path: string): WeightsFile {
  try {
    // A pipe or a device would be read without end.
    if (!statSync(path).isFile()) throw new Error('it is no regular file')
    return { bytes: readFileSync(path), name: path }
  } catch (cause) {
    throw new BmsError('READ_FAILED', `could not read ${path}: ${(cause as Error).message}`, { path }, { cause })
  }
}
