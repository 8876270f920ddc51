// What JSON.parse lets pass: of two equal keys it keeps the last, whichever way they are spelled, it takes "__proto__" for
// a key like any other, and it nests without end. A file from anywhere is asked for these before its content is used.
import { show } from '@bms/autograd'

/** Deeper than any header: the format itself has three levels. */
const MAX_DEPTH = 64

/** The first thing wrong with the objects of `json`, which must be valid JSON: a key twice, the key __proto__, or too many levels. */
export function checkKeys(json: string): { problem: string; name?: string } | null {
  /** Of each open bracket: the keys so far of an object, null for a list. */
  const open: (Set<string> | null)[] = []
  /** Was the last character outside of strings and blanks an opening brace or a comma? In an object a key comes next. */
  let next = false
  for (let i = 0; i < json.length; i++) {
    switch (json[i]) {
      case '"': {
        const from = i
        while (json[++i] !== '"') if (json[i] === '\\') i++
        const keys = open.at(-1)
        if (keys && next) {
          const name = JSON.parse(json.slice(from, i + 1)) as string
          if (name === '__proto__') return { problem: 'the name "__proto__" is not allowed', name }
          if (keys.has(name)) return { problem: `the name ${show(name)} occurs twice`, name }
          keys.add(name)
        }
        next = false
        break
      }
      case '{':
      case '[':
        if (open.length === MAX_DEPTH) return { problem: `the header nests more than ${MAX_DEPTH} levels` }
        open.push(json[i] === '{' ? new Set() : null)
        next = true
        break
      case '}':
      case ']':
        open.pop()
        break
      case ',':
        next = true
        break
      case ':':
        next = false
    }
  }
  return null
}
