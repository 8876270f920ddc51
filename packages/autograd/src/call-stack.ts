// Where an op was called: the JavaScript stack, from the first frame that is not this library's.

/** Frames kept below the library's own. */
const FRAMES = 10

/** Frames of these packages, built or by source maps. */
const own = /[\\/](@bms|packages)[\\/](tensor|autograd|nn)[\\/](dist|src)[\\/]/

/** One line a frame. */
export function callStack(): string {
  const limited = Error as { stackTraceLimit?: number }
  const { stackTraceLimit } = limited
  if (stackTraceLimit !== undefined) limited.stackTraceLimit = 40
  const { stack = '' } = new Error('here')
  if (stackTraceLimit !== undefined) limited.stackTraceLimit = stackTraceLimit
  // Some engines begin with the error itself.
  const frames = stack.split('\n').filter((line) => line !== '' && !line.startsWith('Error'))
  const first = frames.findIndex((line) => !own.test(line))
  return frames.slice(Math.max(0, first)).slice(0, FRAMES).join('\n')
}
