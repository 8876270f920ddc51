// What the paper's first table says, to stand beside what was measured here.
import type { MixtureName } from '../data/mixtures.js'

/** A mean, with its ± where one was printed. */
export interface Published {
  readonly mean: number
  readonly std?: number
}

export interface PublishedRow {
  readonly modes: Published
  /** Percent. */
  readonly hq: Published
}

export const publishedSource = 'Bhattacharyya et al. 2019, “Best-of-Many-Samples” Distribution Matching, arXiv:1909.12598, Table 1'

const row = (modes: Published | number, hq: Published | number): PublishedRow => ({
  modes: typeof modes === 'number' ? { mean: modes } : modes,
  hq: typeof hq === 'number' ? { mean: hq } : hq,
})
const pm = (mean: number, std: number): Published => ({ mean, std })

/** By the name of the study's variant. */
export const published: Readonly<Record<string, Readonly<Record<MixtureName, PublishedRow>>>> = {
  veegan: { grid: row(24.6, 40), ring: row(8, 52.9) },
  'gdpp-gan': { grid: row(24.8, 68.5), ring: row(8, 71.7) },
  'sn-gan': { grid: row(pm(23.8, 1.5), pm(90.9, 4.0)), ring: row(pm(6.8, 1.1), pm(86.6, 9.7)) },
  'md-gan': { grid: row(25, pm(99.3, 2.2)), ring: row(8, pm(89.0, 3.6)) },
  wae: { grid: row(25, pm(65.4, 3.8)), ring: row(8, pm(35.8, 4.7)) },
  'alpha-gan': { grid: row(25, pm(70.5, 4.2)), ring: row(8, pm(83.6, 5.3)) },
  'bms-vae-gan': { grid: row(25, pm(99.7, 0.2)), ring: row(8, pm(99.6, 0.3)) },
}
