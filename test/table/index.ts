// The table of ops: every public op and module has a row here, and from the rows follow the tests (see row.ts, op.ts).
import type { Row } from './row.js'
import { activationRows } from './rows/activations.js'
import { binaryRows } from './rows/binary.js'
import { classLossRows } from './rows/class-losses.js'
import { clipRows } from './rows/clip.js'
import { comparisonRows } from './rows/comparison.js'
import { convRows } from './rows/conv.js'
import { convModuleRows } from './rows/conv-modules.js'
import { copyRows } from './rows/copy.js'
import { createRows } from './rows/create.js'
import { emaRows } from './rows/ema.js'
import { imageModuleRows } from './rows/image-modules.js'
import { imageRows } from './rows/images.js'
import { indexingRows } from './rows/indexing.js'
import { initRows } from './rows/init.js'
import { joinRows } from './rows/joins.js'
import { linalgRows } from './rows/linalg.js'
import { lossRows } from './rows/losses.js'
import { matmulRows } from './rows/matmul.js'
import { moduleRows } from './rows/modules.js'
import { optimizerRows } from './rows/optimizers.js'
import { orderRows } from './rows/order.js'
import { randomRows } from './rows/random.js'
import { reduceRows } from './rows/reduce.js'
import { schedulerRows } from './rows/schedulers.js'
import { selectRows } from './rows/select.js'
import { softmaxRows } from './rows/softmax.js'
import { spectralNormRows } from './rows/spectral-norm.js'
import { unaryRows } from './rows/unary.js'
import { viewRows } from './rows/views.js'

// biome-ignore format: one line a file
export const rows: readonly Row[] = [
  ...activationRows,
  ...binaryRows,
  ...classLossRows,
  ...clipRows,
  ...comparisonRows,
  ...convModuleRows,
  ...convRows,
  ...copyRows,
  ...createRows,
  ...emaRows,
  ...imageModuleRows,
  ...imageRows,
  ...indexingRows,
  ...initRows,
  ...joinRows,
  ...linalgRows,
  ...lossRows,
  ...matmulRows,
  ...moduleRows,
  ...optimizerRows,
  ...orderRows,
  ...randomRows,
  ...reduceRows,
  ...schedulerRows,
  ...selectRows,
  ...softmaxRows,
  ...spectralNormRows,
  ...unaryRows,
  ...viewRows,
]
