// Figures that tests gather for the end of the run: how much was covered, compared, mutated, and how far off the worst number was. They hang on globalThis
// because each test file is a bundle of its own; figures.mjs takes them from there.

export interface Figures {
  counts: Record<string, number>
  /** The largest error, relative to the scale of what was expected, and where it was seen. */
  worst: { error: number; where: string }
}

const figures = (): Figures => ((globalThis as { BMS_FIGURES?: Figures }).BMS_FIGURES ??= { counts: {}, worst: { error: 0, where: '' } })

/** Adds `n` to a figure. */
export function count(name: string, n = 1): void {
  const { counts } = figures()
  counts[name] = (counts[name] ?? 0) + n
}

/** Notes an error relative to its reference's scale. */
export function sawError(error: number, where: string): void {
  if (error > figures().worst.error) figures().worst = { error, where }
}
