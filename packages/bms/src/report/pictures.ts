// The pictures of a report: the latest sheet large, the earlier ones small in the order of time, reconstructions beside originals.
import { type Html, html, picture } from './html.js'
import { type Sheet, thinSheets } from './thin.js'
import { number } from './words.js'

/** Undefined where there are no sheets. */
export function samples(sheets: readonly Sheet[]): Html | undefined {
  const shown = thinSheets(sheets)
  const latest = shown.at(-1)
  if (!latest) return undefined
  const earlier = shown.slice(0, -1)
  const left = sheets.length - shown.length
  return html`<div class="images">
<figure class="card" id="sheet">${sheet(latest)}</figure>
${
  earlier.length > 0 &&
  html`<div class="card fill"><h3>Earlier, from the same noise</h3>
<div class="strip">${earlier.map((one) => html`<figure>${sheet(one)}</figure>`)}</div>${left > 0 && html`<p class="soft">${shown.length} of ${sheets.length} sheets</p>`}</div>`
}
</div>`
}

export function reconstructions({ step, png }: Sheet): Html {
  return html`<div class="images"><figure class="card">${picture(png, `originals and reconstructions at step ${number(step)}`)}
<figcaption>Pairs: original left, reconstruction right; step ${number(step)}</figcaption></figure></div>`
}

const sheet = ({ step, png }: Sheet): Html => html`${picture(png, `samples at step ${number(step)}`)}<figcaption>step ${number(step)}</figcaption>`
