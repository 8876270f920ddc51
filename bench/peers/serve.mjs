// A peer is a process that measures on request, so that all of them are measured in turns: it names itself, then answers each line of input,
// "<work> <count>", with the mean milliseconds of so many runs, or with what went wrong.
import { createInterface } from 'node:readline'
import { create, globals } from 'webgpu'

/** What a page has, and libraries made for pages look for. To be called before they are imported. */
export function likePage() {
  Object.assign(globalThis, globals)
  Object.defineProperty(globalThis, 'navigator', { value: { gpu: create([]), userAgent: 'node' }, configurable: true })
}

/** `works[name]()` makes a function that runs once and waits for the device. Each is run twice before it is measured. */
export async function serve(name, works) {
  const ready = new Map()
  console.log(`ready ${name}`)
  for await (const line of createInterface({ input: process.stdin })) {
    const at = line.lastIndexOf(' ')
    const [work, count] = [line.slice(0, at), Number(line.slice(at + 1))]
    try {
      if (!ready.has(work)) {
        const run = await works[work]()
        for (let i = 0; i < 2; i++) await run()
        ready.set(work, run)
      }
      const start = performance.now()
      for (let i = 0; i < count; i++) await ready.get(work)()
      console.log((performance.now() - start) / count)
    } catch (error) {
      console.log(`failed: ${String(error?.message ?? error).split('\n')[0]}`)
    }
  }
  process.exit()
}
