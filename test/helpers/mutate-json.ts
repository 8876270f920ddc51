// Ways to spoil JSON as text, driven by a few small numbers so that fast-check can shrink them: keys twice or under another spelling, words out of every
// range, brackets without end. And a parser that keeps all that, which JSON.parse would lose.
import fc from 'fast-check'

/** JSON as it is written: equal keys, odd spellings and invalid words stay what they are. */
export type Raw = string | { pairs: [key: string, value: Raw][] } | { items: Raw[] }

/** Takes valid JSON apart; null where it is nested deeper than `depth`. */
export function parseRaw(text: string, depth = 64): Raw | null {
  let at = 0
  let tooDeep = false
  const blank = (): void => {
    while (' \t\n\r'.includes(text[at] ?? 'x')) at++
  }
  const leaf = (): string => {
    const from = at
    if (text[at] === '"') while (text[++at] !== '"') at += text[at] === '\\' ? 1 : 0
    else while (/[^\s,\]}]/.test(text[at + 1] ?? ',')) at++
    return text.slice(from, ++at)
  }
  const list = <T>(close: string, entry: () => T): T[] => {
    const out: T[] = []
    at++
    for (blank(); text[at] !== close && !tooDeep; blank()) {
      if (text[at] === ',') at++
      blank()
      out.push(entry())
    }
    at++
    return out
  }
  const value = (left: number): Raw => {
    blank()
    if (text[at] !== '{' && text[at] !== '[') return leaf()
    if (left === 0) tooDeep = true
    if (tooDeep) return ''
    if (text[at] === '[') return { items: list(']', () => value(left - 1)) }
    return {
      pairs: list('}', () => {
        const key = leaf()
        blank()
        at++
        return [key, value(left - 1)]
      }),
    }
  }
  const out = value(depth)
  return tooDeep ? null : out
}

export function printRaw(raw: Raw, blank = ''): string {
  if (typeof raw === 'string') return `${blank}${raw}${blank}`
  if ('items' in raw) return `${blank}[${raw.items.map((r) => printRaw(r, blank)).join(',')}]${blank}`
  return `${blank}{${raw.pairs.map(([k, v]) => `${blank}${k}${blank}:${printRaw(v, blank)}`).join(',')}}${blank}`
}

/** What a file says as JSON; undefined where that is nothing. */
export function parsed(content: string | Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(content).toString())
  } catch {
    return undefined
  }
}

/** Words in place of values: numbers out of every range, other types, and what is no JSON at all. */
export const poisons = [
  ...['0', '-0', '1', '2', '-1', '0.5', '1e308', '-1e308', '1e999', '-1e999', '5e-324', '9007199254740991', '9007199254740993', '18446744073709551616'],
  ...['4294967296', '1e1', '8.0', 'NaN', 'Infinity', '-', '01', '0x10', '1_000', 'undefined', 'null', 'true', 'false', '""', '"0"', '"F32"', '"I64"', '"f32"'],
  ...['[]', '{}', '[[]]', '[null]', '[0,8]', '[8,0]', '[-0,8]', '[0,8,9]', '[1e308,8]', '[0.5,8]', '[4503599627370496,4]', '[0,1e308]', '["0","8"]'],
  ...['{"__proto__":{"polluted":1}}', '{"constructor":{"prototype":{"polluted":1}}}', '{"length":2,"0":0,"1":8}', '{"toString":0,"valueOf":0}', '{"toJSON":1}'],
  ...['"\\ud800"', '"\\u0000"', '"\\u001b[2J\\u009b2J\\u202e"', '"a\\nb"', '"\u{1f600}"', '"\u2028"', "'", '"', '/*', '"${globalThis.bmsExecuted=1}"'],
]

/** Keys that mean something to JavaScript, to a terminal, to a shell, to the format, or to nobody. */
export const keys = [
  ...['"__proto__"', '"\\u005f_proto__"', '"constructor"', '"prototype"', '"toString"', '"valueOf"', '"hasOwnProperty"', '"then"', '"toJSON"', '"length"'],
  ...['""', '"0"', '"-1"', '"__metadata__"', '"dtype"', '"shape"', '"data_offsets"', '"\\u0000"', '"\\u001b[2J"', '"\u009b2J"', '"\\u202eabc"', '"\u2029"'],
  ...['"\\ud800"', '"\\udc00\\ud800"', '"\u{1f600}"', '"a b"', '"../../etc/passwd"', '"$(reboot)"', '"${globalThis.bmsExecuted=1}"', '"\\");bmsExecuted=1//"'],
]

const deep = 100_000
export const nests = ['['.repeat(deep) + ']'.repeat(deep), '{"a":'.repeat(deep) + '0' + '}'.repeat(deep), '['.repeat(deep), '[{"a":'.repeat(deep / 2)]
const long = (size: number): string => `"${'\\u001b]0;'.repeat(8)}${'ab'.repeat(size / 2)}"`

/** The same key spelled with an escape. */
const disguised = (key: string): string => (/^"[ -!#-[\]-~]/.test(key) ? `"\\u${key.charCodeAt(1).toString(16).padStart(4, '0')}${key.slice(2)}` : key)

/** One change of a JSON text: at the `at`-th of its nodes, by the `pick`-th of what there is to choose from. */
export interface Edit {
  at: number
  pick: number
}
type Change = (root: Raw, edit: Edit) => Raw

interface Node {
  /** Puts another value in its place. */
  set(value: Raw): void
  value: Raw
}

function nodes(root: Raw, set: (value: Raw) => void): Node[] {
  if (typeof root === 'string') return [{ value: root, set }]
  const inner =
    'items' in root ? root.items.flatMap((r, i) => nodes(r, (v) => void (root.items[i] = v))) : root.pairs.flatMap((p) => nodes(p[1], (v) => void (p[1] = v)))
  return [{ value: root, set }, ...inner]
}

const replaced =
  (choices: readonly Raw[]): Change =>
  (root, { at, pick }) => {
    let out = root
    const all = nodes(root, (v) => void (out = v))
    all[at % all.length]!.set(choices[pick % choices.length]!)
    return out
  }

/** Changes the pairs of one of the objects. */
const inObject =
  (change: (pairs: [string, Raw][], i: number, pick: number) => void): Change =>
  (root, { at, pick }) => {
    const objects = nodes(root, () => {}).flatMap(({ value }) => (typeof value === 'object' && 'pairs' in value ? [value.pairs] : []))
    const places = objects.flatMap((pairs) => Array.from({ length: pairs.length + 1 }, (_, i) => [pairs, i] as const))
    const [pairs, i] = places[at % places.length]!
    change(pairs, i, pick)
    return root
  }

/** Ways to change a JSON text. Where `means` is 'same' the result is valid and says the same; 'other' may be anything. */
const changes: Record<string, { means: 'same' | 'other'; change: Change }> = {
  'in another order': { means: 'same', change: inObject((pairs, i) => void pairs.push(...pairs.splice(0, i))) },
  'with escaped keys': { means: 'same', change: inObject((pairs, i) => void (pairs[i] && (pairs[i]![0] = disguised(pairs[i]![0])))) },
  'with numbers spelled otherwise': {
    means: 'same',
    change: (root, { pick }) => {
      for (const n of nodes(root, () => {})) if (/^\d{1,9}$/.test(String(n.value))) n.set(`${n.value}${['.0', 'e0', '.00E+0'][pick % 3]}`)
      return root
    },
  },
  'with another value': { means: 'other', change: replaced(poisons) },
  'with another key': {
    means: 'other',
    change: inObject((pairs, i, pick) => {
      const pair = pairs[i % Math.max(1, pairs.length)]
      if (pair) pair[0] = keys[pick % keys.length]!
    }),
  },
  'with a key more': {
    means: 'other',
    change: inObject((pairs, i, pick) => void pairs.splice(i, 0, [keys[pick % keys.length]!, poisons[(7 * pick) % poisons.length]!])),
  },
  'with a key twice': {
    means: 'other',
    change: inObject((pairs, i, pick) => {
      const [key, value] = pairs[i % Math.max(1, pairs.length)] ?? ['"a"', '0']
      pairs.splice(i, 0, [pick % 2 ? disguised(key) : key, pick % 3 ? value : poisons[pick % poisons.length]!])
    }),
  },
  'without a key': { means: 'other', change: inObject((pairs, i) => void pairs.splice(i, 1)) },
}

/** A JSON text changed once to three times in one way. */
export const edits = fc.array(fc.record({ at: fc.nat(10_000), pick: fc.nat(10_000) }), { minLength: 1, maxLength: 3 })

const blanks = ['', ' ', '\t\r\n', ' '.repeat(100)]

export const jsonMutations = Object.entries(changes).map(([name, { means, change }]) => ({
  name,
  means,
  apply: (text: string, list: readonly Edit[]): string => {
    const root = list.reduce(change, parseRaw(text)!)
    return printRaw(root, blanks[list[0]!.at % blanks.length])
  },
}))

/** A JSON text with a hundred thousand brackets in place of a value. */
export const nested = (text: string, edit: Edit): string => printRaw(replaced(nests)(parseRaw(text)!, edit))

/** A JSON text with a value or a key of `size` characters. */
export function swollen(text: string, edit: Edit, size: number): string {
  const word = long(size)
  if (edit.pick % 2) return printRaw(replaced([word])(parseRaw(text)!, edit))
  return printRaw(inObject((pairs, i) => void pairs.splice(i, 0, [word, pairs[i]?.[1] ?? '0']))(parseRaw(text)!, edit))
}
