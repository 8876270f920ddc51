// The figures and latent-space numbers of a study, from its runs' folders: whatever runs there are, finished or not, is what they are made of.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { deviationFloor } from '../analysis/density.js'
import type { ThresholdRule } from '../analysis/latent.js'
import { tsne } from '../analysis/tsne.js'
import { type Mixture, mixture, mixtureNames, sampleMixture, trueHq } from '../data/mixtures.js'
import { comparisonSvg } from '../figures/comparison.js'
import { type DrawsRun, drawsSvg } from '../figures/draws.js'
import { latentSvg } from '../figures/latent.js'
import { type LearningPanel, learningSvg } from '../figures/learning.js'
import { palette } from '../figures/lines.js'
import { whole } from '../figures/marks.js'
import { chunks } from '../figures/panels.js'
import { printDensity, renderPng } from '../figures/png.js'
import { writeAtomic, writeFailed } from '../run/atomic.js'
import { type LatentSet, latentNumbers, latentSet } from './study-latent.js'
import { commonPrior, type MeasuredRun, measureRun, type StudyRunInfo, type StudySizes } from './study-measure.js'

export type { StudyRunInfo } from './study-measure.js'

export interface StudyFigureOptions extends Partial<StudySizes> {
  /** Variants in the figures of samples and latents, in this order. Default those of the paper: wae, alpha-gan, bms-vae-gan; all others have figures of their own. */
  methods?: readonly string[]
  /** Prior samples on the map (t-SNE takes the square of their number). Default 1,000. */
  mapped?: number
  /** What sets the threshold below which a code is flagged. Default `prior`: see `ThresholdRule`. */
  threshold?: ThresholdRule
  /** Its percentile. Default 5. */
  percent?: number
  /** The variant that `threshold: 'reference'` asks; without it, all are pooled. Default bms-vae-gan. */
  reference?: string
  adapter?: 'auto' | 'gpu' | 'software'
  /** Told what is being done, and how much of all is done. */
  onProgress?: (what: string, done: number, total: number) => void
}

/** Figures side by side have the paper's methods first. */
const paperMethods = ['wae', 'alpha-gan', 'bms-vae-gan']

/** A data set's runs. */
interface StudySet {
  readonly mixture: Mixture
  readonly runs: readonly MeasuredRun[]
}

/**
 * Draws what the runs show into the folder `out`: samples, latent spaces and learning curves, what T does where there are runs with several T, each as SVG and PNG,
 * and latent.json with the numbers behind them. Figures of samples and latents show the first run of each variant; curves and latent.json, all.
 * @returns paths of the files written
 * @throws BmsError `BAD_ARGUMENT` for options out of range, `WRITE_FAILED`, `RENDER_FAILED`; runs that are missing, damaged or not finished are only left out, and
 *   latent.json says why
 */
export async function studyFigures(runs: readonly StudyRunInfo[], out: string, options: StudyFigureOptions = {}): Promise<string[]> {
  const { samples = 2500, centres = 10_000, prior = 2000, floor = deviationFloor, mapped = 1000, onProgress = () => {} } = options
  const total = runs.length + 2
  const measured: MeasuredRun[] = []
  const skipped: (StudyRunInfo & { reason: string })[] = []
  for (const [i, info] of runs.entries()) {
    onProgress(`${info.dataset} ${info.title} seed ${info.seed}`, i, total)
    const result = await measureRun(info, { samples, centres, prior, floor }, options.adapter)
    if ('skipped' in result) skipped.push({ ...info, reason: result.skipped })
    else measured.push(result)
  }
  const sets = mixtureNames.map((name): StudySet => ({ mixture: mixture(name), runs: measured.filter(({ info }) => info.dataset === name) }))
  const drawn = sets.filter((set) => set.runs.length > 0)
  const { threshold: rule = 'prior', percent = 5, reference = 'bms-vae-gan' } = options
  const latents = drawn.flatMap((set) => latentSet(set.mixture, set.runs, { rule, percent, reference }) ?? [])
  for (const { info, latent } of measured) {
    const dims = latents.find(({ mixture }) => mixture.name === info.dataset)?.dims
    if (latent && latent.dims !== dims)
      skipped.push({ ...info, reason: `its codes have ${latent.dims} dims, the others' ${dims}: densities cannot be compared` })
  }
  const maps = new Map<number, Float32Array>()
  for (const { dims } of latents) {
    if (maps.has(dims)) continue
    const codes = commonPrior(prior, dims).codes.subarray(0, Math.min(mapped, prior) * dims)
    maps.set(dims, await tsne(codes, dims, { onProgress: (done, all) => onProgress(`t-SNE ${done} of ${all}`, runs.length, total) }))
  }
  onProgress('figures', runs.length + 1, total)
  const figures = drawFigures(drawn, latents, maps, options.methods ?? paperMethods)
  try {
    mkdirSync(out, { recursive: true })
  } catch (cause) {
    throw writeFailed(out, cause)
  }
  const written: string[] = []
  const write = (name: string, content: string | Uint8Array): void => {
    writeAtomic(join(out, name), content)
    written.push(join(out, name))
  }
  write('latent.json', `${JSON.stringify({ samples, centres, prior, floor, sets: latents.map(latentNumbers), skipped }, null, 2)}\n`)
  for (const [name, svg] of figures) {
    write(`${name}.svg`, svg)
    write(`${name}.png`, await renderPng(svg, printDensity))
  }
  onProgress('done', total, total)
  return written
}

/** SVG texts by name. `asked` are the variants of the main figures; where there are others, figures of all follow. */
function drawFigures(
  sets: readonly StudySet[],
  latents: readonly LatentSet[],
  maps: ReadonlyMap<number, Float32Array>,
  asked: readonly string[],
): Map<string, string> {
  const figures = new Map<string, string>()
  const variants = [...new Set(sets.flatMap(({ runs }) => runs.map(({ info }) => info.variant)))]
  const present = asked.filter((variant) => variants.includes(variant))
  const main = present.length > 0 ? present : variants.slice(0, 3)
  const selections = [{ suffix: '', chosen: main }, ...(main.length < variants.length ? [{ suffix: '-all', chosen: variants }] : [])]
  for (const { suffix, chosen } of selections) {
    if (sets.length > 0) figures.set(`samples${suffix}`, samplesFigure(sets, chosen))
    for (const latent of latents) {
      const svg = latentFigure(latent, maps.get(latent.dims)!, chosen)
      if (svg) figures.set(`latent-${latent.mixture.name}${suffix}`, svg)
    }
  }
  chunks(variants, palette.length).forEach((part, i) => {
    const svg = curvesFigure(sets, part)
    if (svg) figures.set(`curves${i === 0 ? '' : `-${i + 1}`}`, svg)
  })
  const families = sets.map((set) => ({ name: set.mixture.name, runs: sameButDraws(set.runs) })).filter(({ runs }) => runs.length > 0)
  if (families.length > 0) {
    const subtitle = 'BMS-VAE-GAN with all else equal, a dot a run, lines through means; T = 1 is α-GAN + SN'
    figures.set('draws', drawsSvg({ sets: families, title: 'More draws from q(z|x)', subtitle }))
  }
  return figures
}

/** "seed 0", or all seeds that there are. */
const seedsOf = (infos: readonly StudyRunInfo[]): string => {
  const seeds = [...new Set(infos.map(({ seed }) => seed))].sort((a, b) => a - b)
  return `seed${seeds.length > 1 ? 's' : ''} ${seeds.join(', ')}`
}

function samplesFigure(sets: readonly StudySet[], variants: readonly string[]): string {
  const chosen = sets.map(({ mixture, runs }) => ({ mixture, runs: variants.map((variant) => runs.find(({ info }) => info.variant === variant)) }))
  const shown = chosen.flatMap(({ runs }) => runs.filter((run) => run !== undefined))
  const titles = new Map(shown.map(({ info }) => [info.variant, info.title]))
  const n = shown[0]!.samples.length / 2
  return comparisonSvg({
    rows: chosen.map(({ mixture, runs }) => ({
      mixture,
      target: sampleMixture(mixture, n, 0),
      methods: variants.map((variant, i) => ({ name: titles.get(variant)!, samples: runs[i]?.samples ?? null })),
    })),
    title: 'Samples',
    subtitle: `${whole(n)} of each method, ${seedsOf(shown.map(({ info }) => info))}; HQ is the share within 3σ of the nearest mode`,
  })
}

function latentFigure({ mixture, rule, thresholds, runs }: LatentSet, map: Float32Array, variants: readonly string[]): string | undefined {
  const chosen = variants.flatMap((variant) => runs.find(({ run }) => run.info.variant === variant) ?? [])
  if (chosen.length === 0) return undefined
  const [shown, all] = [map.length / 2, chosen[0]!.run.latent.prior.length]
  return latentSvg({
    columns: chosen.map(({ run, report }) => ({ name: run.info.title, map, images: run.latent.images, report })),
    mixture,
    title: `Prior samples and their images, ${mixture.name}`,
    subtitle: `${whole(shown)} of ${whole(all)} codes z, the same for all; flagged: log q(z) < ${thresholds[rule].toFixed(1).replace('-', '−')}; ${seedsOf(chosen.map(({ run }) => run.info))}`,
  })
}

function curvesFigure(sets: readonly StudySet[], variants: readonly string[]): string | undefined {
  const titleOf = (variant: string): string => sets.flatMap(({ runs }) => runs).find(({ info }) => info.variant === variant)!.info.title
  const panels = sets.flatMap(({ mixture, runs }): LearningPanel[] => {
    const own = variants.map((variant) => runs.filter(({ info }) => info.variant === variant).map(({ learning }) => learning))
    const evaluated = own.flat().some((run) => run.steps.length > 0)
    return evaluated ? [{ name: mixture.name, modes: mixture.means.length, runs: own }] : []
  })
  if (panels.length === 0) return undefined
  return learningSvg({
    panels,
    methods: variants.map(titleOf),
    title: 'Learning curves',
    subtitle: 'means over seeds, and bands from the lowest to the highest; samples of the averaged generator',
    reference: { value: trueHq, name: 'true data' },
  })
}

/** The largest group of runs of the paper's model that differ in nothing but T and the seed; none where that is one T. */
function sameButDraws(runs: readonly MeasuredRun[]): DrawsRun[] {
  const families = new Map<string, DrawsRun[]>()
  for (const { info, config, quality, latent } of runs) {
    const one = config.model === 'alpha-gan-sn' && config.T === 1
    if (config.model !== 'bms-vae-gan' && !one) continue
    const { draws: pick, ...hyper } = config.hyper
    // Of one draw, the best, the worst and the mean are the same.
    const key = JSON.stringify([hyper, config.T === 1 ? 'best-worst' : pick, config.batch, config.steps])
    const family = families.get(key) ?? []
    family.push({ T: config.T, seed: info.seed, hq: quality.hq, near: quality.near, smallest: latent?.width.smallest ?? Number.NaN })
    families.set(key, family)
  }
  const draws = (family: readonly DrawsRun[]): number => new Set(family.map(({ T }) => T)).size
  const [largest = []] = [...families.values()].sort((a, b) => draws(b) - draws(a))
  return draws(largest) > 1 ? largest : []
}
