// The two layouts of torch.save: a zip archive of a pickle and one entry a storage, and before version 1.6 (which many files of
// weights date from) pickles and storages one after another.
import { show } from '@bms/autograd'
import { partOf } from '../stored.js'
import type { Pickled, StorageRef } from './globals.js'
import { unpickle } from './pickle.js'
import { badPth, readZip, type ZipEntry, zipBytes } from './zip.js'

/** A file's value, and the bytes of its storages; `name` is the tensor that asks, for errors. */
export interface Archive {
  value: Pickled
  storage(ref: StorageRef, name: string): Uint8Array<ArrayBuffer>
}

/** Bytes of an element. */
const widths: Record<string, number> = { F64: 8, I64: 8, F32: 4, I32: 4, F16: 2, BF16: 2, I16: 2, I8: 1, U8: 1, BOOL: 1 }

function openZip(bytes: Uint8Array): Archive {
  const entries = readZip(bytes)
  const pickles = [...entries.keys()].filter((name) => name === 'data.pkl' || name.endsWith('/data.pkl'))
  if (pickles.length !== 1) throw badPth(`the archive has ${pickles.length} entries data.pkl, one is needed`)
  const root = pickles[0]!.slice(0, -'data.pkl'.length)
  const contents = (name: string): Uint8Array => zipBytes(bytes, name, entries.get(name) as ZipEntry)
  const order = entries.has(`${root}byteorder`) ? new TextDecoder().decode(contents(`${root}byteorder`)).trim() : 'little'
  if (order !== 'little') throw badPth(`its numbers are in the byte order ${show(order)}, only little is read`)
  return {
    value: unpickle(contents(pickles[0]!)).value,
    storage: ({ key, dtype, count }, name) => {
      const entry = `${root}data/${key}`
      if (!entries.has(entry)) throw badPth(`tensor ${show(name)}: the archive has no entry ${show(entry)}`, { name })
      const data = contents(entry)
      const needed = count * widths[dtype]!
      if (data.length !== needed)
        throw badPth(`tensor ${show(name)}: its storage has ${data.length} bytes, ${count} elements ${dtype} take ${needed}`, { name })
      return partOf(data, 0, needed)
    },
  }
}

/** The number that files before 1.6 begin with. */
const MAGIC = 0x1950a86a20f9469cfc6cn
const PROTOCOL = 1001

function openLegacy(bytes: Uint8Array): Archive {
  const magic = unpickle(bytes)
  const protocol = unpickle(bytes, magic.end)
  if (magic.value !== MAGIC || protocol.value !== PROTOCOL) throw badPth('it is a pickle, but not one that torch.save wrote')
  const system = unpickle(bytes, protocol.end)
  if (!(system.value instanceof Map) || system.value.get('little_endian') !== true) throw badPth('its numbers are not in the byte order little')
  const { value, storages, end } = unpickle(bytes, system.end)
  const keys = unpickle(bytes, end)
  if (!Array.isArray(keys.value)) throw badPth('the list of its storages is missing')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const places = new Map<string, number>()
  let at = keys.end
  for (const key of keys.value) {
    const ref = typeof key === 'string' ? storages.get(key) : undefined
    if (!ref || places.has(ref.key)) throw badPth(`the list of its storages has ${show(ref?.key ?? String(key))}, which no tensor has or which it had before`)
    const size = ref.count * widths[ref.dtype]!
    if (!(at + 8 + size <= bytes.length)) throw badPth(`storage ${show(ref.key)} of ${size} bytes reaches beyond the end`)
    if (view.getBigUint64(at, true) !== BigInt(ref.count)) throw badPth(`storage ${show(ref.key)} has another number of elements than its tensors say`)
    places.set(ref.key, at + 8)
    at += 8 + size
  }
  if (at !== bytes.length) throw badPth(`${bytes.length - at} bytes at the end belong to no storage`)
  return {
    value,
    storage: ({ key, dtype, count }, name) => {
      const from = places.get(key)
      if (from === undefined) throw badPth(`tensor ${show(name)}: storage ${show(key)} is not in the file`, { name })
      return partOf(bytes, from, from + count * widths[dtype]!)
    },
  }
}

/** Opens a file of either layout. Throws a BmsError 'BAD_FILE' that names what is wrong. */
export function openArchive(bytes: Uint8Array): Archive {
  if (bytes[0] === 0x50 && bytes[1] === 0x4b) return openZip(bytes)
  if (bytes[0] === 0x80 && bytes[1] === 0x02) return openLegacy(bytes)
  throw badPth('it begins neither as a zip archive nor as a pickle, which torch.save writes')
}
