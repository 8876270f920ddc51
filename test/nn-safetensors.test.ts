// .safetensors both ways: a file of PyTorch's values of every type, our bytes, files on disk, and files that are damaged
// or made to hurt.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadSafetensorsFile, saveSafetensorsFile } from '@bms/nn/node'
import { type BmsError, type Device, loadSafetensors, nn, readSafetensorsHeader, saveSafetensors, tensor, zeros } from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ready } from './helpers/device.js'
import { goldenBytes } from './helpers/host.js'

const test = suite('nn safetensors')
let device: Device
test.before(async () => {
  device = await ready()
})

const golden = await goldenBytes('dtypes.safetensors')

/** A file with this header text and data. */
function file(header: unknown, data: Uint8Array | number = 0, declared?: bigint): Uint8Array {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header))
  const body = typeof data === 'number' ? new Uint8Array(data) : data
  const out = new Uint8Array(8 + text.length + body.length)
  new DataView(out.buffer).setBigUint64(0, declared ?? BigInt(text.length), true)
  out.set(text, 8)
  out.set(body, 8 + text.length)
  return out
}

test('reads every type that PyTorch writes', async () => {
  const header = readSafetensorsHeader(golden)
  assert.equal(header.metadata, { format: 'pt', ü: '☃' })
  const t = loadSafetensors(golden)
  assert.equal(
    Object.entries(t).map(([name, x]) => `${name} ${x.dtype} [${x.shape}]`),
    [
      'f64 f32 [2]',
      'i64 i32 [2,2]',
      'f32 f32 [3]',
      'i32 i32 [1]',
      'bf16 f32 [3]',
      `f16 ${device.features.has('shader-f16') ? 'f16' : 'f32'} [3]`,
      'i16 i32 [2]',
      'u8 u32 [3]',
      'bool bool [3]',
      'scalar f32 []',
      'empty f32 [0,3]',
    ],
  )
  assert.equal(Array.from(await t['f64']!.data()), [Math.fround(Math.PI), Math.fround(-1e30)])
  assert.equal(await t['i64']!.toArray(), [
    [1, -2],
    [2 ** 31 - 1, -(2 ** 31)],
  ])
  assert.equal(Array.from(await t['f32']!.data()), [1.5, Number.POSITIVE_INFINITY, -0])
  assert.equal(Array.from(await t['bf16']!.data()), [1, -2.5, 3.140625])
  assert.equal(Array.from(await t['f16']!.data()), [0.0999755859375, 65504, -5.960464477539063e-8])
  assert.equal(Array.from(await t['i16']!.data()), [-300, 300])
  assert.equal(Array.from(await t['u8']!.data()), [0, 255, 7])
  assert.equal(await t['bool']!.toArray(), [true, false, true])
  assert.is(await t['scalar']!.item(), 2)
})

test('writes the bytes of the format: larger types first, names in order, 8-byte alignment', async () => {
  const bytes = await saveSafetensors(
    { b: tensor([true, false, true]), '10': tensor([-1], { dtype: 'i32' }), '9': tensor([[1.5, -2]]).t(), a: tensor(7, { dtype: 'u32' }), z: zeros([0, 2]) },
    { format: 'pt' },
  )
  const text =
    '{"__metadata__":{"format":"pt"},"9":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"z":{"dtype":"F32","shape":[0,2],"data_offsets":[8,8]},' +
    '"a":{"dtype":"U32","shape":[],"data_offsets":[8,12]},"10":{"dtype":"I32","shape":[1],"data_offsets":[12,16]},"b":{"dtype":"BOOL","shape":[3],"data_offsets":[16,19]}}'
  const padded = text.padEnd(Math.ceil(text.length / 8) * 8)
  assert.equal(bytes, file(padded, new Uint8Array([0, 0, 0xc0, 0x3f, 0, 0, 0, 0xc0, 7, 0, 0, 0, 255, 255, 255, 255, 1, 0, 1])))
  const back = loadSafetensors(bytes)
  assert.equal(await back['9']!.toArray(), [[1.5], [-2]])
  assert.equal(await back['b']!.toArray(), [true, false, true])
  assert.equal(await saveSafetensors(back, { format: 'pt' }), bytes)
  assert.equal(await saveSafetensors({}), file('{}      '))
})

test('a state dict survives the way through a file, bit for bit', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bms-safetensors-'))
  try {
    const path = join(folder, 'model.safetensors')
    const make = () => new nn.Sequential(nn.spectralNorm(new nn.Linear(3, 4)), new nn.BatchNorm1d(4), new nn.Linear(4, 2))
    const [a, b] = [make(), make()]
    await saveSafetensorsFile(path, a.stateDict(), { epoch: '3' })
    await saveSafetensorsFile(path, a.stateDict(), { epoch: '4' })
    assert.equal(readdirSync(folder), ['model.safetensors'])
    assert.is(readSafetensorsHeader(readFileSync(path)).metadata['epoch'], '4')
    b.loadStateDict(loadSafetensorsFile(path))
    for (const [name, t] of Object.entries(a.stateDict())) assert.equal(await b.stateDict()[name]!.data(), await t.data(), name)
    writeFileSync(path, readFileSync(path).subarray(0, 50))
    assert.throws(
      () => loadSafetensorsFile(path),
      (e: BmsError) => e.code === 'BAD_FILE' && e.message.startsWith(path),
    )
    assert.throws(
      () => loadSafetensorsFile(join(folder, 'none')),
      (e: BmsError) => e.code === 'READ_FAILED',
    )
    let failed: BmsError | null = null
    await saveSafetensorsFile(join(folder, 'no', 'folder'), {}).catch((e: BmsError) => (failed = e))
    assert.is(failed!.code, 'WRITE_FAILED')
  } finally {
    rmSync(folder, { recursive: true })
  }
})

const one = { dtype: 'F32', shape: [2], data_offsets: [0, 8] }
const damaged: Record<string, [Uint8Array, RegExp]> = {
  'nothing at all': [new Uint8Array(0), /0 bytes are too few/],
  'a header longer than the file': [file({ a: one }, 8, 5000n), /a header of 5000 bytes is declared, the file has/],
  'a header of 100 MB': [file({ a: one }, 8, 100_000_001n), /more than 100000000 are not allowed/],
  'a header of 2^64 - 1': [file({ a: one }, 8, 2n ** 64n - 1n), /18446744073709551615 bytes is declared/],
  'no JSON': [file('{"a":', 8), /the header is no JSON/],
  'bytes that are no UTF-8': [file('{"a\u0000', 0).map((b) => (b === 0x61 ? 0xff : b)), /the header is no JSON/],
  'a list as the header': [file('[]'), /no JSON object/],
  'null as the header': [file('null'), /no JSON object/],
  'a name twice': [file(`{"a":${JSON.stringify(one)},"a":${JSON.stringify(one)}}`, 8), /the name "a" occurs twice/],
  'a name twice, once in disguise': [file(`{"a":${JSON.stringify(one)},"\\u0061":${JSON.stringify(one)}}`, 8), /the name "a" occurs twice/],
  'a field twice': [file('{"a":{"dtype":"F32","dtype":"I32","shape":[2],"data_offsets":[0,8]}}', 8), /the name "dtype" occurs twice/],
  __proto__: [file(`{"__proto__":${JSON.stringify(one)}}`, 8), /"__proto__" is not allowed/],
  'an entry that is no object': [file({ a: 3 }), /tensor "a": its entry is no object/],
  'no dtype': [file({ a: { shape: [2], data_offsets: [0, 8] } }, 8), /dtype must be text, got undefined/],
  'an unknown dtype': [file({ a: { ...one, dtype: 'F8_E4M3' } }, 8), /dtype "F8_E4M3", which is not supported; known: BOOL/],
  'a dtype of the prototype': [file({ a: { ...one, dtype: 'constructor' } }, 8), /not supported/],
  'a broken size': [file({ a: { ...one, shape: [1.5] } }, 8), /shape must be a list of whole numbers/],
  'a negative size': [file({ a: { ...one, shape: [-2] } }, 8), /shape must be a list of whole numbers/],
  'a size as text': [file({ a: { ...one, shape: ['2'] } }, 8), /shape must be a list of whole numbers/],
  'an endless size': [file('{"a":{"dtype":"F32","shape":[1e999],"data_offsets":[0,8]}}', 8), /shape must be a list of whole numbers/],
  'sizes whose product overflows': [file({ a: { ...one, shape: [2 ** 40, 2 ** 40] } }, 8), /multiply to more than 2\^53 bytes, data_offsets give 8/],
  'a shape that needs more bytes': [file({ a: { ...one, shape: [3] } }, 8), /F32 of shape \[3\] takes 12 bytes, data_offsets give 8/],
  'offsets beyond the end': [file({ a: { ...one, data_offsets: [0, 16], shape: [4] } }, 8), /outside of the data, which has 8 bytes/],
  'offsets in reverse': [file({ a: { ...one, data_offsets: [8, 0] } }, 8), /outside of the data/],
  'one offset': [file({ a: { ...one, data_offsets: [0] } }, 8), /data_offsets must be two whole numbers/],
  'overlapping tensors': [file({ a: one, b: { ...one, data_offsets: [4, 12] } }, 12), /tensor "b": its bytes overlap/],
  'a gap': [file({ a: one, b: { ...one, data_offsets: [12, 20] } }, 20), /tensor "b": its bytes leave a gap/],
  'bytes left over': [file({ a: one }, 12), /4 bytes at the end belong to no tensor/],
  'metadata that is no text': [file({ __metadata__: { a: 1 } }), /__metadata__ "a" is no string/],
  'an integer beyond i32': [
    file({ a: { dtype: 'I64', shape: [1], data_offsets: [0, 8] } }, new Uint8Array([0, 0, 0, 0, 1, 0, 0, 0])),
    /holds 4294967296, which does not fit i32/,
  ],
}

for (const [what, [bytes, text]] of Object.entries(damaged)) {
  test(`a file with ${what} is refused`, () => {
    const before = device.memory().storages
    assert.throws(
      () => loadSafetensors(bytes),
      (e: BmsError) => {
        assert.is(e.code, 'BAD_FILE')
        assert.match(e.message, text)
        return true
      },
    )
    assert.is(device.memory().storages, before)
  })
}

test('a file cut anywhere is refused, and damaged bytes never crash', () => {
  const good = golden
  for (let n = 0; n < good.length; n += 7)
    assert.throws(
      () => loadSafetensors(good.subarray(0, n)),
      (e: BmsError) => e.code === 'BAD_FILE',
    )
  for (let i = 0; i < good.length; i += 3) {
    const bad = good.slice()
    bad[i]! ^= 0x15
    try {
      readSafetensorsHeader(bad)
    } catch (e) {
      assert.is((e as BmsError).code, 'BAD_FILE', String(e))
    }
  }
})

test('data that is not aligned, and an ArrayBuffer, are read', async () => {
  const header = { a: { dtype: 'U8', shape: [1], data_offsets: [0, 1] }, b: { dtype: 'F32', shape: [1], data_offsets: [1, 5] } }
  const t = loadSafetensors(file(header, new Uint8Array([9, 0, 0, 0x80, 0x3f])).slice().buffer as ArrayBuffer)
  assert.is(await t['a']!.item(), 9)
  assert.is(await t['b']!.item(), 1)
})

test('what cannot be saved is named', async () => {
  for (const [tensors, metadata, text] of [
    [{ a: 3 }, undefined, /"a" is no Tensor/],
    [{ __metadata__: zeros([1]) }, undefined, /cannot be called __metadata__/],
    [{}, { n: 3 }, /metadata "n" must be a string, got number/],
  ] as const) {
    let message = ''
    await saveSafetensors(tensors as never, metadata as never).catch((e: Error) => (message = e.message))
    assert.match(message, text)
  }
})

test.run()
