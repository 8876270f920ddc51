// The bytes of a .safetensors file, laid out as the reference implementation does: larger element types first, then by
// name, the data aligned to 8 bytes.
import { ArgumentError, type DType, encode, type HostArray, isTensor, type Tensor } from '@bms/autograd'

/** In the order of the file. */
const names: Record<DType, { file: string; bytes: number; rank: number }> = {
  f32: { file: 'F32', bytes: 4, rank: 0 },
  u32: { file: 'U32', bytes: 4, rank: 1 },
  i32: { file: 'I32', bytes: 4, rank: 2 },
  f16: { file: 'F16', bytes: 2, rank: 3 },
  bool: { file: 'BOOL', bytes: 1, rank: 4 },
}

function put(to: Uint8Array, at: number, values: HostArray, dtype: DType): void {
  // f16 comes widened from the device, bool as bytes.
  const bytes = dtype === 'f16' ? encode(values, 'f16').subarray(0, 2 * values.length) : new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
  to.set(bytes, at)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** The bytes of a file with these tensors (f32, f16, i32, u32, bool) and, under `__metadata__`, texts. Waits for the device. */
export async function saveSafetensors(tensors: Record<string, Tensor>, metadata?: Record<string, string>): Promise<Uint8Array<ArrayBuffer>> {
  const list = Object.entries(tensors)
  for (const [name, t] of list) {
    if (!isTensor(t)) throw new ArgumentError('saveSafetensors', `${JSON.stringify(name)} is no Tensor`, { name })
    if (name === '__metadata__' || name === '__proto__') throw new ArgumentError('saveSafetensors', `a tensor cannot be called ${name}`, { name })
  }
  for (const [key, value] of Object.entries(metadata ?? {})) {
    if (typeof value !== 'string') throw new ArgumentError('saveSafetensors', `metadata ${JSON.stringify(key)} must be a string, got ${typeof value}`, { key })
  }
  list.sort(([a, s], [b, t]) => names[s.dtype].rank - names[t.dtype].rank || compare(a, b))
  const header = new Map<string, unknown>()
  if (metadata && Object.keys(metadata).length > 0) header.set('__metadata__', metadata)
  let size = 0
  const begins = list.map(([name, t]) => {
    const begin = size
    size += t.size * names[t.dtype].bytes
    header.set(name, { dtype: names[t.dtype].file, shape: t.shape, data_offsets: [begin, size] })
    return begin
  })
  // Not of an object: its keys would be reordered where they look like numbers.
  const json = `{${Array.from(header, ([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`
  const text = new TextEncoder().encode(json)
  const padded = Math.ceil(text.length / 8) * 8
  const out = new Uint8Array(8 + padded + size)
  new DataView(out.buffer).setBigUint64(0, BigInt(padded), true)
  out.set(text, 8)
  out.fill(0x20, 8 + text.length, 8 + padded)
  // All reads are started before the first is waited for, so that they see the values of one moment.
  const values = await Promise.all(list.map(([, t]) => t.data()))
  values.forEach((v, i) => {
    put(out, 8 + padded + begins[i]!, v, list[i]![1].dtype)
  })
  return out
}
