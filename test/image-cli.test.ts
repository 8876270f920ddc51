// The `bms` command on images, in processes of its own: what a run leaves behind, that one which was killed goes on as if nothing had happened, on an older
// checkpoint where the newest is damaged, and what is said about wrong input.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ImageConfig, imageLoader, ImageTraining, parseConfig } from '@bms/bms'
import { openCifar10Sample } from '@bms/bms/node'
import { loadSafetensors, readSafetensorsHeader, saveSafetensors } from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { officialFiles } from './helpers/cifar10.js'
import { adapter, bms, inPairs, isPng, refusal, well } from './helpers/command.js'
import { ready } from './helpers/device.js'

const test = suite('image cli')
const dir = mkdtempSync(join(tmpdir(), 'bms-images-'))
const at = (...parts: string[]): string => join(dir, ...parts)
const json = (...parts: string[]): any => JSON.parse(readFileSync(at(...parts), 'utf8'))
/** Whole lines: while a process writes, or was killed, there may be half of one. */
const metrics = (run: string): any[] =>
  readFileSync(at(run, 'metrics.jsonl'), 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line))
/** A run that trains in moments; its checkpoints come as often as can be. */
const small = [
  ...['--width', '2', '--batch', '4', '--T', '2', '--eval-every', '1', '--sample-every', '2', '--save-every', '0.00001'],
  ...['--set', 'latent=4', '--set', 'hiddenL=8'],
]
const checkpoints = ['checkpoint.safetensors', 'checkpoint.1.safetensors', 'checkpoint.2.safetensors']
const stepOf = (...path: string[]): number => Number(readSafetensorsHeader(readFileSync(at(...path))).metadata['step'])

/** The checkpoint that a run of so many steps has if nothing happens to it. */
async function undisturbed(run: string, steps: number): Promise<Buffer> {
  const config = { ...(parseConfig(json(run, 'config.json')) as ImageConfig), steps }
  const loader = imageLoader(await openCifar10Sample('train'), { batch: config.batch, seed: config.seed, flips: config.hyper.flips, worker: false })
  const training = new ImageTraining(config, loader, await ready())
  await training.advanceBy(steps)
  return Buffer.from(await training.checkpoint())
}

// The run that the other tests look at, copy and spoil.
let said = ''
test.before(async () => {
  await ready()
  said = well(await bms(dir, ['train', 'cifar10', '--seed', '3', '--steps', '4', '--out', 'done', ...small, ...adapter])).out
})
test.after(() => rmSync(dir, { recursive: true, force: true }))

test('a run on the sample in the package: what it says, and its files', async () => {
  assert.match(said, /BMS-VAE-GAN \(dcgan, width 2, f32\): T 2, batch 4, 4 steps, seed 3/)
  assert.match(said, /data: cifar10 sample, train, 900 images and 100 to test with/)
  assert.match(said, /parameters: G 1,693, R 2,208, D 1,293, L 49\n/)
  assert.match(said, /memory of a step: arena \d.*batch and results \d.*weights and optimisers \d/)
  assert.equal(
    readdirSync(at('done')).sort(),
    ['config.json', 'metrics.jsonl', 'reconstructions.png', 'report.html', 'result.json', 'samples.png', 'sheets', ...checkpoints].sort(),
  )
  const config = parseConfig(json('done', 'config.json')) as ImageConfig
  assert.equal(
    [config.dataset, config.data, config.arch, config.width, config.dtype, config.T, config.hyper.latent],
    ['cifar10', null, 'dcgan', 2, 'f32', 2, 4],
  )
  const lines = metrics('done')
  assert.equal(
    lines.map((l) => l.step),
    [1, 2, 3, 4],
  )
  const losses = ['rec', 'syn', 'pri', 'kl', 'critic', 'latent']
  const lengths = ['rec', 'syn', 'pri', 'kl', 'generator', 'critic', 'latent'].map((name) => `grad_${name}`)
  for (const line of lines) for (const name of [...losses, ...lengths, 'seconds']) assert.type(line[name], 'number', name)
  const result = json('done', 'result.json')
  assert.equal([result.dataset, result.model, result.T, result.seed, result.steps], ['cifar10', 'bms-vae-gan', 2, 3, 4])
  for (const name of [...losses, ...lengths]) assert.is(result.metrics[name], lines[3][name], name)
  assert.equal(readdirSync(at('done', 'sheets')).sort(), ['00000000.png', '00000002.png', '00000004.png'])
  assert.ok(isPng(at('done', 'reconstructions.png')))
  assert.ok(readFileSync(at('done', 'samples.png')).equals(readFileSync(at('done', 'sheets', '00000004.png'))))
  const report = readFileSync(at('done', 'report.html'), 'utf8')
  for (const part of ['BMS-VAE-GAN', 'reconstructions', 'data:image/png;base64,']) assert.ok(report.includes(part), part)
  assert.not.match(report, /NaN|undefined|\[object/)
  assert.equal(
    checkpoints.map((name) => stepOf('done', name)),
    [4, 3, 2],
    'the last three, each once',
  )
  assert.ok((await undisturbed('done', 4)).equals(readFileSync(at('done', 'checkpoint.safetensors'))), "the training's own, bit for bit")
})

test('killed at any moment and resumed, with its newest checkpoint whole or damaged, it is the run that was left alone', async () => {
  const reached = (): number => (existsSync(at('killed', 'metrics.jsonl')) ? metrics('killed').length : 0)
  let timer: NodeJS.Timeout | undefined
  const killed = await bms(dir, ['train', 'cifar10', '--steps', '100000', '--out', 'killed', ...small, '--sample-every', '1000', ...adapter], (_, child) => {
    timer ??= setInterval(() => void (reached() > 3 && child.kill('SIGKILL')), 5)
  })
  clearInterval(timer)
  assert.is(killed.signal, 'SIGKILL', killed.err)
  const steps = metrics('killed').at(-1).step + 2
  cpSync(at('killed'), at('damaged'), { recursive: true })
  const newest = checkpoints.find((name) => existsSync(at('damaged', name)))!
  const bytes = readFileSync(at('damaged', newest))
  writeFileSync(at('damaged', newest), bytes.subarray(0, bytes.length - 100))
  const [whole, damaged] = await inPairs(['killed', 'damaged'], (run) => bms(dir, ['train', 'cifar10', '--resume', '--steps', String(steps), '--out', run]))
  assert.match(well(whole!).out, /continues from step [1-9]/)
  assert.match(well(damaged!).out, new RegExp(`${newest} was passed over: .*(truncated|damaged)`))
  assert.match(damaged!.out, /continues from step [1-9]/)
  const expected = await undisturbed('killed', steps)
  for (const run of ['killed', 'damaged']) {
    assert.ok(readFileSync(at(run, 'checkpoint.safetensors')).equals(expected), run)
    assert.equal(
      metrics(run).map((l) => l.step),
      Array.from({ length: steps }, (_, i) => i + 1),
    )
    assert.not.ok(readdirSync(at(run)).some((name) => name.endsWith('.tmp')))
  }
})

test('interrupted, it is saved where it stands and says how it goes on', async () => {
  const args = ['train', 'cifar10', '--steps', '100000', '--out', 'stopped', ...small, '--save-every', '60', '--sample-every', '1000', ...adapter]
  let timer: NodeJS.Timeout | undefined
  const { code, out } = await bms(dir, args, (_, child) => {
    timer ??= setInterval(
      () => void (existsSync(at('stopped', 'metrics.jsonl')) && metrics('stopped').length > 1 && child.kill('SIGINT') && clearInterval(timer)),
      5,
    )
  })
  assert.is(code, 130, out)
  const [, step] = /stopped at step (\d+); continue with: bms train cifar10 --resume --out stopped\n/.exec(out) ?? []
  assert.is(stepOf('stopped', 'checkpoint.safetensors'), Number(step), out)
  assert.ok((await undisturbed('stopped', Number(step))).equals(readFileSync(at('stopped', 'checkpoint.safetensors'))))
})

test('a finished run that is resumed keeps its result and its checkpoints', async () => {
  cpSync(at('done'), at('again'), { recursive: true })
  well(await bms(dir, ['train', 'cifar10', '--resume', '--out', 'again']))
  assert.equal(json('again', 'result.json').metrics, json('done', 'result.json').metrics)
  for (const name of checkpoints) assert.ok(readFileSync(at('again', name)).equals(readFileSync(at('done', name))), name)
})

test('a run that diverges names the term, and its checkpoints stay as they are', async () => {
  cpSync(at('done'), at('diverging'), { recursive: true })
  const path = at('diverging', 'checkpoint.safetensors')
  const state = loadSafetensors(readFileSync(path))
  state['R.body.0.weight']!.fill_(Number.NaN)
  writeFileSync(path, await saveSafetensors(state, readSafetensorsHeader(readFileSync(path)).metadata))
  const before = checkpoints.map((name) => readFileSync(at('diverging', name), 'base64'))
  const ended = await bms(dir, ['train', 'cifar10', '--resume', '--steps', '9', '--out', 'diverging'])
  refusal(ended, /the loss "rec" is NaN at step 5; .*; the checkpoint of step 4 is safe in diverging/, 'diverging')
  assert.equal(
    checkpoints.map((name) => readFileSync(at('diverging', name), 'base64')),
    before,
  )
})

test('sample writes a sheet, or the numbers; past a damaged checkpoint too', async () => {
  cpSync(at('done'), at('spoilt'), { recursive: true })
  writeFileSync(at('spoilt', 'checkpoint.safetensors'), 'no checkpoint')
  const [sheet, numbers] = await inPairs(
    [
      ['done', '--out', 'x.png'],
      ['spoilt', '--out', 'x.safetensors'],
    ],
    (args) => bms(dir, ['sample', ...args, '--n', '3', ...adapter]),
  )
  for (const e of [sheet!, numbers!]) assert.match(well(e).out, /^wrote /)
  assert.ok(isPng(at('x.png')))
  const { samples } = loadSafetensors(readFileSync(at('x.safetensors')))
  assert.equal(samples!.shape, [3, 3, 32, 32])
  assert.ok(Array.from(await samples!.data()).every((v) => Math.abs(v) <= 1))
})

const wrong: [string, string[], RegExp][] = [
  ['data that are not there', ['train', 'cifar10', '--data', 'nowhere'], /nowhere: there is no such file or folder/],
  ['a truncated file', ['train', 'cifar10', '--batch', '4', '--data', 'truncated'], /data_batch_1\.bin: got 6,146 bytes, expected 30,730,000.*cut short/],
  ['a batch larger than the set', ['train', 'cifar10', '--batch', '901'], /--batch: got 901, allowed is at most 900/],
  ['an architecture for the ring', ['train', 'ring', '--arch', 'dcgan'], /--arch: .*the ring has no such option/],
  ['a download for the ring', ['train', 'ring', '--download'], /--download: .*only cifar10 has/],
  ['--skip-corrupt for the ring', ['train', 'ring', '--skip-corrupt'], /--skip-corrupt: .*only cifar10 has/],
  ['--resume with another architecture', ['train', 'cifar10', '--resume', '--arch', 'standard', '--out', 'done'], /has arch dcgan, not standard/],
  ['--resume as points', ['train', 'ring', '--resume', '--out', 'done'], /has dataset cifar10, not ring/],
  ['--resume with larger codes', ['train', 'cifar10', '--resume', '--set', 'latent=5', '--out', 'done'], /has latent 4, not 5/],
  ['fewer steps than trained', ['train', 'cifar10', '--resume', '--steps', '2', '--out', 'done'], /already at step 4/],
  ['images as a table', ['sample', 'done', '--out', 'x.csv'], /x\.csv should end in \.png, \.safetensors/],
]

test('wrong input gets one clear line and exit code 1, and no folder appears or changes', async () => {
  mkdirSync(at('truncated'))
  for (const [file, bytes] of Object.entries(officialFiles(2))) writeFileSync(at('truncated', file), bytes)
  const contents = (): string[] => [
    ...readdirSync(dir),
    ...readdirSync(at('done')).map((name) => (name === 'sheets' ? '' : readFileSync(at('done', name), 'base64'))),
  ]
  const before = contents()
  const ended = await inPairs(wrong, ([, args]) => bms(dir, [...args, ...(args.includes('--resume') ? [] : adapter)]))
  for (const [i, [what, , text]] of wrong.entries()) refusal(ended[i]!, text, what)
  assert.equal(contents(), before)
})

test.run()
