// Which of a run's sheets go into its report: evenly spread, the first and the last among them, in a file of bearable size.

/** A picture that was made at a step: the bytes of a PNG file. */
export interface Sheet {
  readonly step: number
  readonly png: Uint8Array
}

/** At most `most` (at least 1) of `items`, evenly spread; the last always, the first where there is room for two. */
export function evenly<T>(items: readonly T[], most: number): T[] {
  if (items.length <= most) return [...items]
  if (most < 2) return items.slice(-1)
  return Array.from({ length: most }, (_, i) => items[Math.round((i * (items.length - 1)) / (most - 1))])
}

/**
 * Sheets in the order of their steps, thinned until they are at most `most` and their files together at most `bytes` (but two
 * are always kept). Items need only a step, so that a caller can choose before it reads files.
 */
export function thinSheets<T extends { readonly step: number; readonly png?: Uint8Array }>(sheets: readonly T[], { most = 24, bytes = 3e6 } = {}): T[] {
  const ordered = [...sheets].sort((a, b) => a.step - b.step)
  for (let count = Math.min(most, ordered.length); ; count--) {
    const kept = evenly(ordered, count)
    if (count <= 2 || kept.reduce((sum, { png }) => sum + (png?.length ?? 0), 0) <= bytes) return kept
  }
}
