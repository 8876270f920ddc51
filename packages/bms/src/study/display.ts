// What a user sees while a study is going: one line for all of it, and a line that stays for each run that ended.
import { mixture } from '../data/mixtures.js'
import { speed } from '../report/words.js'
import { duration, type Progress, progress, type ProgressOptions } from '../run/progress.js'
import type { RunResult } from '../run/folder.js'
import { type Pace, Paces, timeLeft } from './estimate.js'
import type { StudyRun } from './plan.js'
import type { Outcome } from './pool.js'
import type { FromChild } from './protocol.js'

interface Live {
  run: StudyRun
  step: number
  hq?: number
  /** Steps and seconds since its first step. */
  own: Pace
  since?: { step: number; time: number }
}

export class StudyDisplay {
  readonly #bar: Progress
  readonly #paces = new Paces()
  /** Runs that have not ended, in the order of the study. */
  readonly #open: Map<StudyRun, Live>
  readonly #going = new Set<StudyRun>()
  readonly #width: number
  /** Steps of runs that ended. */
  #past = 0
  #ended = 0

  constructor(
    runs: readonly StudyRun[],
    private readonly jobs: number,
    options: Partial<ProgressOptions> = {},
  ) {
    this.#width = Math.max(...runs.map(({ name }) => name.length))
    this.#open = new Map()
    for (const run of runs) {
      const { state, config } = run
      if (state.kind === 'finished') {
        this.#past += config.steps
        this.#ended++
        this.#paces.add(run.dataset, run.variant.name, state.result)
      } else this.#open.set(run, { run, step: state.kind === 'unfinished' ? state.step : 0, own: { steps: 0, seconds: 0 } })
    }
    this.#bar = progress({
      total: runs.reduce((sum, { config }) => sum + config.steps, 0),
      start: this.#steps(),
      label: () => `${this.#ended}/${runs.length} runs`,
      left: () => this.left(),
      plainSeconds: 30,
      ...options,
    })
  }

  log(text: string): void {
    this.#bar.log(text)
  }

  told(run: StudyRun, message: FromChild): void {
    const live = this.#open.get(run)!
    this.#going.add(run)
    if (message.kind === 'log') this.#bar.log(`${run.name}: ${message.text}`)
    if (message.kind !== 'begin' && message.kind !== 'step') return
    live.step = message.step
    if (message.kind === 'step') {
      live.hq = message.hq ?? live.hq
      // The first step is compiled; what it took says nothing of the others.
      live.since ??= { step: message.step, time: performance.now() }
      live.own = { steps: message.step - live.since.step, seconds: (performance.now() - live.since.time) / 1000 }
    }
    this.#show(run, live)
  }

  /** A run ended; `result` is what it left. */
  ended(run: StudyRun, outcome: Outcome, result: RunResult | undefined): void {
    const live = this.#open.get(run)!
    const name = run.name.padEnd(this.#width)
    if (result) {
      const { modes, hq } = result.metrics
      const quality = `${modes} of ${mixture(run.dataset).means.length} modes, HQ ${typeof hq === 'number' ? hq.toFixed(2) : hq} %`
      this.#bar.log(
        `${name}  ${quality}, ${result.steps.toLocaleString('en-US')} steps in ${duration(result.seconds)}, ${speed(result.steps / result.seconds)} steps/s`,
      )
      this.#paces.add(run.dataset, run.variant.name, result)
    } else if (outcome.kind === 'failed') this.#bar.log(`${name}  failed: ${outcome.why}`)
    else if (outcome.kind === 'stopped') this.#bar.log(`${name}  saved at step ${outcome.step.toLocaleString('en-US')}`)
    this.#past += result ? run.config.steps : live.step
    if (outcome.kind !== 'stopped') this.#ended++
    this.#open.delete(run)
    this.#going.delete(run)
    this.#show(run, undefined)
  }

  stop(): void {
    this.#bar.stop()
  }

  /** Seconds until the last run ends; NaN before anything was seen. */
  left(): number {
    const order = [...this.#going, ...[...this.#open.keys()].filter((run) => !this.#going.has(run))].map((run) => this.#open.get(run)!)
    const ahead = order.map(({ run, step, own }) => ({
      set: run.dataset,
      variant: run.variant.name,
      steps: run.config.steps - step,
      ...(this.#going.has(run) && { own }),
    }))
    return timeLeft(ahead, this.jobs, this.#paces)
  }

  #steps(): number {
    let sum = this.#past
    for (const { step } of this.#open.values()) sum += step
    return sum
  }

  #show(run: StudyRun, live: Live | undefined): void {
    const share = live && `${Math.floor((100 * live.step) / run.config.steps)}%`
    const value = live && (live.hq === undefined ? share : `${share} HQ ${live.hq.toFixed(1)}%`)
    this.#bar.update(this.#steps(), { [`${run.dataset} ${run.variant.name} s${run.seed}`]: value })
  }
}
