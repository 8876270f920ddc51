// Two processes in one run's folder would take each other's checkpoints for their own: one must be told who is there, and a lock that a killed
// process left behind must not stand in anybody's way.
import { type ChildProcess, spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import { train } from '@bms/bms/node'
import type { BmsError } from '@bms/tensor'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { resolveConfig } from '../packages/bms/src/config.js'
import type { Files } from '../packages/bms/src/run/atomic.js'
import { RunFolder } from '../packages/bms/src/run/folder.js'
import { RunLock } from '../packages/bms/src/run/lock.js'
import { thrown } from './helpers/device.js'
import { options } from './support/options.js'

const test = suite('run lock')

let base = ''
test.before.each(() => {
  base = fs.mkdtempSync(join(os.tmpdir(), 'bms-lock-'))
})
test.after.each(() => {
  fs.rmSync(base, { recursive: true, force: true })
})

const config = () => resolveConfig({ dataset: 'ring', seed: 3 })
const lock = (): string => join(base, '.lock')
const holder = (change: object = {}): string =>
  JSON.stringify({ pid: process.pid, host: os.hostname(), started: '2024-01-01T00:00:00.000Z', ticks: null, id: 'theirs', ...change })
const caught = (action: () => unknown): BmsError => {
  try {
    action()
  } catch (error) {
    return error as BmsError
  }
  throw new Error('nothing was thrown')
}
/** Above Linux's largest process id. */
const dead = 4_194_304 + 7
const running = process.ppid || 1
const linux = fs.existsSync('/proc/self/stat')

/** Another process that holds the folder; `tail` is what it does then. */
async function other(tail = 'setInterval(() => {}, 1000)'): Promise<ChildProcess> {
  const script = `import { RunFolder } from '@bms/bms/node'; RunFolder.open(${JSON.stringify(base)}).lock(); console.log('locked'); ${tail}`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { cwd: options.root, stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise((done, failed) => child.stdout!.once('data', done) && child.once('exit', () => failed(new Error('the other process ended'))))
  return child
}
const ended = (child: ChildProcess): Promise<unknown> =>
  child.exitCode !== null || child.signalCode !== null ? Promise.resolve() : new Promise((done) => child.once('exit', done))

test('another process is named, its folder stays as it is, and once it is killed its lock counts for nothing', async () => {
  RunFolder.create(base, config()).close()
  const child = await other()
  try {
    const before = fs.readFileSync(lock(), 'utf8')
    for (const refused of [
      () => RunFolder.open(base).lock(),
      () => train({ dataset: 'ring', resume: true, out: base }),
      () => RunFolder.create(base, config()),
    ]) {
      const error = await thrown(refused)
      assert.match(error.code, /^RUN_(LOCKED|EXISTS)$/)
      if (error.code === 'RUN_EXISTS') continue
      assert.is(error.fields['pid'], child.pid)
      assert.match(error.message, `${base} is in use by process ${child.pid} on this machine, started "20`)
    }
    assert.equal(fs.readdirSync(base).sort(), ['.lock', 'config.json'])
    assert.is(fs.readFileSync(lock(), 'utf8'), before)
    assert.is(RunFolder.open(base).config.seed, 3, 'reading needs no lock')
  } finally {
    child.kill('SIGKILL')
  }
  await ended(child)
  assert.ok(fs.existsSync(lock()), 'a killed process leaves its lock')
  const run = RunFolder.open(base)
  run.lock()
  run.lock()
  run.close()
  assert.equal(fs.readdirSync(base), ['config.json'])
})

test('a process that ends by itself, also by process.exit, takes its lock along', async () => {
  RunFolder.create(base, config()).close()
  for (const tail of ['', 'process.exit(3)', 'setTimeout(() => { throw new Error("on purpose") }); process.on("uncaughtException", () => process.exit(4))']) {
    const child = await other(tail)
    await ended(child)
    assert.equal(fs.readdirSync(base), ['config.json'], tail)
  }
})

test('two of one process exclude each other, and the second has it after the first', () => {
  const first = RunLock.take(base)
  assert.is(caught(() => RunLock.take(base)).code, 'RUN_LOCKED')
  first.release()
  const second = RunLock.take(base)
  first.release()
  assert.ok(fs.existsSync(lock()), 'the first gives back only its own')
  second.release()
  assert.equal(fs.readdirSync(base), [])
})

const locks: [string, string, 'free' | 'taken'][] = [
  ['of a process that is gone', holder({ pid: dead }), 'free'],
  ['of an earlier process with our number, before a container was started again', holder({ ticks: linux ? '1' : null }), 'free'],
  ['of a process with a number used again', holder({ pid: running, ticks: linux ? '1' : null }), linux ? 'free' : 'taken'],
  ['of a process that runs, by a system that tells no start', holder({ pid: running }), 'taken'],
  ['of another machine', holder({ pid: dead, host: 'elsewhere' }), 'taken'],
  ['of another machine with a name to hurt', holder({ pid: dead, host: '\u001b[2J' }), 'taken'],
]
for (const [what, content, state] of locks) {
  test(`a lock ${what} is ${state}`, () => {
    fs.writeFileSync(lock(), content)
    if (state === 'free') {
      RunLock.take(base).release()
      assert.equal(fs.readdirSync(base), [])
      return
    }
    const error = caught(() => RunLock.take(base))
    assert.is(error.code, 'RUN_LOCKED')
    assert.match(error.message, content.includes(os.hostname()) ? 'Let it finish, or stop it' : `If it is gone, delete ${lock()}`)
    assert.not.match(error.message, '\u001b')
    assert.is(fs.readFileSync(lock(), 'utf8'), content)
  })
}

test('a lock that is only just being written is left alone', () => {
  fs.writeFileSync(lock(), '')
  assert.match(caught(() => RunLock.take(base)).message, 'in use by another process')
  assert.ok(fs.existsSync(lock()))
})

test('a process that was killed between locking and its first file is in nobody’s way', () => {
  fs.writeFileSync(lock(), holder({ pid: dead }))
  RunFolder.create(base, config()).close()
  assert.equal(fs.readdirSync(base), ['config.json'])
})

test('a lock that another process put in the place of a dead one is left alone', () => {
  fs.writeFileSync(lock(), holder({ pid: dead }))
  const fresh = holder({ pid: running })
  const files: Files = {
    ...fs,
    openSync: ((path: string, flags: string) => {
      // Here the other process is quicker.
      if (path.endsWith('.guard')) fs.writeFileSync(lock(), fresh)
      return fs.openSync(path, flags)
    }) as typeof fs.openSync,
  }
  assert.is(caught(() => RunLock.take(base, files)).fields['pid'], running)
  assert.is(fs.readFileSync(lock(), 'utf8'), fresh)
  assert.equal(fs.readdirSync(base), ['.lock'])
})

test('a process that was killed while it removed a dead lock is in the way for seconds at most', () => {
  fs.writeFileSync(lock(), holder({ pid: dead }))
  fs.writeFileSync(`${lock()}.guard`, '')
  assert.is(caught(() => RunLock.take(base)).code, 'RUN_LOCKED')
  const before = new Date(Date.now() - 60_000)
  fs.utimesSync(`${lock()}.guard`, before, before)
  RunLock.take(base).release()
  assert.equal(fs.readdirSync(base), [])
})

test('a full disk leaves no lock', () => {
  const full = () => {
    throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
  }
  assert.is(caught(() => RunLock.take(base, { ...fs, writeSync: full as never })).code, 'WRITE_FAILED')
  assert.equal(fs.readdirSync(base), [])
})

test('of many that find a dead lock at the same time one takes the folder', async () => {
  RunFolder.create(base, config()).close()
  fs.writeFileSync(lock(), holder({ pid: dead }))
  const go = join(base, 'go')
  const script = `import { RunFolder } from '@bms/bms/node'; import fs from 'node:fs'
    const run = RunFolder.open(${JSON.stringify(base)}); console.log('ready')
    while (!fs.existsSync(${JSON.stringify(go)})) ;
    try { run.lock(); console.log('took') } catch (error) { console.log(error.code) }
    process.stdin.on('data', () => process.exit()).on('end', () => process.exit())`
  const children = Array.from({ length: 4 }, () =>
    spawn(process.execPath, ['--input-type=module', '-e', script], { cwd: options.root, stdio: ['pipe', 'pipe', 'inherit'] }),
  )
  const said = children.map(() => '')
  const all = (count: number): Promise<void> =>
    new Promise((done) => {
      const look = (): void => (said.every((s) => s.split('\n').length > count) ? done() : void setTimeout(look, 5))
      look()
    })
  children.forEach((child, i) => child.stdout.on('data', (chunk) => (said[i] += chunk)))
  await all(1)
  fs.writeFileSync(go, '')
  await all(2)
  for (const child of children) child.stdin.end()
  await Promise.all(children.map(ended))
  assert.equal(said.map((s) => s.split('\n')[1]).sort(), ['RUN_LOCKED', 'RUN_LOCKED', 'RUN_LOCKED', 'took'])
})

test.run()
