// Files as strangers send them: ways to damage bytes, driven by a few small numbers so that fast-check can shrink them, and
// what every attempt to load the result must keep to.
import { inspect, isDeepStrictEqual } from 'node:util'
import { BmsError } from '@bms/tensor'
import fc from 'fast-check'
import { count } from '../support/figures.js'

/** The same mutations in every run, unless BMS_TEST_SEED asks for others. */
const seed = Number(process.env['BMS_TEST_SEED'] ?? 20240917)

/** Runs `check` on `runs` values; fast-check prints the seed and the smallest value that fails. */
export async function everyOne<T>(runs: number, values: fc.Arbitrary<T>, check: (value: T) => unknown): Promise<void> {
  const property = fc.asyncProperty(values, async (value) => void (await check(value)))
  await fc.assert(property, { seed, numRuns: runs, interruptAfterTimeLimit: 120_000, markInterruptAsFailure: true, includeErrorInReport: true })
}

/** Deeply equal. Not uvu's: an object may have a key "constructor" here. */
export function equal(actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) throw new Error(`${inspect(actual, { depth: 6 })} is not ${inspect(expected, { depth: 6 })}`)
}

// ---------------------------------------------------------------- loading

export interface Outcome<T> {
  value?: T
  error?: BmsError
}

const prototypes = [Object, Array, Function, String, Number, Promise, Map, Uint8Array].map((c) => c.prototype as object)
const surface = (): string => prototypes.map((p) => Reflect.ownKeys(p).map(String).join()).join(';')
const clean = surface()
const state = globalThis as { bmsExecuted?: unknown }

/** Texts of errors end up in terminals: a line, not too long, without anything that a terminal obeys. */
const MOST_TEXT = 1200
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u
/** How much of the processors a load may take, in milliseconds. Not by the clock: the machine may be busy with something else. */
const MOST_MS = 1000

/** Loads a mutation. Fails where that takes long, runs anything, touches a prototype, or ends in an error that is not one of ours or badly worded. */
export async function attempt<T>(load: () => T | Promise<T>): Promise<Outcome<T>> {
  count('mutations')
  for (let turn = 1; ; turn++) {
    const before = process.cpuUsage()
    const outcome = await outcomeOf(load)
    const { user, system } = process.cpuUsage(before)
    const ms = (user + system) / 1000
    if (surface() !== clean) throw new Error('a prototype was changed')
    if ('bmsExecuted' in state) throw new Error('text of the file was executed')
    if (ms <= MOST_MS) return outcome
    // Once more: the collector or the compiler may have had its time.
    if (turn === 3) throw new Error(`took ${ms.toFixed(0)} ms`)
  }
}

async function outcomeOf<T>(load: () => T | Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await load() }
  } catch (error) {
    if (!(error instanceof BmsError)) throw new Error(`an error of another kind: ${(error as Error)?.stack ?? error}`)
    const { message } = error
    if (message.length > MOST_TEXT) throw new Error(`a text of ${message.length} characters: ${message.slice(0, 200)}`)
    if (unprintable.test(message)) throw new Error(`a text with control characters: ${JSON.stringify(message)}`)
    return { error }
  }
}

// ---------------------------------------------------------------- bytes

export type Bytes = Uint8Array<ArrayBuffer>

export const utf8 = (text: string): Bytes => new TextEncoder().encode(text) as Bytes
export const join = (...parts: (Uint8Array | readonly number[])[]): Bytes => Uint8Array.from(Buffer.concat(parts.map((p) => Uint8Array.from(p))))

/** A share of the positions 0…size: small files and large ones are damaged everywhere alike. (fc.double would nearly always give next to 0.) */
const share = fc.nat(100_000).map((n) => n / 100_001)
const place = (size: number, at: number): number => Math.min(size, Math.floor(at * (size + 1)))
const blob = fc.uint8Array({ maxLength: 12 })
/** What means something in JSON or in UTF-8, and what does not. */
const fragment = fc.oneof(
  blob,
  fc
    .constantFrom('{', '}', '[', ']', ',', ':', '"', '\\', '\\u', '-', '0', '9', 'e', '.', ' ', '\n', '\0', '"__proto__":', '":"', '\ufeff', 'null', '//')
    .map(utf8),
  fc.constantFrom([0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]).map((b) => Uint8Array.from(b)),
)

export type ByteMutation = (file: Bytes) => Bytes

/** Ways to damage bytes, whatever they are. */
export const byteMutations = {
  cut: share.map(
    (at): ByteMutation =>
      (file) =>
        file.slice(0, place(file.length - 1, at)),
  ),
  extended: fc.uint8Array({ minLength: 1, maxLength: 40 }).map(
    (tail): ByteMutation =>
      (file) =>
        join(file, tail),
  ),
  'with flipped bits': fc.array(fc.tuple(share, fc.nat(7)), { minLength: 1, maxLength: 4 }).map(
    (flips): ByteMutation =>
      (file) => {
        const out = file.slice()
        for (const [at, bit] of flips) out[place(file.length - 1, at)]! ^= 1 << bit
        return out
      },
  ),
  'with other bytes in the middle': fc.tuple(share, fc.nat(12), fragment).map(
    ([at, length, bytes]): ByteMutation =>
      (file) => {
        const from = place(file.length, at)
        return join(file.subarray(0, from), bytes, file.subarray(from + length))
      },
  ),
  'with a part moved': fc.tuple(share, share, fc.nat(40)).map(
    ([from, to, length]): ByteMutation =>
      (file) => {
        const a = place(file.length, from)
        const rest = join(file.subarray(0, a), file.subarray(a + length))
        const b = place(rest.length, to)
        return join(rest.subarray(0, b), file.subarray(a, a + length), rest.subarray(b))
      },
  ),
} satisfies Record<string, fc.Arbitrary<ByteMutation>>

/** Other ways to write a text than in UTF-8 without a mark. */
export const encodings: Record<string, (text: string) => Bytes> = {
  'a byte order mark': (text) => join([0xef, 0xbb, 0xbf], utf8(text)),
  'UTF-16': (text) => Uint8Array.from(Buffer.from(text, 'utf16le')),
  'UTF-16 with its mark': (text) => Uint8Array.from(Buffer.from(`\ufeff${text}`, 'utf16le')),
  'a NUL at the end': (text) => utf8(`${text}\0`),
  'a byte that is no UTF-8': (text) => utf8(text).map((b, i) => (i === text.lastIndexOf('"') - 1 ? 0xff : b)),
}
