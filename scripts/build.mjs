// Builds the workspace: shader table, JavaScript bundles, declarations. `node scripts/build.mjs [shaders|js|types|projects|clean]...`, all but the last two by default.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { buildShaders } from './build-shaders.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
/** From the bottom up. */
const packages = ['tensor', 'autograd', 'nn', 'bms']
/** Type-checked, never emitted. */
const projects = ['test', 'examples', 'bench']
const entryNames = ['index.ts', 'node.ts', 'cli.ts']
/** Folders that an index passes on as namespaces (`export * as nn from './nn/index.js'`): entry points too, so that a user's bundler sees a real namespace and drops what is unused. */
const namespaces = { tensor: ['linalg'], nn: ['nn', 'optim', 'losses', 'data'] }
/** Files that a worker or a process is started with. */
const workers = { bms: ['data/batch-worker.ts', 'study/child.ts'] }

/** Leaves those imports of an index as they are. */
const keepNamespaces = (folders) => ({
  name: 'namespaces',
  setup(b) {
    b.onResolve({ filter: /^\.\/\w+\/index\.js$/ }, ({ path, importer }) =>
      /src[\\/]index\.ts$/.test(importer) && folders.includes(path.split('/')[1]) ? { path, external: true } : undefined,
    )
  },
})

const filesUnder = (dir) => (existsSync(dir) ? readdirSync(dir, { recursive: true }).map((f) => join(dir, f)) : [])

/** A package that has no code yet still builds. */
function placeholders() {
  for (const name of packages) {
    const index = join(root, 'packages', name, 'src/index.ts')
    if (existsSync(index)) continue
    mkdirSync(dirname(index), { recursive: true })
    writeFileSync(index, `// The public face of @bms/${name}.\nexport {}\n`, { flag: 'wx' })
  }
}

function shaders() {
  const { kernels, changed } = buildShaders({ shaders: join(root, 'shaders'), out: join(root, 'packages/tensor/src/generated/shaders.ts') })
  return `${kernels} kernels${changed ? '' : ', unchanged'}`
}

async function javascript() {
  const sizes = []
  await Promise.all(
    packages.map(async (name) => {
      const src = join(root, 'packages', name, 'src')
      const outdir = join(root, 'packages', name, 'dist')
      const result = await build({
        absWorkingDir: root,
        entryPoints: [...entryNames, ...(namespaces[name] ?? []).map((f) => `${f}/index.ts`), ...(workers[name] ?? [])]
          .map((f) => join(src, f))
          .filter(existsSync),
        outbase: src,
        plugins: [keepNamespaces(namespaces[name] ?? [])],
        outdir,
        bundle: true,
        splitting: true,
        format: 'esm',
        target: 'es2022',
        platform: 'neutral',
        packages: 'external',
        sourcemap: true,
        metafile: true,
        logLevel: 'warning',
      })
      // What earlier builds left: chunk names carry a hash.
      const written = new Set(Object.keys(result.metafile.outputs).map((f) => join(root, f)))
      for (const f of filesUnder(outdir)) if (/\.js(\.map)?$/.test(f) && !written.has(f)) rmSync(f, { force: true })
      const bytes = Object.entries(result.metafile.outputs).reduce((sum, [f, o]) => sum + (f.endsWith('.js') ? o.bytes : 0), 0)
      sizes[packages.indexOf(name)] = `${name} ${(bytes / 1024).toFixed(1)} kB`
    }),
  )
  return sizes.join(', ')
}

function tsc(paths) {
  const bin = createRequire(import.meta.url).resolve('typescript/bin/tsc')
  const { status } = spawnSync(process.execPath, [bin, '-b', ...paths.map((p) => join(root, p)), '--pretty', String(process.stdout.isTTY === true)], {
    cwd: root,
    stdio: 'inherit',
  })
  if (status !== 0) throw new Error('type errors, see above')
}

/** Declarations that name GPUDevice must bring its types along; tsc drops the directive, so it is put back here (with the old times, which `tsc -b` compares). */
function referenceWebgpuTypes() {
  for (const f of ['index.d.ts', 'node.d.ts'].map((name) => join(root, 'packages/tensor/dist', name))) {
    if (!existsSync(f)) continue
    const text = readFileSync(f, 'utf8')
    if (text.includes('types="@webgpu/types"')) continue
    const { atime, mtime } = statSync(f)
    writeFileSync(f, `/// <reference types="@webgpu/types" />\n${text}`)
    utimesSync(f, atime, mtime)
  }
}

function types() {
  tsc(packages.map((p) => `packages/${p}`))
  referenceWebgpuTypes()
  return ''
}

function checkProjects() {
  const present = projects.filter((p) => filesUnder(join(root, p)).some((f) => f.endsWith('.ts') && !f.includes('node_modules')))
  if (present.length) tsc(present)
  return present.join(', ')
}

function clean() {
  const dirs = [...packages.map((p) => `packages/${p}/dist`), 'packages/tensor/src/generated', '.build']
  for (const d of dirs) rmSync(join(root, d), { recursive: true, force: true })
  return ''
}

const steps = { shaders, js: javascript, types, projects: checkProjects, clean }

async function main(names) {
  const unknown = names.find((n) => !(n in steps))
  if (unknown) throw new Error(`unknown step '${unknown}': choose from ${Object.keys(steps).join(', ')}`)
  if (!names.includes('clean')) placeholders()
  for (const name of names.length ? names : ['shaders', 'js', 'types']) {
    const start = performance.now()
    const note = await steps[name]()
    console.log(`${name.padEnd(8)} ${((performance.now() - start) / 1000).toFixed(1)} s${note ? `  ${note}` : ''}`)
  }
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  // esbuild has printed its own errors; a stack of this script helps nobody.
  console.error(`build: ${error instanceof Error ? error.message : error}`)
  process.exit(1)
}
