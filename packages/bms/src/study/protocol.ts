// What a study and the processes that train its runs say to each other.
import type { TrainOptions } from '../commands/train.js'

export type ToChild = { kind: 'train'; options: TrainOptions } | { kind: 'stop' }

export type FromChild =
  /** Trains from `step` on. */
  | { kind: 'begin'; step: number }
  | { kind: 'step'; step: number; hq?: number }
  /** What the user should know. */
  | { kind: 'log'; text: string }
  /** The last word is one of these; what the run came to is in its folder. */
  | { kind: 'finished' }
  | { kind: 'stopped'; step: number }
  | { kind: 'failed'; message: string }
