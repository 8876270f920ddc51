// The header of a .safetensors file, read as what it is: bytes from anywhere. Everything is checked against the file
// before anything is allocated or used.
import { BmsError } from '@bms/autograd'

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

/** Throws if an object of this (valid) JSON has a key twice, of which JSON.parse would keep one, or the key __proto__. */
function checkKeys(json: string): void {
  const keys: (Set<string> | null)[] = []
  const token = /"(?:[^"\\]|\\.)*"|[{}[\]]/gs
  for (let m = token.exec(json); m; m = token.exec(json)) {
    const [text] = m
    if (text === '{') keys.push(new Set())
    else if (text === '[') keys.push(null)
    else if (text === '}' || text === ']') keys.pop()
    else if (/^\s*:/.test(json.slice(token.lastIndex, token.lastIndex + 64))) {
      const name = JSON.parse(text) as string
      const seen = keys[keys.length - 1]
      if (name === '__proto__') throw badFile('the name "__proto__" is not allowed', { name })
      if (seen?.has(name)) throw badFile(`the name ${JSON.stringify(name)} occurs twice`, { name })
      seen?.add(name)
    }
  }
}

function readEntry(name: string, entry: unknown, start: number, length: number): TensorEntry {
  const bad = (what: string): BmsError => badFile(`tensor ${JSON.stringify(name)}: ${what}`, { name })
  if (!isObject(entry)) throw bad('its entry is no object')
  const { dtype, shape, data_offsets: offsets } = entry
  if (typeof dtype !== 'string') throw bad('dtype is missing')
  const bytes = fileTypes.get(dtype)
  if (bytes === undefined) {
    throw new BmsError(
      'BAD_FILE',
      `safetensors: tensor ${JSON.stringify(name)} has dtype ${JSON.stringify(dtype)}, which is not supported; known: ${[...fileTypes.keys()].join(', ')}`,
      { name, dtype },
    )
  }
  if (!Array.isArray(shape) || !shape.every(isSize)) throw bad(`shape must be a list of whole numbers, got ${JSON.stringify(shape)?.slice(0, 80)}`)
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize))
    throw bad(`data_offsets must be two whole numbers, got ${JSON.stringify(offsets)?.slice(0, 80)}`)
  const [from, to] = offsets as [number, number]
  if (from > to || to > length) throw bad(`data_offsets [${from}, ${to}] are outside of the data, which has ${length} bytes`)
  let size: number = bytes
  for (const d of shape as number[]) size *= d
  if (size !== to - from) throw bad(`${dtype} of shape [${shape.join(', ')}] takes ${size} bytes, data_offsets give ${to - from}`)
  return { name, dtype, shape: (shape as number[]).map((d) => d + 0), begin: start + from, end: start + to }
}

/** Reads and checks the header of a file given whole. Throws a BmsError 'BAD_FILE' that names what is wrong. */
export function readSafetensorsHeader(file: Uint8Array | ArrayBuffer): SafetensorsHeader {
  const bytes = file instanceof Uint8Array ? file : new Uint8Array(file)
  if (bytes.byteLength < 8) throw badFile(`${bytes.byteLength} bytes are too few for a header`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const declared = view.getBigUint64(0, true)
  if (declared > BigInt(MAX_HEADER)) throw badFile(`a header of ${declared} bytes is declared, more than ${MAX_HEADER} are not allowed`, { length: declared })
  const length = Number(declared)
  if (length > bytes.byteLength - 8)
    throw badFile(`a header of ${length} bytes is declared, the file has ${bytes.byteLength - 8} after the first 8`, { length })
  let text: string
  let parsed: unknown
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(8, 8 + length))
    parsed = JSON.parse(text)
  } catch (cause) {
    throw badFile(`the header is no JSON: ${(cause as Error).message}`)
  }
  if (!isObject(parsed)) throw badFile('the header is no JSON object')
  checkKeys(text)
  const metadata: Record<string, string> = {}
  if (Object.hasOwn(parsed, '__metadata__')) {
    const given = parsed['__metadata__']
    if (!isObject(given)) throw badFile('__metadata__ is no object')
    for (const [key, value] of Object.entries(given)) {
      if (typeof value !== 'string') throw badFile(`__metadata__ ${JSON.stringify(key)} is no string`)
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
      throw badFile(`tensor ${JSON.stringify(t.name)}: its bytes ${t.begin < at ? 'overlap those before' : 'leave a gap before them'}`, { name: t.name })
    at = t.end
  }
  if (at !== bytes.byteLength) throw badFile(`${bytes.byteLength - at} bytes at the end belong to no tensor`)
  return { metadata, tensors }
}
