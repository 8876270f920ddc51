// The sample of CIFAR-10 as the package's files hold it.
import { fileURLToPath } from 'node:url'
import { readWhole } from '../run/atomic.js'
import type { Cifar10Split } from './cifar10.js'
import { badData, type ImageSet } from './image-set.js'
import { parseCifar10Sample, sampleFiles, type SampleSheet } from './sample.js'

/**
 * The 1,000 images of CIFAR-10 in the package: 900 to train on, 100 to test with, as many of each class.
 * @throws BmsError `BAD_DATA` where the package is incomplete
 */
export async function openCifar10Sample(split: Cifar10Split = 'train'): Promise<ImageSet> {
  const { sheet, labels } = sampleFiles()
  return parseCifar10Sample(read(sheet), JSON.parse(Buffer.from(read(labels)).toString()) as SampleSheet, split)
}

function read(url: URL): Uint8Array {
  const path = fileURLToPath(url)
  const bytes = readWhole(path)
  if (!bytes) throw badData(path, 'the file is missing. Install the package @bms/bms again')
  return bytes
}
