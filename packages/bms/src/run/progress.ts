// What a user sees while a run is going: on a terminal one line that is redrawn, elsewhere (a file, a pipe, CI) a plain
// line every few seconds. Written by hand because the line drops its least important parts to fit any width, which bar
// libraries do not offer.
import readline from 'node:readline'
import pc from 'picocolors'

/** The part of a stream that is used; `process.stdout` and `process.stderr` are two. */
export type ProgressStream = NodeJS.WritableStream & { isTTY?: boolean; columns?: number }

export interface ProgressOptions {
  /** Last step. */
  total: number
  /** Step that the run starts from: 0, or the checkpoint's. */
  start?: number
  /** What is being trained, at the front of the line; as a function, asked whenever the line is drawn. */
  label?: string | (() => string)
  /** Seconds left, NaN where that is unknown, for steps that do not all take the same time. By default what the rate says. */
  left?: () => number
  /** Show steps a second; true. */
  rate?: boolean
  /** Where to write; `process.stdout`. */
  stream?: ProgressStream
  /** Milliseconds, never going back; `performance.now`. */
  now?: () => number
  /** One redrawn line instead of plain ones; as the stream is a terminal and CI is not set. */
  live?: boolean
  /** Colours; as `live` and NO_COLOR say. */
  colour?: boolean
  /** Seconds between plain lines; 5. */
  plainSeconds?: number
}

/** Terms of the line: `modes` and `hq` (percent) get their own places, others are shown as `name value` in the order given. */
export type ProgressTerms = Record<string, number | string | undefined>

export interface Progress {
  /** Shows a step. Terms not given keep their last value. Cheap enough for every step: drawing is limited to 12 a second (plain lines: one in `plainSeconds`, and every one that brings `hq`). */
  update(step: number, terms?: ProgressTerms): void
  /** Writes a line of text that stays, above the live line. */
  log(text: string): void
  /** Steps a second over the last ten seconds; NaN before two updates. */
  rate(): number
  /** Draws the last state and ends the line. Later calls do nothing. */
  stop(): void
}

const windowMs = 10_000
const redrawMs = 80

/** Starts showing progress. Nothing is written before the first `update` or `log`, and no timer keeps the process alive. */
export function progress(options: ProgressOptions): Progress {
  const { total, start = 0, label = '', left, stream = process.stdout, now = () => performance.now(), plainSeconds = 5 } = options
  const live = options.live ?? (stream.isTTY === true && !isCi())
  const paint = pc.createColors(options.colour ?? (live && pc.isColorSupported))
  const speed = speedometer()
  let terms: ProgressTerms = {}
  let step = start
  let lastDrawn = -Infinity
  let drawn = false
  // Something was given that is not on the screen yet.
  let pending = false
  let stopped = false

  const state = (): LineState => ({
    label: typeof label === 'string' ? label : label(),
    step,
    total,
    terms,
    rate: options.rate === false ? NaN : speed.rate(),
    left: left?.(),
  })
  const erase = () => {
    readline.cursorTo(stream, 0)
    readline.clearLine(stream, 0)
  }
  const draw = () => {
    lastDrawn = now()
    drawn = true
    pending = false
    if (!live) {
      stream.write(`${plainLine(state())}\n`)
      return
    }
    erase()
    // The last column stays free: some terminals wrap as soon as it is written.
    stream.write(liveLine(state(), Math.max(1, (stream.columns || 80) - 1), paint))
  }

  return {
    update(at, more = {}) {
      if (stopped) return
      step = at
      terms = { ...terms, ...more }
      speed.mark(at, now())
      pending = true
      // A plain log keeps every evaluation.
      if (now() - lastDrawn >= (live ? redrawMs : plainSeconds * 1000) || (!live && more.hq !== undefined)) draw()
    },
    log(text) {
      const under = live && drawn && !stopped
      if (under) erase()
      stream.write(`${text}\n`)
      if (under) draw()
    },
    rate: () => speed.rate(),
    stop() {
      if (stopped) return
      if (pending) draw()
      if (live && drawn) stream.write('\n')
      stopped = true
    },
  }
}

interface LineState {
  label: string
  step: number
  total: number
  terms: ProgressTerms
  rate: number
  /** Seconds left, where that is known better than from the rate. */
  left?: number
}

interface Part {
  text: string
  /** The lowest goes first when the line is too long. */
  rank: number
  paint?: (text: string) => string
}

function parts(
  { label, step, total, terms, rate, left = rate > 0 ? (total - step) / rate : NaN }: LineState,
  paint: ReturnType<typeof pc.createColors>,
): Part[] {
  const { modes, hq, ...losses } = terms
  const shown = Object.entries(losses).filter(([, value]) => value !== undefined)
  return [
    { text: label, rank: 70, paint: paint.bold },
    { text: `${whole(step)}/${whole(total)}`, rank: Infinity },
    ...shown.map(([name, value], i): Part => ({ text: `${name} ${short(value)}`, rank: shown.length - i, paint: paint.dim })),
    ...(modes === undefined ? [] : [{ text: `modes ${modes}`, rank: 60, paint: paint.cyan }]),
    ...(hq === undefined ? [] : [{ text: `HQ ${typeof hq === 'number' ? `${hq.toFixed(1)}%` : hq}`, rank: 65, paint: paint.green }]),
    { text: rate > 0 ? `${short(rate)} steps/s` : '', rank: 50 },
    { text: Number.isFinite(left) ? `${duration(left)} left` : '', rank: 55 },
  ].filter((part) => part.text !== '')
}

/** The live line, at most `columns` wide, without the newline. */
export function liveLine(state: LineState, columns: number, paint: ReturnType<typeof pc.createColors> = pc.createColors(false)): string {
  const list = parts(state, paint)
  const gap = '  '
  const length = () => list.reduce((sum, part) => sum + part.text.length, 0) + gap.length * (list.length - 1)
  while (length() > columns && list.length > 1) list.splice(list.indexOf(list.reduce((low, part) => (part.rank < low.rank ? part : low))), 1)
  // The bar takes what is left, up to 24 columns; under 8 it would say nothing.
  const room = Math.min(24, columns - length() - gap.length)
  const painted = list.map((part) => (part.paint ?? String)(part.text.slice(0, columns)))
  if (room >= 8) painted.splice(list[0].text === state.label ? 1 : 0, 0, bar(state.step / state.total, room, paint))
  return painted.join(gap)
}

/** The same as plain text for a log, with nothing dropped. */
export function plainLine(state: LineState): string {
  const share = Math.floor((100 * state.step) / state.total)
  const [first, ...rest] = parts(state, pc.createColors(false)).map((part) => part.text)
  const head = state.label === '' ? [first, `${share}%`] : [first, rest.shift(), `${share}%`]
  return [...head, ...rest].join('  ')
}

function bar(share: number, width: number, paint: ReturnType<typeof pc.createColors>): string {
  const full = Math.max(0, Math.min(width, Math.floor(share * width)))
  return paint.cyan('█'.repeat(full)) + paint.dim('░'.repeat(width - full))
}

// Steps a second over a sliding window, which follows a machine that slows down. It begins with the first update: what
// came before (starting, compiling, the first step) says nothing about the rest.
function speedometer(): { mark(step: number, time: number): void; rate(): number } {
  const marks: { step: number; time: number }[] = []
  return {
    mark(step, time) {
      // Ten marks a second are enough, and keep the list short.
      if (marks.length > 1 && time - marks[marks.length - 2].time < 100) marks.pop()
      marks.push({ step, time })
      while (marks.length > 2 && time - marks[1].time >= windowMs) marks.shift()
    },
    rate() {
      if (marks.length === 0) return NaN
      const [first, last] = [marks[0], marks[marks.length - 1]]
      return last.time > first.time ? ((last.step - first.step) / (last.time - first.time)) * 1000 : NaN
    },
  }
}

const whole = (value: number) => value.toLocaleString('en-US')

// About three significant digits, never wider than seven characters.
function short(value: number | string | undefined): string {
  if (typeof value !== 'number') return String(value)
  if (!Number.isFinite(value)) return String(value)
  const size = Math.abs(value)
  if (size >= 1e5 || (size > 0 && size < 1e-4)) return value.toExponential(1)
  if (size >= 100) return value.toFixed(0)
  if (size >= 10) return value.toFixed(1)
  return size >= 1 ? value.toFixed(2) : value.toFixed(size >= 0.01 || size === 0 ? 3 : 4)
}

/** Seconds as 0:07, 12:03 or 1:02:03. */
export function duration(seconds: number): string {
  const all = Math.max(0, Math.round(seconds))
  const two = (value: number) => String(value).padStart(2, '0')
  const [hours, minutes] = [Math.floor(all / 3600), Math.floor(all / 60) % 60]
  return hours > 0 ? `${hours}:${two(minutes)}:${two(all % 60)}` : `${minutes}:${two(all % 60)}`
}

// As most tools read it: set, and not to "false" or "0".
function isCi(): boolean {
  const value = process.env.CI
  return value !== undefined && !['', 'false', '0'].includes(value.toLowerCase())
}
