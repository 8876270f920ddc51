// The study's table from folders made by hand, with numbers worked out by hand: means, sample deviations, the published values beside them, and that
// nothing unfinished, failed, damaged or doubled is averaged in without a word.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { resolveConfig, sheetPng } from '@bms/bms'
import { table } from '@bms/bms/node'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Paces, timeLeft } from '../packages/bms/src/study/estimate.js'
import { meanCurve, studyReport } from '../packages/bms/src/study/report.js'
import { statOf } from '../packages/bms/src/study/summary.js'
import { htmlTable, markdownTable, terminalTable, type TextTable } from '../packages/bms/src/study/text-table.js'
import { chosenVariants, describe, variantOptions, variants } from '../packages/bms/src/study/variants.js'
import { published } from '../packages/bms/src/study/published.js'
import { collectRuns } from '../packages/bms/src/study/collect.js'
import { studyTables } from '../packages/bms/src/study/tables.js'

const test = suite('study table')
let base = ''
test.before.each(() => {
  base = mkdtempSync(join(tmpdir(), 'bms-table-'))
})
test.after.each(() => rmSync(base, { recursive: true, force: true }))

interface Made {
  hq?: number
  metrics?: object
  seconds?: number
  /** Steps of its result; 0: none. */
  steps?: number
  lines?: object[]
}

/** A run's folder as `bms train` leaves it. */
function made(name: string, options: Parameters<typeof resolveConfig>[0], { hq = 50, metrics = {}, seconds = 60, steps, lines = [] }: Made = {}): string {
  const dir = join(base, name)
  const config = resolveConfig(options)
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, 'config.json'), JSON.stringify(config))
  writeFileSync(join(dir, 'metrics.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  const { dataset, model, T, seed } = config
  const result = {
    dataset,
    model,
    T,
    seed,
    steps: steps ?? config.steps,
    metrics: { modes: 8, hq, near: 90, samples: 2500, ...metrics },
    adapter: 'a|b',
    seconds,
  }
  if (steps !== 0) writeFileSync(join(dir, 'result.json'), JSON.stringify(result))
  return dir
}

/** The cells of the row that begins with `title`, of the first table that has one. */
const cells = (text: string, title: string): string[] =>
  text
    .split('\n')
    .find((line) => line.startsWith(`${title}  `))!
    .slice(title.length)
    .trim()
    .split(/ +/)

test('means and sample deviations over seeds, beside what was published', () => {
  for (const [seed, modes, hq, near] of [
    [0, 25, 90, 97],
    [1, 24, 93, 98],
    [2, 23, 99, 99],
  ] as const)
    made(
      `s/grid-wae-${seed}`,
      { dataset: 'grid', model: 'wae', seed },
      { hq, metrics: { modes, near, mass: { min: seed, max: 2 * seed } }, seconds: 100 + seed },
    )
  made('s/ring-wae', { dataset: 'ring', model: 'wae', seed: 7 }, { hq: 42.25, metrics: { displacement: { mean: 0.5, max: 1.25 } } })
  made('s/ring-bms', { dataset: 'ring', seed: 0 }, { hq: 97.5, metrics: { posterior: { mean: 0.9, min: 0.01 } } })
  const text = table([join(base, 's')])
  // 90, 93, 99: mean 94, squares of the differences 16 + 1 + 25 = 42, over n - 1 = 2, the root of 21 is 4.58.
  assert.equal(cells(text, 'WAE'), ['3', '24±1', '25', '94.0±4.6', '65.4±3.8', '1', '8', '8', '42.3', '35.8±4.7'])
  assert.equal(cells(text, 'BMS-VAE-GAN'), ['-', '-', '-', '-', '-', '1', '8', '8', '97.5', '99.6±0.3'])
  const details = text.slice(text.indexOf('What separates'))
  assert.equal(cells(details, 'WAE'), ['2.0±1.0', '1.00/2.00', '-', '-', '6,000', '59', '1', 'min', '41', 's'])
  assert.equal(cells(details.slice(details.indexOf('Ring')), 'WAE').slice(0, 4), ['10.0', '-', '0.50/1.25', '-'])
  assert.equal(cells(details.slice(details.indexOf('Ring')), 'BMS-VAE-GAN').slice(0, 4), ['10.0', '-', '-', '0.90/0.01'])
  assert.ok(text.split('\n').every((line) => line.length <= 100))
  assert.not.match(text, /Not in the tables|NaN|undefined/)
  assert.is(statOf([1, undefined]), undefined)
  assert.equal(statOf([3]), { mean: 3 })
})

test('JSON has the numbers of every run', () => {
  for (const seed of [0, 1]) made(`s/${seed}`, { dataset: 'ring', model: 'alpha-gan', seed }, { hq: 80 + 2 * seed })
  const { rows, others } = JSON.parse(table([join(base, 's')], { json: true }))
  assert.is(rows.length, 1)
  const { n, seeds, hq, published: paper, runs } = rows[0].sets.ring
  assert.equal([rows[0].variant, n, seeds, hq.mean, others], ['alpha-gan', 2, [0, 1], 81, []])
  assert.ok(Math.abs(hq.std - Math.SQRT2) < 1e-12)
  assert.equal(paper.hq, { mean: 83.6, std: 5.3 })
  assert.equal(
    runs.map((run: { metrics: { hq: number } }) => run.metrics.hq),
    [80, 82],
  )
})

test('only runs that differ in nothing but their seed are averaged', () => {
  made('a', { dataset: 'ring', seed: 0 }, { hq: 90 })
  made('b', { dataset: 'ring', seed: 1, steps: 500 }, { hq: 10 })
  made('c', { dataset: 'ring', seed: 2, hyper: { lr: 0.5 } }, { hq: 20 })
  made('d', { dataset: 'ring', seed: 3, T: 10 }, { hq: 95 })
  made('e', { dataset: 'ring', seed: 4, evalEvery: 10, hyper: { evalSamples: 7 } }, { hq: 92 })
  made('f', { dataset: 'ring', seed: 0, model: 'dcgan', batch: 7 }, { hq: 1 })
  const text = table([base])
  const rows = text.split('\n\n')[1]!.split('\n').slice(3)
  assert.equal(
    rows.map((row) =>
      row
        .split(/ {2,}/)
        .slice(0, 4)
        .map((cell) => cell.trim())
        .join('; '),
    ),
    ['BMS-VAE-GAN; 2; 8±0; 8', 'BMS-VAE-GAN, steps 500; 1; 8; 8', 'BMS, T 10; 1; 8; -', 'BMS-VAE-GAN, lr 0.5; 1; 8; -', 'DCGAN, batch 7; 1; 8; -'],
  )
  assert.equal(cells(text, 'BMS-VAE-GAN').slice(0, 4), ['2', '8±0', '8', '91.0±1.4'])
})

test('what is no result is listed with why, and never averaged in', () => {
  made('s/good', { dataset: 'ring', model: 'wae', seed: 0 }, { hq: 40 })
  cpSync(join(base, 's/good'), join(base, 's/twin'), { recursive: true })
  made('s/begun', { dataset: 'ring', model: 'wae', seed: 1 }, { steps: 0 })
  made('s/short', { dataset: 'ring', model: 'wae', seed: 2 }, { steps: 100 })
  made('s/failed', { dataset: 'ring', model: 'wae', seed: 3 }, { steps: 0 })
  made('s/images', { dataset: 'cifar10', model: 'wae', seed: 3 })
  writeFileSync(join(made('s/damaged', { dataset: 'ring', model: 'wae', seed: 4 }), 'result.json'), '{"steps":')
  writeFileSync(join(made('s/other', { dataset: 'ring', model: 'wae', seed: 5 }), 'config.json'), '{}')
  writeFileSync(
    join(base, 's/study.json'),
    JSON.stringify({ format: 'bms-study-1', seconds: 3, failures: { failed: 'it broke', good: 'earlier', never: 'no device' } }),
  )
  const text = table([join(base, 's')])
  assert.equal(cells(text, 'WAE').slice(0, 4), ['1', '8', '8', '40.0'])
  const others = text.slice(text.indexOf('Not in the tables'))
  for (const pattern of [
    /s\/twin +left out +it has the configuration and the seed of .*s\/good/,
    /s\/begun +unfinished +nothing saved yet, of 3,000/,
    /s\/short +unfinished /,
    /s\/failed +failed +it broke/,
    /s\/never +failed +no device/,
    /s\/images +left out +it is a run on images/,
    /s\/damaged +unreadable +.*result\.json: no JSON/,
    /s\/other +unreadable +.*config\.json/,
  ])
    assert.match(others, pattern)
  assert.not.match(others, /s\/good +/)
  // Of a study the files are brought up to date; the text for other programs leaves them alone.
  assert.match(readFileSync(join(base, 's/table.md'), 'utf8'), /\| WAE \| 1 \| 8 \| 8 \| 40\.0 \| 35\.8±4\.7 \|/)
  rmSync(join(base, 's/table.md'))
  assert.match(table([join(base, 's')], { markdown: true }), /\| WAE \|/)
  assert.throws(() => readFileSync(join(base, 's/table.md')), /ENOENT/)
  assert.match(readFileSync(join(base, 's/report.html'), 'utf8'), /1 of 9 runs/)
})

test('signs that mean something to Markdown, HTML or a terminal stay text', () => {
  const evil = 'a|b*_`<img src=x onerror=y>&\u001b[2J\n# c'
  const strange: TextTable = {
    title: evil,
    columns: [
      { name: evil, text: true },
      { name: 'n', group: evil },
    ],
    rows: [[evil, evil]],
    notes: [evil],
  }
  const markdown = markdownTable(strange)
  assert.is(
    markdown
      .split('\n')
      .find((line) => line.startsWith('| a'))
      ?.replace(/\\\|/g, '')
      .split('|').length,
    4,
  )
  assert.not.match(markdown, /(^|[^\\])[<>`*]|&(?!amp;)/)
  const page = htmlTable(strange).text
  assert.not.match(page, /<img/)
  assert.match(page, /&lt;img src=x onerror=y&gt;&amp;/)
  for (const text of [markdown, page, terminalTable(strange)]) assert.not.ok(text.includes('\u001b'))
})

test('the report holds tables, figures and mean curves, and is one file', () => {
  const line = (step: number, hq: number | null) => ({ step, hq, modes: 8, seconds: step })
  made('s/0', { dataset: 'ring', model: 'wae', seed: 0, steps: 30 }, { lines: [line(10, 10), line(20, 30), line(30, null)] })
  made('s/1', { dataset: 'ring', model: 'wae', seed: 1, steps: 30 }, { lines: [line(10, 20), line(20, 50), line(25, 90), line(30, 60)] })
  made('s/<2>', { dataset: 'ring', model: 'wae', seed: 2, steps: 30 }, { steps: 0 })
  const collected = collectRuns([join(base, 's')])
  assert.equal(meanCurve('x', collected.finished, 'hq'), { name: 'x', steps: [10, 20, 30], values: [15, 40, Number.NaN] })
  const png = sheetPng(new Uint8Array(3 * 64), { width: 8, height: 8 })
  const html = studyReport({
    collected,
    tables: studyTables(collected),
    figures: [
      { name: 'scatter-ring.png', png },
      { name: 'bad.png', png: Uint8Array.of(1) },
    ],
    seconds: 61,
  })
  for (const part of [
    '2 of 3 runs',
    '1 min 1 s',
    'scatter ring</figcaption>',
    'bad: the file is not a PNG',
    '>35.8±4.7<',
    'ring: HQ%',
    's/&lt;2&gt;',
    'steps 30',
  ])
    assert.ok(html.includes(part), part)
  assert.is(html.match(/<img /g)?.length, 1)
  assert.not.match(html, /\b(https?|file):|undefined|\[object|>NaN/)
  const empty = studyReport({ collected: { finished: [], others: [] }, tables: [], figures: [], seconds: 0 })
  assert.match(empty, /No run has ended yet/)
})

test('every variant is found again in its runs, on both sets; lists of names are read', () => {
  for (const variant of variants)
    for (const dataset of ['grid', 'ring'] as const) {
      const config = resolveConfig({ dataset, ...variantOptions(variant), seed: 3, steps: 77 })
      assert.is(describe(config).variant, variant, variant.name)
      assert.equal(describe(config).length, { steps: 77 })
    }
  assert.is(new Set(variants.map(({ name }) => name)).size, variants.length)
  const names = (list: string) => chosenVariants(list).map(({ name }) => name)
  assert.equal(names('bms-vae-gan, wae,wae'), ['wae', 'bms-vae-gan'])
  assert.equal(new Set(names('paper,ablations')), new Set(names('all')))
  assert.throws(() => chosenVariants('constructor'), /unknown model of the study/)
  // A row of the paper's table that has no model would never be filled; one without a published value would have no neighbour.
  for (const name of names('paper')) assert.ok(published[name], name)
})

test('the time left counts runs by what runs of their kind took', () => {
  const paces = new Paces()
  assert.ok(Number.isNaN(timeLeft([{ set: 'ring', variant: 'wae', steps: 10 }], 1, paces)), 'nothing was seen yet')
  paces.add('ring', 'wae', { steps: 100, seconds: 10 })
  paces.add('grid', 'bms', { steps: 100, seconds: 50 })
  // A tenth of a second a step of the same kind, half a second where only the other set was seen, and the mean of all (60 s over 200 steps) else.
  assert.is(timeLeft([{ set: 'ring', variant: 'wae', steps: 50 }], 1, paces), 5)
  assert.is(timeLeft([{ set: 'ring', variant: 'bms', steps: 50 }], 1, paces), 25)
  assert.ok(Math.abs(timeLeft([{ set: 'ring', variant: 'gan', steps: 50 }], 1, paces) - 15) < 1e-9)
  // A run that is going tells its own pace, once it was watched for a while.
  assert.is(timeLeft([{ set: 'ring', variant: 'wae', steps: 50, own: { steps: 10, seconds: 4 } }], 1, paces), 20)
  assert.is(timeLeft([{ set: 'ring', variant: 'wae', steps: 50, own: { steps: 1, seconds: 1 } }], 1, paces), 5)
  // Two at once: 5 s and then 10 s beside one of 25 s.
  const ahead = [
    { set: 'ring', variant: 'wae', steps: 50 },
    { set: 'ring', variant: 'bms', steps: 50 },
    { set: 'ring', variant: 'wae', steps: 100 },
  ]
  assert.is(timeLeft(ahead, 2, paces), 25)
  assert.is(timeLeft(ahead, 1, paces), 40)
})

test.run()
