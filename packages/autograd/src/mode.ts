// Whether ops are recorded for gradients at this moment.
/** The scopes that are open, the innermost last. Async ones may end in any order. */
const scopes: { on: boolean }[] = []

/** Is what happens now recorded for gradients? Inside a gradient rule: true exactly under createGraph. */
export const isGradEnabled = (): boolean => scopes[scopes.length - 1]?.on ?? true

function withGrad<R>(on: boolean, fn: () => R): R {
  const scope = { on }
  scopes.push(scope)
  const restore = (): void => {
    scopes.splice(scopes.lastIndexOf(scope), 1)
  }
  let result: R
  try {
    result = fn()
  } catch (error) {
    restore()
    throw error
  }
  if (result instanceof Promise) return result.finally(restore) as R
  restore()
  return result
}

/** Runs `fn` without recording: no gradient will flow through what it computes. Takes async functions too. */
export const noGrad = <R>(fn: () => R): R => withGrad(false, fn)

/** Runs `fn` with recording, also inside noGrad. */
export const enableGrad = <R>(fn: () => R): R => withGrad(true, fn)
