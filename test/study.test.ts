// `bms study` as a user meets it: runs in processes of their own that are killed, interrupted and started again; finished ones stay as they are, failed
// ones stop nobody, and what cannot be is refused.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { loadSafetensors, readSafetensorsHeader, saveSafetensors } from '@bms/nn'
import { resolveConfig } from '@bms/bms'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isRunning } from '../packages/bms/src/run/atomic.js'
import { planStudy } from '../packages/bms/src/study/plan.js'
import { chosenVariants } from '../packages/bms/src/study/variants.js'
import { adapter, bms, type Ended, inPairs, refusal, shell, well } from './helpers/command.js'
import { ready } from './helpers/device.js'

const test = suite('study')
const dir = mkdtempSync(join(tmpdir(), 'bms-study-'))
const at = (...parts: string[]): string => join(dir, ...parts)
const four = ['study', '2d', '--seeds', '2', '--models', 'wae,bms-vae-gan', '--sets', 'ring', '--steps', '20', ...adapter]
const runs = ['ring-bms-vae-gan-s0', 'ring-bms-vae-gan-s1', 'ring-wae-s0', 'ring-wae-s1']

test.before(async () => void (await ready()))
test.after(() => rmSync(dir, { recursive: true, force: true }))

/** Names, contents and times of all files in a folder. */
const files = (...parts: string[]): [string, string, number][] =>
  readdirSync(at(...parts)).map((name) => [name, readFileSync(at(...parts, name), 'base64'), statSync(at(...parts, name)).mtimeMs])

/** Waits until `what` gives something. */
async function until<T>(what: () => T | undefined | false, name: string): Promise<T> {
  for (const end = Date.now() + 240_000; ; await sleep(20)) {
    const found = what()
    if (found) return found
    assert.ok(Date.now() < end, `waited in vain for ${name}`)
  }
}

/** The process that trains a run. */
const trainer = (run: string): number | undefined => {
  try {
    return JSON.parse(readFileSync(at(run, '.lock'), 'utf8')).pid
  } catch {
    return undefined
  }
}
const gone = (pid: number): Promise<boolean> => until(() => !isRunning(pid), `process ${pid} to end`)

test('a study that is killed leaves no process behind, and goes on where it was', async () => {
  let kept: unknown
  let second: number | undefined
  let killed = false
  const first = bms(dir, [...four, '--out', 'four'], (out, child) => {
    if (killed || !/ring-wae-s0 .*20 steps/.test(out)) return
    killed = true
    void (async () => {
      second = await until(() => trainer('four/ring-bms-vae-gan-s0'), 'the second run')
      kept = files('four', 'ring-wae-s0')
      child.kill('SIGKILL')
    })()
  })
  assert.is((await first).signal, 'SIGKILL')
  await gone(second!)
  assert.not.ok(existsSync(at('four', 'ring-bms-vae-gan-s0', 'result.json')))
  const { out } = well(await bms(dir, [...four, '--out', 'four', '--jobs', '2']))
  assert.match(out, /^4 runs: 2 models x 1 set x 2 seeds in four, 1 finished before, 1 to be continued\n/)
  assert.match(out, /ring-bms-vae-gan-s1 +\d of 8 modes, HQ \d+\.\d\d %, 20 steps in \d+:\d\d/)
  assert.match(out, /\nBMS-VAE-GAN {2,}2 /)
  assert.equal(files('four', 'ring-wae-s0'), kept, 'a finished run stays as it is')
  assert.equal(readdirSync(at('four')).sort(), ['figures', 'report.html', ...runs, 'study.json', 'table.md'])
  for (const [i, model] of ['bms-vae-gan', 'wae'].entries()) {
    const run = `four/ring-${model}-s1`
    assert.equal(
      JSON.parse(readFileSync(at(run, 'config.json'), 'utf8')),
      resolveConfig({ dataset: 'ring', model, seed: 1, steps: 20, adapter: adapter[1]!, out: run }),
    )
    assert.ok(existsSync(at(run, 'samples.png')), `${i}`)
  }
})

test('started again it has nothing to do; more seeds and models only add runs', async () => {
  const before = runs.map((run) => files('four', run))
  const { out } = well(await bms(dir, [...four, '--out', 'four']))
  assert.match(out, /4 finished before\n\nModes and HQ%/)
  assert.equal(
    runs.map((run) => files('four', run)),
    before,
  )
  const plan = planStudy({ sets: ['grid', 'ring'], variants: chosenVariants('wae,bms-vae-gan,bms-T2'), seeds: 3, steps: 20 }, at('four'))
  assert.is(plan.length, 18)
  assert.equal(
    plan.filter(({ state }) => state.kind === 'finished').map(({ name }) => name),
    ['ring-wae-s0', 'ring-bms-vae-gan-s0', 'ring-wae-s1', 'ring-bms-vae-gan-s1'],
  )
  assert.equal(
    plan.slice(0, 6).map(({ name }) => name),
    ['grid-wae-s0', 'ring-wae-s0', 'grid-bms-vae-gan-s0', 'ring-bms-vae-gan-s0', 'grid-bms-T2-s0', 'ring-bms-T2-s0'],
    'whole rows of the first seed come first',
  )
  assert.is(plan[4]!.config.T, 2)
})

test('a run that fails and a process that is killed stop nobody, are told, and are tried again', async () => {
  cpSync(at('four'), at('failing'), { recursive: true })
  const run = at('failing', 'ring-wae-s0')
  const bytes = readFileSync(join(run, 'checkpoint.safetensors'))
  const state = loadSafetensors(bytes)
  state['R.body.0.weight']!.fill_(Number.NaN)
  writeFileSync(join(run, 'checkpoint.safetensors'), await saveSafetensors(state, { ...readSafetensorsHeader(bytes).metadata, step: '10' }))
  rmSync(join(run, 'result.json'))
  rmSync(at('failing', 'ring-bms-vae-gan-s0'), { recursive: true })
  let shot = false
  const ended = await bms(dir, [...four, '--out', 'failing'], (out) => {
    if (shot || !out.includes('ring-wae-s0 ')) return
    shot = true
    void until(() => trainer('failing/ring-bms-vae-gan-s0'), 'the run to be killed').then((pid) => process.kill(pid, 'SIGKILL'))
  })
  assert.is(ended.code, 1, `${ended.out}${ended.err}`)
  assert.match(ended.out, /ring-wae-s0 +failed: the loss "rec" is NaN at step 20/)
  assert.match(ended.out, /ring-bms-vae-gan-s0 +failed: its process was killed by SIGKILL/)
  assert.match(ended.out, /study: {2}2 of 4 runs/)
  for (const text of [ended.out, well(await bms(dir, ['table', 'failing'])).out, readFileSync(at('failing', 'table.md'), 'utf8')]) {
    assert.match(text, /Not in the tables/)
    assert.match(text, /failing\/ring-wae-s0[ |]+failed[ |]+the loss "rec" is NaN/)
    assert.match(text, /failing\/ring-bms-vae-gan-s0[ |]+failed/)
    assert.match(text, /\n(\| )?WAE[ |]+1 /, 'the failed seed is not in the average')
  }
  // What was killed goes on, in spite of its lock.
  rmSync(run, { recursive: true })
  assert.match(well(await bms(dir, [...four, '--out', 'failing', '--jobs', '2'])).out, /study: {2}4 of 4 runs/)
  assert.not.match(readFileSync(at('failing', 'table.md'), 'utf8'), /Not in the tables/)
  assert.equal(JSON.parse(readFileSync(at('failing', 'study.json'), 'utf8')).failures, {})
})

test('Ctrl-C saves, the command that is told goes on, a second Ctrl-C leaves at once; meanwhile no other study works there', async () => {
  const long = ['study', '2d', '--seeds', '1', '--models', 'wae', '--sets', 'ring', '--steps', '100000', '--out', 'my study', ...adapter]
  const run = 'my study/ring-wae-s0'
  let ended: Promise<Ended> | undefined
  let interrupt = (): void => {}
  const start = (command: (watch: Parameters<typeof bms>[2]) => Promise<Ended>): Promise<void> =>
    new Promise((begun) => {
      ended = command((_, child) => {
        interrupt = () => void child.kill('SIGINT')
        begun()
      })
    })
  await start((watch) => bms(dir, long, watch))
  await until(() => existsSync(at(run, 'checkpoint.safetensors')), 'a checkpoint')
  refusal(await bms(dir, long), /my study is in use by process \d+ on this machine/, 'two at once')
  interrupt()
  const stopped = await ended!
  assert.is(stopped.code, 130, `${stopped.out}${stopped.err}`)
  const saved = /ring-wae-s0 +saved at step ([\d,]+)/.exec(stopped.out)![1]!
  const said = /stopped: 0 of 1 runs are finished; go on with: (.*)\n/.exec(stopped.out)![1]!
  assert.match(said, "--out 'my study'")
  await start((watch) => shell(dir, `exec ${said.replace('bms', `"${process.execPath}" "${join(process.cwd(), 'packages/bms/bin/bms.js')}"`)}`, watch))
  await until(() => readFileSync(at(run, 'metrics.jsonl'), 'utf8').split('\n').length > 4, 'more steps')
  const pid = trainer(run)!
  interrupt()
  interrupt()
  const left = await ended!
  assert.is(left.code, 130)
  assert.match(left.out, new RegExp(`ring-wae-s0: continues from step ${saved.replace(',', '')} `))
  await gone(pid)
})

const wrong: [string, string[], RegExp][] = [
  [
    'other steps',
    [...four.map((text) => (text === '20' ? '30' : text)), '--out', 'four'],
    /four\/ring-wae-s0 holds a run with steps 20, .*asked for has 30 \(and 3 more.*--out/,
  ],
  ['no study of ours', ['study', '3d'], /unknown study "3d"\. Did you mean "2d"/],
  ['a model with a slip', ['study', '2d', '--models', 'wae,bms-vea-gan'], /unknown model of the study "bms-vea-gan"\. Did you mean "bms-vae-gan"/],
  ['an image model', ['study', '2d', '--models', 'dcgan'], /unknown model of the study "dcgan"/],
  ['a data set with a slip', ['study', '2d', '--sets', 'rign'], /Did you mean "ring"/],
  ['no jobs', ['study', '2d', '--jobs', '0'], /--jobs: got "0"/],
  ['no seeds', ['study', '2d', '--seeds', 'many'], /--seeds: got "many"/],
  ['a run as --out', ['study', '2d', '--out', 'four/ring-wae-s0'], /is the folder of a single run/],
  ['other files in --out', ['study', '2d', '--out', 'else'], /else holds other files \(letter\.txt\) and no study/],
  ['a file as --out', ['study', '2d', '--out', 'else/letter.txt'], /is a file/],
  ['a damaged study.json', ['study', '2d', '--out', 'damaged'], /damaged\/study\.json is not what a study writes.*Delete it/],
  ['a damaged result', [...four, '--out', 'spoiled'], /ring-wae-s0\/result\.json: steps is missing/],
  ['a table of nothing', ['table', 'nowhere'], /nowhere does not exist/],
  ['a table of no runs', ['table', 'else'], /else holds no run/],
]

test('wrong input gets one clear line and exit code 1, and no file changes', async () => {
  mkdirSync(at('else'))
  writeFileSync(at('else', 'letter.txt'), 'dear')
  mkdirSync(at('damaged'))
  writeFileSync(at('damaged', 'study.json'), '{"format":"bms-study-1","failures":[]')
  cpSync(at('four'), at('spoiled'), { recursive: true })
  writeFileSync(at('spoiled', 'ring-wae-s0', 'result.json'), JSON.stringify({ dataset: 'ring', model: 'wae', T: 1, seed: 0 }))
  const all = (): [string, string][] =>
    readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((f) => f.isFile())
      .map((f) => join(f.parentPath ?? f.path, f.name))
      .sort()
      .map((f) => [f, readFileSync(f, 'base64')])
  const before = all()
  const ended = await inPairs(wrong, ([, args]) => bms(dir, args))
  for (const [i, [what, , text]] of wrong.entries()) refusal(ended[i]!, text, what)
  assert.equal(all(), before)
})

test.run()
