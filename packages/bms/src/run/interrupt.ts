// Ctrl-C and SIGTERM, as every long command takes them: the first asks for an end in good order, the second leaves at once.

/**
 * Aborts `controller` at the first of them and calls `told`; at the next, or where it was aborted already, calls `leave` and ends the process.
 * @returns what takes the handlers off again
 */
export function onInterrupt(controller: AbortController, told: () => void, leave: () => void = () => {}): () => void {
  const interrupt = (): void => {
    if (controller.signal.aborted) {
      leave()
      process.exit(130)
    }
    controller.abort()
    told()
  }
  const names = ['SIGINT', 'SIGTERM'] as const
  for (const name of names) process.on(name, interrupt)
  return () => {
    for (const name of names) process.off(name, interrupt)
  }
}
