// What test/run.mjs was asked for, and where the workspace lies (tests run from a bundle, so import.meta.url says nothing).

export interface TestOptions {
  adapter: 'auto' | 'gpu' | 'software'
  root: string
}

const given = (globalThis as { BMS_TEST?: Partial<TestOptions> }).BMS_TEST

export const options: TestOptions = { adapter: given?.adapter ?? 'auto', root: given?.root ?? process.cwd() }
