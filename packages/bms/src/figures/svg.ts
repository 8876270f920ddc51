// Figures are built as SVG text: no canvas, no DOM, so the same code draws for a file, a report page and a browser.
// This file knows elements, numbers and text; what a figure looks like is told by the others.

/** The one typeface of all figures, with what to fall back on where it is not installed (a browser). */
export const fontFamily = 'Inter, Helvetica, Arial, sans-serif'

/** Colours that stay apart for colour-blind readers and in greyscale (Okabe & Ito), and the greys of text and lines. */
export const colours = {
  blue: '#0072B2',
  vermillion: '#D55E00',
  green: '#009E73',
  orange: '#E69F00',
  purple: '#CC79A7',
  sky: '#56B4E9',
  ink: '#1a1a1a',
  soft: '#5c5c5c',
  axis: '#8a8a8a',
  hair: '#e8e8e8',
  target: '#4a4f57',
} as const

/** Colours of text and lines. `colours` are those of figures on white; a page that also has a dark side passes CSS variables. */
export interface Theme {
  readonly ink: string
  readonly soft: string
  readonly axis: string
  readonly hair: string
}

type Attributes = Record<string, string | number | undefined>

/** An element with attributes and already built children. Attribute names are camelCase; values are escaped. */
export function element(name: string, attributes: Attributes, ...children: string[]): string {
  const inside = children.join('')
  const list = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${dashed(key)}="${typeof value === 'number' ? decimal(value) : escapeText(String(value))}"`)
    .join('')
  return inside === '' ? `<${name}${list}/>` : `<${name}${list}>${inside}</${name}>`
}

/** A line of text, nothing for an empty one. `_1` and `_2` become subscripts; with `halo`, a white rim keeps it readable on top of marks. */
export function label(
  content: string,
  x: number,
  y: number,
  options: { size?: number; fill?: string; weight?: number; anchor?: 'start' | 'middle' | 'end'; rotate?: number; halo?: boolean } = {},
): string {
  if (content === '') return ''
  const { size = 12, fill = colours.ink, weight, anchor, rotate, halo } = options
  const transform = rotate === undefined ? undefined : `rotate(${rotate} ${decimal(x)} ${decimal(y)})`
  const marked = escapeText(content).replace(/_(\d)/g, (_, digit: string) => String.fromCharCode(0x2080 + Number(digit)))
  const rim = halo ? { stroke: '#ffffff', strokeWidth: 4, strokeLinejoin: 'round', paintOrder: 'stroke' } : {}
  return element('text', { x, y, fontSize: size, fill, fontWeight: weight, textAnchor: anchor, transform, ...rim }, marked)
}

/** A whole figure on white. */
export function page(width: number, height: number, ...children: string[]): string {
  const paper = element('rect', { width, height, fill: '#ffffff' })
  return element('svg', { xmlns: 'http://www.w3.org/2000/svg', width, height, viewBox: `0 0 ${width} ${height}`, fontFamily }, paper, ...children)
}

/** At most two decimals, no exponent and no trailing zeros: half a hundredth of a pixel is nothing. */
export function decimal(value: number): string {
  return String(Math.round(value * 100) / 100)
}

// XML allows neither control characters nor halves of surrogate pairs, escaped or not.
const forbidden = /[\p{Cc}\p{Surrogate}\ufffe\uffff]/gu

/** Text as the content of an element or the value of an attribute in double quotes, of XML or HTML. */
export function escapeText(content: string): string {
  return content.replace(forbidden, '').replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

const special: Record<string, string> = { viewBox: 'viewBox', clipPath: 'clip-path' }

function dashed(key: string): string {
  return special[key] ?? key.replace(/[A-Z]/g, (capital) => `-${capital.toLowerCase()}`)
}
