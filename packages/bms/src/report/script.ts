// The report's only script: values under the pointer, and a slider through the sheets. Everything is readable without it. It
// reads the paths as drawn, so that no number is in the file twice.
export const script = String.raw`
'use strict'
const say = (v) => (v !== 0 && (Math.abs(v) >= 1e5 || Math.abs(v) < 1e-3) ? v.toExponential(2) : String(Number(v.toPrecision(4)))).replace('-', '−')
for (const plot of document.querySelectorAll('.plot')) {
  const svg = plot.firstElementChild
  const [x0, x1, left, width] = svg.dataset.x.split(' ').map(Number)
  const [y0, y1, top, height] = svg.dataset.y.split(' ').map(Number)
  const tip = plot.appendChild(Object.assign(document.createElement('div'), { className: 'tip', hidden: true }))
  const cursor = svg.appendChild(document.createElementNS(svg.namespaceURI, 'path'))
  cursor.setAttribute('class', 'cursor')
  let lines
  const read = () => [...svg.querySelectorAll('[data-name]')].map((path) => ({
    name: path.dataset.name,
    colour: path.getAttribute('stroke'),
    points: [...path.getAttribute('d').matchAll(/[ML]([-\d.]+) ([-\d.]+)/g)].map((m) => [Number(m[1]), Number(m[2])]),
  }))
  const value = (y) => {
    const v = y0 + ((top + height - y) / height) * (y1 - y0)
    return svg.dataset.scale === 'log' ? 10 ** v : v
  }
  plot.addEventListener('pointermove', (event) => {
    lines ??= read()
    const area = svg.getBoundingClientRect()
    const at = ((event.clientX - area.left) / area.width) * svg.viewBox.baseVal.width
    const inside = at >= left - 4 && at <= left + width + 4
    const near = inside ? lines.map((line) => ({ ...line, point: nearest(line.points, at) })).filter((line) => line.point) : []
    tip.hidden = near.length === 0
    cursor.setAttribute('d', '')
    if (tip.hidden) return
    const x = near.reduce((best, { point }) => (Math.abs(point[0] - at) < Math.abs(best - at) ? point[0] : best), near[0].point[0])
    cursor.setAttribute('d', 'M' + x + ' ' + top + 'v' + height)
    tip.replaceChildren(row('step ' + Math.round(x0 + ((x - left) / width) * (x1 - x0)).toLocaleString('en-US')))
    for (const line of near) tip.append(row(line.name + ' ' + say(value(line.point[1])), line.colour))
    const place = (x / svg.viewBox.baseVal.width) * area.width
    tip.style.left = (place > area.width / 2 ? place - tip.offsetWidth - 12 : place + 12) + 'px'
  })
  plot.addEventListener('pointerleave', () => {
    tip.hidden = true
    cursor.setAttribute('d', '')
  })
}
function nearest(points, at) {
  let best
  for (const point of points) if (!best || Math.abs(point[0] - at) < Math.abs(best[0] - at)) best = point
  return best
}
function row(text, colour) {
  const line = Object.assign(document.createElement('div'), { textContent: text })
  if (colour) line.style.borderColor = colour
  return line
}

const big = document.querySelector('#sheet')
const small = [...document.querySelectorAll('.strip figure')]
if (big && small.length > 0) {
  const [image, caption] = [big.querySelector('img'), big.querySelector('figcaption')]
  const all = [...small.map((f) => [f.querySelector('img'), f.querySelector('figcaption')]), [image, caption]]
    .filter(([img]) => img)
    .map(([img, text]) => ({ src: img.src, alt: img.alt, text: text.textContent }))
  const slider = Object.assign(document.createElement('input'), { type: 'range', min: 0, max: all.length - 1, value: all.length - 1 })
  slider.setAttribute('aria-label', 'sheets over time')
  const show = (i) => {
    slider.value = i
    caption.textContent = all[i].text
    Object.assign(image, { src: all[i].src, alt: all[i].alt })
    small.forEach((f, k) => f.classList.toggle('shown', k === i))
  }
  slider.addEventListener('input', () => show(Number(slider.value)))
  small.forEach((f, i) => f.addEventListener('click', () => show(i)))
  document.body.classList.add('live')
  big.append(slider)
}
`
