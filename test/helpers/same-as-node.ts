// Comparison of what a browser computes with what Node computed: to the bit where both run the same build of the same driver.
import { exchangeNumbers } from './host.js'

/**
 * In a page: throws unless the numbers are those that Node got under this name. Bit for bit on the same build of a driver, else within `tolerance` of the largest;
 * tolerance 0 (numbers that no driver may change): bit for bit on any. In Node: hands them over.
 */
export async function sameAsNode(name: string, values: Float32Array | Int32Array | Uint32Array, tolerance = 0): Promise<void> {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
  const node = await exchangeNumbers(name, bits)
  if (!node) return
  if (node.bits.length !== bits.length) throw new Error(`${name}: ${bits.length} numbers, in Node ${node.bits.length}`)
  const expected = new (values.constructor as Float32ArrayConstructor)(Uint32Array.from(node.bits).buffer)
  const allowed = node.sameBuild ? 0 : tolerance * expected.reduce((m, v) => Math.max(m, Math.abs(v)), 0)
  for (const [i, word] of bits.entries()) {
    if (word === node.bits[i] || (allowed > 0 && Math.abs(values[i]! - expected[i]!) <= allowed)) continue
    throw new Error(`${name}[${i}] is ${values[i]}, in Node ${expected[i]}${allowed > 0 ? ` (${allowed} allowed)` : ' (every bit counts)'}`)
  }
}
