// .pth files of real torch.save, and files like them from strangers: damaged, poisoned or made to hurt. Each is read as PyTorch reads it, or refused with a
// typed error; nothing of it runs, hangs, or takes memory out of proportion.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadPthFile } from '@bms/nn/node'
import { type Device, loadPth, nn, type Tensor } from '@bms/nn'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ready, thrown } from './helpers/device.js'
import { goldenBytes } from './helpers/host.js'
import { attempt, byteMutations, type Bytes, everyOne, join as bytesOf, utf8 } from './helpers/mutate.js'

const test = suite('nn pth')
let device: Device
test.before(async () => {
  device = await ready()
})

const golden = async (name: string): Promise<Bytes> => Uint8Array.from(await goldenBytes(name))
const layouts = await golden('layouts.pth')
const legacy = await golden('legacy.pth')
const checkpoint = await golden('checkpoint.pth')

const free = (tensors: Record<string, Tensor>): void => {
  for (const t of Object.values(tensors)) t.dispose()
}

for (const [layout, file] of Object.entries({ 'torch.save': layouts, 'torch.save before version 1.6': legacy })) {
  test(`every layout and type that ${layout} writes`, async () => {
    const t = loadPth(file)
    const base = Array.from({ length: 4 }, (_, r) => Array.from({ length: 6 }, (_, c) => 6 * r + c - 7.5))
    const expected: Record<string, [string, unknown]> = {
      whole: ['f32', base],
      transposed: ['f32', base[0]!.map((_, c) => base.map((row) => row[c]))],
      rows: ['f32', base.slice(1, 3)],
      column: ['f32', base.map((row) => row[2])],
      scattered: ['f32', [base[0], base[2]].map((row) => [row![1], row![4]])],
      expanded: [
        'f32',
        [
          [1.5, 1.5, 1.5],
          [2.5, 2.5, 2.5],
        ],
      ],
      scalar: ['f32', -2.25],
      empty: ['f32', []],
      f64: ['f32', [Math.fround(Math.PI), Math.fround(-1e30)]],
      f16: [device.features.has('shader-f16') ? 'f16' : 'f32', [0.0999755859375, 65504, -5.960464477539063e-8]],
      bf16: ['f32', [1, -2.5, 3.140625]],
      i64: [
        'i32',
        [
          [1, -2],
          [2 ** 31 - 1, -(2 ** 31)],
        ],
      ],
      i32: ['i32', [-7]],
      i16: ['i32', [-300, 300]],
      i8: ['i32', [-3, 100]],
      u8: ['u32', [0, 255, 7]],
      bool: ['bool', [true, false, true]],
      parameter: ['f32', [0.5, -0.5]],
    }
    assert.equal(Object.keys(t), Object.keys(expected))
    for (const [name, [dtype, values]] of Object.entries(expected)) {
      assert.is(t[name]!.dtype, dtype, name)
      assert.equal(await t[name]!.toArray(), values, name)
    }
    assert.equal(t['empty']!.shape, [0, 3])
    assert.is(t['transposed']!.storage, t['whole']!.storage, 'what shared memory in PyTorch shares it here')
    free(t)
  })
}

test('a state dict inside of a checkpoint, which a module takes', async () => {
  const model = new nn.Sequential(new nn.Linear(2, 3), new nn.BatchNorm1d(3))
  const state = loadPth(checkpoint, { key: 'state_dict' })
  assert.equal(model.loadStateDict(state), { missingKeys: [], unexpectedKeys: [] })
  assert.is(await model.stateDict()['1.num_batches_tracked']!.item(), 1)
  const ema = loadPth(checkpoint, { key: 'nested.ema' })
  assert.equal(await ema['w']!.toArray(), [1, 2])
  free({ ...state, ...ema })
  model.dispose()
})

test("pickle's protocol 4, and bytes that are not aligned", async () => {
  const file = await golden('protocol4.pth')
  const shifted = new Uint8Array(file.length + 1)
  shifted.set(file, 1)
  for (const bytes of [file, shifted.subarray(1), file.buffer]) {
    const t = loadPth(bytes)
    assert.equal(await t['w']!.toArray(), [[1, 2]])
    free(t)
  }
})

test('memory is given back: by the views, and where a file is refused', async () => {
  const before = device.memory().storages
  free(loadPth(layouts))
  assert.is(device.memory().storages, before)
  const file = await golden('too-large.pth')
  assert.is((await thrown(() => loadPth(file))).code, 'BAD_FILE')
  assert.is(device.memory().storages, before)
})

const refused: Record<string, [() => Promise<Bytes>, RegExp, object?]> = {
  'a whole module': [
    () => golden('module.pth'),
    /asks Python for "torch\.nn\.modules\.linear\.Linear".*nothing of it was run.*torch\.save\(model\.state_dict\(\), path\)/,
  ],
  'an object that runs code': [() => golden('curious.pth'), /asks Python for "(__builtin__|builtins)\.print"/],
  'a whole module from before 1.6': [
    () => golden('legacy-module.pth'),
    /asks Python for "torch\.nn\.modules\.linear\.Linear"|refers to something else than a storage/,
  ],
  'a pickle of something else': [async () => Uint8Array.from([0x80, 2, 0x4b, 1, 0x2e, 0x80, 2, 0x4b, 1, 0x2e]), /a pickle, but not one that torch\.save wrote/],
  'an integer beyond i32': [() => golden('too-large.pth'), /tensor "w" holds 1099511627776, which does not fit i32/],
  'a checkpoint where a state dict is needed': [
    async () => checkpoint,
    /"epoch" is 3; say which dict it is with the option key: "optimizer", "state_dict", "nested"/,
  ],
  'a key that is not there': [async () => checkpoint, /there is no "model" in the file, which holds a dict of epoch, loss/, { key: 'model' }],
  'a key of something else': [async () => checkpoint, /its entry "list" holds a list, a dict of tensors is needed/, { key: 'list' }],
  'no zip archive': [async () => utf8('{"a": 1}'), /begins neither as a zip archive nor as a pickle/],
  'nothing at all': [async () => new Uint8Array(0), /begins neither as a zip archive nor as a pickle/],
}
for (const [what, [file, text, options]] of Object.entries(refused)) {
  test(`a file with ${what} is refused`, async () => {
    const bytes = await file()
    const error = await thrown(() => loadPth(bytes, options))
    assert.is(error.code, 'BAD_FILE')
    assert.match(error.message, text)
  })
}

test('wrong arguments, and files on the disk: the error names the path', async () => {
  assert.is((await thrown(() => loadPth('a.pth' as never))).code, 'ARGUMENT')
  assert.is((await thrown(() => loadPth(layouts, { key: 3 as never }))).code, 'ARGUMENT')
  assert.match((await thrown(() => loadPth(layouts, { keys: 'x' } as never))).message, /unknown option "keys"/)
  const dir = mkdtempSync(join(tmpdir(), 'bms-pth-'))
  try {
    const path = join(dir, 'x.pth')
    writeFileSync(path, layouts)
    free(loadPthFile(path))
    writeFileSync(path, layouts.subarray(0, 100))
    assert.ok((await thrown(() => loadPthFile(path))).message.startsWith(`${path}: pth: `))
    assert.is((await thrown(() => loadPthFile(dir))).code, 'READ_FAILED')
  } finally {
    rmSync(dir, { recursive: true })
  }
})

// ---------------------------------------------------------------- from strangers

/** A zip archive of these entries as torch.save lays it out; `wide`: with its sizes and places in 64-bit fields, as for more than 4 GiB. */
function archive(entries: Record<string, Uint8Array>, wide = false): Bytes {
  const locals: Uint8Array[] = []
  const central: Uint8Array[] = []
  let at = 0
  const header = (size: number, fields: Record<number, number>, name: string): Bytes => {
    const out = new Uint8Array(size)
    const view = new DataView(out.buffer)
    for (const [place, value] of Object.entries(fields)) view.setUint32(Number(place), value, true)
    return bytesOf(out, utf8(name))
  }
  for (const [name, data] of Object.entries(entries)) {
    const local = bytesOf(header(30, { 0: 0x04034b50, 14: crc(data), 18: data.length, 22: data.length, 26: name.length }, name), data)
    const own = wide ? [2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1] : [data.length, data.length, at]
    const extra = wide ? [1, 0, 24, 0, ...new Uint8Array(BigUint64Array.from([data.length, data.length, at].map(BigInt)).buffer)] : []
    const fields = { 0: 0x02014b50, 16: crc(data), 20: own[0]!, 24: own[1]!, 28: name.length | (extra.length << 16), 42: own[2]! }
    central.push(bytesOf(header(46, fields, name), extra))
    locals.push(local)
    at += local.length
  }
  const directory = bytesOf(...central)
  const n = central.length
  return bytesOf(...locals, directory, header(22, { 0: 0x06054b50, 8: n | (n << 16), 12: directory.length, 16: at }, ''))
}

/** CRC-32, bit by bit. */
function crc(data: Uint8Array): number {
  let c = -1
  for (const byte of data) {
    c ^= byte
    for (let k = 0; k < 8; k++) c = (c >>> 1) ^ (0xedb88320 & -(c & 1))
  }
  return ~c >>> 0
}

const text = (s: string): number[] => [0x58, s.length, 0, 0, 0, ...utf8(s)]
const name = (s: string): number[] => [0x63, ...utf8(`${s.replace(/\.(?=\w+$)/, '\n')}\n`)]
/** data.pkl of {"w": a float tensor of storage 0 with `count` elements}. */
function tensorPickle({
  shape = [2, 3],
  strides = [3, 1],
  offset = 0,
  count = 6,
  storage = 'torch.FloatStorage',
  rebuild = 'torch._utils._rebuild_tensor_v2',
} = {}): Bytes {
  const number = (n: number): number[] => [0x8a, 8, ...new Uint8Array(BigInt64Array.of(BigInt(n)).buffer)]
  const tuple = (...items: number[][]): number[] => [0x28, ...items.flat(), 0x74]
  const id = [...tuple(text('storage'), name(storage), text('0'), text('cpu'), number(count)), 0x51]
  const args = tuple(id, number(offset), tuple(...shape.map(number)), tuple(...strides.map(number)), [0x89], [...name('collections.OrderedDict'), 0x29, 0x52])
  return Uint8Array.from([0x80, 2, 0x7d, ...text('w'), ...name(rebuild), ...args, 0x52, 0x73, 0x2e])
}
const ramp = new Uint8Array(Float32Array.from({ length: 6 }, (_, i) => i).buffer)
const fileOf = (pickle: Uint8Array, data: Uint8Array = ramp): Bytes => archive({ 'a/data.pkl': pickle, 'a/data/0': data })

/** The file with one bit of these bytes in it changed. */
function flipped(file: Bytes, part: Uint8Array): Bytes {
  const out = file.slice()
  out[Buffer.from(file).indexOf(part) + 5]! ^= 1
  return out
}

test('the archive of this test is what torch.save writes, in short; with 64-bit sizes too', async () => {
  const pickle = tensorPickle({ strides: [1, 2] })
  for (const wide of [false, true]) {
    const t = loadPth(archive({ 'a/data.pkl': pickle, 'a/data/0': ramp }, wide))
    assert.equal(await t['w']!.toArray(), [
      [0, 2, 4],
      [1, 3, 5],
    ])
    free(t)
  }
})

test("an OrderedDict of pairs, as Python 2 wrote it, with Python 2's texts", async () => {
  const w = [0x55, 1, ...utf8('w')]
  const made = tensorPickle().slice(3 + text('w').length, -2)
  const pickle = Uint8Array.from([0x80, 2, ...name('collections.OrderedDict'), 0x5d, 0x28, ...w, ...made, 0x86, 0x65, 0x85, 0x52, 0x2e])
  const t = loadPth(fileOf(pickle))
  assert.equal(await t['w']!.toArray(), [
    [0, 1, 2],
    [3, 4, 5],
  ])
  free(t)
})

const hurtful: Record<string, [Bytes, RegExp]> = {
  'a tensor beyond its storage': [fileOf(tensorPickle({ offset: 1 })), /reaches element 6 of storage "0", which has 6/],
  'a negative stride': [fileOf(tensorPickle({ strides: [3, -1] })), /not made of storage, offset, sizes and strides/],
  'fewer strides than sizes': [fileOf(tensorPickle({ strides: [1] })), /not made of storage/],
  'a storage of another size': [fileOf(tensorPickle({ count: 7 })), /its storage has 24 bytes, 7 elements F32 take 28/],
  'an expansion to 2^60 elements': [fileOf(tensorPickle({ shape: [2 ** 30, 2 ** 30], strides: [0, 0] })), /repeats its 6 elements to/],
  'a tensor of 100 dims': [fileOf(tensorPickle({ shape: Array(100).fill(1), strides: Array(100).fill(1) })), /not made of storage/],
  'a storage class of its own': [fileOf(tensorPickle({ storage: 'os.FloatStorage' })), /asks Python for "os\.FloatStorage"/],
  'a function of its own': [fileOf(tensorPickle({ rebuild: 'os.system' })), /asks Python for "os\.system"/],
  'a name of the prototype': [fileOf(tensorPickle({ rebuild: 'constructor.constructor' })), /asks Python for "constructor\.constructor"/],
  'a call of a class': [fileOf(tensorPickle({ rebuild: 'torch.FloatStorage' })), /calls what is no function/],
  'the key __proto__': [fileOf(Uint8Array.from([0x80, 2, 0x7d, ...text('__proto__'), 0x7d, 0x73, 0x2e])), /"__proto__" is a dict/],
  'a dict in itself': [fileOf(Uint8Array.from([0x80, 2, 0x7d, 0x71, 0, ...text('w'), 0x68, 0, 0x73, 0x2e])), /"w" is a dict of w/],
  'numbers that were changed': [flipped(fileOf(tensorPickle()), ramp), /the bytes of "a\/data\/0" do not have the checksum/],
  'an opcode for objects': [fileOf(Uint8Array.from([0x80, 2, 0x29, 0x81, 0x2e])), /opcode 0x81 at byte 3/],
  'no end': [fileOf(Uint8Array.from([0x80, 2, 0x7d])), /ends in the middle/],
  'another protocol': [fileOf(Uint8Array.from([0x80, 77, 0x7d, 0x2e])), /protocol 77/],
  'a text longer than the file': [fileOf(Uint8Array.from([0x8d, 255, 255, 255, 255, 255, 255, 255, 255, 0x2e])), /ends in the middle/],
  'two pickles': [archive({ 'a/data.pkl': tensorPickle(), 'b/data.pkl': tensorPickle() }), /2 entries data\.pkl/],
  'no storage': [archive({ 'a/data.pkl': tensorPickle() }), /no entry "a\/data\/0"/],
  'big-endian numbers': [archive({ 'a/data.pkl': tensorPickle(), 'a/byteorder': utf8('big') }), /byte order "big"/],
}
for (const [what, [file, expected]] of Object.entries(hurtful)) {
  test(`a file with ${what} is refused`, async () => {
    const before = device.memory().storages
    const { error } = await attempt(() => loadPth(file))
    assert.is(error?.code, 'BAD_FILE')
    assert.match(error!.message, expected)
    assert.is(device.memory().storages, before)
  })
}

test('a pickle that asks for much work is done in time', async () => {
  // A hundred thousand lists in each other, and a value recalled a hundred thousand times.
  const deep = Uint8Array.from([0x80, 2, ...Array(100_000).fill(0x5d), ...Array(99_999).fill(0x61), 0x2e])
  const wide = Uint8Array.from([0x80, 2, 0x5d, 0x28, 0x7d, 0x71, 0, ...Array(100_000).fill([0x68, 0]).flat(), 0x65, 0x2e])
  for (const pickle of [deep, wide]) {
    const { error } = await attempt(() => loadPth(fileOf(pickle)))
    assert.match(error!.message, /holds a list/)
  }
  // A list of ten thousand pairs, made a dict ten thousand times.
  const pairs = [0x5d, 0x28, ...Array(10_000).fill([0x4b, 1, 0x4b, 2, 0x86]).flat(), 0x65]
  const dicts = Array(10_000).fill([0x68, 0, 0x68, 1, 0x52, 0x30]).flat()
  const often = Uint8Array.from([0x80, 2, ...name('collections.OrderedDict'), 0x71, 0, 0x30, ...pairs, 0x85, 0x71, 1, ...dicts, 0x2e])
  const { error } = await attempt(() => loadPth(fileOf(often)))
  assert.match(error!.message, /makes more of its items than it has/)
})

/** Either read or refused; what was read is freed. */
async function survive(file: Bytes): Promise<void> {
  const before = device.memory().storages
  const { value, error } = await attempt(() => loadPth(file))
  if (error) assert.is(error.code, 'BAD_FILE')
  free(value ?? {})
  assert.is(device.memory().storages, before)
}

for (const [what, mutations] of Object.entries(byteMutations)) {
  test(`a .pth ${what}`, () => everyOne(150, mutations, (mutate) => survive(mutate(layouts))))
  test(`a .pth from before version 1.6 ${what}`, () => everyOne(400, mutations, (mutate) => survive(mutate(legacy))))
  test(`a .pth with 64-bit sizes ${what}`, () =>
    everyOne(150, mutations, (mutate) => survive(mutate(archive({ 'a/data.pkl': tensorPickle(), 'a/data/0': ramp }, true)))))
  // Inside of an archive that is in order, so that the pickle is what is looked at.
  test(`a pickle ${what}`, () => everyOne(400, mutations, (mutate) => survive(fileOf(mutate(tensorPickle())))))
}

test('a .pth whose directory says anything', () =>
  everyOne(300, fc.tuple(fc.nat(200), fc.constantFrom(0, 1, 0xff, 0x7f, 0x80), fc.nat(3)), ([back, byte, n]) => {
    const file = layouts.slice()
    for (let i = 0; i <= n; i++) file[file.length - 1 - back + i] = byte
    return survive(file)
  }))

test.run()
