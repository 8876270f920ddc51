// The table of ops: every public op and module has a row here, and from the rows follow the tests (see row.ts, op.ts).
import type { Row } from './row.js'
import { indexingRows } from './rows/indexing.js'
import { joinRows } from './rows/joins.js'
import { matmulRows } from './rows/matmul.js'
import { orderRows } from './rows/order.js'
import { randomRows } from './rows/random.js'
import { reduceRows } from './rows/reduce.js'
import { softmaxRows } from './rows/softmax.js'
import { viewRows } from './rows/views.js'

// biome-ignore format: one line a file
export const rows: readonly Row[] = [
  ...indexingRows,
  ...joinRows,
  ...matmulRows,
  ...orderRows,
  ...randomRows,
  ...reduceRows,
  ...softmaxRows,
  ...viewRows,
]
