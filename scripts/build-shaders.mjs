// Reads shaders/**/*.wgsl and writes the table that packages/tensor calls kernels by: sources, bindings, parameter layouts and the types that check a call.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { parseShader } from './wgsl.mjs'

const key = (s) => (/^[A-Za-z_$][\w$]*$/.test(s) ? s : `'${s}'`)
const union = (names) => (names.length ? names.map((n) => `'${n}'`).join(' | ') : 'never')
const literal = (text) => `\`${text.replace(/[\\`]|\$\{/g, '\\$&')}\``
/** 'reduce.thread' is the constant reduceThreadKernel. */
const constant = (name) => `${name.replace(/[._]+(\w?)/g, (_, c) => c.toUpperCase())}Kernel`
const object = (entries) => (entries.length ? `{ ${entries.map(([k, v]) => `${key(k)}: ${v}`).join(', ')} }` : '{}')

const head = `// Generated from shaders/*.wgsl by scripts/build-shaders.mjs: change those, not this.

/** A field of a kernel's uniform struct: its byte offset, and how many scalars it has (4 for a vec4, 4n for an array of n vec4). */
export interface ShaderField {
  readonly offset: number
  readonly type: 'u32' | 'i32' | 'f32'
  readonly count: number
}

export interface ShaderBinding {
  readonly name: string
  readonly index: number
  readonly access: 'read' | 'read_write' | 'uniform'
}

/** One entry point of a shader file. */
export interface ShaderInfo {
  readonly name: string
  readonly file: string
  readonly entry: string
  /** The whole file without comments; the entry points of one file share it. */
  readonly source: string
  /** Those that this entry point uses, in the order of their index. */
  readonly bindings: readonly ShaderBinding[]
  /** Size of the uniform struct, 0 where the entry point has none. */
  readonly paramBytes: number
  readonly params: Readonly<Record<string, ShaderField>>
  /** The specialisation constants and their values as written. */
  readonly constants: Readonly<Record<string, number | boolean>>
  /** The element types and their scalar types as written. */
  readonly aliases: Readonly<Record<string, string>>
  /** Three expressions as written: numbers or names of constants. */
  readonly workgroupSize: readonly string[]
}
`

function kernelType(k) {
  const buffers = k.bindings.filter((b) => b.access !== 'uniform').map((b) => b.name)
  const params = Object.entries(k.params).map(([name, f]) => `${key(name)}: ${f.list ? 'readonly number[]' : 'number'}`)
  return [
    `  ${key(k.name)}: {`,
    `    buffers: ${union(buffers)}`,
    `    params: ${params.length ? `{ ${params.join('; ')} }` : 'Record<string, never>'}`,
    `    constants: ${union(Object.keys(k.constants))}`,
    `    aliases: ${union(Object.keys(k.aliases))}`,
    '  }',
  ].join('\n')
}

// Kernels are written as short texts that a few lines unpack when they are loaded. Each is a constant of its own, so that a page downloads those that it uses.
const unpack = `const texts = (list: string): string[] => (list === '' ? [] : list.split(' '))

/** "x:1r out:2w": name, index, access. */
const bindingsOf = (list: string): ShaderBinding[] =>
  texts(list).map((text) => {
    const [name, place] = text.split(':') as [string, string]
    return { name, index: Number.parseInt(place, 10), access: ({ r: 'read', w: 'read_write', u: 'uniform' } as const)[place.at(-1) as 'r' | 'w' | 'u'] }
  })

/** "n:u0 eps:f4 dims:u16x4": name, type, offset, count. */
const paramsOf = (list: string): Record<string, ShaderField> =>
  Object.fromEntries(
    texts(list).map((text) => {
      const [name, field] = text.split(':') as [string, string]
      const [offset, count = 1] = field.slice(1).split('x').map(Number) as [number, number?]
      return [name, { offset, type: ({ u: 'u32', i: 'i32', f: 'f32' } as const)[field[0] as 'u' | 'i' | 'f'], count }]
    }),
  )

type FileInfo = Pick<ShaderInfo, 'file' | 'source' | 'constants' | 'aliases'>

const kernel = <K extends KernelName>(f: FileInfo, name: K, entry: string, bindings: string, paramBytes: number, params: string, group: string): Kernel<K> => ({
  ...f,
  name,
  entry,
  bindings: bindingsOf(bindings),
  paramBytes,
  params: paramsOf(params),
  workgroupSize: texts(group),
})
`

function kernelInfo(k, source) {
  const bindings = k.bindings.map((b) => `${b.name}:${b.index}${{ read: 'r', read_write: 'w', uniform: 'u' }[b.access]}`).join(' ')
  const params = Object.entries(k.params).map(([name, f]) => `${name}:${f.type[0]}${f.offset}${f.count === 1 ? '' : `x${f.count}`}`)
  return `export const ${constant(k.name)} = /* @__PURE__ */ kernel(${source}, '${k.name}', '${k.entry}', '${bindings}', ${k.paramBytes}, '${params.join(' ')}', '${k.workgroupSize.join(' ')}')`
}

function fileInfo(k, source) {
  return `{ file: '${k.file}', source: ${literal(source)}, constants: ${object(Object.entries(k.constants))}, aliases: ${object(Object.entries(k.aliases).map(([n, t]) => [n, `'${t}'`]))} }`
}

/** Texts such that each resembles those before it: a page gets them compressed, by a method that looks back no further than `WINDOW`. */
function inOrderOfLikeness(texts) {
  const WINDOW = 32 * 1024
  const packed = (text) => gzipSync(text, { level: 9 }).length
  const order = []
  let before = ''
  for (const left = new Set(texts); left.size > 0; ) {
    const alone = packed(before)
    const cost = (text) => (before === '' ? -text.length : (packed(before + text) - alone) / text.length)
    const [best] = [...left].map((text) => ({ text, cost: cost(text) })).sort((a, b) => a.cost - b.cost)
    left.delete(best.text)
    order.push(best.text)
    before = (before + best.text).slice(-WINDOW)
  }
  return order
}

/** Writes only what changed, so that watchers and `tsc -b` stay quiet; by rename, so that a build beside this one never reads half a file. */
function writeChanged(path, text) {
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return false
  mkdirSync(dirname(path), { recursive: true })
  const temporary = `${path}.${process.pid}`
  writeFileSync(temporary, text)
  renameSync(temporary, path)
  return true
}

/** Throws one Error whose message has a line `file:line: what is wrong` for each error found. */
export function buildShaders({ shaders, out }) {
  const files = existsSync(shaders)
    ? readdirSync(shaders, { recursive: true })
        .filter((f) => f.endsWith('.wgsl'))
        .sort()
    : []
  const errors = []
  const types = []
  const infos = []
  const names = []
  const sources = []
  const owner = new Map()
  for (const f of files) {
    const path = join(shaders, f)
    const shown = relative(process.cwd(), path).split(sep).join('/')
    const parsed = parseShader(readFileSync(path, 'utf8'))
    errors.push(...parsed.errors.map((e) => `${shown}:${e.line}: ${e.message}`))
    if (parsed.errors.length) continue
    const base = basename(f, '.wgsl')
    const single = parsed.entries.length === 1 && parsed.entries[0].entry === 'main'
    for (const entry of parsed.entries) {
      const k = { ...entry, name: single ? base : `${base}.${entry.entry}`, file: f.split(sep).join('/') }
      if (owner.has(k.name)) errors.push(`${shown}:${entry.line}: kernel '${k.name}' is also defined in ${owner.get(k.name)}`)
      owner.set(k.name, shown)
      types.push(kernelType(k))
      infos.push(kernelInfo(k, `f${files.indexOf(f)}`))
      names.push(k.name)
    }
    const shared = { ...parsed.entries[0], file: f.split(sep).join('/') }
    sources.push(`// ${f}\nconst f${files.indexOf(f)}: FileInfo = ${fileInfo(shared, parsed.source)}\n`)
  }
  if (errors.length) throw new Error(`shaders:\n${errors.join('\n')}`)
  const text = [
    head,
    '/** What a call of each kernel must give. */',
    types.length ? `export interface Kernels {\n${types.join('\n')}\n}\n` : 'export type Kernels = Record<never, never>\n',
    'export type KernelName = keyof Kernels\n',
    '/** A kernel as calls take it. */\nexport interface Kernel<K extends KernelName = KernelName> extends ShaderInfo {\n  readonly name: K\n}\n',
    ...(infos.length ? [unpack] : []),
    ...inOrderOfLikeness(sources),
    ...infos,
    '\n/** All of them, by name: for tools, since who imports it has every shader. */',
    `export const shaders: { readonly [K in KernelName]: Kernel<K> } = ${object(names.map((n) => [n, constant(n)]))}`,
    '',
  ].join('\n')
  return { kernels: infos.length, changed: writeChanged(out, text) }
}

// Alone: node scripts/build-shaders.mjs [folder of shaders] [file to write]
if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const root = join(import.meta.dirname, '..')
  const [shaders = join(root, 'shaders'), out = join(root, 'packages/tensor/src/generated/shaders.ts')] = process.argv.slice(2)
  try {
    console.log(`${buildShaders({ shaders, out }).kernels} kernels`)
  } catch (error) {
    console.error(error.message)
    process.exit(1)
  }
}
