// Learning curves of many methods: quality above, modes below, a column a data set, mean and spread over seeds.
import { BmsError } from '@bms/tensor'
import { type Axes, axes, niceTicks } from './axes.js'
import { bandPath, type Curve, extent, linePath, meanCurve, palette } from './lines.js'
import { atLeastOne, margin, titles } from './panels.js'
import { colours, decimal, element, label, page } from './svg.js'

/** A run's evaluations. */
export interface LearningRun {
  readonly steps: readonly number[]
  /** 0 to 100. */
  readonly hq: readonly number[]
  readonly modes: readonly number[]
}

export interface LearningPanel {
  /** The data set. */
  readonly name: string
  /** Modes there are. */
  readonly modes: number
  /** The runs of each of `methods`; of a method that was not trained on it, none. */
  readonly runs: readonly (readonly LearningRun[])[]
}

export interface LearningOptions {
  readonly panels: readonly LearningPanel[]
  /** Methods in the order of their colours, at most seven. */
  readonly methods: readonly string[]
  title: string
  subtitle?: string
  /** A level to mark in the upper plots and to name in the legend, for instance `trueHq`. */
  reference?: { readonly value: number; readonly name: string }
}

const width = 680
const [upperHeight, lowerHeight, gap] = [190, 120, 20]
const dashes = [undefined, '7 3', '2 3', '9 3 2 3', '5 2', '1 2.5', '12 4']

/**
 * HQ% and modes over steps, one line a method: the mean over its runs, and from the lowest to the highest run a band. Colours and dashes both tell methods apart.
 * @returns SVG text, 680 units wide: 17 cm
 * @throws BmsError `BAD_ARGUMENT` without panels or methods, for more than seven methods, where a run has unequal numbers of steps and values or nothing is finite
 */
export function learningSvg({ panels, methods, title, subtitle = '', reference }: LearningOptions): string {
  atLeastOne('panels', panels)
  atLeastOne('methods', methods)
  if (methods.length > palette.length) {
    throw new BmsError('BAD_ARGUMENT', `methods: got ${methods.length}, at most ${palette.length} lines can be told apart`, {
      option: 'methods',
      got: methods.length,
    })
  }
  for (const { runs } of panels) {
    for (const [i, run] of runs.flatMap((list, i) => list.map((run) => [i, run] as const))) {
      if (run.hq.length === run.steps.length && run.modes.length === run.steps.length) continue
      const got = `${run.steps.length} steps for ${run.hq.length} and ${run.modes.length} values`
      throw new BmsError('BAD_ARGUMENT', `${methods[i]}: ${got}`, { option: 'panels', got: methods[i] })
    }
  }
  const left = margin.left + 14
  const between = 64
  const plotWidth = (width - left - 24 - (panels.length - 1) * between) / panels.length
  const keys = legendLines(reference ? [...methods, reference.name] : methods, width - margin.left)
  const top = 62 + keys.length * 19 + 32
  const drawn = panels.map((panel, column) => {
    const at = left + column * (plotWidth + between)
    const most = extent(panel.runs.flat().flatMap((run) => run.steps))?.max
    if (most === undefined) throw new BmsError('BAD_ARGUMENT', `${panel.name}: got no runs to draw`, { option: 'panels', got: panel.name })
    const steps = { min: 0, max: Math.max(1, most), ticks: niceTicks(0, Math.max(1, most), 4) }
    const upper = axes(
      { left: at, top, width: plotWidth, height: upperHeight },
      { ...steps, label: '', format: () => '' },
      {
        min: 0,
        max: 100,
        label: column === 0 ? 'within 3σ (%)' : '',
        ticks: [0, 25, 50, 75, 100],
      },
    )
    const lower = axes(
      { left: at, top: top + upperHeight + gap, width: plotWidth, height: lowerHeight },
      { ...steps, label: 'training step' },
      { min: 0, max: panel.modes * 1.06, label: column === 0 ? 'modes' : '', ticks: modeTicks(panel.modes) },
    )
    const curves = (of: 'hq' | 'modes'): Curve[][] =>
      methods.map((name, i) => (panel.runs[i] ?? []).map((run) => ({ name, steps: run.steps, values: run[of] })))
    return [
      label(panel.name, at + plotWidth / 2, top - 9, { size: 13, weight: 600, anchor: 'middle' }),
      upper.grid,
      reference ? marked(upper, reference) : '',
      methodLines(upper, curves('hq')),
      upper.frame,
      lower.grid,
      methodLines(lower, curves('modes')),
      lower.frame,
    ].join('')
  })
  const entry = (x: number, line: number, i: number): string =>
    i < methods.length
      ? legendEntry(margin.left + x, 66 + 19 * line, methods[i]!, stroke(i))
      : legendEntry(margin.left + x, 66 + 19 * line, reference!.name, referenceStroke)
  const key = keys.flatMap((entries, line) => entries.map(({ x, method }) => entry(x, line, method)))
  return page(width, top + upperHeight + gap + lowerHeight + 52, titles(title, subtitle), ...key, ...drawn)
}

function methodLines(frame: Axes, methods: readonly (readonly Curve[])[]): string {
  const bands = methods.map((runs, i) => (runs.length < 2 ? '' : element('path', { d: bandPath(frame, runs), fill: palette[i], fillOpacity: 0.14 })))
  const lines = methods.map((runs, i) => (runs.length === 0 ? '' : element('path', { d: linePath(frame, meanCurve(runs)), ...stroke(i) })))
  return [...bands, ...lines].join('')
}

const stroke = (method: number) => ({
  stroke: palette[method],
  strokeWidth: 1.6,
  strokeDasharray: dashes[method],
  strokeLinejoin: 'round',
  strokeLinecap: 'butt',
  fill: 'none',
})

function marked(frame: Axes, { value }: { value: number }): string {
  return element('path', { d: `M${frame.box.left} ${decimal(frame.y(value))}h${decimal(frame.box.width)}`, ...referenceStroke })
}

const referenceStroke = { stroke: colours.soft, strokeWidth: 1, strokeDasharray: '1.5 2.5', fill: 'none' }

/** Round numbers, and all modes; a round number just below that makes room for it. */
const modeTicks = (modes: number): number[] => [...niceTicks(0, modes, 4).filter((tick) => tick <= 0.85 * modes), modes]

/** Entries from left to right, in as many lines as they need. */
function legendLines(methods: readonly string[], room: number): { x: number; method: number }[][] {
  const lines: { x: number; method: number }[][] = [[]]
  let x = 0
  methods.forEach((name, method) => {
    const wide = 36 + 7 * name.length + 18
    if (x > 0 && x + wide > room) {
      lines.push([])
      x = 0
    }
    lines.at(-1)!.push({ x, method })
    x += wide
  })
  return lines
}

function legendEntry(x: number, y: number, name: string, style: ReturnType<typeof stroke> | typeof referenceStroke): string {
  return element('path', { d: `M${x} ${y}h28`, ...style }) + label(name, x + 36, y + 4)
}
