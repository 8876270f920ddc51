// What a report tells in words and numbers: the tiles at its head, tables of settings, the memory of a step.
import { type Html, html } from './html.js'
import type { MemoryPlan } from '../training/images.js'
import { bytes, type Entry, entries } from './words.js'

export interface Tile {
  readonly name: string
  readonly text: string
  /** In small print behind it: a unit, a total. */
  readonly more?: string
}

export function tiles(all: readonly Tile[]): Html {
  return html`<dl class="tiles">${all.map(({ name, text, more }) => html`<div class="tile"><dt>${name}</dt><dd>${text}${more !== undefined && html` <small>${more}</small>`}</dd></div>`)}</dl>`
}

/** A table for each nested object. Values that differ from those in `defaults` are bold, with the default beside them; what `told` says as well is left out. */
export function settings(values: object, defaults: object = {}, told: object = {}): Html | undefined {
  const textsOf = (object: object) => new Map(entries(object).map((entry) => [key(entry), entry.text]))
  const [known, repeated] = [textsOf(defaults), textsOf(told)]
  const groups = new Map<string, Entry[]>([['', []]])
  for (const entry of entries(values)) {
    if (repeated.get(key(entry)) !== entry.text) groups.set(entry.group, [...(groups.get(entry.group) ?? []), entry])
  }
  // What stands in no group comes first.
  if (groups.get('')?.length === 0) groups.delete('')
  if (groups.size === 0) return undefined
  const cell = (entry: Entry): Html => {
    const usual = known.get(key(entry))
    return usual === undefined || usual === entry.text
      ? html`<td>${entry.text}</td>`
      : html`<td class="changed">${entry.text} <small>(default ${usual})</small></td>`
  }
  return html`<div class="grid">${[...groups].map(
    ([group, list]) => html`<div class="card"><table>
${group !== '' && html`<caption>${group}</caption>`}<tbody>
${list.map((entry) => html`<tr><th scope="row">${entry.name}</th>${cell(entry)}</tr>\n`)}</tbody></table></div>`,
  )}</div>`
}

const key = ({ group, name }: Entry): string => JSON.stringify([group, name])

/** Bars to one scale, the intermediates without sharing beside those as planned. */
export function memoryCard({ arena, unshared, results, state }: MemoryPlan): Html {
  const longest = Math.max(1, arena, unshared, results, state)
  const bar = (name: string, count: number, line: number): Html =>
    html`<span>${name}</span><i style="width:${(100 * count) / longest}%;background:var(--line-${line})"></i><b>${bytes(count)}</b>`
  return html`<div class="card"><h3>Memory of a step</h3>
<div class="bars">${bar('Intermediates', arena, 0)}${bar('… unshared', unshared, 6)}${bar('Results, inputs', results, 2)}${bar('Weights, moments', state, 3)}</div>
<p class="soft">Planned: ${bytes(arena + results + state)} in all. Intermediates share memory: ${arena > 0 ? `${(unshared / arena).toFixed(1)} times their space is never needed at once.` : 'there are none.'}</p></div>`
}
