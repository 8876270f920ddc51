// The header of a .safetensors file, read as what it is: bytes from anywhere. Everything is checked against the file
// before anything is allocated or used.
import { ArgumentError, BmsError, formatShape, oneLine, show } from '@bms/autograd'
import { checkKeys } from './keys.js'

/** What is wrong with a file, as an error with the code BAD_FILE. */
export const badFile = (message: string, fields: Record<string, unknown> = {}): BmsError =>
  new BmsError('BAD_FILE', `safetensors: ${message}; the file is truncated, damaged or of another kind`, fields)

/** Element types of the format that can be read, and their bytes. */
export const fileTypes: ReadonlyMap<string, number> = new Map([
  ['BOOL', 1],
  ['U8', 1],
  ['I8', 1],
  ['I16', 2],
  ['U16', 2],
  ['F16', 2],
  ['BF16', 2],
  ['I32', 4],
  ['U32', 4],
  ['F32', 4],
  ['F64', 8],
  ['I64', 8],
  ['U64', 8],
])

/** One tensor of a file: `begin` and `end` count bytes from the start of the file. */
export interface TensorEntry {
  name: string
  dtype: string
  shape: number[]
  begin: number
  end: number
}

export interface SafetensorsHeader {
  metadata: Record<string, string>
  /** In the order of their bytes. */
  tensors: TensorEntry[]
}

/** As in the reference implementation. */
const MAX_HEADER = 100_000_000

const isObject = (x: unknown): x is Record<string, unknown> => typeof x === 'object' && x !== null && !Array.isArray(x)
const isSize = (x: unknown): x is number => typeof x === 'number' && Number.isSafeInteger(x) && x >= 0

/** The bytes of a file, however they are held. */
export function fileBytes(op: string, file: unknown): Uint8Array {
  if (file instanceof Uint8Array) return file
  if (ArrayBuffer.isView(file)) return new Uint8Array(file.buffer, file.byteOffset, file.byteLength)
  // Not instanceof: buffers of other frames and contexts are as good.
  if (Object.prototype.toString.call(file) === '[object ArrayBuffer]') return new Uint8Array(file as ArrayBuffer)
  throw new ArgumentError(op, `the bytes of a file are a Uint8Array or an ArrayBuffer, got ${show(file)}`)
}

function readEntry(name: string, entry: unknown, start: number, length: number): TensorEntry {
  const bad = (what: string): BmsError => badFile(`tensor ${show(name)}: ${what}`, { name })
  if (!isObject(entry)) throw bad('its entry is no object')
  const { dtype, shape, data_offsets: offsets } = entry
  if (typeof dtype !== 'string') throw bad(`dtype must be text, got ${show(dtype)}`)
  const bytes = fileTypes.get(dtype)
  if (bytes === undefined) {
    const known = [...fileTypes.keys()].join(', ')
    throw new BmsError('BAD_FILE', `safetensors: tensor ${show(name)} has dtype ${show(dtype)}, which is not supported; known: ${known}`, { name, dtype })
  }
  if (!Array.isArray(shape) || !shape.every(isSize)) throw bad(`shape must be a list of whole numbers, got ${show(shape)}`)
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) throw bad(`data_offsets must be two whole numbers, got ${show(offsets)}`)
  const [from, to] = offsets as [number, number]
  if (from > to || to > length) throw bad(`data_offsets [${from}, ${to}] are outside of the data, which has ${length} bytes`)
  // Without the zeros first: the strides of an empty tensor must be whole numbers too.
  let size: number = bytes
  for (const d of shape as number[]) if (d !== 0) size *= d
  if (!Number.isSafeInteger(size)) throw bad(`the sizes ${formatShape(shape)} multiply to more than 2^53 bytes, data_offsets give ${to - from}`)
  if (shape.includes(0)) size = 0
  if (size !== to - from) throw bad(`${dtype} of shape ${formatShape(shape)} takes ${size} bytes, data_offsets give ${to - from}`)
  // + 0: JSON knows a -0.
  return { name, dtype, shape: (shape as number[]).map((d) => d + 0), begin: start + from, end: start + to }
}

/** Reads and checks the header of a file given whole. Throws a BmsError 'BAD_FILE' that names what is wrong. */
export function readSafetensorsHeader(file: Uint8Array | ArrayBuffer): SafetensorsHeader {
  const bytes = fileBytes('readSafetensorsHeader', file)
  if (bytes.byteLength < 8) throw badFile(`${bytes.byteLength} bytes are too few for a header`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const declared = view.getBigUint64(0, true)
  if (declared > BigInt(MAX_HEADER))
    throw badFile(`a header of ${declared} bytes is declared, more than ${MAX_HEADER} are not allowed`, { length: Number(declared) })
  const length = Number(declared)
  if (length > bytes.byteLength - 8)
    throw badFile(`a header of ${length} bytes is declared, the file has ${bytes.byteLength - 8} after the first 8`, { length })
  let text: string
  let parsed: unknown
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(8, 8 + length))
    parsed = JSON.parse(text)
  } catch (cause) {
    throw badFile(`the header is no JSON: ${oneLine((cause as Error).message)}`)
  }
  if (!isObject(parsed)) throw badFile('the header is no JSON object')
  const wrong = checkKeys(text)
  if (wrong) throw badFile(wrong.problem, { name: wrong.name })
  const metadata: Record<string, string> = {}
  if (Object.hasOwn(parsed, '__metadata__')) {
    const given = parsed['__metadata__']
    if (!isObject(given)) throw badFile('__metadata__ is no object')
    for (const [key, value] of Object.entries(given)) {
      if (typeof value !== 'string') throw badFile(`__metadata__ ${show(key)} is no string`, { name: key })
      metadata[key] = value
    }
  }
  const start = 8 + length
  const tensors = Object.entries(parsed)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, entry]) => readEntry(name, entry, start, bytes.byteLength - start))
    .sort((a, b) => a.begin - b.begin || a.end - b.end)
  let at = start
  for (const t of tensors) {
    if (t.begin !== at)
      throw badFile(`tensor ${show(t.name)}: its bytes ${t.begin < at ? 'overlap those before' : 'leave a gap before them'}`, { name: t.name })
    at = t.end
  }
  if (at !== bytes.byteLength) throw badFile(`${bytes.byteLength - at} bytes at the end belong to no tensor`)
  return { metadata, tensors }
}
