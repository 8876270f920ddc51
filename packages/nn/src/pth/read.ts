// Tensors from the bytes of a file that torch.save wrote (.pth, .pt), without Python and without running anything of it.
import { ArgumentError, BmsError, currentDevice, type Device, keep, show, showName, type Tensor } from '@bms/autograd'
import { checkNames } from '../check.js'
import { fileBytes } from '../safetensors/header.js'
import type { LoadOptions } from '../safetensors/read.js'
import { partOf, storedTensor } from '../stored.js'
import { type Pickled, type StorageRef, TensorRef, unpickle } from './pickle.js'
import { badPth, readZip, type ZipEntry, zipBytes } from './zip.js'

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

const widths: Record<string, number> = { F64: 8, I64: 8, F32: 4, I32: 4, F16: 2, BF16: 2, I16: 2, I8: 1, U8: 1, BOOL: 1 }

/** The archive: its pickle's value, and the bytes of storages. */
function open(bytes: Uint8Array): { value: Pickled; storage: (ref: StorageRef, name: string) => Uint8Array<ArrayBuffer> } {
  // Before version 1.6: a pickle of a magic number, or a tar archive.
  const old = bytes[0] === 0x80 && bytes[1] === 0x02 && bytes[2] === 0x8a
  const tar = bytes.length > 262 && String.fromCharCode(...bytes.subarray(257, 262)) === 'ustar'
  if (old || tar)
    throw new BmsError('BAD_FILE', 'pth: the file has the layout from before PyTorch 1.6, which is not read here; open it in Python and torch.save it again')
  if (bytes[0] !== 0x50 || bytes[1] !== 0x4b) throw badPth('it does not begin as a zip archive, which torch.save writes')
  const entries = readZip(bytes)
  const pickles = [...entries.keys()].filter((name) => name === 'data.pkl' || name.endsWith('/data.pkl'))
  if (pickles.length !== 1) throw badPth(`the archive has ${pickles.length} entries data.pkl, one is needed`)
  const root = pickles[0]!.slice(0, -'data.pkl'.length)
  const contents = (name: string): Uint8Array => zipBytes(bytes, name, entries.get(name) as ZipEntry)
  const order = entries.has(`${root}byteorder`) ? new TextDecoder().decode(contents(`${root}byteorder`)).trim() : 'little'
  if (order !== 'little') throw badPth(`its numbers are in the byte order ${show(order)}, only little is read`)
  return {
    value: unpickle(contents(pickles[0]!)),
    storage: ({ key, dtype, count }, name) => {
      const entry = `${root}data/${key}`
      if (!entries.has(entry)) throw badPth(`tensor ${show(name)}: the archive has no entry ${show(entry)}`, { name })
      const data = contents(entry)
      if (data.length !== count * widths[dtype]!)
        throw badPth(`tensor ${show(name)}: its storage has ${data.length} bytes, ${count} elements ${dtype} take ${count * widths[dtype]!}`, { name })
      return partOf(data, 0, data.length)
    },
  }
}

/** One tensor of each storage's elements, made when the first view asks for it. */
function uploader(storage: (ref: StorageRef, name: string) => Uint8Array<ArrayBuffer>, device: Device) {
  const made = new Map<string, { dtype: string; count: number; values: Tensor }>()
  const of = (ref: StorageRef, name: string): Tensor => {
    const { key, dtype, count } = ref
    const known = made.get(key)
    if (known) {
      if (known.dtype !== dtype || known.count !== count) throw badPth(`tensor ${show(name)}: storage ${show(key)} has two types or sizes`, { name })
      return known.values
    }
    const values = keep(storedTensor('loadPth', 'pth', storage(ref, name), { name, dtype, shape: [count] }, device))
    made.set(key, { dtype, count, values })
    return values
  }
  const dispose = (): void => {
    for (const { values } of made.values()) values.dispose()
  }
  return { of, dispose }
}

/**
 * The tensors of a state dict that torch.save wrote (PyTorch 1.6 or newer), by name; dtypes as `loadSafetensors` has them. Tensors that shared memory
 * when they were saved share it here. Nothing of the file is run: its pickle may build dicts, lists, texts, numbers and tensors.
 * Throws a BmsError 'BAD_FILE' that names what is wrong, or the Python name that is not allowed (`fields.global`).
 */
export function loadPth(file: Uint8Array | ArrayBuffer, options: LoadPthOptions = {}): Record<string, Tensor> {
  const bytes = fileBytes('loadPth', file)
  checkNames('loadPth', options, ['device', 'key'])
  const { key } = options
  if (key !== undefined && typeof key !== 'string') throw new ArgumentError('loadPth', `key is a text, got ${show(key)}`, { option: 'key' })
  const { value, storage } = open(bytes)
  const refs = tensorsOf(entryOf(value, key), key)
  const device = options.device ?? currentDevice()
  const most = Math.floor(device.limits.maxStorageBufferBindingSize / 4)
  const uploads = uploader(storage, device)
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
