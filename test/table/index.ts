// The table of ops: every public op and module has a row here, and from the rows follow the tests (see row.ts, op.ts).
import type { Row } from './row.js'
import { binaryRows } from './rows/binary.js'
import { comparisonRows } from './rows/comparison.js'
import { copyRows } from './rows/copy.js'
import { createRows } from './rows/create.js'
import { selectRows } from './rows/select.js'
import { softmaxRows } from './rows/softmax.js'
import { unaryRows } from './rows/unary.js'

// biome-ignore format: one line a file
export const rows: readonly Row[] = [
  ...binaryRows,
  ...comparisonRows,
  ...copyRows,
  ...createRows,
  ...selectRows,
  ...softmaxRows,
  ...unaryRows,
]
