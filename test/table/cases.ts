// Rows for what is neither a function of tensors nor a module nor an optimiser: their cases are written out.
import { count } from '../support/figures.js'
import { type ErrorCase, errorCases } from './errors.js'
import { answer, type Golden, type Request } from './goldens.js'
import type { Case, Row } from './row.js'

/** What PyTorch is asked, and what is done with its answer. */
export interface Asked {
  /** Python, and what it needs to know. */
  spec: { torch: string } & Record<string, unknown>
  run: (golden: Golden) => void | Promise<void>
}

export interface CasesSpec {
  covers: readonly string[]
  /** By name: compared with PyTorch, or not. */
  cases: Record<string, Asked | (() => void | Promise<void>)>
  errors: readonly ErrorCase[] | string
}

/** A row of the table; `part` is the golden file of those of its cases that ask PyTorch. */
export function cases(name: string, part: Request['part'], { covers, cases, errors }: CasesSpec): Row {
  const entries = Object.entries(cases).map(([title, what]): Case & { request?: Request } => {
    const key = `${name}, ${title}`
    if (typeof what === 'function') return { kind: 'behaviour', name: key, run: async () => what() }
    const request: Request = { part, key, spec: what.spec }
    const run = async (): Promise<void> => {
      await what.run(await answer(request))
      count('goldens')
    }
    return { kind: 'torch', name: key, run, request }
  })
  return {
    name,
    covers,
    requests: entries.flatMap(({ request }) => request ?? []),
    cases: () => [...entries, ...errorCases(name, errors)],
    gaps: () => [],
  }
}
