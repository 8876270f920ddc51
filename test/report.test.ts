// The report of a run is read by people; what a machine can check is that it is whole and self-contained, that nothing of a
// stranger's text becomes markup, that the numbers and pictures in it are the run's, and that thinning loses nothing that matters.
import { decode } from 'fast-png'
import { type Curve, decimate, evenly, reportHtml, type RunReport, sheetPng, thinSheets } from '@bms/bms'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { medians } from '../packages/bms/src/figures/lines.js'
import { charts, curveOf, speedOf } from '../packages/bms/src/report/series.js'
import { bytes, duration, number } from '../packages/bms/src/report/words.js'

const test = suite('report')

const png = (value: number, n = 4) => sheetPng(new Float32Array(n * 3 * 64).fill(value), { width: 8, height: 8 })

/** A run of `n` steps with everything that a report can show. */
function run(n: number): RunReport {
  const lines = Array.from({ length: n }, (_, i) => ({
    step: i + 1,
    rec: 1 / (i + 1),
    critic: Math.sin(i),
    pri: i % 7 === 3 ? null : Math.cos(i),
    grad_rec: 0.001,
    grad_critic: 100,
    seconds: (i + 1) / 2,
    ...((i + 1) % 10 === 0 && { fd_squeeze: 500 / (i + 1) }),
  }))
  return {
    title: 'BMS-VAE-GAN',
    config: { dataset: 'cifar10', model: 'bms-vae-gan', T: 10, seed: 3, steps: 2 * n, batch: 16, hyper: { lr: 1e-4, betas: [0.5, 0.9] } },
    defaults: { batch: 64, T: 10, hyper: { lr: 2e-4, betas: [0.5, 0.9] } },
    lines,
    sheets: [0, 5, 10].map((step) => ({ step, png: png(step / 10) })),
    reconstructions: { step: 10, png: png(0) },
    adapter: 'llvmpipe',
    memory: { arena: 1 << 20, unshared: 4 << 20, results: 1 << 10, state: 3 << 20 },
    notes: ['stopped by hand'],
    versions: { '@bms/bms': '0.1.0' },
    time: '2026-01-02 03:04 UTC',
  }
}

interface Page {
  /** Names of elements, each with its attributes, in order. */
  elements: { name: string; attributes: Map<string, string> }[]
  text: string
}

const voids = new Set(['meta', 'link', 'img', 'input', 'br'])
const unescaped = (text: string) => text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&')

/** A strict reading of the page: quoted attributes, matched tags, no stray sign. Throws where a browser would have to guess. */
function parse(html: string): Page {
  assert.ok(html.startsWith('<!doctype html>\n'))
  const page: Page = { elements: [], text: '' }
  const open: string[] = []
  const token = /<(\/?)([a-zA-Z][\w-]*)((?:\s+[\w-]+(?:="[^"<]*")?)*)\s*(\/?)>|([^<]+)/y
  token.lastIndex = '<!doctype html>'.length
  while (token.lastIndex < html.length) {
    const from = token.lastIndex
    const match = token.exec(html)
    assert.ok(match, `not HTML: ${html.slice(from, from + 80)}`)
    const [, end, name, list, closed, text] = match!
    if (text !== undefined) {
      assert.not.match(text.replace(/&(amp|lt|gt|quot);/g, ''), /[&>]/, 'a stray sign')
      page.text += unescaped(text)
    } else if (end) assert.is(open.pop(), name, `</${name}>`)
    else {
      const attributes = new Map([...list!.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, key, value]) => [key!, unescaped(value!)] as const))
      page.elements.push({ name: name!, attributes })
      if (closed || voids.has(name!)) continue
      if (name === 'script' || name === 'style') {
        const stop = html.indexOf(`</${name}>`, token.lastIndex)
        assert.ok(stop > 0)
        token.lastIndex = stop + name.length + 3
      } else open.push(name!)
    }
  }
  assert.equal(open, [])
  return page
}

const pictures = (page: Page) =>
  page.elements
    .filter(({ name }) => name === 'img')
    .map(({ attributes }) => {
      const [head, data] = attributes.get('src')!.split(',') as [string, string]
      assert.is(head, 'data:image/png;base64')
      const image = decode(Buffer.from(data, 'base64'))
      assert.equal([image.width, image.height], [Number(attributes.get('width')), Number(attributes.get('height'))])
      assert.ok(attributes.get('alt'))
      return image
    })

test('one file, well-formed, nothing of it elsewhere', () => {
  const html = reportHtml(run(500))
  const page = parse(html)
  assert.not.match(html, /NaN|undefined|Infinity|\[object/)
  // Nothing is fetched: no address but those inside the page, and none in style or script.
  assert.not.match(html, /\b(https?|ftp|file):|@import|\/\/[a-z]/i)
  assert.not.match(html, /url\(/)
  for (const { name, attributes } of page.elements) {
    assert.not.ok(['iframe', 'object', 'embed', 'base', 'form'].includes(name), name)
    for (const key of ['src', 'href']) {
      const address = attributes.get(key)
      if (address !== undefined) assert.match(address, /^(data:|#\w)/)
    }
  }
  const policy = page.elements.find(({ attributes }) => attributes.get('http-equiv') === 'Content-Security-Policy')
  assert.match(policy?.attributes.get('content') ?? '', /^default-src 'none'/)
  // Every link in the page leads somewhere, and no id is there twice.
  const ids = page.elements.flatMap(({ attributes }) => attributes.get('id') ?? [])
  assert.is(new Set(ids).size, ids.length)
  for (const { attributes } of page.elements) if (attributes.get('href')?.startsWith('#')) assert.ok(ids.includes(attributes.get('href')!.slice(1)))
  // The script is one; it runs only in a page, but it must compile.
  const script = /<script>([\s\S]*?)<\/script>/.exec(html)![1]!
  assert.ok(new Function(script))
})

test('it tells what the run is, how far it came, what differs from the defaults', () => {
  const { text } = parse(reportHtml(run(500)))
  for (const part of [
    'BMS-VAE-GAN',
    'cifar10',
    'T\u00a010',
    'seed\u00a03',
    '50 % done',
    '500',
    'of 1,000',
    'stopped by hand',
    'llvmpipe',
    '@bms/bms 0.1.0',
    '2026-01-02 03:04 UTC',
  ])
    assert.ok(text.includes(part), part)
  assert.ok(text.includes('0.0001 (default 0.0002)'))
  assert.ok(text.includes('16 (default 64)'))
  assert.not.ok(text.includes('(default 10)'))
  assert.ok(text.includes('4 min 10 s'))
  // The last of each curve is in its legend; the score's and the speed's at the top too.
  for (const part of ['rec 0.002', 'fd_squeeze 1', 'lower is better', 'steps a second 2', '1 MiB', '4 MiB', '4.0 times']) assert.ok(text.includes(part), part)
  const done = parse(reportHtml({ ...run(500), result: { steps: 1000, seed: 3, seconds: 4000, metrics: { fd_squeeze: 12.5 } } })).text
  for (const part of ['finished', '1,000 of 1,000', '12.5', '1 h 6 min']) assert.ok(done.includes(part), part)
})

test('the pictures in it are the ones given', () => {
  const report = run(20)
  const shown = pictures(parse(reportHtml(report)))
  const given = [report.sheets[2]!, report.sheets[0]!, report.sheets[1]!, report.reconstructions!].map(({ png: file }) => decode(file))
  assert.equal(
    shown.map(({ data }) => data),
    given.map(({ data }) => data),
  )
  // Damaged files are left out, and said to be.
  const damaged = parse(reportHtml({ ...report, sheets: [{ step: 7, png: Uint8Array.of(1, 2, 3) }] }))
  assert.is(pictures(damaged).length, 1)
  assert.ok(damaged.text.includes('samples at step 7: the file is not a PNG'))
})

test('texts from strangers stay texts', () => {
  const evil = `"><script>alert(1)</script><img src=x onerror='y'>&amp;</style>\u0000\ud800`
  const plain = reportHtml(run(20))
  const report: RunReport = {
    ...run(20),
    title: evil,
    adapter: evil,
    notes: [evil],
    time: evil,
    versions: { [evil]: evil },
    config: { model: evil, [evil]: evil, hyper: { [evil]: [evil, { [evil]: evil }] }, steps: evil },
    defaults: { [evil]: 'x' },
    result: { [evil]: evil, metrics: { [evil]: 3, also: evil } },
    lines: run(20).lines.map((line) => ({ ...line, [evil]: 1, [`grad_${evil}`]: 2, text: evil })),
  }
  const html = reportHtml(report)
  const page = parse(html)
  assert.ok(page.text.includes(evil.replace('\u0000', '').replace('\ud800', '')))
  const count = (text: string) => text.match(/<script/g)!.length
  assert.is(count(html), count(plain))
  assert.is(pictures(page).length, pictures(parse(plain)).length)
  for (const { attributes } of page.elements) for (const key of attributes.keys()) assert.not.match(key, /^on/)
  for (const forbidden of ['\u0000', '\ud800']) assert.not.ok(html.includes(forbidden))
  // Names that mean something to JavaScript.
  assert.ok(parse(reportHtml({ ...run(2), config: JSON.parse('{"__proto__": {"a": 1}, "constructor": 2, "toString": 3}') })))
})

test('a run that has only begun has a report', () => {
  const none = parse(reportHtml({ title: 'SN-GAN', config: {}, lines: [], sheets: [] }))
  assert.ok(none.text.includes('No step has been logged yet'))
  assert.not.ok(none.elements.some(({ name }) => name === 'figure'))
  const odd: RunReport['lines'][] = [
    [{ step: 1, rec: 0.5, seconds: 0.1 }],
    [
      { step: 0, rec: null },
      { step: 1, rec: null },
    ],
    [
      { step: 1, rec: 5 },
      { step: 2, rec: 5 },
      { step: 3, rec: 5 },
    ],
    [
      { step: 1, rec: 1e300 },
      { step: 2, rec: -1e300 },
      { step: 3, rec: 1e99 },
      { step: 4, rec: -1e99 },
    ],
    [
      { step: 1, rec: 1 },
      { step: 2, rec: 1 + 2 ** -52 },
    ],
    [
      { step: 1, rec: 1e-320 },
      { step: 2, rec: 3e-320 },
    ],
    [
      { step: Number.NaN, rec: 1 },
      { step: -1, rec: 1 },
      { step: 1e300, rec: 2 },
    ],
    [{ step: 1, rec: 'x', kl: true, list: [1], deep: { a: 1 } }],
  ]
  for (const lines of odd) {
    const html = reportHtml({ title: 'x', config: { steps: 0 }, lines, sheets: [] })
    parse(html)
    assert.not.match(html, /NaN|undefined|Infinity/, JSON.stringify(lines))
  }
})

test('few and small: a long run fits into a few megabytes', () => {
  const noise = Float32Array.from({ length: 64 * 3072 }, (_, i) => Math.sin(i * i * 12.9898))
  const sheet = sheetPng(noise, { width: 32, height: 32 })
  const html = reportHtml({ ...run(20_000), sheets: Array.from({ length: 200 }, (_, i) => ({ step: 100 * i, png: sheet })) })
  assert.ok(html.length < 6e6, `${html.length} characters`)
  const page = parse(html)
  assert.ok(page.text.includes('of 200 sheets'))
  assert.ok(page.text.includes('step 0step '), 'the first sheet')
  assert.ok(page.text.includes('step 19,900'), 'the last sheet')
  for (const { attributes } of page.elements) {
    const points = attributes.get('d')?.match(/[ML]/g)?.length ?? 0
    assert.ok(points <= 2000, `${points} points`)
  }
})

test('thinning a curve keeps its ends, its extremes and its gaps', () => {
  const n = 100_000
  const steps = Array.from({ length: n }, (_, i) => i)
  const values = steps.map((i) => Math.sin(i / 500))
  values[12_345] = 99
  values[54_321] = -99
  values[77_777] = NaN
  const curve: Curve = { name: 'a', steps, values }
  for (const most of [8, 100, 2000]) {
    const thin = decimate(curve, most)
    assert.ok(thin.steps.length <= most && thin.steps.length > most / 2.5, `${thin.steps.length} of ${most}`)
    assert.is(thin.values.length, thin.steps.length)
    assert.equal([thin.steps[0], thin.steps.at(-1)], [0, n - 1])
    assert.ok(thin.steps.every((step, i) => i === 0 || step > thin.steps[i - 1]!))
    thin.steps.forEach((step, i) => assert.equal(thin.values[i], values[step]))
    for (const step of [12_345, 54_321, 77_777]) assert.ok(thin.steps.includes(step), `${step} with ${most}`)
  }
  assert.is(decimate(curve, n), curve)
  const middle = medians(curve, 100)
  assert.is(middle.values.length, 100)
  assert.ok(Math.max(...middle.values.map(Math.abs)) <= 1)
  assert.equal(medians({ name: '', steps: [1, 2, 3], values: [NaN, 5, NaN] }, 3).values, [NaN, 5, NaN])
})

test('thinning sheets keeps the first and the last', () => {
  const sheets = Array.from({ length: 100 }, (_, i) => ({ step: 99 - i, png: new Uint8Array(10) }))
  const steps = (list: { step: number }[]) => list.map(({ step }) => step)
  assert.equal(steps(thinSheets(sheets, { most: 4 })), [0, 33, 66, 99])
  assert.is(thinSheets(sheets).length, 24)
  assert.is(thinSheets(sheets, { bytes: 55 }).length, 5)
  assert.equal(steps(thinSheets(sheets, { bytes: 1 })), [0, 99])
  assert.equal(thinSheets([]), [])
  // Before the files are read only the steps are known.
  assert.equal(steps(thinSheets([{ step: 2 }, { step: 1 }])), [1, 2])
  assert.equal(evenly([1, 2, 3], 1), [3])
  assert.equal(evenly([1, 2, 3], 5), [1, 2, 3])
})

test('gaps: null and long absence, not the pause between scores', () => {
  const lines = Array.from({ length: 100 }, (_, i) => ({
    step: i,
    a: i === 50 ? null : i,
    ...(i % 10 === 0 && { fd: i }),
    ...((i < 20 || i > 60) && { late: i }),
  }))
  assert.equal(
    curveOf(lines, 'a').steps.filter((_, i) => Number.isNaN(curveOf(lines, 'a').values[i])),
    [50],
  )
  assert.equal(curveOf(lines, 'fd').values, [0, 10, 20, 30, 40, 50, 60, 70, 80, 90])
  const late = curveOf(lines, 'late')
  assert.equal(late.values.findIndex(Number.isNaN), 20)
  assert.equal(late.steps[20], 40)
  // A point between gaps is a dot, not nothing.
  assert.match(
    reportHtml({
      title: '',
      config: {},
      lines: [
        { step: 1, rec: null },
        { step: 2, rec: 1 },
        { step: 3, rec: null },
      ],
      sheets: [],
    }),
    /d="M[\d.]+ [\d.]+h0"/,
  )
})

test('every number finds its chart', () => {
  const line = {
    step: 1,
    seconds: 1,
    rec: 1,
    syn: 1,
    pri: 1,
    kl: 1,
    critic: 1,
    latent: 1,
    penalty: 1,
    grad_rec: 1,
    grad_latent: 2,
    fd_squeeze: 1,
    iovm: 1,
    lr: 1,
    lrD: 1,
    mystery: 1,
    text: 'x',
  }
  const { scores, losses, others } = charts([line])
  assert.equal(
    scores.map(({ title }) => title),
    ['fd_squeeze', 'iovm'],
  )
  assert.equal(
    losses.map(({ curves }) => curves.map(({ name }) => name)),
    [['rec'], ['syn', 'pri', 'critic'], ['kl', 'latent'], ['penalty'], ['rec', 'latent']],
  )
  assert.equal(
    others.map(({ title }) => title),
    ['Step sizes', 'mystery'],
  )
})

test('curves far apart share a logarithmic axis; spikes leave the frame and are named', () => {
  const lines = Array.from({ length: 400 }, (_, i) => ({
    step: i,
    grad_rec: i === 7 ? 0 : 0.001,
    grad_critic: 100,
    rec: Math.sin(i),
    critic: i === 99 ? 12_345 : Math.cos(i),
    pri: 0.5,
  }))
  const page = parse(reportHtml({ title: '', config: {}, lines, sheets: [] }))
  const plots = page.elements.filter(({ attributes }) => attributes.has('data-scale')).map(({ attributes }) => attributes)
  assert.equal(
    plots.map((plot) => [plot.get('aria-label'), plot.get('data-scale')]),
    [
      ['Reconstruction: rec', 'linear'],
      ['Data-space critic: critic, pri', 'linear'],
      ['Gradient lengths: rec, critic', 'log'],
    ],
  )
  const [low, high] = plots[1]!.get('data-y')!.split(' ').map(Number) as [number, number]
  assert.ok(low >= -3 && low <= -1 && high >= 1 && high <= 5, `${low} to ${high}`)
  assert.is(page.text.match(/leave the frame/g)?.length, 1)
  assert.ok(page.text.includes('values up to 12,345 leave the frame; bold: medians of 3 lines'))
})

test('speed follows the clock, and stops where it goes back', () => {
  const seconds = (i: number) => (i < 500 ? i / 10 : 50 + (i - 500) / 5)
  const lines = Array.from({ length: 1000 }, (_, i) => ({ step: i, seconds: seconds(i) }))
  const { steps, values } = speedOf(lines, 10)
  assert.ok(values.length >= 8 && values.length <= 12, `${values.length}`)
  steps.forEach((step, i) => step < 480 && assert.ok(Math.abs(values[i]! - 10) < 1e-6))
  assert.ok(Math.abs(values.at(-1)! - 5) < 1e-6)
  const back = speedOf([
    { step: 0, seconds: 0 },
    { step: 10, seconds: 5 },
    { step: 20, seconds: 1 },
    { step: 30, seconds: 6 },
  ])
  assert.equal(back.values, [2, NaN, 2])
})

test('words for numbers, sizes and times', () => {
  const texts = [0, 3, -1234, 0.083254, 1234567, 1.5e12, -2.25e-5, 123456.7].map(number)
  assert.equal(texts, ['0', '3', '−1,234', '0.08325', '1,234,567', '1.5e12', '−2.25e−5', '123,500'])
  assert.equal([0, 1023, 1536, 5 << 20, 3 * 2 ** 40].map(bytes), ['0 bytes', '1,020 bytes', '1.5 KiB', '5 MiB', '3 TiB'])
  assert.equal([0.04, 9.96, 59.6, 3599.7, 7384, 200_000].map(duration), ['0.0 s', '10 s', '1 min 0 s', '1 h 0 min', '2 h 3 min', '2 d 7 h'])
})

test.run()
