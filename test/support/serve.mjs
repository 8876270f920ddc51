// What the page of a browser run asks for: bundles of tests, golden files, the numbers that Node got. And the way back: places in bundles as places in sources.
import { existsSync, readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { basename, dirname, join, relative, sep } from 'node:path'
import { ORIGIN } from './chromium.mjs'
import { numbersOfNode } from './node-numbers.mjs'

/** A playwright route that answers from `outdir`, where the bundles are, and from test/golden. */
export function server(options) {
  const { root, outdir } = options
  return async (route) => {
    const path = new URL(route.request().url()).pathname
    try {
      if (path === '/node-numbers') return await route.fulfill({ json: await numbersOfNode(options) })
      const file = path.startsWith('/golden/') ? join(root, 'test/golden', basename(path)) : join(outdir, path)
      if (!existsSync(file)) return await route.fulfill({ status: 404, body: `there is no ${path}` })
      await route.fulfill({ path: file })
    } catch (error) {
      await route.fulfill({ status: 500, body: error.message })
    }
  }
}

/** A function that puts sources into the stacks of a text. */
export function sourceMapper({ root, outdir }) {
  const maps = new Map()
  const mapOf = (bundle) => {
    if (!maps.has(bundle)) maps.set(bundle, existsSync(`${bundle}.map`) ? new SourceMap(JSON.parse(readFileSync(`${bundle}.map`, 'utf8'))) : null)
    return maps.get(bundle)
  }
  const place = new RegExp(`${ORIGIN}(/[^\\s:()]+):(\\d+):(\\d+)`, 'g')
  return (text) =>
    text.replace(place, (whole, path, line, column) => {
      const bundle = join(outdir, path)
      const { originalSource, originalLine, originalColumn } = mapOf(bundle)?.findEntry(line - 1, column - 1) ?? {}
      if (!originalSource) return whole
      return `${relative(root, join(dirname(bundle), originalSource))
        .split(sep)
        .join('/')}:${originalLine + 1}:${originalColumn + 1}`
    })
}
