// Band matrices for `resample`: average pooling, interpolation and padding by copies, each along one dim. Plain numbers, no device.

/** A matrix [to, from] whose row j is `taps` weights from column first[j] on, zeros elsewhere. */
export interface Band {
  readonly from: number
  readonly to: number
  readonly taps: number
  readonly first: Int32Array
  /** [to, taps]; 0 where a row has fewer, or would leave the matrix. */
  readonly weight: Float32Array
}

/** A band from the weights of each row by column. */
function bandOf(from: number, rows: readonly ReadonlyMap<number, number>[]): Band {
  const spans = rows.map((row) => (row.size === 0 ? [0, 0] : [Math.min(...row.keys()), Math.max(...row.keys()) + 1]) as [number, number])
  const taps = Math.max(1, ...spans.map(([a, b]) => b - a))
  const first = Int32Array.from(spans, ([a]) => a)
  const weight = new Float32Array(rows.length * taps)
  rows.forEach((row, j) => {
    for (const [column, w] of row) weight[j * taps + column - first[j]!] = w
  })
  return { from, to: rows.length, taps, first, weight }
}

const rowsOf = (to: number, row: (j: number) => Iterable<readonly [number, number]>): Map<number, number>[] =>
  Array.from({ length: to }, (_, j) => {
    const sums = new Map<number, number>()
    for (const [column, w] of row(j)) sums.set(column, (sums.get(column) ?? 0) + w)
    return sums
  })

const transposes = new WeakMap<Band, Band>()

/** The matrix [from, to]. */
export function transposeBand(band: Band): Band {
  const known = transposes.get(band)
  if (known) return known
  const rows = Array.from({ length: band.from }, () => new Map<number, number>())
  band.weight.forEach((w, at) => {
    const j = Math.floor(at / band.taps)
    if (w !== 0) rows[band.first[j]! + (at % band.taps)]!.set(j, w)
  })
  const result = bandOf(band.to, rows)
  transposes.set(band, result)
  transposes.set(result, band)
  return result
}

const range = (start: number, end: number): number[] => Array.from({ length: Math.max(0, end - start) }, (_, i) => start + i)

/** Windows that a pooling of one dim has: as PyTorch, a window of ceilMode that would start in the padding behind is left out. */
export function poolSize(size: number, kernel: number, stride: number, padding: number, dilation: number, ceilMode: boolean): number {
  const room = size + 2 * padding - dilation * (kernel - 1) - 1
  if (!ceilMode) return Math.floor(room / stride) + 1
  const n = Math.ceil(room / stride) + 1
  return (n - 1) * stride >= size + padding ? n - 1 : n
}

/** Means of windows. The padding counts as zeros (`countPadding`), or not at all. */
export function averageBand(size: number, kernel: number, stride: number, padding: number, ceilMode: boolean, countPadding: boolean): Band {
  return bandOf(
    size,
    rowsOf(poolSize(size, kernel, stride, padding, 1, ceilMode), (j) => {
      const start = j * stride - padding
      const inside = range(Math.max(0, start), Math.min(size, start + kernel))
      const count = countPadding ? Math.min(start + kernel, size + padding) - start : inside.length
      return inside.map((i) => [i, 1 / count] as const)
    }),
  )
}

/** Means of `to` windows that share the size evenly: window j covers ⌊j·size/to⌋ to ⌈(j+1)·size/to⌉ - 1. */
export const adaptiveBand = (size: number, to: number): Band =>
  bandOf(
    size,
    rowsOf(to, (j) => {
      const window = range(Math.floor((j * size) / to), Math.ceil(((j + 1) * size) / to))
      return window.map((i) => [i, 1 / window.length] as const)
    }),
  )

/** The nearest element before: ⌊j / scale⌋. */
export const nearestBand = (size: number, to: number, scale: number): Band =>
  bandOf(
    size,
    rowsOf(to, (j) => [[Math.min(size - 1, Math.floor(j / scale)), 1]]),
  )

/** Where an element of the result lies between those of the input. `centres`: pixels are areas (align_corners false); `corners`: the outermost elements stay
 * where they are (align_corners true); `origin`: from the first element, as TensorFlow 1 had it. */
export type Alignment = 'centres' | 'corners' | 'origin'

/** Linear interpolation. */
export const linearBand = (size: number, to: number, scale: number, alignment: Alignment): Band =>
  bandOf(
    size,
    rowsOf(to, (j) => {
      const at =
        alignment === 'corners' ? (to > 1 ? (j * (size - 1)) / (to - 1) : 0) : alignment === 'origin' ? j / scale : Math.max(0, (j + 0.5) / scale - 0.5)
      const low = Math.min(size - 1, Math.floor(at))
      const part = Math.min(1, at - low)
      return [
        [low, 1 - part],
        [Math.min(size - 1, low + 1), part],
      ]
    }),
  )

export type PadMode = 'reflect' | 'replicate' | 'circular'

/** Copies before and after: mirrored at the outermost elements, these repeated, or from the other end. Negative: left out. */
export const padBand = (size: number, before: number, after: number, mode: PadMode): Band =>
  bandOf(
    size,
    rowsOf(size + before + after, (j) => {
      const at = j - before
      if (mode === 'replicate') return [[Math.max(0, Math.min(size - 1, at)), 1]]
      if (mode === 'circular') return [[((at % size) + size) % size, 1]]
      const mirrored = at < 0 ? -at : at
      return [[mirrored < size ? mirrored : 2 * (size - 1) - mirrored, 1]]
    }),
  )
