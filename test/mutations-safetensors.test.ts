// Safetensors from strangers, thousands of them: damaged, poisoned or made to hurt. Each is either read, and then says what a plain second reading of it
// says, or is refused with a typed error that names the place; nothing hangs, runs, or allocates more than the file.
import fs from 'node:fs'
import os from 'node:os'
import { join as path } from 'node:path'
import { type Device, loadSafetensors, readSafetensorsHeader } from '@bms/nn'
import { loadSafetensorsFile } from '@bms/nn/node'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ready } from './helpers/device.js'
import { attempt, byteMutations, type Bytes, encodings, equal, everyOne, type Outcome } from './helpers/mutate.js'
import { edits, jsonMutations, nested, swollen } from './helpers/mutate-json.js'
import { plainRead, plainValues, plainWrite, takeApart, withHeader } from './helpers/plain-safetensors.js'

const test = suite('safetensors from strangers')

let device: Device
let dir = ''
test.before(async () => {
  device = await ready()
  dir = fs.mkdtempSync(path(os.tmpdir(), 'bms-strangers-'))
})
test.after(() => fs.rmSync(dir, { recursive: true, force: true }))

const ramp = (n: number): number[] => Array.from({ length: n }, (_, i) => (37 * i + 11) % 128)
const good = plainWrite(
  {
    w: { dtype: 'F32', shape: [2, 3], bytes: ramp(24) },
    ü: { dtype: 'F32', shape: [], bytes: [0, 0, 0x80, 0x3f] },
    none: { dtype: 'F64', shape: [0, 4], bytes: [] },
    half: { dtype: 'F16', shape: [3], bytes: ramp(6) },
    brain: { dtype: 'BF16', shape: [1, 2], bytes: ramp(4) },
    flags: { dtype: 'BOOL', shape: [3], bytes: [1, 0, 2] },
    odd: { dtype: 'I16', shape: [2], bytes: ramp(4) },
    steps: { dtype: 'I64', shape: [2], bytes: [1, 0, 0, 0, 0, 0, 0, 0, ...Array(8).fill(0xff)] },
    double: { dtype: 'F64', shape: [1], bytes: ramp(8) },
    bytes: { dtype: 'U8', shape: [5], bytes: ramp(5) },
  },
  { format: 'pt', step: '12' },
)
const parts = takeApart(good)

/** Runs `load` and counts what it takes: bytes of the device's memory, and of ArrayBuffers on the host. */
function measured<T>(load: () => T): { result: Outcome<T>; device: number; host: number } {
  const { allocator } = device
  const original = allocator.allocateNow
  let taken = 0
  allocator.allocateNow = function (op, bytes) {
    const storage = original.call(this, op, bytes)
    taken += storage.bytes
    return storage
  }
  const before = process.memoryUsage().arrayBuffers
  try {
    const result = { value: load() } as Outcome<T>
    return { result, device: taken, host: process.memoryUsage().arrayBuffers - before }
  } catch (error) {
    return { result: { error } as Outcome<T>, device: taken, host: process.memoryUsage().arrayBuffers - before }
  } finally {
    allocator.allocateNow = original
  }
}

/** Reads a header, and holds the outcome against the plain reader's. */
async function header(file: Bytes): Promise<void> {
  const plain = plainRead(file)
  const { value, error } = await attempt(() => readSafetensorsHeader(file))
  if (!plain) {
    assert.ok(error, 'a bad file was read')
    assert.is(error.code, 'BAD_FILE')
    assert.match(error.message, /^safetensors: /)
    // What is refused was not begun.
    const refused = measured(() => loadSafetensors(file))
    assert.is(refused.result.error?.message, error.message)
    assert.is(refused.device, 0)
    assert.ok(refused.host <= 16_384, `${refused.host} bytes on the host for a file that was refused`)
    return
  }
  if (error) throw new Error(`a good file was refused: ${error.message}`)
  equal(value!.metadata, plain.metadata)
  const found = value!.tensors.map(({ name, dtype, shape, begin, end }) => [name, { dtype, shape, bytes: file.slice(begin, end) }] as const)
  equal(new Map(found), plain.tensors)
}

const sizes = { 'with other bytes in the middle': 600, 'with flipped bits': 600 } as Record<string, number>
for (const [name, mutations] of Object.entries(byteMutations)) {
  test(`safetensors ${name}`, () => everyOne(sizes[name] ?? 200, mutations, (mutate) => header(mutate(good))))
}

for (const { name, apply, means } of jsonMutations) {
  test(`a safetensors header ${name}`, () =>
    everyOne(means === 'same' ? 60 : 250, edits, (list) => {
      const file = withHeader(apply(parts.header, list), parts.data)
      if (means === 'same') assert.ok(plainRead(file), 'the mutation is not as harmless as it should be')
      return header(file)
    }))
}

test('safetensors that declare another length of the header', () => {
  const lengths = fc.oneof(
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    fc.integer({ min: 0, max: good.length + 20 }).map(BigInt),
    fc.constantFrom(99_999_999n, 100_000_000n, 100_000_001n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 63n),
  )
  return everyOne(200, lengths, (length) => {
    const file = good.slice()
    new DataView(file.buffer).setBigUint64(0, length, true)
    return header(file)
  })
})

// Numbers that are right in themselves and wrong together: the ranges of three tensors and the sizes that they claim.
const tensorSpecs = fc.array(
  fc.record({ shape: fc.array(fc.constantFrom(0, 1, 2, 3, 2 ** 20, 2 ** 31, 2 ** 52), { maxLength: 4 }), from: fc.nat(6), size: fc.nat(4) }),
  {
    minLength: 1,
    maxLength: 3,
  },
)

test('safetensors whose ranges overlap, leave gaps or leave the file, and whose sizes overflow', () =>
  everyOne(500, fc.tuple(tensorSpecs, fc.nat(6)), ([specs, words]) => {
    const entries = specs.map(({ shape, from, size }, i) => [`t${i}`, { dtype: 'F32', shape, data_offsets: [4 * from, 4 * (from + size)] }])
    return header(withHeader(JSON.stringify(Object.fromEntries(entries)), new Uint8Array(4 * words)))
  }))

test('safetensors whose ranges fit, in any order and with empty tensors between', () =>
  everyOne(150, fc.tuple(fc.array(fc.nat(3), { minLength: 1, maxLength: 6 }), fc.nat(700)), ([counts, order]) => {
    let at = 0
    const entries = counts.map((n, i) => [`t${i}`, { dtype: 'U16', shape: [1, n], data_offsets: [at, (at += 2 * n)] }])
    entries.push(...entries.splice(0, order % entries.length))
    const file = withHeader(JSON.stringify(Object.fromEntries(entries)), Uint8Array.from(ramp(at)))
    assert.ok(plainRead(file), 'the ranges do not fit')
    return header(file)
  }))

test('safetensors with an empty tensor whose other sizes are large', () =>
  everyOne(100, fc.tuple(fc.array(fc.constantFrom(0, 1, 2 ** 20, 2 ** 31, 2 ** 52, 2 ** 53 - 1), { maxLength: 5 }), fc.nat(5)), ([shape, at]) => {
    shape.splice(at, 0, 0)
    return header(plainWrite({ none: { dtype: 'F32', shape, bytes: [] }, w: { dtype: 'U8', shape: [2], bytes: [1, 2] } }))
  }))

const edit = fc.record({ at: fc.nat(1000), pick: fc.nat(100) })

test('safetensors with a hundred thousand brackets in the header', () => everyOne(30, edit, (e) => header(withHeader(nested(parts.header, e), parts.data))))

test('safetensors with names and values of up to ten million characters', async () => {
  await everyOne(24, edit, (e) => header(withHeader(swollen(parts.header, e, 300_000), parts.data)))
  for (const pick of [0, 1]) {
    const { error } = await attempt(() => readSafetensorsHeader(withHeader(swollen(parts.header, { at: 0, pick }, 10_000_000), parts.data)))
    assert.is(error?.code, 'BAD_FILE')
  }
})

for (const [name, encode] of Object.entries(encodings)) {
  test(`safetensors whose header has ${name}`, () => header(withHeader(encode(parts.header), parts.data)))
}

test('what is no file at all is refused by what it is', async () => {
  for (const thing of [null, undefined, 1e12, -1, '', 'a.safetensors', {}, { byteLength: 8 }, [1, 2], () => {}, 10n]) {
    for (const read of [readSafetensorsHeader, loadSafetensors] as ((file: never) => unknown)[]) {
      const { error } = await attempt(() => read(thing as never))
      assert.is(error?.code, 'ARGUMENT')
      assert.match(error!.message, /Uint8Array or an ArrayBuffer/)
    }
  }
  assert.is(readSafetensorsHeader(new DataView(good.buffer) as never).tensors.length, 10, 'any view of the bytes will do')
})

/** Loads a file onto the device: every value is the plain reader's, memory stays in proportion to the file, and what fails gives all of it back. */
async function load(file: Bytes): Promise<void> {
  const plain = plainRead(file)
  const expected = plain && [...plain.tensors].map(([name, t]) => ({ name, ...t, values: plainValues(t) }))
  const fits = expected?.every((t) => t.values !== null)
  const storages = device.memory().storages
  const { result, device: taken, host } = measured(() => loadSafetensors(file))
  const { value, error } = await attempt(() => {
    if (result.error) throw result.error
    return result.value!
  })
  // A byte of the file may become a word on the device, and a tensor of nothing takes a buffer of the smallest size.
  const tensors = expected?.length ?? 0
  assert.ok(taken <= 4 * file.length + 256 * tensors, `${taken} bytes on the device for a file of ${file.length}`)
  assert.ok(host <= 16 * file.length + 16_384, `${host} bytes on the host for a file of ${file.length}`)
  if (!fits) {
    assert.is(error?.code, 'BAD_FILE')
    assert.is(device.memory().storages, storages, 'what was loaded before the mistake was found is freed')
    return
  }
  if (error) throw new Error(`a good file was refused: ${error.message}`)
  assert.equal(Object.keys(value!).sort(), expected!.map((t) => t.name).sort())
  for (const { name, shape, values } of expected!) {
    const t = value![name]!
    assert.equal(t.shape, shape)
    const got = await t.data()
    for (const [i, v] of values!.entries()) if (!Object.is(got[i], v)) throw new Error(`${name}[${i}] is ${got[i]}, expected ${v}`)
    t.dispose()
  }
}

test('tensors on the device are the bytes of the file, whatever these are', async () => {
  const damaged = fc
    .oneof(byteMutations['with flipped bits'], byteMutations['with other bytes in the middle'])
    .map((mutate) => withHeader(parts.header, mutate(parts.data)))
  await load(good)
  await everyOne(120, damaged, load)
  for (const { means, apply } of jsonMutations)
    await everyOne(means === 'same' ? 10 : 20, edits, (list) => load(withHeader(apply(parts.header, list), parts.data)))
})

test('safetensors on the disk: the error names the file, and what is no file is not read', async () => {
  const file = path(dir, 'x.safetensors')
  await everyOne(60, fc.oneof(...Object.values(byteMutations)), async (mutate) => {
    const bytes = mutate(good)
    fs.writeFileSync(file, bytes)
    const { value, error } = await attempt(() => loadSafetensorsFile(file))
    if (error) assert.ok(error.message.startsWith(`${file}: safetensors: `), error.message)
    for (const t of Object.values(value ?? {})) t.dispose()
    assert.ok(fs.readFileSync(file).equals(bytes), 'the file was changed')
  })
  for (const strange of [dir, path(file, 'below'), '/dev/zero', '/dev/null'].filter((f) => f.startsWith(dir) || fs.existsSync(f))) {
    const { error } = await attempt(() => loadSafetensorsFile(strange))
    assert.is(error?.code, 'READ_FAILED')
    assert.ok(error!.message.includes(strange))
  }
})

test.run()
