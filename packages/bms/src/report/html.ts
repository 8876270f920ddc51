// HTML as tagged templates. What is put in is escaped unless it is HTML made here, so that a page cannot forget to.
import { escapeText } from '../figures/svg.js'

/** A piece of HTML, to be put into others as it is. */
export class Html {
  constructor(readonly text: string) {}
}

type Part = Html | string | number | false | undefined | readonly Part[]

/** Strings and numbers become text, as content or inside a quoted attribute; lists are joined; `false` and `undefined` leave nothing. */
export function html(texts: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(texts.map((text, i) => text + render(parts[i])).join(''))
}

function render(part: Part): string {
  if (part === undefined || part === false) return ''
  if (part instanceof Html) return part.text
  if (Array.isArray(part)) return part.map(render).join('')
  // Control characters go; those that separate words leave a space.
  return escapeText(String(part).replace(/[\t\n\r]+/g, ' '))
}

const signature = [137, 80, 78, 71, 13, 10, 26, 10]

/** A PNG file inside the page; in its place a remark where the bytes are none. */
export function picture(png: Uint8Array, alt: string): Html {
  if (png.length < 24 || signature.some((byte, i) => png[i] !== byte)) return html`<p class="soft">${alt}: the file is not a PNG.</p>`
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength)
  return html`<img src="data:image/png;base64,${base64(png)}" width="${view.getUint32(16)}" height="${view.getUint32(20)}" alt="${alt}">`
}

function base64(bytes: Uint8Array): string {
  const parts: string[] = []
  for (let i = 0; i < bytes.length; i += 0x8000) parts.push(String.fromCharCode(...bytes.subarray(i, i + 0x8000)))
  return btoa(parts.join(''))
}
