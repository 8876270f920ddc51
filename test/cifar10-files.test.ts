// Where users have CIFAR-10, and what they have in its place: every path that can be given to openCifar10, with the whole text of what is said about a wrong one.
import fs from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import type { BmsError } from '@bms/tensor'
import { openCifar10, type OpenCifar10Options, openCifar10Sample, type ImageSet } from '@bms/bms/node'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { archiveOf, batchOf, gzip, officialFiles, pixelOf, rowBytes, tarOf } from './helpers/cifar10.js'

const test = suite('CIFAR-10 on a disk')

let base = ''
test.before.each(() => {
  base = fs.mkdtempSync(join(os.tmpdir(), 'bms-data-'))
})
test.after.each(() => {
  fs.rmSync(base, { recursive: true, force: true })
})

const rows = 4
const open = (path: string, options: OpenCifar10Options = {}) => openCifar10(path, { rows, ...options })
async function caught(path: string, options: OpenCifar10Options = {}): Promise<BmsError> {
  try {
    await open(path, options)
  } catch (error) {
    return error as BmsError
  }
  throw new Error('nothing was thrown')
}
/** Writes files below the test's folder and gives the path of one of them, or of a folder. */
function put(files: Record<string, Uint8Array | string>, path = ''): string {
  for (const [name, content] of Object.entries(files)) {
    fs.mkdirSync(join(base, name, '..'), { recursive: true })
    fs.writeFileSync(join(base, name), content)
  }
  return join(base, path)
}
const within = (folder: string, files: Record<string, Uint8Array>) =>
  Object.fromEntries(Object.entries(files).map(([name, bytes]) => [`${folder}/${name}`, bytes]))
function isPart(set: ImageSet, first: number, count: number): void {
  assert.equal([set.count, set.channels, set.height, set.width, set.pixels.length], [count, 3, 32, 32, count * 3072])
  for (let n = 0; n < count; n++) {
    assert.is(set.labels![n], (first + n) % 10)
    for (const k of [0, 1, 1023, 1024, 3071]) assert.is(set.pixels[n * 3072 + k], pixelOf(first + n, k))
  }
}

const getIt = 'To download the set, add --download to the command'
const page = 'https://www.cs.toronto.edu/~kriz/cifar.html'

test('the folder of binary files, and the folder above it', async () => {
  const files = officialFiles(rows)
  const dir = put({ ...within('cifar-10-batches-bin', files), 'cifar-10-batches-bin/batches.meta.txt': 'airplane\n' })
  for (const path of [dir, join(dir, 'cifar-10-batches-bin'), join(dir, 'cifar-10-batches-bin/')]) {
    const train = await open(path)
    isPart(train, 0, 20)
    assert.is(train.name, 'cifar10 train')
    assert.ok(train.pixels.buffer instanceof SharedArrayBuffer)
    isPart(await open(path, { split: 'test' }), 20, 4)
    isPart(await open(path, { split: 'both' }), 0, 24)
  }
})

test('a folder with one split is enough for that split', async () => {
  isPart(await open(put({ 'test_batch.bin': batchOf(rows, 20) }), { split: 'test' }), 20, 4)
})

test('the archive, packed or plain, by its path or in a folder, whatever its name', async () => {
  const archive = await archiveOf(rows)
  const dir = put({ 'a/cifar-10-binary.tar.gz': archive, 'mine.tgz': archive, 'plain.tar': await tarOf(officialFiles(rows)) })
  const seen: [number, number][] = []
  isPart(await open(join(dir, 'a'), { onProgress: (...progress) => seen.push(progress) }), 0, 20)
  assert.equal(seen.at(-1), [archive.length, archive.length])
  isPart(await open(join(dir, 'mine.tgz'), { split: 'both' }), 0, 24)
  isPart(await open(join(dir, 'plain.tar'), { split: 'test' }), 20, 4)
  assert.equal(fs.readdirSync(dir).sort(), ['a', 'mine.tgz', 'plain.tar'], 'nothing is unpacked')
})

test('files of the official size', async () => {
  const bytes = new Uint8Array(10_000 * rowBytes).fill(3)
  const set = await openCifar10(put({ 'test_batch.bin': bytes }), { split: 'test' })
  assert.is(set.count, 10_000)
  assert.ok(set.pixels.every((pixel) => pixel === 3))
})

test('a path that leads nowhere', async () => {
  const path = join(base, 'no/such')
  const error = await caught(path)
  assert.is(error.code, 'BAD_DATA')
  assert.is(error.message, `${path}: there is no such file or folder. ${getIt}`)
  assert.equal(error.fields, { path, found: null })
  const file = put({ 'a.txt': 'x' }, 'a.txt/b')
  assert.is((await caught(file)).message, `${file}: there is no such file or folder. ${getIt}`)
})

test('batches that are missing are named, and what is there', async () => {
  const { 'data_batch_2.bin': two, 'test_batch.bin': six, ...others } = officialFiles(rows)
  assert.ok(two && six)
  const dir = put({ ...others, 'readme.html': '' })
  const error = await caught(dir)
  assert.is(
    error.message,
    `${dir}: data_batch_2.bin is missing: the folder holds data_batch_1.bin, data_batch_3.bin, data_batch_4.bin, data_batch_5.bin. ${getIt}`,
  )
  assert.is(error.code, 'BAD_DATA')
  assert.equal(error.fields, {
    path: dir,
    missing: ['data_batch_2.bin'],
    found: ['data_batch_1.bin', 'data_batch_3.bin', 'data_batch_4.bin', 'data_batch_5.bin'],
  })
  assert.match((await caught(dir, { split: 'both' })).message, `${dir}: data_batch_2.bin, test_batch.bin are missing: the folder holds`)
})

test('a batch that is cut short or too long', async () => {
  const files = officialFiles(rows)
  files['data_batch_4.bin'] = files['data_batch_4.bin'].subarray(0, 12_000)
  const dir = put(files)
  const path = join(dir, 'data_batch_4.bin')
  const error = await caught(dir)
  assert.is(error.message, `${path}: got 12,000 bytes, expected 12,292 (4 rows of 3,073): 292 are missing, the file is cut short. Copy or download it again`)
  assert.equal([error.code, error.fields], ['BAD_DATA', { path, got: 12_000, expected: 12_292 }])
  put({ 'data_batch_4.bin': batchOf(rows + 1) })
  assert.is(
    (await caught(dir)).message,
    `${path}: got 15,365 bytes, expected 12,292 (4 rows of 3,073): 3,073 are too many, this is no batch of CIFAR-10's binary version (${page})`,
  )
  put({ 'data_batch_4.bin': '' })
  assert.match((await caught(dir)).message, `${path}: got 0 bytes, expected 12,292`)
})

test('a file of the full size is asked of users', async () => {
  const dir = put(officialFiles(rows))
  await openCifar10(dir).then(
    () => assert.unreachable(),
    (error: BmsError) => assert.match(error.message, 'data_batch_1.bin: got 12,292 bytes, expected 30,730,000 (10,000 rows of 3,073): 30,717,708 are missing'),
  )
})

test('a label out of range', async () => {
  const files = officialFiles(rows)
  files['data_batch_5.bin'][2 * rowBytes] = 10
  const dir = put(files)
  const error = await caught(dir)
  const path = join(dir, 'data_batch_5.bin')
  assert.is(error.message, `${path}: label 10 in row 2 (at byte 6,146), expected 0 to 9: these are other data, or they are damaged`)
  assert.equal([error.code, error.fields], ['BAD_DATA', { path, row: 2, label: 10 }])
})

test('an archive that is cut short', async () => {
  const archive = await archiveOf(rows)
  const half = archive.length >> 1
  const path = put({ 'cut.tar.gz': archive.subarray(0, half) }, 'cut.tar.gz')
  const error = await caught(path)
  assert.is(error.code, 'BAD_DATA')
  assert.is(error.fields.path, path)
  const last = String(error.fields.last)
  assert.ok(last.startsWith('cifar-10-batches-bin/'), last)
  assert.is(
    error.message,
    `${path}: the archive is cut short or damaged: it breaks off after ${half.toLocaleString('en')} bytes, in or after ${last} (unexpected end of file). ` +
      'The official archive has 170,052,171 bytes. Download it again',
  )
  fs.truncateSync(path, 10)
  assert.match((await caught(path)).message, `${path}: the archive is cut short or damaged: it breaks off after 10 bytes (unexpected end of file).`)
})

test('an archive of something else', async () => {
  const python = put({ 'p.tar.gz': await gzip(await tarOf({ 'cifar-10-batches-py/data_batch_1': batchOf(1) })) }, 'p.tar.gz')
  assert.match((await caught(python)).message, 'This is the Python version of CIFAR-10. Needed is the binary version, cifar-10-binary.tar.gz')
  // Whatever an archive's paths say, only names count and nothing is written.
  const climbing = put({ 'c.tar.gz': await gzip(await tarOf({ '../../evil': batchOf(1), ...within('../../x', officialFiles(rows)) })) }, 'c.tar.gz')
  isPart(await open(climbing), 0, 20)
  assert.equal(fs.readdirSync(base).sort(), ['c.tar.gz', 'p.tar.gz'])
})

test('a file of another kind', async () => {
  const needed = 'Needed is cifar-10-binary.tar.gz, a folder with data_batch_1.bin and so on, or a folder of PNG or JPEG images'
  const said = async (name: string, content: Uint8Array | string) => {
    const path = put({ [name]: content }, name)
    const error = await caught(path)
    assert.is(error.code, 'BAD_DATA')
    assert.ok(error.message.startsWith(`${path}: `))
    return error.message.slice(path.length + 2)
  }
  assert.is(await said('notes.txt', 'hello'), `it is a file of another kind. ${needed}`)
  assert.is(await said('empty.tar.gz', ''), `the file is empty. ${needed}`)
  assert.is(await said('a.zip', 'PK\x03\x04…'), `it is a .zip archive. ${needed}`)
  assert.is(await said('cifar-10-binary.tar.gz', '<html>404'), `it is a web page, which a server may have sent in place of the archive. ${needed}`)
  assert.is(await said('data_batch_1.bin', batchOf(rows)), 'it is one batch of several. Give the folder that holds them')
  assert.is(
    await said('data_batch_1', batchOf(rows)),
    `it is a file of another kind. This is the Python version of CIFAR-10. Needed is the binary version, cifar-10-binary.tar.gz (${page})`,
  )
})

test('a folder of something else', async () => {
  const empty = put({}, '')
  const error = await caught(empty)
  assert.is(error.message, `${empty}: the folder is empty. ${getIt}`)
  assert.is(error.code, 'BAD_DATA')
  put({ '.DS_Store': 'x' })
  assert.is((await caught(empty)).message, `${empty}: the folder is empty. ${getIt}`)
  put({ 'a.txt': 'x', 'b/c.txt': 'y' })
  assert.is(
    (await caught(empty)).message,
    `${empty}: it holds no data set (found: a.txt, b). Looked for data_batch_1.bin and so on, cifar-10-batches-bin, cifar-10-binary.tar.gz, and PNG or JPEG images. ${getIt}`,
  )
  const python = put({ 'py/data_batch_1': 'x', 'py/batches.meta': 'y' }, 'py')
  assert.is(
    (await caught(python)).message,
    `${python}: it holds no data set (found: batches.meta, data_batch_1). This is the Python version of CIFAR-10. Needed is the binary version, cifar-10-binary.tar.gz (${page})`,
  )
})

test('names from strangers do not reach the terminal as they are', async () => {
  const dir = put({ 'x\u001b[31m.txt': 'x' })
  assert.match((await caught(dir)).message, '(found: x\\u{1b}[31m.txt)')
})

test('the sample in the package: 900 images and 100, as many of each class', async () => {
  const [train, held, both] = await Promise.all([openCifar10Sample(), openCifar10Sample('test'), openCifar10Sample('both')])
  assert.equal([train.count, held.count, both.count], [900, 100, 1000])
  for (const [set, each] of [
    [train, 90],
    [held, 10],
    [both, 100],
  ] as const) {
    assert.equal([set.channels, set.height, set.width, set.pixels.length], [3, 32, 32, set.count * 3072])
    const counts = new Array<number>(10).fill(0)
    for (const label of set.labels!) counts[label]++
    assert.equal(counts, new Array(10).fill(each))
  }
  assert.equal([...both.pixels.subarray(900 * 3072)], [...held.pixels])
  const images = new Set(Array.from({ length: 1000 }, (_, n) => Buffer.from(both.pixels.slice(n * 3072, (n + 1) * 3072)).toString('latin1')))
  assert.is(images.size, 1000, 'all are different')
  // The first rows of data_batch_1.bin and test_batch.bin as everyone has them: a frog, a cat.
  assert.equal([...train.pixels.subarray(0, 5), train.labels![0]], [59, 43, 50, 68, 98, 6])
  assert.equal([...held.pixels.subarray(0, 5), held.labels![0]], [158, 159, 165, 166, 160, 3])
  // The set's own mean and spread, roughly.
  for (const [c, mean] of [0.491, 0.482, 0.447].entries()) {
    let sum = 0
    for (let n = 0; n < 900; n++) for (let k = 0; k < 1024; k++) sum += train.pixels[n * 3072 + c * 1024 + k]
    assert.ok(Math.abs(sum / 900 / 1024 / 255 - mean) < 0.02)
  }
})

test.run()
