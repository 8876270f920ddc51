// Which images make up which batch. A batch follows from the seed and the step's number alone, so a resumed run goes on
// with the batches that it would have had, and a worker, a page and Node agree on them.
import { ArgumentError, show } from '@bms/tensor'
import { type BatchOptions, type BatchPlan, uncheckedOrder } from './batch-order.js'

export { assembleBatch, type BatchOptions, type BatchPlan } from './batch-order.js'

/**
 * The order of batches as a function of the step (0, 1, 2, …). Batches follow each other through permutations of the set,
 * one an epoch, and may span two or more of them: all images are seen equally often.
 * Asking for steps in order is fast; any other way gives the same, making epochs anew.
 * @param count images in the set
 * @throws ArgumentError where an option or a step is out of its range
 */
export function batchOrder(count: number, options: BatchOptions): (step: number) => BatchPlan {
  check('count', count, 1, 2 ** 31)
  check('batch', options.batch, 1, 2 ** 20)
  check('seed', options.seed, 0, Number.MAX_SAFE_INTEGER)
  const order = uncheckedOrder(count, options)
  return (step) => {
    checkStep(step)
    return order(step)
  }
}

/** Steps are counted from 0. Throws an ArgumentError. */
export function checkStep(step: number): void {
  // With the largest batch, positions stay whole numbers.
  check('step', step, 0, 2 ** 32)
}

function check(name: string, value: number, least: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return
  throw new ArgumentError('batches', `${name} is a whole number from ${least} to ${most}, got ${show(value)}`, { [name]: value })
}
