// Where the intermediate results of a step lie: each lives from its first write to its last read, and those that do not
// live at the same time share bytes. WebGPU forbids reading and writing one buffer in one dispatch, so the arena is a
// few buffers, coloured such that no call reads the buffer that it writes; a colour that is more than one buffer may hold gets several.
import type { Call } from '../calls/call.js'
import type { Storage } from '../device/storage.js'

export interface MemoryPlan {
  /** Bytes of each buffer of the arena. */
  arenas: number[]
  place: Map<Storage, { arena: number; offset: number }>
  /** Sum of the bytes of all intermediates, as if nothing were shared. */
  unshared: number
}

interface Life {
  storage: Storage
  bytes: number
  from: number
  to: number
}

/** Pure; `isTemporary` says which storages are the step's own. `align` is the adapter's offset alignment, `most` the bytes that one buffer may have. */
export function planMemory(calls: readonly Call[], isTemporary: (s: Storage) => boolean, align: number, most = Infinity): MemoryPlan {
  const lives = new Map<Storage, Life>()
  const conflicts = new Map<Storage, Set<Storage>>()
  calls.forEach((call, i) => {
    for (const { storage } of [...call.inputs, ...call.outputs]) {
      if (!isTemporary(storage)) continue
      const life = lives.get(storage)
      if (life) life.to = i
      else lives.set(storage, { storage, bytes: Math.ceil(storage.bytes / align) * align, from: i, to: i })
    }
    const written = new Set([...call.outputs, ...(call.exclusive ?? [])].map((o) => o.storage))
    for (const out of written) {
      for (const { storage } of call.inputs) {
        if (written.has(storage) || !isTemporary(storage) || !isTemporary(out)) continue
        link(conflicts, out, storage)
        link(conflicts, storage, out)
      }
    }
  })
  const colour = new Map<Storage, number>()
  for (const { storage } of lives.values()) {
    const taken = new Set([...(conflicts.get(storage) ?? [])].map((s) => colour.get(s)))
    let c = 0
    while (taken.has(c)) c++
    colour.set(storage, c)
  }
  const arenas: number[] = []
  const ofColour: number[][] = []
  const place: MemoryPlan['place'] = new Map()
  const placed: (Life & { arena: number; offset: number })[] = []
  let unshared = 0
  // The lowest gap in an arena among those that live at the same time.
  const gap = (life: Life, arena: number): number => {
    const beside = placed.filter((p) => p.arena === arena && p.from <= life.to && life.from <= p.to).sort((a, b) => a.offset - b.offset)
    let offset = 0
    for (const p of beside) {
      if (offset + life.bytes <= p.offset) break
      offset = Math.max(offset, p.offset + p.bytes)
    }
    return offset
  }
  for (const life of [...lives.values()].sort((a, b) => b.bytes - a.bytes || a.from - b.from)) {
    unshared += life.bytes
    const own = (ofColour[colour.get(life.storage)!] ??= [])
    let offset = 0
    let arena = own.find((a) => {
      offset = gap(life, a)
      return offset + life.bytes <= most
    })
    if (arena === undefined) {
      arena = arenas.push(0) - 1
      own.push(arena)
      offset = 0
    }
    placed.push({ ...life, arena, offset })
    place.set(life.storage, { arena, offset })
    arenas[arena] = Math.max(arenas[arena]!, offset + life.bytes)
  }
  return { arenas, place, unshared }
}

function link(map: Map<Storage, Set<Storage>>, a: Storage, b: Storage): void {
  const set = map.get(a)
  if (set) set.add(b)
  else map.set(a, new Set([b]))
}
