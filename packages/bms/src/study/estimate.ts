// How long a study still takes. Steps of different models cost differently, so what is left is counted run by run with the times that
// runs of the same kind took.

/** Steps done and the time they took, together. */
export interface Pace {
  steps: number
  seconds: number
}

/** A run that has still `steps` to go. */
export interface Ahead {
  set: string
  variant: string
  steps: number
  /** Its own pace, where it is running. */
  own?: Pace
}

/** Paces by set and variant. */
export class Paces {
  readonly #all: (Pace & { set: string; variant: string })[] = []

  add(set: string, variant: string, pace: Pace): void {
    if (pace.steps > 0 && pace.seconds > 0) this.#all.push({ set, variant, ...pace })
  }

  /** Seconds a step: of the same set and variant, else of the same variant, else of all; NaN where nothing was seen. */
  of(set: string, variant: string): number {
    const kinds = [this.#all.filter((pace) => pace.set === set && pace.variant === variant), this.#all.filter((pace) => pace.variant === variant), this.#all]
    const known = kinds.find((list) => list.length > 0) ?? []
    const sum = known.reduce((total, { steps, seconds }) => ({ steps: total.steps + steps, seconds: total.seconds + seconds }), { steps: 0, seconds: 0 })
    return sum.seconds / sum.steps
  }
}

/** A running run says nothing of itself before it was watched so long. */
const watched = 2

/** Seconds until the last of `ahead` ends, when `jobs` are trained at once, in this order; NaN where nothing was seen yet. */
export function timeLeft(ahead: readonly Ahead[], jobs: number, paces: Paces): number {
  const known = new Paces()
  for (const { set, variant, own } of ahead) if (own) known.add(set, variant, own)
  const ends = Array.from({ length: jobs }, () => 0)
  for (const { set, variant, steps, own } of ahead) {
    const seen = paces.of(set, variant)
    const each = own && own.seconds >= watched && own.steps > 0 ? own.seconds / own.steps : Number.isNaN(seen) ? known.of(set, variant) : seen
    if (Number.isNaN(each)) return NaN
    const first = ends.indexOf(Math.min(...ends))
    ends[first]! += steps * each
  }
  return Math.max(...ends)
}
