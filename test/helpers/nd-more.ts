// More of nd.ts for programs that are evaluated thousands of times: where elements are found depends on shapes alone and is worked out once for each.
import { product } from './arrays.js'
import { broadcast, from, iota, type Nd, pick } from './nd.js'

const places = new Map<string, readonly number[]>()

/** For each element of a shape the place in an array of another shape that broadcasting reads. */
function spread(shape: readonly number[], to: readonly number[]): readonly number[] {
  const key = `${shape}>${to}`
  let list = places.get(key)
  if (!list) {
    const numbers = iota(shape)
    list = from(to, (c) => pick(numbers, c)).data
    if (places.size > 5000) places.clear()
    places.set(key, list)
  }
  return list
}

/** `fn` of the elements of arrays that broadcast. */
export function each(fn: (...v: number[]) => number, ...args: readonly Nd[]): Nd {
  const shape = broadcast(...args.map((a) => a.shape))
  const lists = args.map((a) => {
    const at = spread(a.shape, shape)
    return at.map((p) => a.data[p]!)
  })
  const data = new Array<number>(product(shape))
  for (let i = 0; i < data.length; i++) data[i] = lists.length === 1 ? fn(lists[0]![i]!) : fn(...lists.map((l) => l[i]!))
  return { shape, data }
}
