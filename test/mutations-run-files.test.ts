// The text files of a run's folder as anybody may have edited or damaged them: config.json, metrics.jsonl and the lock. Each is either read, and then
// says what JSON.parse says of it, or refused by file and field; and whoever only looks changes nothing on the disk.
import fs from 'node:fs'
import os from 'node:os'
import { join as path } from 'node:path'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseConfig, resolveConfig } from '../packages/bms/src/config.js'
import { RunFolder } from '../packages/bms/src/run/folder.js'
import { RunLock } from '../packages/bms/src/run/lock.js'
import { MetricsLog } from '../packages/bms/src/run/metrics.js'
import { attempt, byteMutations, type Bytes, encodings, equal, everyOne, join, utf8 } from './helpers/mutate.js'
import { edits, jsonMutations, nested, swollen } from './helpers/mutate-json.js'

const test = suite('run files from strangers')

let dir = ''
test.before(() => {
  dir = fs.mkdtempSync(path(os.tmpdir(), 'bms-strangers-'))
})
test.after(() => fs.rmSync(dir, { recursive: true, force: true }))

const edit = fc.record({ at: fc.nat(1000), pick: fc.nat(100) })

// ---------------------------------------------------------------- config.json

const config = resolveConfig({ dataset: 'ring', seed: 3, out: 'here' })
const configText = JSON.stringify(config, null, 2)
/** What JSON.parse says, as far as it is a number: it knows a -0, of which a configuration makes a 0. */
const plainJson = (text: string): unknown => JSON.parse(text, (_, v) => (typeof v === 'number' ? v + 0 : v))

/** Reads a configuration: either as JSON.parse reads it, or it is refused by file and field. */
async function configured(text: string, must?: 'pass' | 'fail'): Promise<void> {
  let plain: unknown
  try {
    plain = plainJson(text)
  } catch {
    // RunFolder's part, below.
    return
  }
  const { value, error } = await attempt(() => parseConfig(JSON.parse(text), 'x/config.json'))
  if (value) {
    equal(value, plain)
    assert.is.not(must, 'fail', 'a bad configuration was read')
    return
  }
  if (must === 'pass') throw new Error(`a good configuration was refused: ${error!.message}`)
  assert.is(error!.code, 'BAD_CONFIG')
  assert.match(error!.message, /^x\/config\.json: /)
  const { field } = error!.fields
  if (field !== '') assert.match(error!.message, /^x\/config\.json: field /)
}

for (const { name, means, apply } of jsonMutations) {
  const must = means === 'same' ? 'pass' : undefined
  test(`a configuration ${name}`, () => everyOne(must ? 40 : 250, edits, (list) => configured(apply(configText, list), must)))
}

test('a configuration with a hundred thousand brackets, or a field without end', async () => {
  await everyOne(20, edit, (e) => configured(nested(configText, e), 'fail'))
  await everyOne(20, edit, (e) => configured(swollen(configText, e, 300_000), 'fail'))
})

test('a run whose config.json was damaged opens as it says, or not at all, and its folder stays as it is', async () => {
  const run = path(dir, 'run')
  RunFolder.create(run, config).close()
  const file = path(run, 'config.json')
  const texts = fc.oneof(
    fc.oneof(...Object.values(byteMutations)).map((mutate) => mutate(utf8(configText))),
    fc.tuple(fc.constantFrom(...jsonMutations), edits).map(([{ apply }, list]) => utf8(apply(configText, list))),
    edit.map((e) => utf8(nested(configText, e))),
    fc.constantFrom(...Object.values(encodings)).map((encode) => encode(configText)),
  )
  await everyOne(400, texts, async (bytes) => {
    fs.writeFileSync(file, bytes)
    const { value, error } = await attempt(() => RunFolder.open(run))
    if (value) equal(value.config, { ...(plainJson(Buffer.from(bytes).toString()) as object), out: run })
    else {
      assert.ok(['BAD_CONFIG', 'READ_FAILED'].includes(error!.code), error!.code)
      assert.ok(error!.message.includes(file), error!.message)
    }
    assert.equal(fs.readdirSync(run), ['config.json'])
    assert.ok(fs.readFileSync(file).equals(bytes), 'the file was changed')
  })
})

// ---------------------------------------------------------------- metrics.jsonl

// Nothing of these tests is worth waiting for the disk.
const quick = { ...fs, fsyncSync: () => {} }
const metricsLines = Array.from({ length: 6 }, (_, i) => JSON.stringify({ step: 10 * i, rec: 0.5 / (i + 1), modes: i, seconds: 1.5 * i }))

/** Whole lines with a step, as plainly as can be. */
function plainLines(bytes: Uint8Array): { lines: { step: number }[]; texts: string[]; damaged: number } {
  const texts = Buffer.from(bytes).toString('latin1').split('\n')
  const torn = texts.pop() !== '' ? 1 : 0
  const lines = texts.map((text) => {
    try {
      const line = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(text, 'latin1')))
      return Number.isSafeInteger(line.step) && line.step >= 0 ? line : null
    } catch {
      return null
    }
  })
  const whole = lines.filter((line) => line !== null)
  return { lines: whole, texts: texts.filter((_, i) => lines[i] !== null), damaged: lines.length - whole.length + torn }
}

async function metrics(bytes: Bytes, step: number): Promise<void> {
  const file = path(dir, 'metrics.jsonl')
  fs.writeFileSync(file, bytes)
  const log = new MetricsLog(file, quick)
  const plain = plainLines(bytes)
  const read = await attempt(() => log.read())
  assert.is(read.value!.damaged, plain.damaged)
  // Node's own comparison does not survive a hundred thousand brackets.
  if (bytes.length < 50_000) equal(read.value!.lines, plain.lines)
  equal(
    read.value!.lines.map((line) => line.step),
    plain.lines.map((line) => line.step),
  )
  const kept = plain.lines.map((line) => line.step <= step)
  const later = kept.filter((k) => !k).length
  assert.equal(log.rewind(step), { later, damaged: plain.damaged })
  const rest = plain.texts.filter((_, i) => kept[i])
  assert.is(fs.readFileSync(file, 'latin1'), rest.map((text) => `${text}\n`).join(''), 'other lines are kept byte for byte')
  assert.equal(log.rewind(step), { later: 0, damaged: 0 })
}

const metricsFile = utf8(`${metricsLines.join('\n')}\n`)
/** Puts `text` in the place of a line. */
const withLine = (at: number, text: string | Uint8Array): Bytes =>
  join(...metricsLines.flatMap((line, i) => [i === at % metricsLines.length ? (typeof text === 'string' ? utf8(text) : text) : utf8(line), utf8('\n')]))

test('metrics that were torn or damaged keep their whole lines', () =>
  everyOne(400, fc.tuple(fc.oneof(...Object.values(byteMutations)), fc.nat(60)), ([mutate, step]) => metrics(mutate(metricsFile), step)))

test('metrics with poisoned lines keep the others', async () => {
  const poisoned = fc.tuple(fc.constantFrom(...jsonMutations), edits, fc.nat(5)).map(([{ apply }, list, at]) => withLine(at, apply(metricsLines[at]!, list)))
  await everyOne(400, fc.tuple(poisoned, fc.nat(60)), ([bytes, step]) => metrics(bytes, step))
  await everyOne(10, fc.tuple(edit, fc.nat(60)), ([e, step]) => metrics(withLine(e.at, nested(metricsLines[1]!, e)), step))
  await everyOne(6, fc.tuple(edit, fc.nat(60)), ([e, step]) => metrics(withLine(e.at, swollen(metricsLines[1]!, e, 300_000)), step))
  for (const encode of Object.values(encodings)) await metrics(withLine(2, encode(metricsLines[2]!)), 30)
})

// ---------------------------------------------------------------- .lock

test('a lock that says nothing sensible counts for nothing, and one in sense is never taken', async () => {
  const run = path(dir, 'locked')
  fs.mkdirSync(run)
  const file = path(run, '.lock')
  const holder = JSON.stringify({ pid: 4_194_304 + 7, host: os.hostname(), started: '2024-01-01T00:00:00.000Z', ticks: '12', id: 'x' })
  const texts = fc.oneof(
    fc.oneof(...Object.values(byteMutations)).map((mutate) => mutate(utf8(holder))),
    fc.tuple(fc.constantFrom(...jsonMutations), edits).map(([{ apply }, list]) => utf8(apply(holder, list))),
    edit.map((e) => utf8(nested(holder, e).slice(0, 5000))),
  )
  const before = new Date(Date.now() - 60_000)
  await everyOne(300, texts, async (bytes) => {
    fs.writeFileSync(file, bytes)
    fs.utimesSync(file, before, before)
    const { value, error } = await attempt(() => RunLock.take(run, quick))
    if (value) value.release()
    else {
      assert.ok(['RUN_LOCKED', 'READ_FAILED'].includes(error!.code), error!.code)
      assert.ok(error!.message.includes(run), error!.message)
      assert.ok(fs.readFileSync(file).equals(bytes), 'a lock that was not taken was changed')
      fs.unlinkSync(file)
    }
    assert.equal(fs.readdirSync(run), [])
  })
})

test.run()
