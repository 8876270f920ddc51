// The study's latent-space numbers: one threshold for all runs on a data set, what it flags in each, and what other thresholds would.
import { densityThreshold, type LatentReport, latentReport, shareBelow, type ThresholdRule } from '../analysis/latent.js'
import type { Mixture } from '../data/mixtures.js'
import { commonPrior, type MeasuredRun } from './study-measure.js'

/** A run with an encoder. */
export type LatentRun = MeasuredRun & { readonly latent: NonNullable<MeasuredRun['latent']> }

export interface ThresholdOptions {
  rule: ThresholdRule
  percent: number
  /** The variant that `reference` asks. */
  reference: string
}

/** The runs with encoders on one data set, all with codes of `dims`. */
export interface LatentSet {
  readonly mixture: Mixture
  readonly dims: number
  readonly rule: ThresholdRule
  readonly percent: number
  /** Log densities below which a code is flagged, by each rule; without the reference's runs, its rule is to pool all. */
  readonly thresholds: Readonly<Record<ThresholdRule, number>>
  readonly runs: readonly { readonly run: LatentRun; readonly report: LatentReport }[]
}

const isLatent = (run: MeasuredRun): run is LatentRun => run.latent !== null

/**
 * Flags the prior samples of all runs by one threshold.
 * @returns undefined where no run has an encoder
 */
export function latentSet(mixture: Mixture, measured: readonly MeasuredRun[], { rule, percent, reference }: ThresholdOptions): LatentSet | undefined {
  const all = measured.filter(isLatent)
  if (all.length === 0) return undefined
  // Densities in other numbers of dims cannot be compared.
  const { dims } = all[0]!.latent
  const runs = all.filter(({ latent }) => latent.dims === dims)
  const pool = (some: readonly LatentRun[]): number =>
    densityThreshold(
      some.map(({ latent }) => latent.heldOut),
      percent,
    )
  const own = runs.filter(({ info }) => info.variant === reference)
  const pooled = pool(runs)
  const { density } = commonPrior(runs[0]!.latent.prior.length, dims)
  const thresholds = { prior: densityThreshold([density], percent), reference: own.length > 0 ? pool(own) : pooled, pooled }
  return {
    mixture,
    dims,
    rule,
    percent,
    thresholds,
    runs: runs.map((run) => ({ run, report: latentReport(run.latent.prior, run.latent.images, thresholds[rule], mixture) })),
  }
}

/** A data set's part of latent.json. */
export function latentNumbers({ mixture, dims, rule, percent, thresholds, runs }: LatentSet): object {
  return {
    dataset: mixture.name,
    dims,
    rule,
    percent,
    threshold: thresholds[rule],
    thresholds,
    runs: runs.map(({ run: { info, config, quality, latent }, report }) => ({
      ...info,
      model: config.model,
      T: config.T,
      steps: config.steps,
      hq: quality.hq,
      modes: quality.modes,
      /** Shares of prior samples that are flagged, by the rule of the figures and by each. */
      flagged: report.fraction,
      flaggedBy: Object.fromEntries(Object.entries(thresholds).map(([name, threshold]) => [name, shareBelow(latent.prior, threshold)])),
      /** A check: held-out codes of the data themselves should hardly be below it. */
      heldOutBelow: shareBelow(latent.heldOut, thresholds[rule]),
      images: report.images,
      posterior: latent.width,
    })),
  }
}
