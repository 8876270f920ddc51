// The report of a run is made wherever training runs, and it is a page: in a browser it is opened, narrow and wide, and used as
// a reader would use it.
import { reportHtml, sheetPng } from '@bms/bms'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const test = suite('report as a page')

const steps = 200
const html = reportHtml({
  title: 'a run',
  config: { steps, out: 'a/very/long/folder/'.repeat(20) },
  lines: Array.from({ length: steps }, (_, i) => ({ step: i + 1, rec: (i + 1) / 100, grad_rec: 10 ** (-i / 50), grad_critic: 100 })),
  sheets: [10, 20, 30].map((step) => ({ step, png: sheetPng(new Uint8Array(3072).fill(step), { width: 32, height: 32, scale: 20 }) })),
  memory: { arena: 1e6, unshared: 4e6, results: 1e4, state: 2e6 },
})

test('is made here', () => {
  assert.ok(html.startsWith('<!doctype html>'))
  assert.is(html.match(/<img /g)?.length, 3)
})

/** Opens the report in a frame and hands over its document; fails if anything in it is refused, fetched or thrown. */
async function opened(width: number, use: (page: Document, view: Window) => Promise<void> | void): Promise<void> {
  const frame = document.createElement('iframe')
  frame.style.width = `${width}px`
  frame.style.height = '900px'
  const loaded = new Promise((resolve) => frame.addEventListener('load', resolve))
  frame.srcdoc = html
  document.body.append(frame)
  try {
    await loaded
    const view = frame.contentWindow as Window & typeof globalThis
    const problems: string[] = []
    view.addEventListener('error', ({ message }) => problems.push(message))
    view.document.addEventListener('securitypolicyviolation', ({ blockedURI, violatedDirective }) => problems.push(`${violatedDirective} ${blockedURI}`))
    await use(view.document, view)
    assert.equal(problems, [])
    const fetched = [...view.performance.getEntriesByType('resource')].filter(({ name }) => !name.startsWith('data:'))
    assert.is(fetched.length, 0, fetched[0]?.name)
  } finally {
    frame.remove()
  }
}

/** What the tip says with the pointer at a place of a chart, in parts of its axis. */
function hover(page: Document, view: Window & typeof globalThis, title: string, part: number): string[] {
  const plot = [...page.querySelectorAll('.chart')].find((chart) => chart.querySelector('h3')?.textContent === title)!.querySelector('.plot')!
  const svg = plot.querySelector('svg')!
  const [, , left, width] = svg.dataset['x']!.split(' ').map(Number) as [number, number, number, number]
  const area = svg.getBoundingClientRect()
  const clientX = area.left + ((left + part * width) / svg.viewBox.baseVal.width) * area.width
  plot.dispatchEvent(new view.PointerEvent('pointermove', { clientX, clientY: area.top + area.height / 2 }))
  const tip = plot.querySelector<HTMLElement>('.tip')!
  return tip.hidden ? [] : [...tip.children].map(({ textContent }) => textContent ?? '')
}

if (typeof document !== 'undefined') {
  for (const width of [360, 1280]) {
    test(`fits ${width} pixels, with its pictures`, () =>
      opened(width, async (page) => {
        const root = page.documentElement
        assert.ok(root.scrollWidth <= root.clientWidth, `${root.scrollWidth} pixels in ${root.clientWidth}`)
        for (const image of page.images) await image.decode()
        assert.equal(
          [...page.images].map((image) => image.naturalWidth),
          [640, 640, 640],
        )
      }))
  }

  test('the pointer finds steps and values, on both kinds of axis', () =>
    opened(1000, (page, view) => {
      const at = (title: string, part: number) => hover(page, view as Window & typeof globalThis, title, part)
      assert.equal(at('Reconstruction', 0.5), ['step 100', 'rec 1'])
      assert.equal(at('Reconstruction', 1), ['step 200', 'rec 2'])
      const [step, rec, critic] = at('Gradient lengths', 0.505) as [string, string, string]
      assert.equal([step, critic], ['step 101', 'critic 100'])
      assert.ok(Math.abs(Number(rec.split(' ')[1]) / 0.01 - 1) < 0.005, rec)
      assert.equal(at('Reconstruction', -0.1), [])
    }))

  test('the slider and the small sheets choose the large one', () =>
    opened(1000, (page, view) => {
      const large = page.querySelector<HTMLImageElement>('#sheet img')!
      const small = [...page.querySelectorAll<HTMLElement>('.strip figure')]
      const slider = page.querySelector<HTMLInputElement>('#sheet input')!
      const latest = large.src
      const caption = () => page.querySelector('#sheet figcaption')?.textContent
      assert.equal([slider.value, caption(), small.length], ['2', 'step 30', 2])
      small[0]!.click()
      assert.equal([slider.value, caption(), large.src], ['0', 'step 10', small[0]!.querySelector('img')!.src])
      assert.ok(small[0]!.classList.contains('shown'))
      slider.value = '2'
      slider.dispatchEvent(new (view as Window & typeof globalThis).Event('input'))
      assert.equal([caption(), large.src], ['step 30', latest])
      assert.not.ok(small[0]!.classList.contains('shown'))
    }))
}

test.run()
