// What test/run.mjs was asked for, and where the workspace lies (tests run from a bundle, so import.meta.url says nothing).

export interface TestOptions {
  adapter: 'auto' | 'gpu' | 'software'
  root: string
  /** The file in which Node leaves the numbers that a page compares with. */
  numbers?: string
  /** Of the device that tests opened; for the summary. */
  adapterName?: string
  /** Where its driver came from. */
  adapterSource?: string
}

const given = ((globalThis as { BMS_TEST?: Partial<TestOptions> }).BMS_TEST ??= {})
given.adapter ??= 'auto'
given.root ??= process.cwd()

export const options = given as TestOptions
