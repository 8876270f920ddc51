// Unpacks SwiftShader (a Vulkan driver that computes on the CPU) from the npm package @sparticuz/chromium, once, into a
// cache folder, so that a machine without any graphics driver runs everything.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { brotliDecompressSync } from 'node:zlib'
import { DeviceError } from '../errors.js'

const FILES = ['libvk_swiftshader.so', 'libvulkan.so.1', 'vk_swiftshader_icd.json']

/** Where the package lies; its exports do not name the archive, so the folder is found through its main file. */
function packageFolder(): string {
  const require = createRequire(import.meta.url)
  try {
    let folder = dirname(require.resolve('@sparticuz/chromium'))
    while (!existsSync(join(folder, 'bin', 'swiftshader.tar.br'))) {
      const up = dirname(folder)
      if (up === folder) throw new Error('bin/swiftshader.tar.br is not in it')
      folder = up
    }
    return folder
  } catch (cause) {
    throw new DeviceError('NO_BUNDLED_DRIVER', `the npm package "@sparticuz/chromium" cannot be used: ${(cause as Error).message}`, {}, { cause })
  }
}

function cacheFolder(): string {
  const base = process.env['XDG_CACHE_HOME'] ?? (homedir() ? join(homedir(), '.cache') : tmpdir())
  return join(base, 'bms')
}

/** The files of a tar archive (regular files only; the format's 512-byte blocks). */
export function* readTar(bytes: Uint8Array): Generator<{ name: string; data: Uint8Array }> {
  const text = new TextDecoder()
  const field = (from: number, length: number): string => text.decode(bytes.subarray(from, from + length)).replace(/\0.*$/s, '')
  for (let at = 0; at + 512 <= bytes.length && bytes[at] !== 0; ) {
    const size = Number.parseInt(field(at + 124, 12), 8) || 0
    const type = String.fromCharCode(bytes[at + 156]!)
    if (type === '0' || type === '\0') yield { name: field(at, 100).replace(/^\.\//, ''), data: bytes.subarray(at + 512, at + 512 + size) }
    at += 512 + Math.ceil(size / 512) * 512
  }
}

/** The folder with the driver, its manifest and the Vulkan loader; unpacked on first use. */
export async function unpackSwiftShader(): Promise<string> {
  const folder = packageFolder()
  const archive = join(folder, 'bin', 'swiftshader.tar.br')
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }
  for (const base of [cacheFolder(), join(tmpdir(), `bms-${process.getuid?.() ?? 'user'}`)]) {
    const target = join(base, `swiftshader-${version}`)
    if (FILES.every((f) => existsSync(join(target, f)))) return target
    const staging = `${target}.${process.pid}`
    try {
      mkdirSync(staging, { recursive: true })
      for (const file of readTar(brotliDecompressSync(readFileSync(archive)))) {
        if (FILES.includes(file.name)) writeFileSync(join(staging, file.name), file.data, { mode: 0o755 })
      }
      try {
        renameSync(staging, target)
      } catch {
        // Another process was first.
        rmSync(staging, { recursive: true, force: true })
      }
      if (FILES.every((f) => existsSync(join(target, f)))) return target
    } catch {
      rmSync(staging, { recursive: true, force: true })
    }
  }
  throw new DeviceError('NO_BUNDLED_DRIVER', `SwiftShader cannot be unpacked into ${cacheFolder()} nor ${tmpdir()}; make one of them writable`)
}
