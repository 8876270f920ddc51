// The progress line, on a false terminal with a false clock: what it says, that it fits, how often it is drawn, and what a log file gets instead.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { duration, liveLine, type ProgressStream, progress } from '../packages/bms/src/run/progress.js'

const test = suite('progress')

function fixture(options: { columns?: number; live?: boolean; total?: number; start?: number } = {}) {
  const written: string[] = []
  let time = 1000
  const stream = {
    columns: options.columns ?? 120,
    write(text: string) {
      written.push(text)
      return true
    },
  } as unknown as ProgressStream
  const shown = progress({
    total: options.total ?? 4000,
    start: options.start,
    label: 'ring',
    stream,
    now: () => time,
    live: options.live ?? true,
    colour: false,
  })
  return {
    shown,
    written,
    text: () => written.join(''),
    // What the terminal shows on its last line.
    line: () => written.join('').split('\u001b[2K').at(-1)!.replaceAll('\u001b[1G', ''),
    wait(ms: number) {
      time += ms
    },
  }
}

test('a live line says everything', () => {
  const { shown, wait, line } = fixture()
  for (let step = 100; step <= 1200; step += 100) {
    wait(1000)
    shown.update(step, { rec: 0.01234, syn: -1.5 })
  }
  wait(1000)
  shown.update(1300, { modes: 8, hq: 97.123 })
  assert.match(line(), /^ring {2}[█░]+ {2}1,300\/4,000 {2}rec 0\.012 {2}syn -1\.50 {2}modes 8 {2}HQ 97\.1% {2}100 steps\/s {2}0:27 left$/)
})

test('a label that changes, and a time left that is known better than from the rate', () => {
  const written: string[] = []
  let [done, left] = [0, Number.NaN]
  const stream = { write: (text: string) => written.push(text) } as unknown as ProgressStream
  const shown = progress({
    total: 100,
    label: () => `${done}/2 runs`,
    left: () => left,
    stream,
    now: () => 10_000 * written.length,
    live: false,
    colour: false,
  })
  shown.update(0)
  done = 1
  left = 75
  shown.update(10, { hq: 50, 'ring wae': '10%' })
  shown.update(10, { hq: 50, 'ring wae': undefined })
  assert.equal(written, [
    '0/2 runs  0/100  0%\n',
    '1/2 runs  10/100  10%  ring wae 10%  HQ 50.0%  1.00 steps/s  1:15 left\n',
    '1/2 runs  10/100  10%  HQ 50.0%  1:15 left\n',
  ])
})

test('the line always fits, and step, speed and quality go last', () => {
  const state = { label: 'ring', step: 1300, total: 4000, terms: { rec: 0.01, syn: -1.5, pri: 2, kl: 0.1, modes: 8, hq: 97.1 }, rate: 152.4 }
  for (let columns = 1; columns < 160; columns++) assert.ok(liveLine(state, columns).length <= columns, `${columns}: ${liveLine(state, columns)}`)
  assert.is(liveLine(state, 62), 'ring  1,300/4,000  modes 8  HQ 97.1%  152 steps/s  0:18 left')
  assert.is(liveLine(state, 40), 'ring  1,300/4,000  modes 8  HQ 97.1%')
  assert.is(liveLine(state, 12), '1,300/4,000')
  assert.is(liveLine(state, 6), '1,300/')
})

test('drawing is limited, but the last state is always shown', () => {
  const { shown, written, wait, text, line } = fixture()
  for (let step = 1; step <= 1000; step++) {
    wait(1)
    shown.update(step, { rec: 1 / step })
  }
  assert.ok(written.length < 60, `${written.length} writes for 1,000 steps in a second`)
  shown.stop()
  assert.match(line(), '1,000/4,000')
  assert.ok(text().endsWith('\n'))
  const before = written.length
  shown.stop()
  shown.update(1001)
  assert.is(written.length, before, 'nothing after stop')
})

test('a message stays above the live line', () => {
  const { shown, text, line } = fixture()
  shown.update(1)
  shown.log('saved checkpoint')
  assert.match(text(), '\u001b[2Ksaved checkpoint\n')
  assert.match(line(), '1/4,000')
})

test('plain lines come every five seconds, with every evaluation and the end', () => {
  const { shown, written, wait } = fixture({ live: false, total: 100 })
  for (let step = 1; step <= 100; step++) {
    wait(200)
    shown.update(step, step % 40 === 0 ? { rec: 0.5, modes: 7, hq: 80 + step / 10 } : { rec: 0.5 })
  }
  shown.log('done')
  shown.stop()
  assert.ok(written.every((line) => line.endsWith('\n') && !line.includes('\u001b')))
  const steps = written.map((line) => /(\d+)\/100/.exec(line)?.[1])
  assert.equal(steps, ['1', '26', '40', '65', '80', undefined, '100'])
  assert.is(written[4], 'ring  80/100  80%  rec 0.500  modes 7  HQ 88.0%  5.00 steps/s  0:04 left\n')
})

test('terms given after the last drawing of a step are not lost', () => {
  const { shown, text } = fixture({ live: false, total: 10 })
  shown.update(10, { rec: 1 })
  shown.update(10, { kl: 2 })
  shown.stop()
  assert.match(text(), 'kl 2.00')
})

test('speed follows the last ten seconds and forgets start-up', () => {
  const { shown, wait } = fixture({ start: 500 })
  assert.ok(Number.isNaN(shown.rate()))
  wait(6000)
  shown.update(501)
  for (let step = 502; step <= 520; step++) {
    wait(100)
    shown.update(step)
  }
  assert.ok(Math.abs(shown.rate() - 10) < 0.5, `${shown.rate()}: the six seconds of start-up do not count`)
  for (let step = 521; step <= 540; step++) {
    wait(1000)
    shown.update(step)
  }
  assert.ok(Math.abs(shown.rate() - 1) < 0.1, `${shown.rate()}: now slower`)
})

test('numbers that are not finite are shown as they are', () => {
  const { shown, line } = fixture()
  shown.update(1, { rec: NaN, kl: Infinity, hq: 'off' })
  assert.match(line(), 'rec NaN  kl Infinity  HQ off')
})

test('a pipe and CI get plain lines', () => {
  const before = process.env.CI
  const plain = (isTTY: boolean, ci: string | undefined) => {
    if (ci === undefined) delete process.env.CI
    else process.env.CI = ci
    const written: string[] = []
    const stream = { isTTY, columns: 80, write: (text: string) => written.push(text) > 0 } as unknown as ProgressStream
    progress({ total: 2, stream, now: () => 0 }).update(1)
    return !written.join('').includes('\u001b')
  }
  try {
    assert.ok(plain(false, undefined))
    assert.ok(plain(true, 'true'))
    assert.not(plain(true, undefined))
    assert.not(plain(true, 'false'))
  } finally {
    if (before === undefined) delete process.env.CI
    else process.env.CI = before
  }
})

test('durations', () => {
  assert.equal([0, 7.4, 61, 723, 3723, 360000].map(duration), ['0:00', '0:07', '1:01', '12:03', '1:02:03', '100:00:00'])
})

test.run()
