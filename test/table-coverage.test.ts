// Everything public is proven somewhere: an op, module, loss or optimiser by a row of the table, the rest by a test file that names it.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as bms from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { count } from './support/figures.js'
import { options } from './support/options.js'
import { rows } from './table/index.js'

const test = suite('what the table covers')

/** Public names that are no ops, by the file under test/ that proves them. */
const elsewhere: Record<string, readonly string[]> = {
  anomaly: ['AnomalyError', 'detectAnomaly', 'isAnomalyEnabled', 'setDetectAnomaly'],
  autograd: ['backward', 'customFunction', 'enableGrad', 'grad', 'isGradEnabled', 'noGrad', 'Tensor.backward', 'Tensor.requiresGrad_'],
  'autograd-rules': ['gradcheck', 'gradgradcheck'],
  checkpoint: ['checkpoint'],
  compile: ['compile'],
  'conv-plan': ['planConv'],
  errors: ['BmsError', 'init', 'currentDevice'],
  'image-step': ['nn.keepingStatistics'],
  'faults-lost': ['DeviceLostError', 'useDevice'],
  limits: ['splitGroups'],
  'matmul-plan': ['planMatmul'],
  memory: ['tidy', 'keep', 'Tensor.dispose'],
  'nn-state': ['data.DataLoader', 'data.TensorDataset'],
  'nn-pth': ['loadPth'],
  'nn-safetensors': ['loadSafetensors', 'readSafetensorsHeader', 'saveSafetensors'],
  'plan-memory': ['planMemory'],
  reduce: ['planReduce'],
  'shaders-null': ['Pipelines', 'specialise'],
  show: ['oneLine', 'show', 'showName'],
}

/** What ops, devices and errors are made of, for those who write some: there is no row that would not run it. */
const machinery = [
  ...['Device', 'Storage', 'Tensor', 'RandomState', 'isTensor', 'Tensor.view', 'Tensor.data', 'Tensor.item', 'Tensor.toArray', 'Tensor.toString'],
  ...['KernelCall', 'MapCall', 'MatmulCall', 'ReduceCall', 'empty', 'launchMap', 'collect', 'visitTensors', 'reducedShape'],
  ...['traced', 'tracedAll', 'observeOps', 'watchOps', 'currentWatcher', 'markNonFinite', 'runStepwise'],
  ...['broadcastShapes', 'contiguousStrides', 'normalDim', 'normalDims', 'sameShape', 'sizeOf', 'formatShape', 'DTypeError', 'ShapeError'],
  ...['provideAdapters', 'requestDevice', 'describeAdapter', 'planScatter', 'LimitError', 'DisposedError', 'ArgumentError', 'DeviceError', 'Tensor.compact'],
  ...['bytesOf', 'decode', 'encode', 'floatToHalf', 'halfToFloat', 'isFloat', 'promote'],
]

/** Of a namespace. */
const functionsOf = (o: object, prefix = ''): string[] =>
  Object.entries(o)
    .filter(([, value]) => typeof value === 'function')
    .map(([name]) => prefix + name)

const methods = Object.entries(Object.getOwnPropertyDescriptors(bms.Tensor.prototype))
  .filter(([name, { value }]) => typeof value === 'function' && name !== 'constructor')
  .map(([name]) => `Tensor.${name}`)

const names = [
  ...functionsOf(bms),
  ...methods,
  ...functionsOf(bms.linalg, 'linalg.'),
  ...functionsOf(bms.nn, 'nn.'),
  ...functionsOf(bms.nn.init, 'init.'),
  ...functionsOf(bms.losses, 'losses.'),
  ...functionsOf(bms.optim, 'optim.'),
  ...functionsOf(bms.data, 'data.'),
]

test('every public name has a row or a test that names it', () => {
  const covered = new Set([...rows.flatMap((r) => r.covers), ...Object.values(elsewhere).flat(), ...machinery])
  assert.equal(
    names.filter((n) => !covered.has(n)),
    [],
    'public, but neither a row of test/table covers it nor is it listed here',
  )
  assert.equal(
    [...covered].filter((n) => !names.includes(n)),
    [],
    'covered, but not public',
  )
  count('rows', rows.length)
  count('covered names', rows.flatMap((r) => r.covers).length)
  count('public names', names.length)
})

test('no name is covered twice', () => {
  const all = [...rows.flatMap((r) => r.covers), ...Object.values(elsewhere).flat(), ...machinery]
  assert.equal(
    all.filter((n, i) => all.indexOf(n) !== i),
    [],
  )
})

test('tests that are named exist and call what they are named for', () => {
  for (const [file, list] of Object.entries(elsewhere)) {
    const path = ['', 'everywhere'].map((folder) => join(options.root, 'test', folder, `${file}.test.ts`)).find(existsSync)
    assert.ok(path, `test/${file}.test.ts does not exist`)
    const text = readFileSync(path!, 'utf8')
    for (const name of list) assert.match(text, new RegExp(`\\b${name.replace(/^\w+\./, '')}\\b`), `${file}.test.ts does not name ${name}`)
  }
})

test('rows have inputs of every kind, or a reason', () => {
  assert.equal(
    rows.flatMap((r) => r.gaps().map((g) => `${r.name} ${g}`)),
    [],
  )
})

test.run()
