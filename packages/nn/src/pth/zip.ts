// The entries of a zip archive as torch.save writes it: stored, not compressed, with or without the 64-bit fields. Read by
// hand, since general readers unpack whatever they find and believe any count; here all of it is checked against the file.
import { BmsError, show } from '@bms/autograd'

/** What is wrong with a file, as an error with the code BAD_FILE. */
export const badPth = (message: string, fields: Record<string, unknown> = {}): BmsError =>
  new BmsError('BAD_FILE', `pth: ${message}; the file is truncated, damaged or of another kind`, fields)

/** Where an entry's bytes are in the file, and what they must sum to. */
export interface ZipEntry {
  begin: number
  end: number
  crc: number
}

const END = 0x06054b50
const END64 = 0x06064b50
const LOCATOR64 = 0x07064b50
const CENTRAL = 0x02014b50
const LOCAL = 0x04034b50
/** The end record without its comment, of at most 65,535 bytes. */
const END_SIZE = 22
const ENCRYPTED = 1

interface Directory {
  count: number
  begin: number
  end: number
}

/** Where the central directory is: told by the record at the end, or by its 64-bit twin before it. */
function findDirectory(view: DataView): Directory {
  const size = view.byteLength
  let at = size - END_SIZE
  const first = Math.max(0, at - 65_535)
  while (at >= first && !(view.getUint32(at, true) === END && view.getUint16(at + 20, true) === size - at - END_SIZE)) at--
  if (at < first) throw badPth('a zip archive must close with its directory, and there is none')
  let [count, length, begin] = [view.getUint16(at + 10, true), view.getUint32(at + 12, true), view.getUint32(at + 16, true)]
  let end = at
  if (at >= 20 && view.getUint32(at - 20, true) === LOCATOR64) {
    const wide = Number(view.getBigUint64(at - 12, true))
    if (wide > at - 20 - 56 || view.getUint32(wide, true) !== END64) throw badPth('the 64-bit end record is not where it is said to be')
    count = Number(view.getBigUint64(wide + 32, true))
    length = Number(view.getBigUint64(wide + 40, true))
    begin = Number(view.getBigUint64(wide + 48, true))
    end = wide
  }
  if (begin + length > end || count * 46 > length) throw badPth(`a directory of ${count} entries in ${length} bytes at ${begin} does not fit the file`)
  return { count, begin, end: begin + length }
}

/** The 64-bit sizes and place of an entry, where the 32-bit ones are full. */
function widened(view: DataView, from: number, to: number, [size, stored, local]: [number, number, number]): [number, number, number] {
  for (let at = from; at + 4 <= to; ) {
    const [id, length] = [view.getUint16(at, true), view.getUint16(at + 2, true)]
    const end = Math.min(to, at + 4 + length)
    if (id === 1) {
      let field = at + 4
      const take = (narrow: number): number => {
        if (narrow !== 0xffffffff || field + 8 > end) return narrow
        field += 8
        return Number(view.getBigUint64(field - 8, true))
      }
      return [take(size), take(stored), take(local)]
    }
    at += 4 + length
  }
  return [size, stored, local]
}

/** The entries by name. Throws a BmsError 'BAD_FILE' that names what is wrong. */
export function readZip(bytes: Uint8Array): Map<string, ZipEntry> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.byteLength < END_SIZE) throw badPth(`${view.byteLength} bytes are too few for a zip archive`)
  const directory = findDirectory(view)
  const entries = new Map<string, ZipEntry>()
  let at = directory.begin
  for (let i = 0; i < directory.count; i++) {
    if (at + 46 > directory.end || view.getUint32(at, true) !== CENTRAL) throw badPth(`entry ${i} of the directory is damaged`)
    const [nameEnd, extra, comment] = [view.getUint16(at + 28, true), view.getUint16(at + 30, true), view.getUint16(at + 32, true)]
    const next = at + 46 + nameEnd + extra + comment
    if (next > directory.end) throw badPth(`entry ${i} of the directory is cut off`)
    const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameEnd))
    const narrow: [number, number, number] = [view.getUint32(at + 24, true), view.getUint32(at + 20, true), view.getUint32(at + 42, true)]
    const [size, stored, local] = widened(view, at + 46 + nameEnd, at + 46 + nameEnd + extra, narrow)
    if (entries.has(name)) throw badPth(`the entry ${show(name)} occurs twice`, { name })
    if ((view.getUint16(at + 8, true) & ENCRYPTED) !== 0) throw badPth(`the entry ${show(name)} is encrypted`, { name })
    const method = view.getUint16(at + 10, true)
    if (method !== 0 || size !== stored)
      throw badPth(`the entry ${show(name)} is compressed (method ${method}); torch.save stores its entries as they are`, { name })
    if (local + 30 > directory.begin || view.getUint32(local, true) !== LOCAL)
      throw badPth(`the entry ${show(name)} does not begin where the directory says`, { name })
    const begin = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true)
    if (begin + size > directory.begin) throw badPth(`the entry ${show(name)} reaches beyond the data`, { name })
    entries.set(name, { begin, end: begin + size, crc: view.getUint32(at + 16, true) })
    at = next
  }
  // Entries that share bytes would make a small file a large one.
  let end = 0
  for (const [name, entry] of [...entries].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end)) {
    if (entry.begin < end) throw badPth(`the entry ${show(name)} overlaps another one`, { name })
    end = entry.end
  }
  return entries
}

const table = /* @__PURE__ */ Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1
  return c
})

/** CRC-32 of a run of bytes, as zip has it. */
function crc32(bytes: Uint8Array, begin: number, end: number): number {
  let c = 0xffffffff
  for (let i = begin; i < end; i++) c = table[(c ^ bytes[i]!) & 0xff]! ^ (c >>> 8)
  return ~c >>> 0
}

/** The bytes of an entry, where they are what was written. */
export function zipBytes(bytes: Uint8Array, name: string, { begin, end, crc }: ZipEntry): Uint8Array {
  if (crc32(bytes, begin, end) !== crc) throw badPth(`the bytes of ${show(name)} do not have the checksum that the file gives`, { name })
  return bytes.subarray(begin, end)
}
