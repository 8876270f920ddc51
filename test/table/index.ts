// The table of ops: every public op and module has a row here, and from the rows follow the tests (see row.ts, op.ts).
import type { Row } from './row.js'
import { activationRows } from './rows/activations.js'
import { classLossRows } from './rows/class-losses.js'
import { clipRows } from './rows/clip.js'
import { emaRows } from './rows/ema.js'
import { initRows } from './rows/init.js'
import { lossRows } from './rows/losses.js'
import { moduleRows } from './rows/modules.js'
import { optimizerRows } from './rows/optimizers.js'
import { schedulerRows } from './rows/schedulers.js'
import { softmaxRows } from './rows/softmax.js'
import { spectralNormRows } from './rows/spectral-norm.js'

// biome-ignore format: one line a file
export const rows: readonly Row[] = [
  ...activationRows,
  ...classLossRows,
  ...clipRows,
  ...emaRows,
  ...initRows,
  ...lossRows,
  ...moduleRows,
  ...optimizerRows,
  ...schedulerRows,
  ...softmaxRows,
  ...spectralNormRows,
]
