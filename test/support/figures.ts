// Figures of the test run, to be printed at its end: how many cases of each kind were run. They live on globalThis, so
// that all bundles of the tests count into the same ones.

export const figures: Record<string, number> = ((globalThis as { BMS_FIGURES?: Record<string, number> }).BMS_FIGURES ??= {})

/** Adds `n` to the figure `name`. */
export function count(name: string, n = 1): void {
  figures[name] = (figures[name] ?? 0) + n
}
