// What the build needs to know of one .wgsl file: stripped source, entry points, the bindings each uses, the uniform's layout, constants and element types.
// wgsl_reflect parses the file (its syntax errors are ours) and lays the structs out; the rest is read from the text, where names and lines are exact.
import { WgslParser, WgslReflect } from 'wgsl_reflect/wgsl_reflect.module.js'

const scalars = new Set(['f32', 'f16', 'i32', 'u32', 'bool'])
const supported = 'use u32, i32, f32, a vector of these, or array<vec4<..>, N>'
const shorthand = { u: 'u32', i: 'i32', f: 'f32' }

class ShaderError extends Error {
  constructor(line, message) {
    super(message)
    this.line = line
  }
}

/** Comments become white space of the same length and the same lines. */
function blankComments(text) {
  let out = ''
  for (let i = 0; i < text.length; ) {
    const two = text.slice(i, i + 2)
    let end = i
    if (two === '//') {
      end = text.indexOf('\n', i)
      if (end < 0) end = text.length
    } else if (two === '/*') {
      let depth = 0
      do {
        const pair = text.slice(end, end + 2)
        depth += pair === '/*' ? 1 : pair === '*/' ? -1 : 0
        end += pair === '/*' || pair === '*/' ? 2 : 1
        if (end > text.length) throw new ShaderError(lineAt(text, i), 'comment is never closed')
      } while (depth > 0)
    }
    if (end > i) out += text.slice(i, end).replace(/[^\n]/g, ' ')
    else out += text[end++]
    i = end
  }
  return out
}

const lineAt = (text, offset) => text.slice(0, offset).split('\n').length

/** What is sent to the GPU: no comments but the two body markers, no indentation, no empty lines, no space that separates nothing (before a second - it does: `a - -b`). */
function stripSource(text, blanked) {
  const original = text.split('\n')
  const lines = blanked.split('\n').map((line, i) => {
    const marker = /^\s*\/\/ (<\/?body>)\s*$/.exec(original[i])
    return marker
      ? `// ${marker[1]}`
      : line
          .trim()
          .replace(/\s+/g, ' ')
          .replace(/ ?([,;:(){}[\]=<>*%&|!]) ?/g, '$1')
          .replace(/ ?(?<![+-] ?)([+-])(?! ?[+-]) ?/g, '$1')
          .replace(/ ?\/(?! ?[/*]) ?/g, '/')
          .replace(/(\d\.)0\b/g, '$1')
          .replace(/\bvec(\d)<([fiu])32>/g, 'vec$1$2')
  })
  return lines
    .filter((l) => l !== '')
    .join('\n')
    .replace(/(?<!body>)\n\}/g, '}')
}

/** `blanked` with the insides of all braces blanked: what stands at module scope. */
function moduleScope(blanked) {
  let depth = 0
  return blanked.replace(/[^\n]/g, (c) => {
    if (c === '}') depth--
    const keep = depth === 0
    if (c === '{') depth++
    return keep ? c : ' '
  })
}

/** wgsl_reflect takes some plain names for keywords (`let block = 1;` fails); for its eyes they get a tail. Address spaces and access modes stay. */
const escapeNames = (text) =>
  text.replace(
    /\b(?:var|ptr)\s*<[^,>]*(?:,\s*(?:read|write|read_write)\s*(?=>))?|\b(block|read|write|immediate|storage|private|uniform|workgroup)\b(?!\s*>)/g,
    (all, name) => (name ? `${name}_` : all),
  )

function parse(blanked) {
  const parser = new WgslParser()
  const visible = escapeNames(blanked)
  try {
    parser.parse(visible)
    return new WgslReflect(visible)
  } catch (error) {
    const text = String(error?.message ?? error)
    const named = /\.*\s*Line:\s*(\d+)/.exec(text)
    const line = named ? Number(named[1]) : (parser._tokens[Math.min(parser._current, parser._tokens.length - 1)]?.line ?? 1)
    throw new ShaderError(line, `does not parse: ${error instanceof TypeError ? 'unexpected token' : text.replace(named?.[0] ?? '', '')}`)
  }
}

function readBindings(scope, errors) {
  const bindings = []
  const at = new Map()
  for (const m of scope.matchAll(/((?:@\w+\s*\([^)]*\)\s*)*)\bvar\s*(?:<([^>]*)>)?\s*(\w+)\s*:\s*([^;=]+)/g)) {
    const line = lineAt(scope, m.index + m[0].lastIndexOf('var'))
    const [space = '', mode = ''] = (m[2] ?? '').split(',').map((s) => s.trim())
    const fail = (message) => errors.push(new ShaderError(line, message))
    const number = (name) => new RegExp(`@${name}\\s*\\(\\s*(\\d+)[ui]?\\s*\\)`).exec(m[1])?.[1]
    const index = number('binding')
    if (space === 'private' || space === 'workgroup') continue
    if (space !== 'storage' && space !== 'uniform') {
      fail(`'${m[3]}': only storage and uniform buffers can be bound, not ${m[4].trim()}`)
    } else if (index === undefined || number('group') === undefined) {
      fail(`'${m[3]}' needs @group(0) @binding(n) with n a number`)
    } else if (number('group') !== '0') {
      fail(`'${m[3]}' is in group ${number('group')}: all bindings are in group 0`)
    } else if (at.has(index)) {
      fail(`'${m[3]}' and '${at.get(index)}' both have binding ${index}`)
    } else {
      at.set(index, m[3])
      const access = space === 'uniform' ? 'uniform' : mode || 'read'
      if (access === 'write') fail(`'${m[3]}': a storage buffer is read or read_write`)
      bindings.push({ name: m[3], index: Number(index), access, type: m[4].trim(), line })
    }
  }
  const uniforms = bindings.filter((b) => b.access === 'uniform')
  if (uniforms.length > 1)
    errors.push(new ShaderError(uniforms[1].line, `'${uniforms[1].name}' is a second uniform beside '${uniforms[0].name}': put its fields there`))
  return bindings.sort((a, b) => a.index - b.index)
}

/** { type, count, list } of u32, vec4<u32>, vec4u, array<vec4<u32>, N>; null for anything else. */
function fieldType(text, elements) {
  const t = text.replace(/\s+/g, '')
  if (['u32', 'i32', 'f32'].includes(t)) return { type: t, count: 1, list: false }
  const vector = /^vec([234])(?:<([uif]32)>|([uif]))$/.exec(t)
  if (vector) return { type: vector[2] ?? shorthand[vector[3]], count: Number(vector[1]), list: true }
  const array = /^array<vec4(?:<([uif]32)>|([uif])),\w+>$/.exec(t)
  if (array && elements > 0) return { type: array[1] ?? shorthand[array[2]], count: 4 * elements, list: true }
  return null
}

/** The members of a struct's body: commas inside <> or () do not separate. */
function splitMembers(body) {
  const members = []
  let depth = 0
  let from = 0
  for (let i = 0; i <= body.length; i++) {
    if ('<('.includes(body[i] ?? ' ')) depth++
    if ('>)'.includes(body[i] ?? ' ')) depth--
    if (i < body.length && (body[i] !== ',' || depth > 0)) continue
    const m = /(\w+)\s*:\s*(\S(?:.|\n)*?)\s*$/.exec(body.slice(from, i))
    if (m) members.push({ name: m[1], type: m[2], at: from + m.index })
    from = i + 1
  }
  return members
}

function readParams(blanked, scope, reflected, bindings, errors) {
  const uniform = bindings.find((b) => b.access === 'uniform')
  if (!uniform) return { paramBytes: 0, params: {} }
  const laidOut = reflected.uniforms.find((u) => u.name === escapeNames(uniform.name))?.type
  // Without a struct there is one list, by the name of the variable.
  const list = fieldType(uniform.type, laidOut?.count)
  if (list?.list) return { paramBytes: laidOut.size, params: { [uniform.name]: { offset: 0, ...list } } }
  const struct = new RegExp(`\\bstruct\\s+${uniform.type.replace(/\W/g, '\\$&')}\\s*\\{`).exec(scope)
  const info = reflected.structs.find((s) => s.name === uniform.type)
  if (!struct || !info) {
    errors.push(
      new ShaderError(uniform.line, `uniform '${uniform.name}' must be a struct declared in this file, a vec4 or an array of vec4, not ${uniform.type}`),
    )
    return { paramBytes: 0, params: {} }
  }
  const start = struct.index + struct[0].length
  const members = splitMembers(blanked.slice(start, blanked.indexOf('}', start)))
  const params = {}
  info.members.forEach(({ offset, type }, i) => {
    const { name, type: written, at } = members[i]
    const field = fieldType(written, type.count)
    if (field) params[name] = { offset, ...field }
    else errors.push(new ShaderError(lineAt(blanked, start + at), `parameter '${name}: ${written}' has an unsupported type: ${supported}`))
  })
  return { paramBytes: info.size, params }
}

/** Module-scope consts with a literal value. Others (`const TILE = WG * 4u;`) follow from these and cannot be set. */
function readConstants(scope, errors) {
  const constants = {}
  for (const m of scope.matchAll(/\bconst\s+(\w+)\s*(?::\s*\w+\s*)?=\s*([^;]*?)\s*;/g)) {
    const value = /^(true|false)$/.test(m[2])
      ? m[2] === 'true'
      : Number(m[2].replace(/^(-?0[xX][\da-fA-F]+)[ui]$/, '$1').replace(/^(-?[\d.]+(?:[eE][-+]?\d+)?)[uifh]$/, '$1'))
    if (typeof value === 'boolean' || Number.isFinite(value)) constants[m[1]] = value
  }
  const override = /\boverride\s+(\w+)/.exec(scope)
  if (override)
    errors.push(new ShaderError(lineAt(scope, override.index), `override '${override[1]}': write a const, which specialisation sets in the same way`))
  return constants
}

function readAliases(scope) {
  return Object.fromEntries([...scope.matchAll(/\balias\s+(\w+)\s*=\s*(\w+)\s*;/g)].filter((m) => scalars.has(m[2])).map((m) => [m[1], m[2]]))
}

function readFunctions(blanked, scope, bindings, errors) {
  const functions = new Map()
  for (const m of scope.matchAll(/((?:@\w+\s*(?:\([^)]*\))?\s*)*)\bfn\s+(\w+)\s*\(/g)) {
    const start = m.index + m[0].length
    const open = scope.indexOf('{', start)
    const end = scope.indexOf('}', open)
    const text = blanked.slice(start, end)
    const line = lineAt(scope, m.index + m[0].lastIndexOf('fn'))
    for (const local of text.matchAll(/\b(?:let|const|var(?:\s*<[^>]*>)?)\s+(\w+)|(\w+)\s*:/g)) {
      const hidden = bindings.find((b) => b.name === (local[1] ?? local[2]))
      if (hidden)
        errors.push(new ShaderError(lineAt(blanked, start + local.index), `'${hidden.name}' hides the binding of that name: give one of them another`))
    }
    const size = /@workgroup_size\s*\(([^)]*)\)/.exec(m[1])?.[1]
    if (/@compute\b/.test(m[1]) && !size) errors.push(new ShaderError(line, `entry point '${m[2]}' has no @workgroup_size`))
    functions.set(m[2], {
      line,
      // Names after a dot are fields; all others are declared at module scope or hidden there, which is an error above.
      uses: new Set([...text.matchAll(/(?<![\w.])[A-Za-z_]\w*/g)].map((n) => n[0])),
      workgroupSize:
        /@compute\b/.test(m[1]) && size
          ? size
              .split(',')
              .map((s) => s.trim().replace(/^(\d+)[ui]$/, '$1'))
              .filter(Boolean)
          : null,
    })
  }
  return functions
}

/** The names that `entry` uses, itself or through what it calls. */
function closure(entry, functions) {
  const seen = new Set()
  const visit = (name) => {
    if (seen.has(name)) return
    seen.add(name)
    for (const used of functions.get(name)?.uses ?? []) visit(used)
  }
  visit(entry)
  return seen
}

function read(text, errors) {
  const blanked = blankComments(text)
  const reflected = parse(blanked)
  const scope = moduleScope(blanked)
  const bindings = readBindings(scope, errors)
  const { paramBytes, params } = readParams(blanked, scope, reflected, bindings, errors)
  const constants = readConstants(scope, errors)
  const aliases = readAliases(scope)
  const functions = readFunctions(blanked, scope, bindings, errors)
  const entries = []
  for (const [entry, f] of functions) {
    if (!f.workgroupSize) continue
    const used = closure(entry, functions)
    const own = bindings.filter((b) => used.has(b.name))
    const uniform = own.some((b) => b.access === 'uniform')
    entries.push({
      entry,
      line: f.line,
      bindings: own.map(({ name, index, access }) => ({ name, index, access })),
      paramBytes: uniform ? paramBytes : 0,
      params: uniform ? params : {},
      constants,
      aliases,
      workgroupSize: [...f.workgroupSize, '1', '1'].slice(0, 3),
    })
  }
  if (!entries.length) errors.push(new ShaderError(1, 'has no @compute entry point'))
  return { source: stripSource(text, blanked), entries }
}

/** { source, entries, errors }: with errors, the rest means nothing. */
export function parseShader(text) {
  const errors = []
  let result = { source: '', entries: [] }
  try {
    result = read(text.replace(/\r\n?/g, '\n'), errors)
  } catch (error) {
    if (!(error instanceof ShaderError)) throw error
    errors.push(error)
  }
  return { ...result, errors: errors.sort((a, b) => a.line - b.line) }
}
