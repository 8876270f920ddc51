// Checkpoints from strangers: of other runs and other steps, with tensors missing, swapped or poisoned, and folders that a run cannot continue in. All
// or nothing: what is taken is what the file says, bit for bit, and what is refused leaves every bit, on the device and on the disk, as it was.
import fs from 'node:fs'
import os from 'node:os'
import { join as path } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { MixtureTraining } from '@bms/bms'
import { evaluate, RunFolder, train } from '@bms/bms/node'
import { type Device, type Tensor, useDevice } from '@bms/nn'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { smallRun } from './helpers/bms.js'
import { ready, thrown } from './helpers/device.js'
import { attempt, byteMutations, type Bytes, encodings, equal, everyOne } from './helpers/mutate.js'
import { edits, jsonMutations, keys, nested, parsed, swollen } from './helpers/mutate-json.js'
import { type PlainTensor, plainRead, plainWrite, takeApart, withHeader } from './helpers/plain-safetensors.js'

const test = suite('checkpoints from strangers')

let device: Device
let dir = ''
test.before(async () => {
  device = await ready()
  dir = fs.mkdtempSync(path(os.tmpdir(), 'bms-states-'))
})
test.after(() => fs.rmSync(dir, { recursive: true, force: true }))

/** How often each tensor's memory was written: as long as none of these changes, no bit does. */
const writes = (dict: Record<string, Tensor>): number[] => Object.values(dict).map((t) => t.storage.version)

const sizes = { latent: 2, hiddenG: [4], hiddenR: [4], hiddenD: [4], hiddenL: [4] }
const start = (options: Parameters<typeof smallRun>[0] = {}): MixtureTraining => {
  const { hyper, ...rest } = options
  return new MixtureTraining(smallRun({ T: 2, batch: 4, ...rest, hyper: { ...sizes, ...hyper } }), device)
}
let target: MixtureTraining
/** The checkpoint that is mutated, the one of three steps later, and the one that the training would write now. */
let saved: Bytes
let later: Uint8Array
let current: Uint8Array
let parts: ReturnType<typeof takeApart>
test.before(async () => {
  target = start()
  await target.advanceBy(3)
  saved = Uint8Array.from(await target.checkpoint())
  await target.advanceBy(3)
  later = await target.checkpoint()
  await target.restore(saved)
  current = saved
  parts = takeApart(saved)
})

/** Restores a mutated checkpoint: the training is then what the file says, as read plainly, or what it was before. */
async function restore(file: Bytes): Promise<boolean> {
  const own = target['state']()
  const [versions, random, step] = [writes(own), device.random.snapshot(), target.step]
  const { error } = await attempt(() => target.restore(file))
  if (error) {
    assert.ok(['BAD_FILE', 'BAD_CHECKPOINT'].includes(error.code), `${error.code} ${error.message}`)
    assert.equal(device.random.snapshot(), random)
    assert.is(target.step, step)
    const written = writes(own).some((v, i) => v !== versions[i])
    if (written) assert.ok(Buffer.from(await target.checkpoint()).equals(current), 'a refused checkpoint changed something')
    return false
  }
  const plain = plainRead(file)
  assert.ok(plain, 'a bad file was read')
  current = await target.checkpoint()
  const now = plainRead(current)!
  equal(now.tensors, plain.tensors)
  const number = (text: string): string => (/^\d+$/.test(text) ? String(Number(text)) : text)
  for (const [name, text] of Object.entries(now.metadata)) assert.is(text, number(plain.metadata[name]!), name)
  return true
}

for (const [name, mutations] of Object.entries(byteMutations)) {
  test(`a checkpoint ${name}`, () => everyOne(/flipped|moved/.test(name) ? 12 : 50, mutations, (mutate) => restore(mutate(saved))))
}

for (const { name, means, apply } of jsonMutations) {
  test(`a checkpoint's header ${name}`, () =>
    everyOne(means === 'same' ? 4 : 30, edits, async (list) => {
      const taken = await restore(withHeader(apply(parts.header, list), parts.data))
      assert.ok(taken || means === 'other', 'a good checkpoint was refused')
    }))
}

/** The file with other texts and tensors. */
function rewritten(change: (tensors: Map<string, PlainTensor>, texts: Record<string, string>) => void, from = saved): Bytes {
  const { tensors, metadata } = plainRead(from)!
  change(tensors, metadata)
  return plainWrite(Object.fromEntries(tensors), metadata)
}

test('a checkpoint whose texts say something else: another run, step or random state, or nothing', () => {
  const words = fc.constantFrom(
    ...['', '0', '-1', '+3', ' 3', '3 ', '3.0', '3e0', '0x3', 'NaN', 'Infinity', '007', '9007199254740992', '99999999999999999999', '999999999999999'],
    ...['ring', 'grid', 'wae', 'constructor', '__proto__', 'bms-checkpoint-2', '\u0000', '\u001b[2J', '\ud800', 'x'.repeat(100_000), '1'.repeat(100_000)],
  )
  const names = fc.constantFrom('format', 'dataset', 'model', 'T', 'batch', 'seed', 'step', 'counter')
  return everyOne(100, fc.tuple(names, fc.option(words)), async ([name, word]) => {
    const taken = await restore(
      rewritten((_, texts) => {
        if (word === null) delete texts[name]
        else texts[name] = word
      }),
    )
    const harmless = (name === 'step' || name === 'counter') && /^\d{1,15}$/.test(word ?? '')
    assert.is(taken, harmless || plainRead(saved)!.metadata[name] === word, `${name} ${JSON.stringify(word)?.slice(0, 80)}`)
  })
})

test('a checkpoint with tensors missing, renamed, swapped, of another shape or type, or too many', () => {
  const kinds = ['missing', 'renamed', 'swapped', 'flat', 'f64', 'i32', 'extra'] as const
  return everyOne(60, fc.tuple(fc.constantFrom(...kinds), fc.nat(500), fc.nat(500)), async ([kind, a, b]) => {
    let fits = false
    const file = rewritten((tensors) => {
      const names = [...tensors.keys()]
      const [one, two] = [names[a % names.length]!, names[b % names.length]!]
      const [t, u] = [tensors.get(one)!, tensors.get(two)!]
      if (kind === 'missing' || kind === 'renamed') tensors.delete(one)
      if (kind === 'renamed') tensors.set(`${one}x`, t)
      if (kind === 'swapped') {
        tensors.set(one, u).set(two, t)
        fits = t.shape.join() === u.shape.join() && t.dtype === u.dtype && !/hyper|step|num_updates/.test(one + two)
      }
      if (kind === 'flat') {
        fits = t.shape.length === 1
        tensors.set(one, { ...t, shape: [t.bytes.length / 4] })
      }
      if (kind === 'f64') tensors.set(one, { ...t, dtype: 'F64', bytes: new Uint8Array(2 * t.bytes.length) })
      if (kind === 'i32') tensors.set(one, { ...t, dtype: 'I32' })
      if (kind === 'extra') tensors.set(JSON.parse(keys[b % keys.length]!) || 'x', { dtype: 'F32', shape: [0], bytes: new Uint8Array() })
    })
    const taken = await restore(file)
    if (fits) assert.ok(taken, 'a checkpoint that fits was refused')
    else if (kind !== 'swapped') assert.not.ok(taken, `${kind}: a checkpoint that does not fit was taken`)
  })
})

test('a checkpoint with damaged values: weights are taken as they are, impossible settings of an optimiser are not', async () => {
  await everyOne(15, byteMutations['with flipped bits'], (mutate) => restore(withHeader(parts.header, mutate(parts.data))))
  const numbers = fc.constantFrom(Number.NaN, Infinity, -Infinity, -1, 0, 0.25, 1, 2, 1e30, -0)
  const places = fc.tuple(fc.constantFrom('generator', 'critic', 'latent'), fc.nat(8), numbers)
  await everyOne(27, places, async ([name, at, value]) => {
    const file = rewritten((tensors) => {
      const { bytes } = tensors.get(`optimiser.${name}.group.0.hyper`)!
      new DataView(bytes.buffer).setFloat32(4 * at, value, true)
    })
    const taken = await restore(file)
    // Only the learning rate may be another one: every step sets it.
    const old = new DataView(plainRead(saved)!.tensors.get(`optimiser.${name}.group.0.hyper`)!.bytes.buffer).getFloat32(4 * at, true)
    assert.is(taken, value === old || (at === 0 && value >= 0 && Number.isFinite(value)), `number ${at} of optimiser.${name} is ${value}, it was ${old}`)
  })
})

test('checkpoints of other runs are refused, and the training goes on as if none had come', async () => {
  const others = [{ model: 'wae' }, { model: 'sn-gan', T: 1 }, { dataset: 'grid' }, { T: 3 }, { batch: 5 }, { seed: 1 }] as const
  const widths = [{ latent: 3 }, { hiddenG: [5] }, { hiddenG: [4, 4] }, { hiddenR: [5] }, { hiddenD: [5] }, { hiddenL: [3] }]
  for (const options of [...others, ...widths.map((hyper) => ({ hyper }))]) {
    assert.not.ok(await restore(Uint8Array.from(await start(options).checkpoint())), JSON.stringify(options))
  }
  await target.restore(saved)
  await target.advanceBy(3)
  assert.ok(Buffer.from(await target.checkpoint()).equals(later))
})

// ---------------------------------------------------------------- folders of runs

const contents = (folder: string): [string, string][] =>
  fs
    .readdirSync(folder)
    .sort()
    .map((name) => [name, fs.readFileSync(path(folder, name), 'latin1')])

// Nothing here is worth waiting for the disk.
const quick = { ...fs, fsyncSync: () => {} }

/** Fills the folder of a run that could go on, but for one file. */
function fill(folder: string, file: string, content: Uint8Array | string): void {
  fs.rmSync(folder, { recursive: true, force: true })
  const run = RunFolder.create(folder, target.config, quick)
  run.writeCheckpoint(saved)
  run.close()
  fs.writeFileSync(path(folder, 'metrics.jsonl'), '{"step":2,"rec":1}\n{"step":99,"rec":1}\n{"step":1')
  fs.writeFileSync(path(folder, 'result.json'), '{"__proto__":{"polluted":1}')
  fs.writeFileSync(path(folder, '.checkpoint.safetensors.4194304.7.tmp'), 'half')
  fs.writeFileSync(path(folder, file), content)
}

test('a run that cannot be continued is refused by file, and its folder stays as it is, to the byte', async () => {
  const folder = path(dir, 'run')
  const configText = JSON.stringify(target.config)
  const fatal = jsonMutations.filter(({ name }) => ['without a key', 'with a key more'].includes(name))
  const bad = <T extends string | Uint8Array>(file: string, content: T): { file: string; content: T } => ({ file, content })
  const cases = fc.oneof(
    byteMutations.cut.map((mutate) => bad('checkpoint.safetensors', mutate(saved))),
    byteMutations.extended.map((mutate) => bad('checkpoint.safetensors', mutate(saved))),
    fc.constantFrom('format', 'dataset', 'step', 'counter').map((name) =>
      bad(
        'checkpoint.safetensors',
        rewritten((_, texts) => void (texts[name] = 'x')),
      ),
    ),
    fc.tuple(fc.constantFrom(...fatal), edits).map(([{ apply }, list]) => bad('config.json', apply(configText, list))),
    edits.map(([e]) => bad('config.json', nested(configText, e!))),
    edits.map(([e]) => bad('config.json', swollen(configText, e!, 2_000_000))),
    fc.constantFrom(...Object.values(encodings)).map((encode) => bad('config.json', encode(configText))),
    fc.constantFrom('latent', 'hiddenG', 'hiddenD').map((name) => {
      const hyper = { ...target.config.hyper, [name]: name === 'latent' ? 8192 : Array(8).fill(8192) }
      return bad('config.json', JSON.stringify({ ...target.config, hyper }))
    }),
  )
  await everyOne(50, cases, async ({ file, content }) => {
    // An edit may have found nothing to take away.
    if (isDeepStrictEqual(parsed(content), target.config)) return
    fill(folder, file, content)
    const before = contents(folder)
    for (const load of [() => train({ dataset: 'ring', resume: true, out: folder }), () => evaluate(folder, { n: 5 })]) {
      const { error } = await attempt<unknown>(load)
      assert.ok(['BAD_CONFIG', 'READ_FAILED', 'BAD_FILE', 'BAD_CHECKPOINT'].includes(error!.code), error!.code)
      assert.match(error!.message, /config\.json|checkpoint|safetensors/)
    }
    equal(contents(folder), before)
  })
})

test('refused on the device, too: shapes and settings that only show there', async () => {
  const folder = path(dir, 'late')
  const hyper = 'optimiser.latent.group.0.hyper'
  const files: [Bytes, RegExp][] = [
    [rewritten((t) => void t.set('G.0.weight', { ...t.get('G.0.weight')!, shape: [8] })), /G\.0\.weight is f32 \[8\]/],
    [rewritten((t) => void new DataView(t.get(hyper)!.bytes.buffer).setFloat32(0, Number.NaN, true)), /lr must be a finite number ≥ 0, got NaN/],
  ]
  try {
    for (const [file, text] of files) {
      fill(folder, 'checkpoint.safetensors', file)
      const before = contents(folder)
      const error = await thrown(() => train({ dataset: 'ring', resume: true, out: folder, steps: 20 }))
      assert.is(error.code, 'BAD_CHECKPOINT')
      assert.match(error.message, text)
      equal(contents(folder), before)
    }
  } finally {
    useDevice(device)
  }
})

test.run()
