// Fetching CIFAR-10's archive from servers that break off, know no ranges, or send something else; and what is on the disk after each.
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import os from 'node:os'
import { join } from 'node:path'
import type { BmsError } from '@bms/tensor'
import { downloadCifar10, type DownloadOptions, fetchCifar10, fetchCifar10Sample, openCifar10, openCifar10Sample } from '@bms/bms/node'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { archiveOf, batchOf } from './helpers/cifar10.js'
import { options } from './support/options.js'

const test = suite('download')

/** What the server does with the next request. */
interface Manner {
  /** Bytes after which it breaks the connection. */
  cut?: number
  ranges?: boolean
  status?: number
  body?: Uint8Array
  /** Says nothing of the length. */
  chunked?: boolean
  html?: boolean
}

let archive: Uint8Array
let manner: Manner = {}
/** What it sends under other paths than the archive's. */
let pages: Record<string, Buffer> = {}
let requests: (string | undefined)[] = []
let url = ''
let dir = ''
const server = http.createServer((request, response) => {
  const { range } = request.headers
  requests.push(range)
  const whole = pages[request.url ?? ''] ?? manner.body ?? archive
  if (manner.status && !pages[request.url ?? '']) {
    response.writeHead(manner.status).end('no such page')
    return
  }
  const from = range && manner.ranges !== false ? Number(/^bytes=(\d+)-$/.exec(range)![1]) : 0
  if (from >= whole.length) {
    response.writeHead(416, { 'content-range': `bytes */${whole.length}` }).end()
    return
  }
  const body = whole.subarray(from)
  const headers: http.OutgoingHttpHeaders = manner.chunked ? {} : { 'content-length': body.length }
  if (from > 0) headers['content-range'] = `bytes ${from}-${whole.length - 1}/${whole.length}`
  if (manner.html) headers['content-type'] = 'text/html; charset=utf-8'
  response.writeHead(from > 0 ? 206 : 200, headers)
  if (manner.cut === undefined) response.end(body)
  else response.write(body.subarray(0, manner.cut), () => setTimeout(() => response.destroy(), 20))
})

test.before(async () => {
  archive = await archiveOf(4)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/cifar-10-binary.tar.gz`
})
test.after(() => {
  server.closeAllConnections()
  server.close()
})
test.before.each(() => {
  dir = fs.mkdtempSync(join(os.tmpdir(), 'bms-download-'))
  manner = {}
  pages = {}
  requests = []
})
test.after.each(() => {
  fs.rmSync(dir, { recursive: true, force: true })
})

const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex')
const download = (options: DownloadOptions = {}) => downloadCifar10(dir, { url, expect: { bytes: archive.length, md5: md5(archive) }, ...options })
async function caught(action: () => Promise<unknown>): Promise<BmsError> {
  try {
    await action()
  } catch (error) {
    return error as BmsError
  }
  throw new Error('nothing was thrown')
}
const path = () => join(dir, 'cifar-10-binary.tar.gz')
const grouped = (n: number) => n.toLocaleString('en')
const isThere = () => {
  assert.equal(fs.readdirSync(dir), ['cifar-10-binary.tar.gz'])
  assert.equal(fs.readFileSync(path()), Buffer.from(archive))
}

test('the archive arrives whole, with progress, and can be opened', async () => {
  const seen: [number, number | undefined][] = []
  dir = join(dir, 'new/folder')
  assert.is(await download({ onProgress: ({ bytes, total }) => seen.push([bytes, total]) }), path())
  isThere()
  assert.equal(seen[0], [0, archive.length])
  assert.equal(seen.at(-1), [archive.length, archive.length])
  assert.ok(seen.every(([bytes], i) => i === 0 || bytes >= seen[i - 1][0]))
  assert.is((await openCifar10(dir, { rows: 4, split: 'both' })).count, 24)
})

test('what is there already is checked and kept', async () => {
  await download()
  assert.is(await download(), path())
  assert.equal(requests, [undefined], 'asked once')
  fs.writeFileSync(path(), 'mine')
  const error = await caught(download)
  assert.is(
    error.message,
    `${path()}: a file of this name is there, but not the archive: got 4 bytes, expected ${grouped(archive.length)} bytes with MD5 ${md5(archive)}. Move it away to download the archive`,
  )
  assert.is(error.code, 'BAD_DATA')
  assert.is(fs.readFileSync(path(), 'utf8'), 'mine')
})

test('a broken connection keeps what arrived, and the next call goes on from there', async () => {
  manner = { cut: 5000 }
  const error = await caught(download)
  assert.is(error.code, 'DOWNLOAD_FAILED')
  assert.match(
    error.message,
    new RegExp(
      `^could not download ${url.replaceAll('.', '\\.')}: .+\\. 5,000 of ${grouped(archive.length)} bytes are kept: the same command goes on from there$`,
    ),
  )
  assert.equal([error.fields.url, error.fields.kept], [url, 5000])
  assert.equal(fs.readdirSync(dir), ['cifar-10-binary.tar.gz.part'])
  manner = { cut: 3000 }
  assert.is((await caught(download)).fields.kept, 8000)
  manner = {}
  const seen: number[] = []
  await download({ onProgress: ({ bytes }) => seen.push(bytes) })
  isThere()
  assert.is(seen[0], 8000)
  assert.equal(requests, [undefined, 'bytes=5000-', 'bytes=8000-'])
})

test('a server without ranges sends all of it again', async () => {
  manner = { cut: 5000 }
  await caught(download)
  manner = { ranges: false }
  await download()
  isThere()
  assert.is(requests[1], 'bytes=5000-')
})

test('a body that ends early without an error is continued', async () => {
  manner = { chunked: true, body: archive.subarray(0, 4000) }
  const error = await caught(download)
  assert.equal([error.code, error.fields.kept, error.fields.reason], ['DOWNLOAD_FAILED', 4000, 'the connection ended early'])
  manner = {}
  await download()
  isThere()
})

test('a server with another file is refused before it costs what was kept', async () => {
  manner = { cut: 5000 }
  await caught(download)
  const size = `the server's file has 4,000 bytes, expected ${grouped(archive.length)}`
  for (const [other, why] of [
    [{ body: archive.subarray(0, 4000) }, size],
    [{ body: archive.subarray(0, 4000), ranges: false }, size],
    [{ body: archive.subarray(0, 6000) }, size.replace('4,000', '6,000')],
    [{ body: Buffer.from('<html>Welcome to our hotel'), ranges: false, chunked: true, html: true }, 'the server sent a web page'],
  ] as const) {
    manner = other
    const error = await caught(download)
    assert.is(error.code, 'BAD_DATA')
    assert.is(error.message, `${url}: this is not the archive: ${why}. Try another server`)
    assert.is(fs.statSync(`${path()}.part`).size, 5000)
  }
  manner = {}
  await download()
  isThere()
})

test('a wrong checksum removes what arrived', async () => {
  const other = archive.slice()
  other[1000] ^= 1
  manner = { body: other }
  const error = await caught(download)
  assert.is(error.code, 'BAD_DATA')
  const size = grouped(archive.length)
  assert.is(
    error.message,
    `${path()}: what ${url} sent is not the archive: got ${size} bytes with MD5 ${md5(other)}, expected ${size} bytes with MD5 ${md5(archive)}. It was removed. Try again, or another server`,
  )
  assert.equal(fs.readdirSync(dir), [])
})

test('more bytes than the archive has are not awaited', async () => {
  manner = { chunked: true, body: Buffer.concat([archive, Buffer.alloc(1 << 22)]) }
  assert.match((await caught(download)).message, 'is not the archive: got ')
  assert.equal(fs.readdirSync(dir), [])
})

test('a part file that is whole needs no server, one that is too long is begun anew', async () => {
  fs.writeFileSync(`${path()}.part`, archive)
  await download()
  isThere()
  assert.equal(requests, [])
  fs.rmSync(path())
  fs.writeFileSync(`${path()}.part`, Buffer.concat([archive, Buffer.from('x')]))
  await download()
  isThere()
})

test('a server that refuses, and one that is not there', async () => {
  manner = { status: 404 }
  const error = await caught(download)
  assert.is(error.message, `could not download ${url}: the server answered 404 Not Found. Nothing arrived yet`)
  assert.equal([error.code, error.fields], ['DOWNLOAD_FAILED', { url, status: 404, reason: 'the server answered 404 Not Found', kept: 0 }])
  assert.equal(fs.readdirSync(dir), [])
  const nowhere = 'http://127.0.0.1:1/a.tar.gz'
  const none = await caught(() => download({ url: nowhere }))
  assert.is(none.code, 'DOWNLOAD_FAILED')
  assert.match(none.message, /^could not download http:\/\/127\.0\.0\.1:1\/a\.tar\.gz: .+\. Nothing arrived yet$/)
})

test('a signal stops and keeps what arrived', async () => {
  const stop = new AbortController()
  const reason = new Error('stopped')
  manner = { body: Buffer.concat([archive, Buffer.alloc(1 << 22)]) }
  const expect = { bytes: archive.length + (1 << 22), md5: '' }
  const error = await caught(() => download({ expect, signal: stop.signal, onProgress: ({ bytes }) => bytes > 0 && stop.abort(reason) }))
  assert.is(error, reason)
  const [part] = fs.readdirSync(dir)
  assert.is(part, 'cifar-10-binary.tar.gz.part')
  assert.ok(fs.statSync(join(dir, part)).size > 0)
})

test('a folder that cannot be written', async () => {
  fs.writeFileSync(join(dir, 'file'), 'x')
  const below = join(dir, 'file/below')
  const error = await caught(() => downloadCifar10(below, { url, expect: { bytes: 1, md5: '' } }))
  assert.is(error.code, 'WRITE_FAILED')
  assert.is(error.message, `could not write ${join(below, 'cifar-10-binary.tar.gz.part')} (ENOTDIR): a part of the path is a file. Choose another folder.`)
  assert.equal(requests, [])
})

test("something else under the part file's name, or under the archive's", async () => {
  fs.mkdirSync(`${path()}.part`)
  const error = await caught(download)
  assert.is(error.code, 'WRITE_FAILED')
  assert.ok(error.message.startsWith(`could not write ${path()}.part (EISDIR): `))
  fs.mkdirSync(path())
  assert.match((await caught(download)).message, `${path()}: a file of this name is there, but not the archive: got `)
})

test('a page fetches the sample from where it keeps it', async () => {
  const assets = join(options.root, 'packages/bms/assets')
  const [sheet, labels] = [new URL('/sheet.png', url), new URL('/labels.json', url)]
  pages = { '/sheet.png': fs.readFileSync(join(assets, 'cifar10-sample.png')), '/labels.json': fs.readFileSync(join(assets, 'cifar10-sample.json')) }
  const [fetched, opened] = [await fetchCifar10Sample('test', { sheet, labels }), await openCifar10Sample('test')]
  assert.equal([fetched.count, fetched.labels], [100, opened.labels])
  assert.ok(fetched.pixels.every((pixel, i) => pixel === opened.pixels[i]))
  manner = { status: 404 }
  const error = await caught(() => fetchCifar10Sample('test', { sheet, labels: new URL('/nowhere.json', url) }))
  assert.is(error.code, 'FETCH_FAILED')
  assert.is(error.message, `could not fetch the sample of CIFAR-10 from ${new URL('/nowhere.json', url)}: the server answered 404 Not Found`)
  manner = {}
  pages['/labels.json'] = Buffer.from('{')
  assert.match((await caught(() => fetchCifar10Sample('test', { sheet, labels }))).message, `${labels}: no JSON (`)
  pages['/labels.json'] = Buffer.from('{"images": 1000, "train": 900, "columns": 40, "labels": "012"}')
  assert.is(
    (await caught(() => fetchCifar10Sample('test', { sheet, labels }))).message,
    'the sample of CIFAR-10 in @bms/bms: a sheet of 1280x800 and 3 labels do not belong together. Install the package again',
  )
  pages['/sheet.png'] = pages['/sheet.png'].subarray(0, 1000)
  assert.match((await caught(() => fetchCifar10Sample('test', { sheet, labels }))).message, 'the sample of CIFAR-10 in @bms/bms: the sheet cannot be read (')
})

test('fetchCifar10 reads from a server; what breaks or is refused is named with the URL', async () => {
  assert.is((await fetchCifar10(url, { rows: 4 })).count, 20)
  assert.is((await fetchCifar10(new URL(`${url}?v=2#x`), { rows: 4, split: 'test' })).count, 4)
  manner = { cut: 5000 }
  const broken = await caught(() => fetchCifar10(url, { rows: 4 }))
  assert.is(broken.code, 'FETCH_FAILED')
  assert.match(broken.message, /^could not fetch http.+: the connection broke \(.+\)\. Try again$/)
  manner = { cut: 5000, body: batchOf(4) }
  assert.is((await caught(() => fetchCifar10(url))).code, 'FETCH_FAILED')
  manner = { status: 403 }
  const refused = await caught(() => fetchCifar10(url))
  assert.is(refused.message, `could not fetch ${url}: the server answered 403 Forbidden`)
  assert.equal(refused.fields, { url, status: 403, reason: 'the server answered 403 Forbidden' })
  const nowhere = await caught(() => fetchCifar10('http://127.0.0.1:1/a.bin'))
  assert.match(nowhere.message, 'could not fetch http://127.0.0.1:1/a.bin: ')
  manner = {}
  const stop = new AbortController()
  const reason = new Error('enough')
  assert.is(await caught(() => fetchCifar10(url, { rows: 4, signal: stop.signal, onProgress: () => stop.abort(reason) })), reason)
})

test.run()
