// Keeps the house in order: imports run down the layers and never in a circle, browser code stays free of Node, files stay small and say why they exist.
// node scripts/check-layers.mjs [--root folder]
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import ts from 'typescript'

/** From the bottom up: a package may import those before it. */
const layers = ['tensor', 'autograd', 'nn', 'bms']
const longest = 800
const usual = 450
const median = 150
const shareUnderUsual = 0.9

// Of the tree under check: set by checkLayers.
let root = ''
let problems = []
let summary = ''
const report = (file, line, message) => problems.push(`${shown(file)}:${line}: ${message}`)
const shown = (file) => relative(root, file).split(sep).join('/')

const skipped = new Set(['node_modules', 'dist', 'generated', '.build', '.cache', 'runs'])
function filesUnder(dir, endings) {
  if (!existsSync(dir)) return []
  return readdirSync(dir, { withFileTypes: true }).flatMap((e) => {
    const path = join(dir, e.name)
    if (e.isDirectory()) return skipped.has(e.name) ? [] : filesUnder(path, endings)
    return e.isFile() && endings.test(e.name) ? [path] : []
  })
}

const builtins = new Set(builtinModules)
const isNode = (specifier) => specifier.startsWith('node:') || builtins.has(specifier) || /^webgpu(\/|$)/.test(specifier) || specifier.startsWith('@sparticuz/')
const isNodeFile = (file) => /(^|\/)node(\.ts$|\/)/.test(shown(file).replace(/^packages\/\w+\/src\//, ''))

/** Every import, export-from, import() and import type of a file: what it names, on which line, and whether it vanishes in the JavaScript. */
function importsOf(file) {
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true)
  const found = []
  const add = (literal, type) => {
    if (literal && ts.isStringLiteralLike(literal))
      found.push({ to: literal.text, line: source.getLineAndCharacterOfPosition(literal.getStart()).line + 1, type })
  }
  const visit = (node) => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, node.importClause?.isTypeOnly === true)
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly)
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, true)
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) add(node.arguments[0], false)
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

/** The file a relative import means: './x.js' is x.ts. */
function target(from, specifier) {
  const path = resolve(dirname(from), specifier)
  return [path.replace(/\.js$/, '.ts'), path.replace(/\.js$/, '.d.ts'), path].find((p) => /\.(ts|json)$/.test(p) && existsSync(p)) ?? null
}

function checkImport(layer, src, file, { to, line }) {
  const named = /^@bms\/(\w+)(.*)$/.exec(to)
  if (named) {
    const other = layers.indexOf(named[1])
    if (other < 0) report(file, line, `imports ${to}, which is no package of ours`)
    else if (other > layer) report(file, line, `upward import: @bms/${layers[layer]} must not know ${to}`)
    else if (other === layer && !file.endsWith('/src/node.ts')) report(file, line, `imports its own package by name: use a relative path`)
    else if (named[2] === '/node' && layers[layer] !== 'bms' && !isNodeFile(file)) report(file, line, `${to} belongs in a node.ts or a node/ folder`)
  } else if (to.startsWith('.')) {
    const path = resolve(dirname(file), to)
    if (path !== src && !path.startsWith(src + sep)) report(file, line, `${to} leaves the package: import @bms/… by name`)
    else if (!/\.(js|json)$/.test(to)) report(file, line, `write the ending: '${to}.js'`)
    else if (!target(file, to) && !path.includes(`${sep}generated${sep}`)) report(file, line, `${to} does not exist`)
  } else if (isNode(to) && layers[layer] !== 'bms' && !isNodeFile(file)) {
    report(file, line, `${to} belongs in a node.ts or a node/ folder: this file must run in a browser`)
  }
}

/** Circles of imports that exist at run time. */
function checkCycles(graph) {
  const state = new Map()
  const path = []
  const visit = (file) => {
    state.set(file, 'open')
    path.push(file)
    for (const { file: next, line } of graph.get(file) ?? []) {
      if (state.get(next) === 'open') report(file, line, `import cycle: ${[...path.slice(path.indexOf(next)), next].map(shown).join(' → ')}`)
      else if (!state.has(next)) visit(next)
    }
    path.pop()
    state.set(file, 'done')
  }
  for (const file of graph.keys()) if (!state.has(file)) visit(file)
}

/** index.ts is what a browser loads: nothing of Node may hang on it, however far down. */
function checkBrowserEntry(index, graph, imports) {
  const seen = new Set()
  const visit = (file, trail) => {
    if (seen.has(file)) return
    seen.add(file)
    const via = trail.length ? ` (from index.ts by ${trail.map(shown).join(' → ')})` : ''
    for (const i of imports.get(file) ?? [])
      if (!i.type && (isNode(i.to) || /^@bms\/\w+\/node$/.test(i.to))) report(file, i.line, `index.ts must run in a browser, but this reaches ${i.to}${via}`)
    for (const next of graph.get(file) ?? []) visit(next.file, [...trail, next.file])
  }
  if (imports.has(index)) visit(index, [])
}

function checkPackages() {
  layers.forEach((name, layer) => {
    const src = join(root, 'packages', name, 'src')
    const imports = new Map(filesUnder(src, /\.ts$/).map((file) => [file, importsOf(file)]))
    const graph = new Map()
    for (const [file, list] of imports) {
      for (const i of list) checkImport(layer, src, file, i)
      const edges = list.filter((i) => !i.type && i.to.startsWith('.')).map((i) => ({ file: target(file, i.to), line: i.line }))
      graph.set(
        file,
        edges.filter((e) => e.file && imports.has(e.file)),
      )
    }
    checkCycles(graph)
    checkBrowserEntry(join(src, 'index.ts'), graph, imports)
  })
}

const lines = (text) => text.split('\n').length - (text.endsWith('\n') ? 1 : 0)

function checkSizes(sources, files) {
  for (const file of files) {
    const n = lines(readFileSync(file, 'utf8'))
    if (n > longest) report(file, longest + 1, `${n} lines: no file has more than ${longest}`)
  }
  const sizes = sources.map((f) => lines(readFileSync(f, 'utf8'))).sort((a, b) => a - b)
  if (!sizes.length) return
  const middle = sizes[Math.floor((sizes.length - 1) / 2)]
  const share = sizes.filter((n) => n < usual).length / sizes.length
  summary = `${sizes.length} source files: median ${middle} lines, ${(100 * share).toFixed(0)} % under ${usual}, longest ${sizes.at(-1)}`
  if (middle > median) problems.push(`packages: the median source file has ${middle} lines: at most ${median}`)
  if (share < shareUnderUsual)
    problems.push(`packages: ${(100 * share).toFixed(0)} % of the source files have under ${usual} lines: at least ${100 * shareUnderUsual} %`)
}

/** A shebang, directives of the compiler and Python's docstring quotes are not the reason; the first words after them are. */
function checkHeader(file) {
  const text = readFileSync(file, 'utf8').replace(/^(#!.*\n|\/\/\/ *<.*\n|\s*\n)*/, '')
  const comment = /^(?:\/\/|\/\*|<!--|#|""")\W*(\w[^\n]*)/.exec(text)
  if (!comment || comment[1].trim().split(/\s+/).length < 3) report(file, 1, 'begins without a comment that says why the file exists')
}

// Written with a dash, so that this line is not itself found.
const marker = new RegExp(`\\b(${['TO-DO', 'FIX-ME', 'XX-X'].map((w) => w.replace('-', '')).join('|')})\\b`)
function checkMarkers(file) {
  readFileSync(file, 'utf8')
    .split('\n')
    .forEach((line, i) => {
      const found = marker.exec(line)
      if (found) report(file, i + 1, `leftover ${found[1]}: do it or say it in the issue tracker`)
    })
}

/** All that is wrong under `folder`, a line each, and a line on the sizes. */
export function checkLayers(folder) {
  root = resolve(folder)
  problems = []
  summary = ''
  const sources = layers.flatMap((name) => filesUnder(join(root, 'packages', name, 'src'), /\.ts$/))
  const others = ['shaders', 'scripts', 'test', 'bench', 'examples'].flatMap((dir) => filesUnder(join(root, dir), /\.(ts|mjs|js|wgsl|py|html)$/))
  const top = filesUnder(join(root, 'docs'), /\.md$/).concat(filesUnder(join(root, '.ci'), /./))
  const readme = ['README.md', 'CONTRIBUTING.md'].map((f) => join(root, f)).filter((f) => existsSync(f))
  const code = [...sources, ...others]
  checkPackages()
  checkSizes(sources, code)
  for (const file of code) checkHeader(file)
  for (const file of [...code, ...top, ...readme]) checkMarkers(file)
  return { problems, summary }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const flag = process.argv.indexOf('--root')
  const found = checkLayers(flag > 0 ? process.argv[flag + 1] : join(import.meta.dirname, '..'))
  if (found.summary) console.log(found.summary)
  for (const p of found.problems) console.error(p)
  console.log(found.problems.length ? `${found.problems.length} problems` : 'layers, sizes and headers are in order')
  process.exitCode = found.problems.length ? 1 : 0
}
