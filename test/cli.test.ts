// The `bms` command as a user meets it, in processes of its own: what a run leaves behind, what is said about wrong input,
// and that a run which was stopped, killed or cut short goes on as if nothing had happened.
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type MixtureConfig, parseConfig, MixtureTraining } from '@bms/bms'
import { loadSafetensors, readSafetensorsHeader, saveSafetensors, tensor } from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { adapter, bms, inPairs, isPng, refusal, shell, small, well } from './helpers/command.js'
import { ready } from './helpers/device.js'

const test = suite('cli')
const dir = mkdtempSync(join(tmpdir(), 'bms-cli-'))
const at = (...parts: string[]): string => join(dir, ...parts)
const json = (...parts: string[]): any => JSON.parse(readFileSync(at(...parts), 'utf8'))
const metrics = (run: string): any[] =>
  readFileSync(at(run, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
const ofSix = ['--steps', '6', '--batch', '16', '--eval-every', '3', ...small]
const files = ['checkpoint.safetensors', 'config.json', 'metrics.jsonl', 'result.json', 'samples.png']

// The run that the other tests look at, copy and spoil.
test.before(async () => {
  await ready()
  const { out } = well(await bms(dir, ['train', 'ring', '--seed', '3', '--out', 'done', ...ofSix, ...adapter]))
  assert.match(out, /BMS-VAE-GAN on the ring: T 5, batch 16, 6 steps, seed 3/)
  assert.match(out, /picture: done\/samples\.png\n/)
})
test.after(() => rmSync(dir, { recursive: true, force: true }))

test('a run leaves its five files, each with what it should hold', async () => {
  assert.equal(readdirSync(at('done')).sort(), files)
  const config = parseConfig(json('done', 'config.json')) as MixtureConfig
  assert.equal([config.dataset, config.model, config.T, config.seed, config.steps, config.batch, config.evalEvery], ['ring', 'bms-vae-gan', 5, 3, 6, 16, 3])
  assert.equal([config.hyper.hiddenG, config.hyper.latent, config.out], [[16, 16], 4, 'done'])
  const lines = metrics('done')
  assert.equal(
    lines.map((l) => l.step),
    [3, 6],
  )
  for (const line of lines) {
    for (const name of ['rec', 'syn', 'pri', 'kl', 'critic', 'latent', 'modes', 'hq', 'near', 'seconds']) assert.type(line[name], 'number', name)
  }
  const result = json('done', 'result.json')
  assert.equal(Object.keys(result), ['dataset', 'model', 'T', 'seed', 'steps', 'metrics', 'adapter', 'seconds'])
  assert.equal([result.dataset, result.model, result.T, result.seed, result.steps], ['ring', 'bms-vae-gan', 5, 3, 6])
  assert.ok(result.metrics.modes >= 0 && result.metrics.modes <= 8 && result.metrics.hq >= 0 && result.metrics.hq <= 100)
  assert.ok(result.adapter.length > 0 && result.seconds > 0)
  assert.ok(isPng(at('done', 'samples.png')))
  // The checkpoint is the training's own, bit for bit, from another process.
  const training = new MixtureTraining(config, await ready())
  await training.advanceBy(6)
  assert.ok(Buffer.from(await training.checkpoint()).equals(readFileSync(at('done', 'checkpoint.safetensors'))))
})

const wrong: [string, string[], RegExp][] = [
  ['a data set with a slip', ['train', 'rign'], /unknown data set "rign"\. Did you mean "ring"\?/],
  ['a model with a slip', ['train', 'ring', '--model', 'bms-vea-gan'], /Did you mean "bms-vae-gan"\?/],
  ['a hyper-parameter with a slip', ['train', 'ring', '--set', 'hidenG=3'], /Did you mean hiddenG\?/],
  ['--set without a value', ['train', 'ring', '--set', 'lr'], /name=value/],
  ['steps that are no number', ['train', 'ring', '--steps', 'many'], /--steps: got "many", allowed is a whole number/],
  ['negative steps', ['train', 'ring', '--steps', '-5'], /--steps: got "-5"/],
  ['a NaN seed', ['train', 'ring', '--seed', 'NaN'], /--seed: got "NaN"/],
  ['a negative seed', ['train', 'ring', '--seed', '-1'], /--seed: got "-1"/],
  ['no draws', ['train', 'ring', '--T', '0'], /--T: got "0"/],
  ['a NaN step size', ['train', 'ring', '--set', 'lr=NaN'], /lr: got "NaN", allowed is a finite number/],
  ['nothing to train', ['train', 'ring', '--model', 'sn-gan', '--set', 'wPri=0'], /nothing to train/],
  ['an adapter that does not exist', ['train', 'ring', '--adapter', 'tpu'], /auto, gpu, software/],
  ['another run in --out', ['train', 'ring', '--out', 'done'], /done already holds a run.*--resume/],
  ['other files in --out', ['train', 'ring', '--out', 'else'], /else holds other files \(letter\.txt\)/],
  ['a file as --out', ['train', 'ring', '--out', 'else/letter.txt'], /is a file/],
  ['--resume of nothing', ['train', 'ring', '--resume', '--out', 'no where'], /no where does not exist.*--out 'no where'/],
  ['--resume as another data set', ['train', 'grid', '--resume', '--out', 'done'], /has dataset ring, not grid/],
  ['--resume with another seed', ['train', 'ring', '--resume', '--seed', '4', '--out', 'done'], /has seed 3, not 4/],
  ['--resume with another step size', ['train', 'ring', '--resume', '--set', 'lr=0.5', '--out', 'done'], /has lr 0\.01, not 0\.5/],
  ['--resume on a truncated checkpoint', ['train', 'ring', '--resume', '--out', 'cut'], /truncated, damaged/],
  ['eval of a truncated checkpoint', ['eval', 'cut'], /truncated, damaged/],
  ['--resume on a foreign checkpoint', ['train', 'ring', '--resume', '--steps', '99', '--out', 'foreign'], /not written by `bms train`/],
  ['eval of a foreign checkpoint', ['eval', 'foreign'], /not written by `bms train`/],
  ['sample of a checkpoint of other sizes', ['sample', 'sizes', '--out', 'x.csv'], /G\.0\.weight/],
  ['eval of nothing', ['eval', 'no where'], /no where does not exist/],
  ['eval before the first checkpoint', ['eval', 'begun here'], /no checkpoint yet.*--out 'begun here'/],
  ['eval with no number', ['eval', 'done', '--n', 'all'], /--n: got "all"/],
  ['an unknown ending', ['sample', 'done', '--out', 'x.jpg'], /x\.jpg should end in \.csv, \.json, \.png, \.safetensors/],
  ['samples into a folder that is not there', ['sample', 'done', '--n', '5', '--out', 'nowhere/x.csv'], /could not write nowhere\/x\.csv/],
  ['no command of ours', ['trian'], /unknown command 'trian'/],
]

test('wrong input gets one clear line and exit code 1, and no file changes', async () => {
  mkdirSync(at('else'))
  writeFileSync(at('else', 'letter.txt'), 'dear')
  for (const name of ['cut', 'foreign', 'sizes', 'begun here']) cpSync(at('done'), at(name), { recursive: true })
  const bytes = readFileSync(at('done', 'checkpoint.safetensors'))
  writeFileSync(at('cut', 'checkpoint.safetensors'), bytes.subarray(0, bytes.length - 1000))
  writeFileSync(at('foreign', 'checkpoint.safetensors'), await saveSafetensors({ w: tensor([1, 2]) }))
  const config = json('sizes', 'config.json')
  writeFileSync(at('sizes', 'config.json'), JSON.stringify({ ...config, hyper: { ...config.hyper, hiddenG: [8, 16] } }))
  rmSync(at('begun here', 'checkpoint.safetensors'))
  const all = (): string[] =>
    readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((f) => f.isFile())
      .map((f) => join(f.parentPath ?? f.path, f.name))
      .sort()
  const contents = (): [string, string][] => all().map((f) => [f, readFileSync(f, 'base64')])
  const before = contents()
  const ended = await inPairs(wrong, ([, args]) =>
    bms(dir, args.includes('--adapter') || args[0] === 'trian' ? args : [...args, ...(args.includes('--resume') ? [] : adapter)]),
  )
  for (const [i, [what, , text]] of wrong.entries()) refusal(ended[i]!, text, what)
  assert.equal(contents(), before)
})

test('a checkpoint not yet reached: --resume starts over, and metrics.jsonl has no line twice', async () => {
  cpSync(at('done'), at('again'), { recursive: true })
  for (const name of ['checkpoint.safetensors', 'result.json', 'samples.png']) rmSync(at('again', name))
  const lines = readFileSync(at('again', 'metrics.jsonl'), 'utf8').split('\n')
  writeFileSync(at('again', 'metrics.jsonl'), `${lines[0]}\n{"step":6,"re`)
  well(await bms(dir, ['train', 'ring', '--resume', '--out', 'again']))
  assert.equal(
    metrics('again').map((l) => l.step),
    [3, 6],
  )
  assert.ok(readFileSync(at('again', 'checkpoint.safetensors')).equals(readFileSync(at('done', 'checkpoint.safetensors'))))
})

test('killed, resumed, interrupted, resumed: the checkpoint of a run that was left alone', async () => {
  const run = "long run's"
  const evaluated = (out: string): number => (out.match(/ {2}modes /g) ?? []).length
  const args = [
    'train',
    'ring',
    '--model',
    'alpha-gan-sn',
    '--T',
    '2',
    '--steps',
    '240',
    '--batch',
    '8',
    '--eval-every',
    '40',
    '--out',
    run,
    ...small,
    ...adapter,
  ]
  const killed = await bms(dir, args, (out, child) => void (evaluated(out) >= 1 && child.kill('SIGKILL')))
  assert.is(killed.signal, 'SIGKILL', killed.err)
  const reached = loadSafetensors(readFileSync(at(run, 'checkpoint.safetensors')))
  assert.ok(Object.keys(reached).length > 20, 'a whole checkpoint')
  assert.not.ok(existsSync(at(run, 'result.json')))
  // What a process leaves that is killed while it writes.
  copyFileSync(at('done', 'samples.png'), at(run, '.checkpoint.safetensors.4194304.7.tmp'))
  writeFileSync(at(run, 'metrics.jsonl'), '{"step":40', { flag: 'a' })
  let asked = false
  const stopped = await bms(dir, ['train', 'ring', '--resume', '--out', run], (out, child) => {
    if (!asked && evaluated(out) >= 1) asked = child.kill('SIGINT')
  })
  assert.is(stopped.code, 130, `${stopped.out}${stopped.err}`)
  assert.match(stopped.out, /continues from step (40|80|120)\b/)
  const said = /stopped at step (\d+); continue with: (bms train .*)\n/.exec(stopped.out)
  assert.ok(said, stopped.out)
  assert.ok(Number(said![1]) > 40 && Number(said![1]) < 240)
  const { out } = well(await shell(dir, said![2]!))
  assert.match(out, new RegExp(`continues from step ${said![1]} `))
  assert.equal(readdirSync(at(run)).sort(), files, 'nothing half-written is left')
  assert.equal(
    metrics(run).map((l) => l.step),
    [40, 80, 120, 160, 200, 240],
  )
  const seconds = metrics(run).map((l) => l.seconds)
  assert.equal(
    seconds,
    [...seconds].sort((a, b) => a - b),
    'time goes on',
  )
  const training = new MixtureTraining(parseConfig(json(run, 'config.json')) as MixtureConfig, await ready())
  await training.advanceBy(240)
  assert.ok(Buffer.from(await training.checkpoint()).equals(readFileSync(at(run, 'checkpoint.safetensors'))))
})

test('--anomaly trains the same run, and says where a NaN came from', async () => {
  const args = ['train', 'ring', '--seed', '3', '--out', 'watched', '--anomaly', ...ofSix, ...adapter]
  assert.match(well(await bms(dir, args)).out, /looking for NaN/)
  assert.ok(readFileSync(at('watched', 'checkpoint.safetensors')).equals(readFileSync(at('done', 'checkpoint.safetensors'))))
  const bytes = readFileSync(at('done', 'checkpoint.safetensors'))
  const state = loadSafetensors(bytes)
  state['R.body.0.weight']!.fill_(Number.NaN)
  for (const name of ['plain', 'searched']) {
    cpSync(at('done'), at(name), { recursive: true })
    writeFileSync(at(name, 'checkpoint.safetensors'), await saveSafetensors(state, readSafetensorsHeader(bytes).metadata))
  }
  const [plain, searched] = await inPairs([['plain'], ['searched', '--anomaly']], (more) =>
    bms(dir, ['train', 'ring', '--resume', '--steps', '9', '--out', ...more]),
  )
  refusal(plain!, /the loss "rec" is NaN at step 9; .*bms train … --anomaly .*names the op/, 'plain')
  assert.is(searched!.code, 1)
  assert.match(searched!.err, /bms: step 7: detectAnomaly: NaN was there before: the input 2 of matmul, \[2, 16\] f32 \(a leaf with requiresGrad; holds NaN\)/)
  assert.match(searched!.err, /matmul was called here:\n\s+at /)
})

test('eval prints what it measured, as text and as JSON', async () => {
  const [text, data] = await inPairs([[], ['--json']], (more) => bms(dir, ['eval', 'done', '--n', '300', ...adapter, ...more]))
  assert.match(well(text!).out, /^step 6, 300 samples: \d of 8 modes, HQ \d+\.\d\d %/)
  assert.not.match(text!.out, /NaN/)
  const report = JSON.parse(well(data!).out)
  assert.equal([report.step, report.n, report.perMode.length], [6, 300, 8])
  assert.is(
    report.perMode.reduce((n: number, m: { nearest: number }) => n + m.nearest, 0),
    300,
  )
})

test('sample writes the same samples in each format, and others with another seed', async () => {
  const outs = ['x.csv', 'x.json', 'x.png', 'x.safetensors', 'y.CSV']
  const ended = await inPairs(outs, (out) => bms(dir, ['sample', 'done', '--n', '10', '--out', out, ...adapter, ...(out === 'y.CSV' ? ['--seed', '8'] : [])]))
  for (const e of ended) assert.match(well(e).out, /^wrote /)
  const [head, ...rows] = readFileSync(at('x.csv'), 'utf8').trimEnd().split('\n')
  assert.is(head, 'x1,x2')
  const values = rows.map((row) => row.split(',').map(Number))
  assert.ok(values.length === 10 && values.every((row) => row.length === 2 && row.every(Number.isFinite)))
  assert.equal(json('x.json'), values)
  const { samples } = loadSafetensors(readFileSync(at('x.safetensors')))
  assert.equal(samples!.shape, [10, 2])
  assert.equal([...(await samples!.data())], values.flat())
  assert.ok(isPng(at('x.png')))
  assert.not.equal(readFileSync(at('y.CSV'), 'utf8'), readFileSync(at('x.csv'), 'utf8'))
})

test('doctor names the adapter and tests it; a reader that closes early is no error', async () => {
  const [doctor, head] = await inPairs([`bms doctor ${adapter.join(' ')}`, `set -o pipefail; bms doctor ${adapter.join(' ')} | head -n 1`], (line) =>
    shell(dir, line),
  )
  assert.ok(well(doctor!).out.includes((await ready()).adapter.name))
  assert.match(doctor!.out, /self-test\s+passed/)
  assert.match(well(head!).out, /^bms .*\n$/)
  assert.not.match(head!.err, /EPIPE/)
})

test.run()
