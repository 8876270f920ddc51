// Whether ops are recorded for gradients at this moment.
let enabled = true

/** Is what happens now recorded for gradients? Inside a gradient rule: true exactly under createGraph. */
export const isGradEnabled = (): boolean => enabled

function withGrad<R>(on: boolean, fn: () => R): R {
  const before = enabled
  enabled = on
  const restore = (): void => {
    enabled = before
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
