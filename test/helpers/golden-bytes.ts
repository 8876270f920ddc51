// The bytes of a committed golden file.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { options } from '../support/options.js'

export const goldenBytes = async (name: string): Promise<Uint8Array> => new Uint8Array(readFileSync(join(options.root, 'test/golden', name)))
