// The frame of every report: one HTML file that asks nothing of a network, with a head, links to its sections, and the sections.
import { Html, html } from './html.js'
import { script } from './script.js'
import { style } from './style.js'

export interface Page {
  title: string
  /** How far what the report is about has come. */
  state: { text: string; done: boolean }
  /** In a line under the title. */
  facts: string
  /** Below that. */
  head?: Html
  /** Those without content are left out. */
  sections: readonly (readonly [id: string, name: string, content: Html | undefined])[]
  /** Before the sections. */
  lead?: Html
  footer?: string
}

const policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"

/** The page as the text of an HTML file (UTF-8). */
export function page({ title, state, facts, head, sections, lead, footer }: Page): string {
  const shown = sections.filter(([, , content]) => content)
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<link rel="icon" href="data:,">
<title>${title}</title>
<style>${new Html(style)}</style>
</head>
<body>
<header>
<div>
<h1>${title}</h1>
<p class="facts"><span class="state${state.done && ' done'}">${state.text}</span>${facts}</p>
${head}
</div>
<nav aria-label="Sections"><ul>${shown.map(([id, name]) => html`<li><a href="#${id}">${name}</a></li>`)}</ul></nav>
</header>
<main>
${lead}
${shown.map(([id, name, content]) => html`<section><h2 id="${id}">${name}</h2>\n${content}\n</section>\n`)}
</main>
<footer>${footer}</footer>
<script>${new Html(script)}</script>
</body>
</html>
`.text
}
