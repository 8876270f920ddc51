// Rows for what is neither a function of tensors nor a module nor an optimiser: their cases are written out.
import { type ErrorCase, errorCases } from './errors.js'
import type { Golden, Request } from './goldens.js'
import { answer } from './goldens.js'
import type { Row } from './row.js'

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
  const entries = Object.entries(cases).map(([title, what]) => {
    const key = `${name}, ${title}`
    return typeof what === 'function' ? { key, run: what } : { key, run: what.run, request: { part, key, spec: what.spec } }
  })
  return {
    name,
    covers,
    requests: entries.flatMap(({ request }) => request ?? []),
    cases: () => [
      ...entries.map(({ key, run, request }) =>
        request
          ? { kind: 'torch', name: key, run: async () => run(await answer(request)) }
          : { kind: 'behaviour', name: key, run: async () => (run as () => void | Promise<void>)() },
      ),
      ...errorCases(name, errors),
    ],
    gaps: () => [],
  }
}
