// What a worker does to a Node process: it must neither keep one alive nor let one end that waits for a batch; and one that breaks down says so.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { BmsError } from '@bms/tensor'
import { type BatchLoader, imageLoader, parseCifar10Batch } from '@bms/bms'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { batchOf } from './helpers/cifar10.js'
import { options } from './support/options.js'

const test = suite('loader')

const set = parseCifar10Batch(batchOf(50), 'few')
const index = pathToFileURL(join(options.root, 'packages/bms/dist/index.js')).href

/** Runs a module in a process of its own. */
function node(source: string): Promise<{ code: number | null; out: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 })
    let out = ''
    child.stdout.on('data', (chunk) => (out += chunk))
    child.stderr.on('data', (chunk) => (out += chunk))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, out }))
  })
}
/** A worker with this text; `port` and `ready` are there. */
const scripted = (text: string) => () =>
  new Worker(`const { parentPort: port } = require('node:worker_threads'); const ready = () => port.postMessage({ kind: 'ready' }); ${text}`, { eval: true })
const started = async (loader: BatchLoader) => {
  for (let i = 0; i < 1000 && !loader.threaded; i++) await new Promise((done) => setTimeout(done, 10))
  assert.is(loader.threaded, true)
}
async function caught(action: () => Promise<unknown>): Promise<BmsError> {
  try {
    await action()
  } catch (error) {
    return error as BmsError
  }
  throw new Error('nothing was thrown')
}

test('a process with an open loader ends by itself, but not before the batch that it waits for', async () => {
  const script = `
    import { imageLoader } from ${JSON.stringify(index)}
    const pixels = new Uint8Array(new SharedArrayBuffer(4000 * 3072))
    const loader = imageLoader({ name: 'x', source: 'x', count: 4000, channels: 3, height: 32, width: 32, pixels }, { batch: 4000, seed: 1 })
    while (!loader.threaded) await new Promise((done) => setTimeout(done, 5))
    console.log((await loader.next(0)).length, (await loader.next(1)).length)`
  assert.equal(await node(script), { code: 0, out: '12288000 12288000\n' })
})

test('a worker that breaks down rejects what is waited for, and all that follows', async () => {
  for (const [text, reason] of [
    [`port.on('message', (m) => { if (m.kind === 'open') ready(); else throw new Error('out of\\nluck') })`, 'out of\\u{a}luck'],
    [`port.on('message', (m) => { if (m.kind === 'open') ready(); else process.exit(7) })`, 'it ended with code 7'],
  ]) {
    const loader = imageLoader(set, { batch: 4, seed: 0, worker: scripted(text) })
    await started(loader)
    for (const step of [0, 1]) {
      const error = await caught(() => loader.next(step))
      assert.is(error.code, 'LOADER_FAILED')
      assert.is(error.message, `the worker that makes batches broke down: ${reason}. Resume from the last checkpoint`)
      assert.equal(error.fields, { reason })
    }
    assert.is(loader.threaded, false)
    loader.close()
  }
})

test('a worker that cannot be started is not missed', async () => {
  const makers = [scripted('throw new Error("no")'), scripted('process.exit(3)'), () => new Worker(new URL('./no-such-file.js', import.meta.url))]
  for (const worker of makers) {
    const loader = imageLoader(set, { batch: 4, seed: 0, worker })
    const here = imageLoader(set, { batch: 4, seed: 0, worker: false })
    for (let step = 0; step < 5; step++) {
      assert.equal(await loader.next(step), await here.next(step))
      await new Promise((done) => setTimeout(done, 20))
    }
    assert.is(loader.threaded, false)
    loader.close()
  }
})

test('batches are made ahead of being asked for', async () => {
  const asked: number[] = []
  const port = {
    on(event: string, listener: (message: unknown) => void) {
      if (event === 'message') port.answer = listener
    },
    answer: (_: unknown) => {},
    ref: () => {},
    unref: () => {},
    terminate: () => {},
    postMessage(message: { kind: string; step: number }) {
      if (message.kind === 'open') return setTimeout(() => port.answer({ kind: 'ready' }))
      asked.push(message.step)
      return setTimeout(() => port.answer({ kind: 'batch', step: message.step, batch: Float32Array.of(message.step) }))
    },
  }
  const loader = imageLoader(set, { batch: 4, seed: 0, ahead: 3, worker: () => port })
  await started(loader)
  for (const step of [10, 11, 12, 40]) assert.equal(await loader.next(step), Float32Array.of(step))
  assert.equal(asked, [10, 11, 12, 13, 14, 15, 40, 41, 42, 43])
  loader.close()
})

test.run()
