// What a visitor of a web page downloads to train a model in it: examples/mlp.ts with everything it imports, as a browser gets it.
// Bundled with Rollup (as Vite does; its WebAssembly build, which needs no package for each platform), which drops the unused parts of the namespaces nn and optim, and minified by esbuild;
// and with esbuild alone, which keeps them.
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import resolve from '@rollup/plugin-node-resolve'
import { build, transform } from 'esbuild'
import { rollup } from '@rollup/wasm-node'

const gzipped = (text) => gzipSync(text, { level: 9 }).length

const typescript = {
  name: 'typescript',
  async transform(code, id) {
    return id.endsWith('.ts') ? (await transform(code, { loader: 'ts', target: 'es2022' })).code : null
  },
}

async function withEsbuild(source, root) {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [source],
    bundle: true,
    minify: true,
    write: false,
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    logLevel: 'silent',
  })
  return outputFiles[0].text
}

/** The example bundled for a browser: its size, its text, what it still imports, and the bytes of each source in it (before minifying). */
export async function bundleExample(name = 'mlp', root = join(import.meta.dirname, '..')) {
  const source = join(root, 'examples', `${name}.ts`)
  const bundle = await rollup({ input: source, plugins: [resolve({ browser: true, rootDir: root }), typescript], onwarn: () => {} })
  const { output } = await bundle.generate({ format: 'esm' })
  await bundle.close()
  const [chunk] = output
  const { code } = await transform(chunk.code, { minify: true, format: 'esm', target: 'es2022' })
  return {
    bytes: code.length,
    gzipped: gzipped(code),
    gzippedByEsbuild: gzipped(await withEsbuild(source, root)),
    text: code,
    imports: chunk.imports,
    parts: Object.fromEntries(Object.entries(chunk.modules).map(([file, m]) => [file, m.renderedLength])),
  }
}
