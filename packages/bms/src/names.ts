// Names that people type (models, data sets, options, config fields) are checked here, so that every wrong one gets
// the same answer: what was typed, which name was probably meant, and the whole list.
import { BmsError, show } from '@bms/tensor'

/** Optimal-string-alignment distance: insertions, deletions, substitutions and swaps of neighbours all cost 1. Compares UTF-16 units. */
export function editDistance(a: string, b: string): number {
  let twoAgo: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let best = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, twoAgo[j - 2] + 1)
      row.push(best)
    }
    twoAgo = last
    last = row
  }
  return last[b.length]
}

// Case, spaces, underscores and a spelled-out Greek alpha are no reason to miss a name.
const plain = (word: string) =>
  word
    .toLowerCase()
    .replaceAll('α', 'alpha')
    .replace(/[^a-z0-9]/g, '')

/**
 * The entry of `list` that `word` most likely meant, or undefined when none is near: at most one edit in three letters,
 * where letters merely left out ("bms-gan" for "bms-vae-gan") count half.
 */
export function suggest(word: string, list: readonly string[]): string | undefined {
  // A name longer than any real one is not a typing slip; stop before the distance gets expensive.
  const typed = plain(word.slice(0, 64))
  if (typed === '') return undefined
  let best: string | undefined
  let bestCost = Infinity
  for (const name of list) {
    const wanted = plain(name)
    const edits = editDistance(typed, wanted)
    const cost = edits === wanted.length - typed.length ? edits / 2 : edits
    const allowed = Math.max(1, Math.floor(Math.max(typed.length, wanted.length) / 3))
    if (cost <= allowed && cost < bestCost) {
      best = name
      bestCost = cost
    }
  }
  return best
}

/**
 * The error for a name that is not in `list`.
 * @param kind what was being named, as in "unknown data set"
 * @returns a `BmsError` with code `UNKNOWN_NAME` and fields `{ kind, got, suggestion, allowed }`; the caller throws it
 */
export function unknownName(kind: string, got: string, list: readonly string[]): BmsError {
  const suggestion = suggest(got, list)
  const hint = suggestion === undefined ? '' : ` Did you mean ${JSON.stringify(suggestion)}?`
  return new BmsError('UNKNOWN_NAME', `unknown ${kind} ${show(got)}.${hint} Known: ${list.join(', ')}.`, { kind, got, suggestion, allowed: [...list] })
}
