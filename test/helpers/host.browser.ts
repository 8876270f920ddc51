// What tests get from a browser, in place of host.ts: its own WebGPU, files from the test run's server, the garbage collector that --expose-gc gives.
import { type Device, init } from '@bms/tensor'

export const openDevice = (): Promise<Device> => init()

async function get(path: string): Promise<Response> {
  const response = await fetch(path)
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
  return response
}

export const goldenBytes = async (name: string): Promise<Uint8Array> => new Uint8Array(await (await get(`/golden/${name}`)).arrayBuffer())

export const collectGarbage = (): void => (globalThis as unknown as { gc: () => void }).gc()

let numbers: Promise<{ bits: Record<string, number[]>; sameBuild: boolean }> | undefined

export async function exchangeNumbers(name: string, _bits: Uint32Array): Promise<{ bits: number[]; sameBuild: boolean }> {
  numbers ??= get('/node-numbers').then((r) => r.json())
  const { bits, sameBuild } = await numbers
  if (!bits[name]) throw new Error(`Node has no numbers named '${name}'`)
  return { bits: bits[name], sameBuild }
}
