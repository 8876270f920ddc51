// The table of ops: every public op and module has a row here, and from the rows follow the tests (see row.ts, op.ts).
import type { Row } from './row.js'
import { convRows } from './rows/conv.js'
import { imageRows } from './rows/images.js'
import { softmaxRows } from './rows/softmax.js'

export const rows: readonly Row[] = [...softmaxRows, ...convRows, ...imageRows]
