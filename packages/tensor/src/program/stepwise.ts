// A function that is to be compiled, run op by op: what a watcher of values does with compiled steps, since inside a
// program there is nothing to look at. Apart from that it behaves as the step would.
import { keep, tidyWith } from '../scope.js'
import { isTensor, Tensor } from '../tensor.js'
import { mapTensors, refuseAsync, signature } from './compile.js'

let running = false

/** Runs `fn` on copies of the arguments. Its results have no history and belong to nobody's tidy(); everything in between is freed. */
export function runStepwise<A extends unknown[], R>(fn: (...args: A) => R, args: A): R {
  signature(args)
  // Inside another one it is simply part of it.
  if (running) return fn(...args)
  running = true
  try {
    return tidyWith(() => {
      const result = fn(...(mapTensors(args, copyOfInput) as A))
      refuseAsync(result)
      return mapTensors(result, (t) => keep(new Tensor(t.storage.retain(), t.layout, t.dtype))) as R
    }, isTensor)
  } finally {
    running = false
  }
}

function copyOfInput(t: Tensor): Tensor {
  const copy = t.compact()
  t.trace?.transfer?.(copy)
  return copy
}
