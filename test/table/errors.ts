// Calls that must throw: their codes, and their texts whole.
import type { Case } from './row.js'

/** A call that must throw: its error code and its text, whole. */
export type ErrorCase = [call: () => unknown, code: string, message: string]

/** A test for each call; a text in their place says why there is nothing to refuse. */
export const errorCases = (name: string, errors: readonly ErrorCase[] | string): Case[] =>
  typeof errors === 'string'
    ? []
    : errors.map(([call, code, message]) => ({ kind: 'errors', name: `${name}: ${message}`, run: () => checkError(call, code, message) }))

async function checkError(call: () => unknown, code: string, message: string): Promise<void> {
  let error: unknown
  try {
    await call()
  } catch (e) {
    error = e
  }
  const got = error as { code?: string; message?: string } | undefined
  if (!got) throw new Error(`nothing was thrown, expected ${code}: ${message}`)
  if (got.code !== code || got.message !== message) throw new Error(`thrown: ${got.code}: ${got.message}\nexpected: ${code}: ${message}`)
}
