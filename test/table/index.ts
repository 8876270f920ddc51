// The table of ops: every public op and module has a row here, and from the rows follow the tests (see row.ts, op.ts).
import type { Row } from './row.js'
import { binaryRows } from './rows/binary.js'
import { comparisonRows } from './rows/comparison.js'
import { copyRows } from './rows/copy.js'
import { createRows } from './rows/create.js'
import { indexingRows } from './rows/indexing.js'
import { joinRows } from './rows/joins.js'
import { matmulRows } from './rows/matmul.js'
import { orderRows } from './rows/order.js'
import { randomRows } from './rows/random.js'
import { reduceRows } from './rows/reduce.js'
import { selectRows } from './rows/select.js'
import { softmaxRows } from './rows/softmax.js'
import { unaryRows } from './rows/unary.js'
import { viewRows } from './rows/views.js'

// biome-ignore format: one line a file
export const rows: readonly Row[] = [
  ...binaryRows,
  ...comparisonRows,
  ...copyRows,
  ...createRows,
  ...indexingRows,
  ...joinRows,
  ...matmulRows,
  ...orderRows,
  ...randomRows,
  ...reduceRows,
  ...selectRows,
  ...softmaxRows,
  ...unaryRows,
  ...viewRows,
]
