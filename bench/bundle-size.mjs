// The size of a web page's share of the framework, as a figure of the table; test/bundle-size.test.ts holds it to the target.
import { bundleExample } from './bundle.mjs'
import { compare, options, report } from './support.mjs'

const { bytes, gzipped, gzippedByEsbuild, parts } = await bundleExample()
report([
  compare('examples/mlp.ts for a browser, gzip -9', gzipped / 1000, {
    unit: 'kB',
    digits: 1,
    atMost: 60,
    peer: `${(bytes / 1000).toFixed(0)} kB minified; ${(gzippedByEsbuild / 1000).toFixed(1)} by esbuild alone; jax-js 104, tfjs 198`,
  }),
])
if (options.detail) for (const [file, size] of Object.entries(parts).sort((a, b) => b[1] - a[1])) console.log(`${String(size).padStart(8)}  ${file}`)
