// What a visitor of a web page downloads to train a model in it: examples/mlp.ts with everything it imports, as a browser gets it.
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

/** The example bundled for a browser: its size, its text, what it still imports, and the bytes of each source in it. Fails where Node-only code is reached. */
export async function bundleExample(name = 'mlp', root = join(import.meta.dirname, '..')) {
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: [`examples/${name}.ts`],
    outfile: 'example.js',
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    logLevel: 'silent',
  })
  const [{ contents, text }] = outputFiles
  const [output] = Object.values(metafile.outputs)
  const parts = Object.entries(output.inputs).map(([file, { bytesInOutput }]) => [file, bytesInOutput])
  return {
    bytes: contents.length,
    gzipped: gzipSync(contents, { level: 9 }).length,
    text,
    imports: output.imports.map((i) => i.path),
    parts: Object.fromEntries(parts),
  }
}
