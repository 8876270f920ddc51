#!/usr/bin/env node
// The `bms` command as npm links it: committed, so that the link exists before the first build. The command itself is src/cli.ts.
import { existsSync } from 'node:fs'

const cli = new URL('../dist/cli.js', import.meta.url)
if (!existsSync(cli)) {
  console.error('bms: not built yet: run `npm run build`')
  process.exit(1)
}
await import(cli.href)
