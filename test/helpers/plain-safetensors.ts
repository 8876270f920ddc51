// A second, plain reader of .safetensors, against which the library's is held: it says which files are good and what is
// in them, by other means (BigInt arithmetic, a parser that keeps equal keys, a DataView) and with no care for speed.
import { type Bytes, join, utf8 } from './mutate.js'
import { parseRaw, type Raw } from './mutate-json.js'

export interface PlainTensor {
  dtype: string
  shape: number[]
  bytes: Bytes
}

export interface PlainFile {
  metadata: Record<string, string>
  tensors: Map<string, PlainTensor>
}

const widths: Record<string, number> = { BOOL: 1, U8: 1, I8: 1, I16: 2, U16: 2, F16: 2, BF16: 2, I32: 4, U32: 4, F32: 4, F64: 8, I64: 8, U64: 8 }

/** A file of these tensors, in their order and without padding. */
export function plainWrite(tensors: Record<string, { dtype: string; shape: number[]; bytes: readonly number[] | Uint8Array }>, metadata?: object): Bytes {
  let at = 0
  const header: [string, unknown][] = metadata ? [['__metadata__', metadata]] : []
  for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) header.push([name, { dtype, shape, data_offsets: [at, (at += bytes.length)] }])
  return withHeader(JSON.stringify(Object.fromEntries(header)), join(...Object.values(tensors).map((t) => t.bytes)))
}

/** A file with this header and data. */
export function withHeader(header: string | Uint8Array, data: Uint8Array): Bytes {
  const text = typeof header === 'string' ? utf8(header) : header
  const length = new Uint8Array(8)
  new DataView(length.buffer).setBigUint64(0, BigInt(text.length), true)
  return join(length, text, data)
}

/** Header text and data of a good file. */
export function takeApart(file: Uint8Array): { header: string; data: Bytes } {
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true))
  return { header: Buffer.from(file.subarray(8, 8 + length)).toString(), data: Uint8Array.from(file.subarray(8 + length)) }
}

/** What the file holds; null where it is not a good one. */
export function plainRead(file: Uint8Array): PlainFile | null {
  if (file.length < 8) return null
  const length = new DataView(file.buffer, file.byteOffset).getBigUint64(0, true)
  if (length > 100_000_000n || length + 8n > BigInt(file.length)) return null
  const data = file.subarray(8 + Number(length))
  let header: Record<string, unknown>
  let raw: Raw | null
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(file.subarray(8, 8 + Number(length)))
    header = JSON.parse(text)
    raw = parseRaw(text)
  } catch {
    return null
  }
  if (!isObject(header) || !raw || !distinct(raw)) return null
  const { __metadata__: metadata = {}, ...entries } = header
  if (!isObject(metadata) || !Object.values(metadata).every((v) => typeof v === 'string')) return null
  const tensors = new Map<string, PlainTensor>()
  const ranges: [number, number][] = []
  for (const [name, entry] of Object.entries(entries)) {
    if (!isObject(entry)) return null
    const { dtype, shape, data_offsets: offsets } = entry as { dtype: string; shape: number[]; data_offsets: [number, number] }
    if (typeof dtype !== 'string' || !Object.hasOwn(widths, dtype)) return null
    if (!isCounts(shape) || !isCounts(offsets) || offsets.length !== 2 || offsets[0] > offsets[1] || offsets[1] > data.length) return null
    const product = (dims: number[]): bigint => dims.reduce((n, d) => n * BigInt(d), BigInt(widths[dtype]!))
    if (product(shape.filter((d) => d !== 0)) >= 2n ** 53n || product(shape) !== BigInt(offsets[1] - offsets[0])) return null
    ranges.push(offsets)
    tensors.set(name, { dtype, shape: shape.map(Math.abs), bytes: Uint8Array.from(data.subarray(...offsets)) })
  }
  // Every byte belongs to one tensor: from the first on, each range leads to the next; empty ones lie between two.
  const full = new Map(ranges.filter(([a, b]) => a < b))
  const reached = new Set([0])
  let at = 0
  for (let next = full.get(0); next !== undefined; next = full.get(at)) reached.add((at = next))
  const whole = at === data.length && reached.size === ranges.filter(([a, b]) => a < b).length + 1
  return whole && ranges.every(([a]) => reached.has(a)) ? { metadata: metadata as Record<string, string>, tensors } : null
}

const isObject = (x: unknown): x is Record<string, unknown> => Object.prototype.toString.call(x) === '[object Object]'
const isCounts = (x: unknown): x is number[] => Array.isArray(x) && x.every((n) => typeof n === 'number' && n >= 0 && n < 2 ** 53 && n % 1 === 0)

function distinct(raw: Raw): boolean {
  if (typeof raw === 'string') return true
  if ('items' in raw) return raw.items.every(distinct)
  const names = raw.pairs.map(([key]) => JSON.parse(key) as string)
  return new Set(names).size === names.length && !names.includes('__proto__') && raw.pairs.every(([, value]) => distinct(value))
}

/** The values as numbers; null where an integer does not fit 32 bits with a sign. */
export function plainValues({ dtype, bytes }: PlainTensor): number[] | null {
  const view = new DataView(bytes.buffer)
  const width = widths[dtype]!
  const half = (h: number): number => {
    const [exponent, fraction] = [(h >> 10) & 31, (h & 1023) / 1024]
    const size = exponent === 31 ? (fraction ? Number.NaN : Infinity) : exponent === 0 ? fraction * 2 ** -14 : (1 + fraction) * 2 ** (exponent - 15)
    return h & 0x8000 ? -size : size
  }
  const brain = (h: number): number => {
    const single = new DataView(new ArrayBuffer(4))
    single.setUint16(0, h)
    return single.getFloat32(0)
  }
  const read: Record<string, (at: number) => number> = {
    BOOL: (at) => (view.getUint8(at) ? 1 : 0),
    U8: (at) => view.getUint8(at),
    I8: (at) => view.getInt8(at),
    U16: (at) => view.getUint16(at, true),
    I16: (at) => view.getInt16(at, true),
    F16: (at) => half(view.getUint16(at, true)),
    BF16: (at) => brain(view.getUint16(at, true)),
    U32: (at) => view.getUint32(at, true),
    I32: (at) => view.getInt32(at, true),
    F32: (at) => view.getFloat32(at, true),
    F64: (at) => Math.fround(view.getFloat64(at, true)),
    I64: (at) => Number(view.getBigInt64(at, true)),
    U64: (at) => Number(view.getBigUint64(at, true)),
  }
  const values = Array.from({ length: bytes.length / width }, (_, i) => read[dtype]!(i * width))
  return /64$/.test(dtype) && dtype !== 'F64' && values.some((v) => v < -(2 ** 31) || v >= 2 ** 31) ? null : values
}
