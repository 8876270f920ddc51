// A run's folder must survive what happens to long runs: a second run in the same place, a killed process, a full disk, a config.json edited by hand.
import fs from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import type { BmsError } from '@bms/tensor'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { resolveConfig } from '../packages/bms/src/config.js'
import { type Files, removeLeftovers, writeAtomic } from '../packages/bms/src/run/atomic.js'
import { freeFolder, RunFolder } from '../packages/bms/src/run/folder.js'

const test = suite('run folder')

let base = ''
test.before.each(() => {
  base = fs.mkdtempSync(join(os.tmpdir(), 'bms-run-'))
})
test.after.each(() => {
  fs.rmSync(base, { recursive: true, force: true })
})

const config = () => resolveConfig({ dataset: 'ring', seed: 3, out: 'elsewhere' })
const caught = (action: () => unknown): BmsError => {
  try {
    action()
  } catch (error) {
    return error as BmsError
  }
  throw new Error('nothing was thrown')
}
const failing = (changes: Partial<Files>): Files => ({ ...fs, ...changes })
const full = () => {
  throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
}

/** The contents of the checkpoints that are found, each with its age in front, newest first. */
const checkpointsOf = (run: RunFolder): number[][] =>
  [...run.checkpoints()].map(({ path, bytes }) => [Number(/checkpoint(?:\.(\d))?\.safetensors$/.exec(path)![1] ?? 0), ...bytes])

test('what was written is read back', () => {
  const dir = join(base, 'a/b')
  const run = RunFolder.create(dir, config())
  run.appendMetrics({ step: 1, rec: 0.5, hq: NaN })
  run.appendMetrics({ step: 2, rec: 0.25 })
  run.writeCheckpoint(new Uint8Array([1, 2, 3]))
  run.writeSamples(new Uint8Array([4]))
  run.writeResult({ dataset: 'ring', model: 'bms-vae-gan', T: 5, seed: 3, steps: 2, metrics: { modes: 8, hq: 97 }, adapter: 'none', seconds: 1 })
  run.close()
  assert.equal(fs.readdirSync(dir).sort(), ['checkpoint.safetensors', 'config.json', 'metrics.jsonl', 'result.json', 'samples.png'])
  const again = RunFolder.open(dir)
  assert.equal(again.config, { ...config(), out: dir }, 'out is where the folder is now')
  assert.equal(again.readMetrics(), {
    lines: [
      { step: 1, rec: 0.5, hq: null },
      { step: 2, rec: 0.25 },
    ],
    damaged: 0,
  })
  assert.equal(checkpointsOf(again), [[0, 1, 2, 3]])
  assert.is(JSON.parse(fs.readFileSync(again.path('result'), 'utf8')).metrics.hq, 97)
})

test('a folder that holds a run is refused, with both ways on', () => {
  const dir = join(base, 'run')
  RunFolder.create(dir, config())
  const error = caught(() => RunFolder.create(dir, resolveConfig({ dataset: 'grid' })))
  assert.is(error.code, 'RUN_EXISTS')
  assert.match(error.message, '(bms-vae-gan on the ring, seed 3, 3000 steps)')
  assert.match(error.message, '--resume')
  assert.match(error.message, '--out')
  assert.is(RunFolder.open(dir).config.dataset, 'ring', 'the run is untouched')
  assert.is(freeFolder(dir), `${dir}-2`)
})

test('a folder with other files, and a file, are refused', () => {
  fs.writeFileSync(join(base, 'thesis.tex'), '')
  assert.match(caught(() => RunFolder.create(base, config())).message, 'thesis.tex')
  assert.is(caught(() => RunFolder.create(base, config())).code, 'BAD_ARGUMENT')
  assert.is(caught(() => RunFolder.create(join(base, 'thesis.tex'), config())).code, 'BAD_ARGUMENT')
  assert.is(caught(() => RunFolder.create(join(base, 'thesis.tex/run'), config())).code, 'WRITE_FAILED')
  assert.equal(fs.readdirSync(base), ['thesis.tex'])
})

test('an empty folder is fine, and so is one where an earlier start was killed', () => {
  const dead = 4_194_304 + 7 // above Linux's largest process id
  fs.writeFileSync(join(base, `.config.json.${dead}.0.tmp`), '{')
  fs.writeFileSync(join(base, '.lock'), '')
  const before = new Date(Date.now() - 60_000)
  fs.utimesSync(join(base, '.lock'), before, before)
  const run = RunFolder.create(base, config())
  RunFolder.open(base)
  assert.equal(fs.readdirSync(base).length, 3, 'who only looks changes nothing')
  run.removeLeftovers()
  run.close()
  assert.equal(fs.readdirSync(base), ['config.json'], 'the leftover is gone')
})

test('a temporary file of a running process stays', () => {
  const name = `.checkpoint.safetensors.${process.pid}.0.tmp`
  fs.writeFileSync(join(base, name), '')
  assert.is(removeLeftovers(base), 0)
  assert.ok(fs.existsSync(join(base, name)))
})

test('what is no run says so', () => {
  const missing = caught(() => RunFolder.open(join(base, 'none')))
  assert.is(missing.code, 'NOT_A_RUN')
  assert.match(missing.message, 'does not exist')
  assert.match(caught(() => RunFolder.open(base)).message, 'no config.json')
  fs.writeFileSync(join(base, 'file'), '')
  assert.match(caught(() => RunFolder.open(join(base, 'file'))).message, 'is a file')
})

test('a damaged config.json is refused with its path', () => {
  const path = join(base, 'config.json')
  for (const [content, expected] of [
    ['', 'an empty file'],
    ['{"dataset": "ri', 'no JSON'],
    ['[]', 'expected an object'],
    ['null', 'expected an object'],
    ['{}', '"dataset" is missing'],
    [' '.repeat((1 << 20) + 1), 'bytes'],
  ]) {
    fs.writeFileSync(path, content)
    const error = caught(() => RunFolder.open(base))
    assert.is(error.code, expected === 'bytes' ? 'READ_FAILED' : 'BAD_CONFIG')
    assert.match(error.message, path)
    assert.match(error.message, expected)
  }
})

test('a torn last line is dropped, and so are lines after the checkpoint', () => {
  const run = RunFolder.create(join(base, 'run'), config())
  for (const step of [10, 20, 30, 40]) run.appendMetrics({ step, rec: step / 100 })
  fs.appendFileSync(run.path('metrics'), '{"step": 50, "re')
  assert.equal(run.rewindMetrics(20), { later: 2, damaged: 1 })
  run.appendMetrics({ step: 30, rec: 0.31 })
  run.close()
  assert.is(fs.readFileSync(run.path('metrics'), 'utf8'), '{"step":10,"rec":0.1}\n{"step":20,"rec":0.2}\n{"step":30,"rec":0.31}\n')
})

test('a last line without its newline may be half a number, so it goes too', () => {
  const run = RunFolder.create(join(base, 'run'), config())
  fs.writeFileSync(run.path('metrics'), '{"step":1}\nnot json\n42\n{"step":"x"}\n{"step":2}')
  assert.equal(run.readMetrics(), { lines: [{ step: 1 }], damaged: 4 })
  assert.equal(run.rewindMetrics(9), { later: 0, damaged: 4 })
  assert.is(fs.readFileSync(run.path('metrics'), 'utf8'), '{"step":1}\n')
  assert.equal(run.rewindMetrics(9), { later: 0, damaged: 0 })
})

test('rewinding before the first line leaves an empty file, and no file is no lines', () => {
  const run = RunFolder.create(join(base, 'run'), config())
  assert.equal(run.rewindMetrics(0), { later: 0, damaged: 0 })
  run.appendMetrics({ step: 1 })
  assert.equal(run.rewindMetrics(0), { later: 1, damaged: 0 })
  assert.is(fs.readFileSync(run.path('metrics'), 'utf8'), '')
})

test('a full disk keeps the old checkpoint and leaves no temporary file', () => {
  let written = 0
  const files = failing({
    writeSync: ((handle: number, bytes: Uint8Array, offset: number) => {
      if (written > 0) full()
      written++
      return fs.writeSync(handle, bytes, offset, 2)
    }) as typeof fs.writeSync,
  })
  const path = join(base, 'checkpoint.safetensors')
  writeAtomic(path, 'the old one')
  const error = caught(() => writeAtomic(path, 'the new one', files))
  assert.is(error.code, 'WRITE_FAILED')
  assert.equal(error.fields, { path, reason: 'ENOSPC', kept: true })
  assert.match(error.message, 'the disk is full')
  assert.match(error.message, 'The earlier checkpoint.safetensors is kept')
  assert.is(fs.readFileSync(path, 'utf8'), 'the old one')
  assert.equal(fs.readdirSync(base), ['checkpoint.safetensors'])
})

for (const call of ['openSync', 'fsyncSync', 'renameSync'] as const) {
  test(`a failing ${call} leaves nothing behind`, () => {
    const path = join(base, 'result.json')
    const error = caught(() => writeAtomic(path, '{}', failing({ [call]: full })))
    assert.is(error.code, 'WRITE_FAILED')
    assert.is(error.fields.kept, false)
    assert.equal(fs.readdirSync(base), [])
  })
}

test('a write that takes only a part at a time is finished', () => {
  const files = failing({ writeSync: ((handle: number, bytes: Uint8Array, offset: number) => fs.writeSync(handle, bytes, offset, 1)) as typeof fs.writeSync })
  writeAtomic(join(base, 'x'), 'häppchen', files)
  assert.is(fs.readFileSync(join(base, 'x'), 'utf8'), 'häppchen')
})

test('a full disk in the middle of a metrics line cuts the line off again', () => {
  let cut = false
  const files = failing({
    writeSync: ((handle: number, bytes: Uint8Array, offset: number, length: number) => {
      if (!cut) return fs.writeSync(handle, bytes, offset, length)
      return offset > 0 ? full() : fs.writeSync(handle, bytes, 0, 5)
    }) as typeof fs.writeSync,
  })
  const run = RunFolder.create(join(base, 'run'), config(), files)
  run.appendMetrics({ step: 1 })
  cut = true
  assert.is(caught(() => run.appendMetrics({ step: 2 })).fields.reason, 'ENOSPC')
  cut = false
  run.appendMetrics({ step: 3 })
  run.close()
  assert.is(fs.readFileSync(run.path('metrics'), 'utf8'), '{"step":1}\n{"step":3}\n')
})

test('the real thing: /dev/full refuses a metrics line', () => {
  if (!fs.existsSync('/dev/full')) return
  const run = RunFolder.create(join(base, 'run'), config())
  fs.symlinkSync('/dev/full', run.path('metrics'))
  const error = caught(() => run.appendMetrics({ step: 1 }))
  assert.is(error.code, 'WRITE_FAILED')
  assert.is(error.fields.reason, 'ENOSPC')
})

test('the last checkpoints are kept, newest first', () => {
  const run = RunFolder.create(join(base, 'run'), config())
  assert.equal(checkpointsOf(run), [])
  const after = [1, 2, 3, 4, 5].map((n) => {
    run.writeCheckpoint(new Uint8Array([n]), 3)
    return checkpointsOf(run)
  })
  assert.equal(after.slice(0, 2), [
    [[0, 1]],
    [
      [0, 2],
      [1, 1],
    ],
  ])
  assert.equal(after[4], [
    [0, 5],
    [1, 4],
    [2, 3],
  ])
  // What was killed between two names goes on with those that have one; a gap is closed by what comes next.
  fs.rmSync(run.path('checkpoint'))
  assert.equal(checkpointsOf(run), [
    [1, 4],
    [2, 3],
  ])
  run.writeCheckpoint(new Uint8Array([6]), 3)
  assert.is(checkpointsOf(run)[0]![1], 6)
  run.writeCheckpoint(new Uint8Array([7]))
  assert.equal(checkpointsOf(run)[0], [0, 7], 'one alone takes the place of the newest')
})

for (const [what, call, at] of [
  ['opening', 'openSync', 0],
  ['writing', 'writeSync', 0],
  ['syncing', 'fsyncSync', 0],
  ['the first rename', 'renameSync', 0],
  ['the second rename', 'renameSync', 1],
  ['the last rename', 'renameSync', 2],
] as const) {
  test(`a disk that fails at ${what} of a new checkpoint keeps those that there are`, () => {
    let [failing, calls] = [false, 0]
    const files: Files = {
      ...fs,
      [call]: (...args: unknown[]) => {
        if (failing && calls++ === at) full()
        return (fs[call] as (...a: unknown[]) => unknown)(...args)
      },
    }
    const run = RunFolder.create(join(base, 'run'), config(), files)
    for (const n of [1, 2, 3]) run.writeCheckpoint(new Uint8Array([n]), 3)
    const names = fs.readdirSync(run.dir)
    failing = true
    const error = caught(() => run.writeCheckpoint(new Uint8Array([4]), 3))
    failing = false
    assert.equal([error.code, error.fields], ['WRITE_FAILED', { path: run.path('checkpoint'), reason: 'ENOSPC', kept: true }])
    const found = checkpointsOf(run)
    const lost = call === 'renameSync' && at > 0 ? 1 : 0
    assert.equal(found.slice(0, 3 - lost), [[0, 3], [1, 2], ...(lost ? [] : [[2, 1]])])
    assert.is(fs.readdirSync(run.dir).length, names.length - lost, 'nothing half-written')
    run.writeCheckpoint(new Uint8Array([5]), 3)
    assert.equal(checkpointsOf(run).slice(0, 2), [
      [0, 5],
      [1, 3],
    ])
  })
}

test('sheets: by step, and only up to the step that is asked for', () => {
  const run = RunFolder.create(join(base, 'run'), config())
  assert.equal(run.readSheets(10), [])
  for (const step of [500, 0, 123456789, 20]) run.writeSheet(step, new Uint8Array([step % 251]))
  fs.writeFileSync(join(run.path('sheets'), 'notes.txt'), '')
  const steps = (upTo: number): number[] => run.readSheets(upTo).map((s) => s.step)
  assert.equal([steps(600), steps(1e9), steps(19)], [[0, 20, 500], [0, 20, 500, 123456789], [0]])
  assert.equal([...run.readSheets(600)[2]!.png], [500 % 251])
  assert.equal([...fs.readFileSync(run.path('samples'))], [20], 'samples.png is the one written last')
})

test.run()
