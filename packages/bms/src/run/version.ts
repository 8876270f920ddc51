// Which version of the package this is, for reports and `bms doctor`.
import { readFileSync } from 'node:fs'

/** As package.json has it; modules end up in dist/, beside which it stands. */
export function version(): string {
  try {
    return (JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }).version
  } catch {
    return 'unknown'
  }
}
