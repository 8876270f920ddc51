// The figures of a study from the folders of real runs, tiny ones: all files are there and whole, numbers are those of the runs, and runs that are missing,
// unfinished or of another kind are left out with a reason.
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type MixtureName, MixtureTraining, modesAndQuality, type RunOptions } from '@bms/bms'
import { evaluationSeed, RunFolder, studyFigures, type StudyFigureOptions, type StudyRunInfo } from '@bms/bms/node'
import { type Device, useDevice } from '@bms/tensor'
import { decode } from 'fast-png'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { smallRun } from './helpers/bms.js'
import { ready, thrown } from './helpers/device.js'
import { adapter } from './helpers/own-device.js'

const test = suite('study figures')
const dir = mkdtempSync(join(tmpdir(), 'bms-study-'))
const at = (...parts: string[]): string => join(dir, ...parts)
const numbers = (out: string): any => JSON.parse(readFileSync(at(out, 'latent.json'), 'utf8'))
let device: Device

/** A run in a folder of its own, trained for `until` steps of its configuration's four. */
async function trained(name: string, options: Partial<RunOptions>, until = 4): Promise<StudyRunInfo> {
  const config = smallRun({ steps: 4, evalEvery: 2, ...options })
  const folder = RunFolder.create(at(name), config)
  const training = new MixtureTraining(config, device)
  while (training.step < until) {
    await training.advanceBy(2)
    const { report } = await training.evaluate()
    folder.appendMetrics({ step: training.step, hq: report.hq, modes: report.modes })
    folder.writeCheckpoint(await training.checkpoint())
  }
  folder.close()
  return { dataset: config.dataset, variant: config.model, title: training.switches.title, seed: config.seed, dir: folder.dir }
}

const sizes = { samples: 60, centres: 50, prior: 100, mapped: 95 }
/** Devices of the runs come and go; that of the tests stays. */
async function draw(runs: readonly StudyRunInfo[], out: string, options: StudyFigureOptions = {}): Promise<string[]> {
  try {
    const written = await studyFigures(runs, at(out), { ...sizes, adapter: adapter as StudyFigureOptions['adapter'], ...options })
    return written.map((path) => path.slice(at(out).length + 1)).sort()
  } finally {
    useDevice(device)
  }
}

const runs: Record<string, StudyRunInfo> = {}
test.before(async () => {
  device = await ready()
  for (const dataset of ['ring', 'grid'] as const) runs[`wae ${dataset}`] = await trained(`wae-${dataset}`, { model: 'wae', dataset })
  for (const seed of [0, 1]) runs[`bms ${seed}`] = await trained(`bms-${seed}`, { seed, T: 2 })
  runs['sn-gan'] = await trained('sn-gan', { model: 'sn-gan' })
})
test.after(() => rmSync(dir, { recursive: true, force: true }))

const pairs = (...names: string[]): string[] => names.flatMap((name) => [`${name}.png`, `${name}.svg`])

test('all there is to draw of two data sets, three variants and two seeds', async () => {
  const told: [number, number][] = []
  const given = Object.values(runs)
  const written = await draw(given, 'all', { onProgress: (_, done, total) => void told.push([done, total]) })
  const names = ['curves', 'latent-grid', 'latent-ring', 'samples', 'samples-all', 'latent-grid-all', 'latent-ring-all']
  assert.equal(written, [...pairs(...names), 'latent.json'].sort())
  assert.equal(readdirSync(at('all')).sort(), written)
  for (const name of written.filter((file) => file.endsWith('.png'))) assert.ok(decode(readFileSync(at('all', name))).width > 1000, name)
  const samples = readFileSync(at('all', 'samples.svg'), 'utf8')
  for (const text of ['WAE', 'BMS-VAE-GAN', 'Target (ring)', 'Target (grid)', 'no run']) assert.match(samples, text)
  assert.not.match(samples, 'SN-GAN')
  assert.match(readFileSync(at('all', 'samples-all.svg'), 'utf8'), 'SN-GAN')
  assert.ok(told.every(([done, total], i) => total === given.length + 2 && (i === 0 || done >= told[i - 1]![0])))
  assert.equal(told.at(-1), [7, 7])

  const { sets, skipped, centres, prior, floor } = numbers('all')
  assert.equal([skipped, centres, prior, floor], [[], 50, 100, 0.05])
  assert.equal(
    sets.map((set: any) => [set.dataset, set.dims, set.runs.map((run: any) => [run.variant, run.seed, run.T])]),
    [
      [
        'ring',
        4,
        [
          ['wae', 0, 1],
          ['bms-vae-gan', 0, 2],
          ['bms-vae-gan', 1, 2],
        ],
      ],
      ['grid', 4, [['wae', 0, 1]]],
    ],
  )
  for (const run of sets[0].runs) {
    assert.is(run.images.flagged.n + run.images.unflagged.n, 100)
    assert.is(run.flagged, run.images.flagged.n / 100)
    assert.is(run.flaggedBy.prior, run.flagged)
    assert.ok(run.posterior.smallest > 0 && run.posterior.smallest <= run.posterior.deviation)
  }
  // The numbers of samples are the run's own.
  const training = new MixtureTraining(smallRun({ steps: 4, evalEvery: 2, seed: 1, T: 2 }), device)
  await training.restore(readFileSync(at('bms-1', 'checkpoint.safetensors')))
  const { hq } = modesAndQuality(await training.sample(60, evaluationSeed(1)), training.mixture)
  assert.is(sets[0].runs[2].hq, hq)
})

test('the same runs give the same files', async () => {
  await draw([runs['bms 0']!], 'once')
  await draw([runs['bms 0']!], 'twice')
  for (const name of readdirSync(at('once'))) assert.ok(readFileSync(at('once', name)).equals(readFileSync(at('twice', name))), name)
})

test('thresholds by other rules, and of another variant', async () => {
  const both = [runs['wae ring']!, runs['bms 0']!]
  await draw(both, 'pooled', { threshold: 'pooled' })
  await draw(both, 'of-wae', { threshold: 'reference', reference: 'wae' })
  await draw(both, 'nobody', { threshold: 'reference', reference: 'vae' })
  const [pooled, wae, nobody] = ['pooled', 'of-wae', 'nobody'].map((out) => numbers(out).sets[0])
  assert.equal([pooled.rule, wae.rule], ['pooled', 'reference'])
  assert.is(nobody.threshold, pooled.threshold)
  assert.is.not(wae.threshold, pooled.threshold)
  assert.is(wae.runs[0].flaggedBy.reference, wae.runs[0].flagged)
})

test('draws of several T have a figure where all else is equal', async () => {
  const T4 = { ...(await trained('T4', { T: 4 })), variant: 'T4', title: 'T = 4' }
  const wider = { ...(await trained('wider', { T: 3, hyper: { hiddenG: [20] } })), variant: 'wider', title: 'wider' }
  assert.ok((await draw([runs['bms 0']!, T4, wider], 'T')).includes('draws.svg'))
  const svg = readFileSync(at('T', 'draws.svg'), 'utf8')
  assert.equal(
    [/>2</, />4</, />3</].map((tick) => tick.test(svg)),
    [true, true, false],
  )
  assert.is((await draw([runs['bms 0']!, wider], 'T-none')).includes('draws.svg'), false)
})

test('models without encoder have no latents', async () => {
  // VEEGAN's encoder tells of a part of the codes only.
  const veegan = await trained('veegan', { model: 'veegan' })
  assert.equal(await draw([runs['sn-gan']!, veegan], 'gan'), ['latent.json', ...pairs('curves', 'samples')].sort())
  assert.equal(numbers('gan').sets, [])
})

test('runs that cannot be shown are left out, with the reason', async () => {
  const unfinished = await trained('unfinished', { seed: 8 }, 2)
  const unstarted = await trained('unstarted', { seed: 9 }, 0)
  const narrow = { ...(await trained('narrow', { hyper: { latent: 3 } })), variant: 'narrow' }
  cpSync(runs['bms 1']!.dir, at('torn'), { recursive: true })
  writeFileSync(at('torn', 'checkpoint.safetensors'), 'x')
  const good = runs['bms 0']!
  const bad: [StudyRunInfo, RegExp][] = [
    [{ ...good, dir: at('nowhere') }, /does not exist/],
    [unfinished, /step 2 of 4/],
    [unstarted, /no checkpoint/],
    [{ ...good, dir: at('torn') }, /too few/],
    [{ ...good, dataset: 'grid' as MixtureName }, /ring, not on the grid/],
    [narrow, /3 dims/],
  ]
  const written = await draw([...bad.slice(0, 5).map(([info]) => info), good, narrow], 'partly')
  assert.ok(written.includes('latent-ring.png'))
  const { skipped, sets } = numbers('partly')
  assert.is(skipped.length, bad.length)
  for (const [i, [, reason]] of bad.entries()) assert.match(skipped[i].reason, reason)
  assert.is(sets[0].runs.length, 1)

  assert.equal(await draw([unfinished], 'nothing'), ['latent.json'])
  assert.equal(await draw([], 'no-runs'), ['latent.json'])
})

test('a place where nothing can be written is an error', async () => {
  writeFileSync(at('file'), '')
  assert.is((await thrown(() => draw([runs['sn-gan']!], 'file'))).code, 'WRITE_FAILED')
  assert.ok(existsSync(at('file')))
})

test.run()
