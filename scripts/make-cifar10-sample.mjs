// Makes the sample of CIFAR-10 that the package carries, from the official binary files: the first 18 images of each class in each of the five training
// batches, then the first 10 of each class in the test batch, in the order of the files. 1,000 images on one lossless PNG sheet, and their labels.
// node scripts/make-cifar10-sample.mjs FOLDER_WITH_THE_BIN_FILES
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PNG } from 'pngjs'

const assets = join(import.meta.dirname, '../packages/bms/assets')
const side = 32
const rowBytes = 1 + 3 * side * side
const columns = 40

/** The first `each` rows of each class, in the file's order. */
function firstOfEach(file, each) {
  const bytes = readFileSync(file)
  if (bytes.length !== 10_000 * rowBytes) throw new Error(`${file}: got ${bytes.length} bytes, expected ${10_000 * rowBytes}`)
  const seen = new Array(10).fill(0)
  const rows = []
  for (let at = 0; at < bytes.length && rows.length < 10 * each; at += rowBytes) if (seen[bytes[at]]++ < each) rows.push(bytes.subarray(at, at + rowBytes))
  return rows
}

const folder = process.argv[2]
if (!folder) {
  console.error('usage: node scripts/make-cifar10-sample.mjs FOLDER_WITH_THE_BIN_FILES')
  process.exit(2)
}
const train = [1, 2, 3, 4, 5].flatMap((n) => firstOfEach(join(folder, `data_batch_${n}.bin`), 18))
const rows = [...train, ...firstOfEach(join(folder, 'test_batch.bin'), 10)]
const picture = new PNG({ width: columns * side, height: (rows.length / columns) * side })
picture.data.fill(255)
rows.forEach((row, n) => {
  const corner = Math.floor(n / columns) * side * picture.width + (n % columns) * side
  for (let k = 0; k < side * side; k++) {
    const pixel = corner + Math.floor(k / side) * picture.width + (k % side)
    for (let c = 0; c < 3; c++) picture.data[4 * pixel + c] = row[1 + c * side * side + k]
  }
})
// Photographs: another filter for each line is a quarter smaller than none.
const png = PNG.sync.write(picture, { colorType: 2, filterType: -1, deflateLevel: 9, deflateStrategy: 0 })
const sheet = { images: rows.length, train: train.length, columns, labels: rows.map((row) => row[0]).join('') }
writeFileSync(join(assets, 'cifar10-sample.png'), png)
writeFileSync(join(assets, 'cifar10-sample.json'), `${JSON.stringify(sheet, null, 2)}\n`)
console.log(`${rows.length} images, ${png.length} bytes`)
