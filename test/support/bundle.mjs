// Bundles test files for Node or for a browser. In Node the packages stay imports, in a browser all is in the bundle.
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { build } from 'esbuild'

/** Tests import 'uvu' and get support/uvu.mjs. */
const uvuWrapper = (wrapper) => ({
  name: 'uvu',
  setup(b) {
    b.onResolve({ filter: /^uvu$/ }, ({ importer }) => (importer === wrapper ? undefined : { path: wrapper }))
  },
})

/** What a browser does another way: in place of `x.ts` it gets `x.browser.ts`, where there is one. */
const browserFiles = {
  name: 'browser files',
  setup(b) {
    b.onResolve({ filter: /^\..*\.js$/ }, ({ path, resolveDir }) => {
      const file = join(resolveDir, path.replace(/\.js$/, '.browser.ts'))
      return existsSync(file) ? { path: file } : undefined
    })
  },
}

const targets = {
  node: { platform: 'node', target: 'node20', packages: 'external', plugins: [] },
  browser: { platform: 'browser', target: 'es2022', packages: 'bundle', plugins: [browserFiles] },
}

/** Writes `x.mjs` for each file `x.ts` (paths under `base`) to `outdir`. */
export async function bundle(base, files, outdir, where) {
  const { plugins, ...target } = targets[where]
  await build({
    absWorkingDir: dirname(base),
    entryPoints: files.map((f) => join(base, f)),
    outbase: base,
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    outExtension: { '.js': '.mjs' },
    sourcemap: 'linked',
    logLevel: 'error',
    ...target,
    plugins: [uvuWrapper(join(base, 'support/uvu.mjs')), ...plugins],
  })
}
