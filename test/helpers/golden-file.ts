// A golden .safetensors file on the host: shapes and numbers by name, without a device.
import { readSafetensorsHeader } from '@bms/nn'
import { goldenBytes } from './host.js'

export interface HostArray {
  shape: readonly number[]
  data: ArrayLike<number>
}

const arrays = {
  F64: Float64Array,
  F32: Float32Array,
  I32: Int32Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
} as const

/** All arrays of a file in test/golden, and its metadata. */
export async function goldenFile(name: string): Promise<{ tensors: Map<string, HostArray>; metadata: Record<string, string> }> {
  const bytes = await goldenBytes(name)
  const { tensors, metadata } = readSafetensorsHeader(bytes)
  const read = ({ dtype, shape, begin, end }: (typeof tensors)[number]): HostArray => {
    const type = arrays[dtype as keyof typeof arrays]
    if (!type) throw new Error(`${name}: no ${dtype} in goldens`)
    return { shape, data: new type(bytes.slice(begin, end).buffer) }
  }
  return { tensors: new Map(tensors.map((t) => [t.name, read(t)])), metadata }
}
