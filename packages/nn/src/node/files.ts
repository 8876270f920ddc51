// Files of tensors on disk. A file is written beside its name and then renamed over it: whoever looks finds the old one
// or the new one, whole, also after a full disk or a kill.
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, statSync, unlinkSync, writeSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { BmsError, type Tensor } from '@bms/autograd'
import { loadPth, type LoadPthOptions } from '../pth/index.js'
import { type LoadOptions, loadSafetensors, saveSafetensors } from '../safetensors/index.js'

let counter = 0

/** Writes tensors and texts to a .safetensors file. Throws a BmsError 'WRITE_FAILED' with the earlier file untouched. */
export async function saveSafetensorsFile(path: string, tensors: Record<string, Tensor>, metadata?: Record<string, string>): Promise<void> {
  const bytes = await saveSafetensors(tensors, metadata)
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.${counter++}.tmp`)
  let made = false
  try {
    const handle = openSync(temporary, 'wx')
    made = true
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(handle, bytes, done, bytes.length - done)
      fsyncSync(handle)
    } finally {
      closeSync(handle)
    }
    renameSync(temporary, path)
  } catch (cause) {
    try {
      if (made) unlinkSync(temporary)
    } catch {
      // The first error is the one to report.
    }
    throw new BmsError(
      'WRITE_FAILED',
      `could not write ${path}: ${(cause as Error).message}; an earlier file of that name is kept as it was`,
      { path },
      { cause },
    )
  }
}

/** The bytes of a regular file: a pipe or a device would be read without end. */
function readWhole(path: string): Uint8Array {
  try {
    if (!statSync(path).isFile()) throw new Error('it is no regular file')
    return readFileSync(path)
  } catch (cause) {
    throw new BmsError('READ_FAILED', `could not read ${path}: ${(cause as Error).message}`, { path }, { cause })
  }
}

/** What `read` makes of the file; its errors begin with the path. */
function readFile<T>(path: string, read: (bytes: Uint8Array) => T): T {
  const bytes = readWhole(path)
  try {
    return read(bytes)
  } catch (error) {
    if (error instanceof BmsError && error.code === 'BAD_FILE')
      throw new BmsError(error.code, `${path}: ${error.message}`, { ...error.fields, path }, { cause: error })
    throw error
  }
}

/** The tensors of a .safetensors file. Throws a BmsError: 'READ_FAILED' when there is no reading it, 'BAD_FILE' when it is damaged. */
export const loadSafetensorsFile = (path: string, options: LoadOptions = {}): Record<string, Tensor> =>
  readFile(path, (bytes) => loadSafetensors(bytes, options))

/** The tensors of a .pth file (see `loadPth`). Throws a BmsError: 'READ_FAILED' when there is no reading it, 'BAD_FILE' when it is not what `loadPth` reads. */
export const loadPthFile = (path: string, options: LoadPthOptions = {}): Record<string, Tensor> => readFile(path, (bytes) => loadPth(bytes, options))
