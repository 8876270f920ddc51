// Tensors from the bytes of a file that torch.save wrote (.pth, .pt), without Python and without running anything of it.
import { ArgumentError, BmsError, currentDevice, type Device, keep, show, showName, type Tensor } from '@bms/autograd'
import { checkNames } from '../check.js'
import { fileBytes } from '../safetensors/header.js'
import type { LoadOptions } from '../safetensors/read.js'
import { storedTensor } from '../stored.js'
import { type Archive, openArchive } from './archive.js'
import { type Pickled, type StorageRef, TensorRef } from './globals.js'
import { badPth } from './zip.js'

export interface LoadPthOptions extends LoadOptions {
  /** Where in the file the state dict is, if it is one entry of a checkpoint: 'state_dict', 'model', … (dots go deeper). Default: it is the whole file. */
  key?: string
}

const MOST = 6
const listOf = (names: readonly string[]): string => names.slice(0, MOST).map(showName).join(', ') + (names.length > MOST ? `, … (${names.length})` : '')

/** What a value is, for the text of an error. */
function kindOf(value: Pickled): string {
  if (value instanceof TensorRef) return 'a tensor'
  if (value instanceof Map) return `a dict of ${listOf(Array.from(value.keys(), (k) => String(typeof k === 'object' ? '…' : k)))}`
  if (Array.isArray(value)) return 'a list'
  return value === null || typeof value !== 'object' ? show(value) : 'something else'
}

/** The names of a dict with tensors; throws where `value` is none. */
function tensorsOf(value: Pickled, key: string | undefined): Map<string, TensorRef> {
  const where = key === undefined ? 'the file' : `its entry ${show(key)}`
  if (!(value instanceof Map)) throw new BmsError('BAD_FILE', `pth: ${where} holds ${kindOf(value)}, a dict of tensors is needed`, { key })
  const out = new Map<string, TensorRef>()
  for (const [name, t] of value) {
    if (typeof name === 'string' && name !== '__proto__' && t instanceof TensorRef) {
      out.set(name, t)
      continue
    }
    const within = [...value].filter(([, v]) => v instanceof Map).map(([k]) => String(k))
    const hint = within.length > 0 ? `; say which dict it is with the option key: ${within.slice(0, MOST).map(show).join(', ')}` : ''
    const what = typeof name === 'string' ? `${show(name)} is ${kindOf(t)}` : `it has the key ${kindOf(name)}`
    throw new BmsError('BAD_FILE', `pth: ${where} is not a dict of tensors: ${what}${hint}`, { key, name: typeof name === 'string' ? name : undefined })
  }
  return out
}

function entryOf(whole: Pickled, key: string | undefined): Pickled {
  let value = whole
  for (const part of key?.split('.') ?? []) {
    const inner = value instanceof Map ? value.get(part) : undefined
    if (inner === undefined) throw new BmsError('BAD_FILE', `pth: there is no ${show(key)} in the file, which holds ${kindOf(whole)}`, { key })
    value = inner
  }
  return value
}

/** One tensor of each storage's elements, made when the first view asks for it. */
function uploader(archive: Archive, device: Device) {
  const made = new Map<string, Tensor>()
  return {
    of(ref: StorageRef, name: string): Tensor {
      const { key, dtype, count } = ref
      const values = made.get(key) ?? keep(storedTensor('loadPth', 'pth', archive.storage(ref, name), { name, dtype, shape: [count] }, device))
      made.set(key, values)
      return values
    },
    dispose(): void {
      for (const values of made.values()) values.dispose()
    },
  }
}

/**
 * The tensors of a state dict that torch.save wrote, by name; dtypes as `loadSafetensors` has them. Tensors that shared memory
 * when they were saved share it here. Nothing of the file is run: its pickle may build dicts, lists, texts, numbers and tensors.
 * Throws a BmsError 'BAD_FILE' that names what is wrong, or the Python name that is not allowed (`fields.global`).
 */
export function loadPth(file: Uint8Array | ArrayBuffer, options: LoadPthOptions = {}): Record<string, Tensor> {
  const bytes = fileBytes('loadPth', file)
  checkNames('loadPth', options, ['device', 'key'])
  const { key } = options
  if (key !== undefined && typeof key !== 'string') throw new ArgumentError('loadPth', `key is a text, got ${show(key)}`, { option: 'key' })
  const archive = openArchive(bytes)
  const refs = tensorsOf(entryOf(archive.value, key), key)
  const device = options.device ?? currentDevice()
  const most = Math.floor(device.limits.maxStorageBufferBindingSize / 4)
  const uploads = uploader(archive, device)
  const out = new Map<string, Tensor>()
  try {
    for (const [name, { storage: ref, offset, shape, strides }] of refs) {
      const size = shape.reduce((n, d) => n * d, 1)
      // An expanded tensor may be larger than the file; not than what a buffer can hold.
      if (!(size <= Math.max(most, ref.count))) throw badPth(`tensor ${show(name)} repeats its ${ref.count} elements to ${size}`, { name })
      out.set(name, uploads.of(ref, name).view({ shape: [...shape], strides: [...strides], offset }))
    }
  } catch (error) {
    for (const t of out.values()) t.dispose()
    throw error
  } finally {
    uploads.dispose()
  }
  return Object.fromEntries(out)
}
