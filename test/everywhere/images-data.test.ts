// Images on their way to the network, in Node and in a page: CIFAR-10 from bytes, archives and chosen files; the order of batches, which must be the same
// everywhere; and the loader, with a worker and without.
import { type BmsError, DisposedError } from '@bms/tensor'
import {
  assembleBatch,
  type BatchLoader,
  batchOrder,
  fetchCifar10,
  type FetchCifar10Options,
  type ImageSet,
  imageLoader,
  joinImageSets,
  type LoaderOptions,
  parseCifar10Batch,
  parseCifar10Sample,
} from '@bms/bms'
import { encode } from 'fast-png'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { archiveOf, batchOf, gzip, officialFiles, pixelOf, rowBytes, tarOf } from '../helpers/cifar10.js'

const test = suite('images as data')

const file = (bytes: Uint8Array, name: string): File => new File([bytes as Uint8Array<ArrayBuffer>], name)
async function caught(action: () => unknown): Promise<BmsError> {
  try {
    await action()
  } catch (error) {
    return error as BmsError
  }
  throw new Error('nothing was thrown')
}

function isBatch(set: ImageSet, first: number, count: number): void {
  assert.equal([set.count, set.channels, set.height, set.width], [count, 3, 32, 32])
  for (let n = 0; n < count; n++) {
    assert.is(set.labels![n], (first + n) % 10)
    for (let k = 0; k < 3072; k++) if (set.pixels[n * 3072 + k] !== pixelOf(first + n, k)) assert.unreachable(`image ${n}, byte ${k}`)
  }
}

test('a binary batch is taken apart, also one of the official size', () => {
  isBatch(parseCifar10Batch(batchOf(7, 3), 'few.bin'), 3, 7)
  const whole = parseCifar10Batch(new Uint8Array(10_000 * rowBytes).fill(9), 'data_batch_1.bin', 10_000)
  assert.is(whole.count, 10_000)
  assert.ok(whole.labels!.every((label) => label === 9))
  assert.ok(whole.pixels.every((pixel) => pixel === 9))
})

test('a batch of another size or with other labels is refused, with the place', async () => {
  const short = await caught(() => parseCifar10Batch(batchOf(4).subarray(0, 10_000), 'data_batch_1.bin', 4))
  assert.is(short.code, 'BAD_DATA')
  assert.is(
    short.message,
    'data_batch_1.bin: got 10,000 bytes, expected 12,292 (4 rows of 3,073): 2,292 are missing, the file is cut short. Copy or download it again',
  )
  assert.equal(short.fields, { path: 'data_batch_1.bin', got: 10_000, expected: 12_292 })
  assert.match((await caught(() => parseCifar10Batch(batchOf(5), 'x.bin', 4))).message, "3,073 are too many, this is no batch of CIFAR-10's binary version")
  for (const bytes of [new Uint8Array(0), new Uint8Array(3074)]) {
    const error = await caught(() => parseCifar10Batch(bytes, 'mine.bin'))
    assert.match(error.message, /^mine.bin: got [\d,]+ bytes, expected a whole number of rows of 3,073 \(a label, then 3 planes of 32x32\)$/)
  }
  const bytes = batchOf(30)
  bytes[17 * rowBytes] = 200
  const label = await caught(() => parseCifar10Batch(bytes, 'data_batch_3.bin'))
  assert.is(label.message, 'data_batch_3.bin: label 200 in row 17 (at byte 52,241), expected 0 to 9: these are other data, or they are damaged')
  assert.equal(label.fields, { path: 'data_batch_3.bin', row: 17, label: 200 })
})

test('sets are joined in order, those of other sizes are not', async () => {
  const sets = [batchOf(3), batchOf(2, 3)].map((bytes, i) => parseCifar10Batch(bytes, `part ${i}`))
  isBatch(joinImageSets('both', 'here', sets), 0, 5)
  const other = { ...sets[0], height: 16, count: 6 }
  assert.is(
    (await caught(() => joinImageSets('no', 'here', [sets[0], other]))).message,
    'joinImageSets: images of part 0 are [3, 16, 32], those of part 0 [3, 32, 32]',
  )
  assert.is((await caught(() => joinImageSets('no', 'here', []))).code, 'BAD_ARGUMENT')
})

test('the sheet of the sample is taken apart', async () => {
  // Four images on two rows, of one colour each.
  const data = new Uint8Array(64 * 64 * 3)
  for (let i = 0; i < 64 * 64; i++) data.fill(10 * (2 * (i >> 11) + ((i % 64) >> 5)), 3 * i, 3 * i + 3)
  const png = encode({ width: 64, height: 64, channels: 3, depth: 8, data })
  const sheet = { images: 4, train: 3, columns: 2, labels: '7019' }
  for (const [split, colours, labels] of [
    ['train', [0, 10, 20], [7, 0, 1]],
    ['test', [30], [9]],
    ['both', [0, 10, 20, 30], [7, 0, 1, 9]],
  ] as const) {
    const set = await parseCifar10Sample(png, sheet, split)
    assert.equal([...set.labels!], labels)
    assert.is(set.count, colours.length)
    set.pixels.forEach((pixel, i) => pixel === colours[Math.floor(i / 3072)] || assert.unreachable(`${split}: byte ${i} is ${pixel}`))
  }
  assert.is((await caught(() => parseCifar10Sample(png, { ...sheet, columns: 3 }))).code, 'BAD_DATA')
})

test('the archive gives each split, packed and plain, with progress', async () => {
  const archive = await archiveOf(4)
  const seen: [number, number | undefined][] = []
  const onProgress: FetchCifar10Options['onProgress'] = ({ bytes, total }) => seen.push([bytes, total])
  isBatch(await fetchCifar10(file(archive, 'cifar-10-binary.tar.gz'), { rows: 4, onProgress }), 0, 20)
  assert.equal(seen.at(-1), [archive.length, archive.length])
  isBatch(await fetchCifar10(new Blob([archive]), { rows: 4, split: 'test' }), 20, 4)
  isBatch(await fetchCifar10(file(await tarOf(officialFiles(4)), 'plain.tar'), { rows: 4, split: 'both' }), 0, 24)
  isBatch(await fetchCifar10(URL.createObjectURL(new Blob([archive])), { rows: 4 }), 0, 20)
})

test('files that a user chose: official ones in their order, others as they are', async () => {
  const files = Object.entries(officialFiles(3)).map(([name, bytes]) => file(bytes, name))
  isBatch(await fetchCifar10([...files].reverse(), { rows: 3 }), 0, 15)
  isBatch(await fetchCifar10(files, { rows: 3, split: 'test' }), 15, 3)
  isBatch(await fetchCifar10([file(batchOf(2), 'a.bin'), file(batchOf(5, 2), 'b.bin')]), 0, 7)
  const none = await caught(() => fetchCifar10([files[0]], { rows: 3, split: 'test' }))
  assert.is(none.message, 'data_batch_1.bin: none of the test part, which is in test_batch.bin')
  assert.match((await caught(() => fetchCifar10(files[0]))).message, 'data_batch_1.bin: got 9,219 bytes, expected 30,730,000 (10,000 rows of 3,073)')
  assert.is((await caught(() => fetchCifar10([]))).code, 'BAD_ARGUMENT')
})

test('an archive that is cut short, damaged or another one is refused', async () => {
  const archive = await archiveOf(4)
  const message = async (bytes: Uint8Array, name = 'a.tar.gz') => {
    const error = await caught(() => fetchCifar10(file(bytes, name), { rows: 4 }))
    assert.is(error.code, 'BAD_DATA')
    assert.is(error.fields.path, name)
    return error.message
  }
  const damaged = archive.slice()
  damaged.fill(0xff, archive.length >> 1, (archive.length >> 1) + 64)
  for (const bytes of [archive.slice(0, archive.length >> 1), archive.slice(0, -4), damaged])
    assert.match(
      await message(bytes),
      /^a\.tar\.gz: the archive is cut short or damaged: it breaks off after [\d,]+ bytes.* The official archive has 170,052,171 bytes\. Download it again$/,
    )
  const plain = await tarOf(officialFiles(4))
  assert.match(
    await message(plain.slice(0, 20_000), 'a.tar'),
    /^a\.tar: the archive is cut short or damaged: it breaks off after 20,000 bytes, in or after data_batch_2\.bin /,
  )
  const packed = async (...names: string[]) => message(await gzip(await tarOf(Object.fromEntries(names.map((name) => [name, batchOf(1)])))))
  const all = 'data_batch_1.bin, data_batch_2.bin, data_batch_3.bin, data_batch_4.bin, data_batch_5.bin'
  const needed = 'Needed is the binary version, cifar-10-binary.tar.gz (https://www.cs.toronto.edu/~kriz/cifar.html)'
  assert.is(
    await packed('cifar-10-batches-py/data_batch_1', 'cifar-10-batches-py/test_batch'),
    `a.tar.gz: ${all} are not in this archive: it holds cifar-10-batches-py/data_batch_1, cifar-10-batches-py/test_batch. This is the Python version of CIFAR-10. ${needed}`,
  )
  assert.match(await packed('cifar-10-batches-mat/data_batch_1.mat'), `This is the Matlab version of CIFAR-10. ${needed}`)
  assert.match(await packed('cifar-100-binary/train.bin', 'cifar-100-binary/test.bin'), `This is CIFAR-100. ${needed}`)
  assert.match(await packed('a.txt'), 'it holds a.txt. Needed is cifar-10-binary.tar.gz (https://www.cs.toronto.edu/~kriz/cifar.html)')
  assert.match(await message(await gzip(new Uint8Array(1024))), 'are not in this archive: it is empty')
  const files = officialFiles(4)
  const four = Object.fromEntries(Object.entries(files).filter(([name]) => name !== 'data_batch_3.bin'))
  assert.match(await message(await gzip(await tarOf(four))), 'a.tar.gz: data_batch_3.bin is not in this archive: it holds data_batch_1.bin, ')
  const inside = async (changed: Record<string, Uint8Array>) =>
    (await caught(async () => fetchCifar10(file(await gzip(await tarOf({ ...files, ...changed })), 'a.tar.gz'), { rows: 4 }))).message
  assert.match(await inside({ 'data_batch_2.bin': batchOf(3) }), 'data_batch_2.bin in a.tar.gz: got 9,219 bytes, expected 12,292')
  const wrong = batchOf(4)
  wrong[rowBytes] = 10
  assert.match(await inside({ 'data_batch_5.bin': wrong }), 'data_batch_5.bin in a.tar.gz: label 10 in row 1')
})

test('what is no data set at all is named', async () => {
  const message = async (text: string) => (await caught(() => fetchCifar10(file(new TextEncoder().encode(text), 'x')))).message
  assert.match(await message('<!DOCTYPE html><p>not found'), 'x: it is a web page. Needed is cifar-10-binary.tar.gz or a .bin file of it')
  assert.match(await message('PK\x03\x04zip'), 'x: it is a .zip archive.')
  assert.match(await message(''), 'x: it is empty.')
  assert.match(await message('hello'), 'x: got 5 bytes, expected a whole number of rows')
  assert.match((await caught(() => fetchCifar10(file(batchOf(1), 'data_batch_1')))).message, 'This is the Python version')
})

test('a signal gives up', async () => {
  const reason = new Error('enough')
  assert.is(await caught(() => fetchCifar10(new Blob([batchOf(1) as Uint8Array<ArrayBuffer>]), { signal: AbortSignal.abort(reason) })), reason)
})

test('batches follow from seed and step, with the same numbers on every host', () => {
  const order = batchOrder(10, { batch: 4, seed: 7, flips: true })
  const plans = [0, 1, 2, 1000].map((step) => [[...order(step).indices], [...order(step).flips]])
  assert.equal(plans, [
    [
      [1, 9, 4, 7],
      [0, 1, 1, 0],
    ],
    [
      [0, 3, 8, 2],
      [1, 0, 0, 0],
    ],
    [
      [6, 5, 3, 1],
      [1, 1, 1, 1],
    ],
    [
      [1, 5, 6, 9],
      [1, 1, 0, 0],
    ],
  ])
  assert.equal([...batchOrder(10, { batch: 4, seed: 7 })(1000).indices], plans[3][0], 'the order is the same without flips')
  assert.equal([...batchOrder(10, { batch: 4, seed: 7 })(1000).flips], [0, 0, 0, 0])
  const big = batchOrder(50_000, { batch: 64, seed: 2 ** 53 - 1 })
  assert.equal([...big(781).indices.slice(14, 18)], [1461, 47589, 11921, 8344])
})

test('an epoch is a permutation, another one each time, for each seed', () => {
  const epoch = (seed: number, number: number, batch = 5) => {
    const order = batchOrder(35, { batch, seed })
    return Array.from({ length: 35 }, (_, i) => 35 * number + i).map((at) => order(Math.floor(at / batch)).indices[at % batch])
  }
  const all = Array.from({ length: 35 }, (_, i) => i)
  const seen = new Set<string>()
  for (const seed of [0, 1, 2, 2 ** 40]) {
    for (const number of [0, 1, 2, 77]) {
      const images = epoch(seed, number)
      assert.equal(
        [...images].sort((a, b) => a - b),
        all,
      )
      seen.add(images.join())
    }
  }
  assert.is(seen.size, 16)
  assert.equal(epoch(3, 2, 5), epoch(3, 2, 7), 'the batch size cuts the same order')
  assert.equal(epoch(3, 2, 5), epoch(3, 2, 16), 'also where batches span epochs')
})

test('a batch larger than the set takes images again', () => {
  const counts = new Array<number>(3).fill(0)
  for (const index of batchOrder(3, { batch: 9, seed: 0 })(4).indices) counts[index]++
  assert.equal(counts, [3, 3, 3])
})

test('flips are even, and differ between epochs', () => {
  const order = batchOrder(1000, { batch: 1000, seed: 5, flips: true })
  const sums = [0, 1, 2, 3].map((step) => order(step).flips.reduce((a, b) => a + b, 0))
  for (const sum of sums) assert.ok(Math.abs(sum - 500) < 80, String(sums))
  const flipOf = (step: number, image: number) => order(step).flips[order(step).indices.indexOf(image)]
  assert.ok([...Array(1000).keys()].some((image) => flipOf(0, image) !== flipOf(1, image)))
})

test('numbers are bytes / 127.5 - 1; a flip mirrors each line', () => {
  const pixels = Uint8Array.from([0, 255, 51, 102, 1, 2, 3, 4, 10, 20, 30, 40])
  const set: ImageSet = { name: 'tiny', source: 'here', count: 2, channels: 1, height: 2, width: 3, pixels }
  const close = (got: Float32Array, bytes: number[]) => assert.equal([...got], [...Float32Array.from(bytes, (byte) => byte / 127.5 - 1)])
  close(assembleBatch(set, { indices: Uint32Array.of(1, 0), flips: Uint8Array.of(0, 0) }), [3, 4, 10, 20, 30, 40, 0, 255, 51, 102, 1, 2])
  close(assembleBatch(set, { indices: Uint32Array.of(0), flips: Uint8Array.of(1) }), [51, 255, 0, 2, 1, 102])
})

test('options out of their range are refused', async () => {
  const set = parseCifar10Batch(batchOf(3), 'few')
  const text = async (options: Partial<LoaderOptions>, changed: Partial<ImageSet> = {}) =>
    (await caught(() => imageLoader({ ...set, ...changed }, { batch: 2, seed: 0, worker: false, ...options }))).message
  assert.is(await text({ batch: 0 }), 'batches: batch is a whole number from 1 to 1048576, got 0')
  assert.is(await text({ seed: -1 }), 'batches: seed is a whole number from 0 to 9007199254740991, got -1')
  assert.is(await text({ ahead: 1.5 }), 'imageLoader: ahead is a whole number from 0 to 64, got 1.5')
  assert.is(await text({}, { count: 4 }), 'images of few: 9,216 bytes do not fill [4, 3, 32, 32]')
  assert.is(await text({}, { count: 0 }), 'images of few: there is no image in [0,3,32,32]')
  const loader = imageLoader(set, { batch: 2, seed: 0, worker: false })
  assert.is((await caught(() => loader.next(-1))).message, 'batches: step is a whole number from 0 to 4294967296, got -1')
})

/** In a page, where the test run's bundle of the worker is; in Node the package's own. */
const worker = typeof document === 'undefined' ? undefined : () => new Worker('/support/batch-worker.mjs', { type: 'module' })
const started = async (loader: BatchLoader) => {
  for (let i = 0; i < 1000 && !loader.threaded; i++) await new Promise((done) => setTimeout(done, 10))
}

test('a worker gives the batches that this thread would make, in any order', async () => {
  const set = parseCifar10Batch(batchOf(50), 'few')
  const options = { batch: 16, seed: 11, flips: true }
  const order = batchOrder(50, options)
  const loader = imageLoader(set, { ...options, worker })
  const right = async (step: number) => assert.equal(await loader.next(step), assembleBatch(set, order(step)), `step ${step}`)
  await right(0)
  await started(loader)
  assert.is(loader.threaded, true)
  for (const step of [0, 1, 2, 3, 3, 90, 91, 4, 1]) await right(step)
  await Promise.all([7, 60, 8, 7].map(right))
  loader.close()
  assert.is(loader.threaded, false)
  assert.instance(await caught(() => loader.next(5)), DisposedError)
})

test('what a closed loader still owed is refused', async () => {
  const loader = imageLoader(parseCifar10Batch(batchOf(50), 'few'), { batch: 16, seed: 1, worker })
  await started(loader)
  const owed = caught(() => loader.next(0))
  loader.close()
  assert.is((await owed).message, 'loader.next: the loader was closed. Make another one with imageLoader()')
  loader.close()
})

test('without a worker the same batches are made here', async () => {
  const set = parseCifar10Batch(batchOf(50), 'few')
  const order = batchOrder(50, { batch: 8, seed: 3 })
  const refused = () => {
    throw new Error('workers are not allowed here')
  }
  for (const none of [false, refused] as const) {
    const loader = imageLoader(set, { batch: 8, seed: 3, worker: none })
    for (const step of [0, 1, 20]) assert.equal(await loader.next(step), assembleBatch(set, order(step)))
    assert.is(loader.threaded, false)
    loader.close()
    assert.instance(await caught(() => loader.next(0)), DisposedError)
  }
})

// In Node: loader.test.ts.
if (typeof document !== 'undefined') {
  const scripted = (text: string) => () => new Worker(URL.createObjectURL(new Blob([text], { type: 'text/javascript' })), { type: 'module' })

  test('a page whose worker does not start goes on without', async () => {
    const set = parseCifar10Batch(batchOf(50), 'few')
    const order = batchOrder(50, { batch: 8, seed: 3 })
    const loader = imageLoader(set, { batch: 8, seed: 3, worker: scripted('throw new Error("no")') })
    for (let step = 0; step < 5; step++) {
      assert.equal(await loader.next(step), assembleBatch(set, order(step)))
      await new Promise((done) => setTimeout(done, 20))
    }
    assert.is(loader.threaded, false)
  })

  test('a page hears of a worker that breaks down', async () => {
    const text = 'onmessage = ({ data }) => { if (data.kind === "make") throw new Error("out of luck"); postMessage({ kind: "ready" }) }'
    const loader = imageLoader(parseCifar10Batch(batchOf(50), 'few'), { batch: 8, seed: 3, worker: scripted(text) })
    await started(loader)
    const error = await caught(() => loader.next(0))
    assert.is(error.code, 'LOADER_FAILED')
    assert.match(error.message, /^the worker that makes batches broke down: .*out of luck\. Resume from the last checkpoint$/)
  })
}

test.run()
