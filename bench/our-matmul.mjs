// The same as bare-matmul.mjs with @bms/tensor: init, two tensors, one product, read back.
import { init, tensor } from '@bms/tensor/node'
import { say } from './support.mjs'

const n = 64
const device = await init()
const at = { initialised: performance.now() }
const [a, b] = [1, 2].map((value) => tensor(new Float32Array(n * n).fill(value), { shape: [n, n] }))
const c = await a.matmul(b).data()
if (c.some((x) => x !== 2 * n)) throw new Error(`wrong product: ${c[0]}`)
say({ first: c[0], ...at, read: performance.now() })
device.destroy()
