// The sort behind sort, argsort, topk, randperm and the long scatters: picks a way by the length of the rows and issues
// its dispatches. Not an op of its own: untraced, and not public.
import { splitGroups } from '../calls/call.js'
import { elementAlias, KernelCall } from '../calls/kernel.js'
import { ArgumentError } from '../errors.js'
import { sortFinishKernel, sortGroupKernel, sortLoadKernel, sortMergeKernel, sortRankKernel, sortStepKernel } from '../generated/shaders.js'
import type { Tensor } from '../tensor.js'
import { empty } from './launch.js'
import { keyKind, type Rows, wideType, withDense } from './rows.js'

/** Options that force an algorithm; for tests and benches. `rank` is for short rows, `group` for up to 1,024 elements. */
export interface SortOptions {
  algorithm?: 'rank' | 'group' | 'global'
}

/** Pairs in workgroup memory, CHUNK of sort.wgsl. */
const SORT_CHUNK = 1024

/** Which way rows of n elements are sorted: software adapters pay for barriers. Pure, so that it can be tested without a GPU. */
export function planSort(n: number, kind: 'gpu' | 'software' | 'null'): 'rank' | 'group' | 'global' {
  if (n <= (kind === 'software' ? 256 : 64)) return 'rank'
  return n <= SORT_CHUNK ? 'group' : 'global'
}

/** Sorts a tensor along the middle of `rows`, stably and with NaN as the largest: [values, indices (i32)]. */
export function sortRows(op: string, x: Tensor, rows: Rows, descending: boolean, options: SortOptions = {}): [Tensor, Tensor] {
  const { device, shape } = x
  const { outer, n, inner } = rows
  const values = empty(op, device, shape, x.dtype)
  const indices = empty(op, device, shape, 'i32')
  if (x.size === 0) return [values, indices]
  const size = Math.max(2, 2 ** Math.ceil(Math.log2(n)))
  const algorithm = options.algorithm ?? planSort(n, device.adapter.kind)
  const params = { n, inner, size: algorithm === 'global' ? Math.max(size, SORT_CHUNK) : size, flip: descending ? 0xffffffff : 0, k: 0, j: 0 }
  const constants = { KIND: keyKind(x.dtype) }
  const aliases = { T: elementAlias(x), C: wideType(x.dtype) }
  const groups = (count: number) => ({
    params: { ...params, count },
    grid: splitGroups(device.limits.maxComputeWorkgroupsPerDimension, op, count),
    constants,
    aliases,
  })
  const elements = { params: { ...params, count: x.size }, invocations: x.size, constants, aliases }
  withDense([x], (dense) => {
    if (algorithm === 'rank') {
      device.stream.run(new KernelCall({ op, kernel: sortRankKernel, buffers: { x: dense, values, indices }, ...elements }))
    } else if (algorithm === 'group') {
      if (n > SORT_CHUNK) throw new ArgumentError(op, `the algorithm "group" sorts up to ${SORT_CHUNK} elements, not ${n}`, { n })
      device.stream.run(new KernelCall({ op, kernel: sortGroupKernel, buffers: { x: dense, values, indices }, ...groups(outer * inner) }))
    } else {
      const pairs = outer * inner * params.size
      const keys = empty(op, device, [pairs], 'u32')
      const places = empty(op, device, [pairs], 'u32')
      const buffers = { keys, places }
      const chunks = groups(pairs / SORT_CHUNK)
      device.stream.run(new KernelCall({ op, kernel: sortLoadKernel, buffers: { x: dense, ...buffers }, ...chunks }))
      for (let k = 2 * SORT_CHUNK; k <= params.size; k *= 2) {
        for (let j = k / 2; j >= SORT_CHUNK; j /= 2) {
          const half = { ...params, count: pairs / 2, k, j }
          device.stream.run(new KernelCall({ op, kernel: sortStepKernel, buffers, params: half, invocations: pairs / 2, updates: ['keys', 'places'] }))
        }
        device.stream.run(
          new KernelCall({ op, kernel: sortMergeKernel, buffers, params: { ...chunks.params, k }, grid: chunks.grid, updates: ['keys', 'places'] }),
        )
      }
      device.stream.run(new KernelCall({ op, kernel: sortFinishKernel, buffers: { x: dense, values, indices, ordered: places }, ...elements }))
      keys.dispose()
      places.dispose()
    }
  })
  return [values, indices]
}
