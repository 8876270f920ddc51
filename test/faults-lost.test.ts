// A device that is lost, by its owner or by the driver, at every moment of a training: whatever is used afterwards says so, nothing hangs or is left
// half-done, and a new device works in the same process.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import {
  backward,
  compile,
  type Compiled,
  currentDevice,
  type Device,
  DeviceLostError,
  grad,
  init,
  isGradEnabled,
  loadSafetensors,
  manualSeed,
  nn,
  noGrad,
  ones,
  optim,
  randn,
  saveSafetensors,
  type Tensor,
  tensor,
  tidy,
  useDevice,
  zeros,
} from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { adapter as adapterFlags, shell, small } from './helpers/command.js'
import { close, ready, thrown } from './helpers/device.js'
import { inject } from './helpers/injected.js'
import { adapter, withDevice } from './helpers/own-device.js'
import { options } from './support/options.js'

const test = suite('faults: lost devices')

/** A small model with all that a step has: random numbers, gradients, an optimiser, an average. */
class Trainee {
  readonly model = new nn.Sequential(new nn.Linear(4, 8), new nn.Tanh(), new nn.Linear(8, 1))
  readonly adam = new optim.Adam(this.model.parameters(), { lr: 0.1 })
  readonly ema = new optim.EMA(this.model, { decay: 0.9, warmup: true })
  readonly x = ones([4, 4])
  /** Called in the middle of the step's function. */
  during = (): void => {}

  readonly step: Compiled<[Tensor], Tensor> = compile((x: Tensor) => this.eager(x))

  eager(x: Tensor): Tensor {
    const loss = this.model
      .forward(x.add(randn(x.shape)))
      .square()
      .mean()
    const gradients = grad(loss, this.adam.params)
    this.during()
    this.adam.step(gradients)
    this.ema.update()
    return loss
  }

  /** What the host keeps of the training. */
  hostState(device: Device): unknown {
    const versions = [...this.adam.params, this.x].map((p) => p.storage.version)
    return { versions, lr: this.adam.lr, decay: this.ema.decay, random: device.random.snapshot(), gradients: isGradEnabled() }
  }
}

/** Fails where nothing comes of `promise` within ten seconds. */
async function soon<T>(promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => (timer = setTimeout(() => reject(new Error('hangs')), 10_000)))
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

async function lost(fn: () => unknown, what = fn.toString()): Promise<Error & { fields: Record<string, unknown> }> {
  const error = await soon(thrown(fn)).catch((e: Error) => e)
  assert.ok(error instanceof DeviceLostError, `${what}: ${error}`)
  return error as Error & { fields: Record<string, unknown> }
}

/** Every way to use what a lost device holds, by the op that the error names. */
const uses = (t: Trainee): Record<string, () => unknown> => ({
  add: () => t.x.add(1),
  copy_: () => t.x.copy_(t.x),
  fill_: () => t.x.fill_(0),
  matmul: () => t.x.matmul(t.x),
  sum: () => t.x.sum(),
  sort: () => t.x.sort(),
  full: () => zeros([2], { device: t.x.device }),
  tensor: () => tensor([1, 2], { device: t.x.device }),
  randn: () => randn([2], { device: t.x.device }),
  data: () => t.x.data(),
  item: () => t.x.sum().item(),
  sync: () => t.x.device.sync(),
  'a view': () => t.x.transpose().data(),
  'a forward pass': () => t.model.forward(t.x),
  'a backward pass': () => backward(t.model.forward(t.x).sum()),
  'an eager step': () => tidy(() => void t.eager(t.x)),
  'a replay': () => t.step(t.x),
  'another program': () => t.step(t.x.narrow(0, 0, 2)),
  prepare: () => t.step.prepare(t.x),
  'preparing another program': () => t.step.prepare(t.x.narrow(0, 0, 3)),
  profile: () => t.step.profile(),
  'optimiser step': () => t.adam.step(t.adam.params.map((p) => p.detach())),
  'learning rate': () => void (t.adam.lr = 0.5),
  decay: () => void (t.ema.decay = 0.5),
  average: () => t.ema.update(),
  seed: () => manualSeed(3, t.x.device),
  checkpoint: () => saveSafetensors(t.adam.stateDict()),
  loading: () => t.model.loadStateDict(t.model.stateDict()),
  'loading an optimiser': () => t.adam.loadStateDict(t.adam.stateDict()),
})

/** The op that the error names where it is not plain from the use. */
const own = {
  add: 'add',
  copy_: 'copy_',
  fill_: 'fill_',
  matmul: 'matmul',
  sum: 'sum',
  full: 'full',
  tensor: 'tensor',
  data: 'data',
  item: 'sum',
  sync: 'sync',
}

const ways: [string, (device: Device) => void, string][] = [
  ['device.destroy()', (device) => device.destroy(), 'destroy\\(\\) was called'],
  ['the loss of the GPUDevice', (device) => device.gpu.destroy(), '.+'],
]

/** A device works from its first tensor to a trained step. */
async function works(device: Device): Promise<void> {
  useDevice(device)
  assert.is(device.stream.recorder, null)
  const t = new Trainee()
  const before = await t.adam.params[0]!.data()
  await t.step.prepare(t.x)
  assert.ok(Number.isFinite(await t.step(t.x).item()))
  assert.not.equal(await t.adam.params[0]!.data(), before)
  close(
    await ones([2, 2])
      .add(1)
      .matmul(ones([2, 1]))
      .data(),
    [4, 4],
    0,
  )
  t.step.dispose()
}

for (const [way, lose, why] of ways) {
  test(`after ${way} every use says so, and the host's state stays as it was`, async () => {
    const shared = await ready()
    await withDevice(async (device) => {
      const t = new Trainee()
      await t.step(t.x).data()
      // The pool has memory for what the uses below ask for: they fail all the same, and first of all.
      for (const t of Array.from({ length: 8 }, () => ones([2]))) t.dispose()
      const state = t.hostState(device)
      lose(device)
      const told = await soon(device.lost)
      assert.ok(device.isLost && told instanceof DeviceLostError)
      for (const [name, use] of Object.entries(uses(t))) {
        const error = await lost(use, name)
        assert.match(
          error.message,
          new RegExp(`^\\S.*: the GPU device was lost \\(destroyed\\): ${why}; call init\\(\\) again and resume from the last checkpoint`),
        )
        assert.ok(error.message.includes(`nothing made on lost device ${device.id} (${device.adapter.name}) can be used any more`), error.message)
        // Among them are the ops' own names.
        if (name in own) assert.is(error.fields['op'], own[name as keyof typeof own])
        assert.is(device.stream.recorder, null, name)
        assert.equal(t.hostState(device), state, name)
      }
      // Giving back is no use: it works without an error, as does looking.
      t.step.dispose()
      t.x.dispose()
      assert.ok(device.memory().storages > 0)
      await works(shared)
    })
  })
}

/** Moments at which a device can go, each with what was under way then and must fail. */
const moments: Record<string, (t: Trainee, lose: () => void) => unknown> = {
  'a read is pending': (t, lose) => {
    const read = t.x.mul(2).data()
    lose()
    return read
  },
  'several reads are pending': async (t, lose) => {
    const reads = [t.x.mul(2), t.step(t.x), t.adam.params[0]!].map((x) => x.data())
    lose()
    for (const r of await Promise.allSettled(reads)) assert.ok(r.status === 'rejected' && r.reason instanceof DeviceLostError, JSON.stringify(r))
    return reads[0]
  },
  'device.sync() is pending': (t, lose) => {
    t.step(t.x)
    const { device } = t.x
    const sync = device.sync()
    lose()
    // The wait may end before the news is there; the next one tells.
    return sync.then(() => device.sync())
  },
  'between two replays': async (t, lose) => {
    t.step(t.x)
    lose()
    const loss = t.step(t.x)
    return loss.data()
  },
  'work was gathered and not yet submitted': (t, lose) => {
    const y = t.x.add(1).mul(2)
    lose()
    return y.data()
  },
  'pipelines are being prepared': (t, lose) => {
    const prepared = t.step.prepare(t.x.narrow(0, 0, 2))
    lose()
    return prepared
  },
  'a profile is being taken': async (t, lose) => {
    const times = t.step.profile()
    await Promise.resolve()
    lose()
    return times
  },
  'the step is being recorded, its optimiser next': async (t, lose) => {
    t.during = lose
    const loss = t.step(t.x.narrow(0, 0, 2))
    return loss.data()
  },
  'the step runs eagerly, its optimiser next': (t, lose) => {
    t.during = lose
    return tidy(() => t.eager(t.x)).data()
  },
  'a checkpoint is being written': (t, lose) => {
    const saved = saveSafetensors({ ...t.model.stateDict(), ...t.adam.stateDict() })
    lose()
    return saved
  },
  'a state dict is being loaded': async (t, lose) => {
    const loading = t.adam.loadStateDict(t.adam.stateDict())
    t.adam.params[0]!.fill_(0)
    lose()
    await loading
    return t.x.data()
  },
}

test('lost at any moment of a training: what is under way fails, and the next device works', async () => {
  const shared = await ready()
  for (const [moment, use] of Object.entries(moments)) {
    for (const [way, lose] of ways) {
      const what = `${way} while ${moment}`
      // On the null backend: its devices are lost like any other, and it compiles in no time.
      await withDevice(
        async (device) => {
          const t = new Trainee()
          await t.step(t.x).data()
          await lost(async () => use(t, () => lose(device)), what)
          t.during = () => {}
          assert.is(device.stream.recorder, null, what)
          assert.is(isGradEnabled(), true, what)
          await lost(() => t.step(t.x), `${what}, then a replay`)
          await lost(() => t.step(t.x.narrow(0, 0, 2)), `${what}, then a recording`)
        },
        { adapter: 'null' },
      )
      // No scope of the failed step catches what is made now.
      const after = ones([3]).add(1)
      assert.is(after.disposed, false)
      close(await after.data(), [2, 2, 2], 0)
    }
  }
  await works(shared)
})

test('lost while the adapter works', async () => {
  const work = (x: Tensor): Tensor => x.matmul(x).add(1).sum()
  const step = compile(work)
  const during: Record<string, (x: Tensor, lose: () => void) => unknown> = {
    'reads wait for long work': async (x, lose) => {
      let y = x
      for (let i = 0; i < 100; i++) y = y.matmul(x).mul(0.001)
      const reads = [y.sum().data(), x.data(), y.data()]
      lose()
      for (const r of await Promise.allSettled(reads)) assert.ok(r.status === 'rejected' && r.reason instanceof DeviceLostError, JSON.stringify(r))
      return reads[0]
    },
    'many replays are under way': async (x, lose) => {
      await step(x).data()
      for (let i = 0; i < 50; i++) {
        step(x)
        if (i === 25) lose()
      }
      return step(x).data()
    },
    'the driver compiles': (x, lose) => {
      const prepared = compile((y: Tensor) => work(y).exp().softmax(0).cumsum(0)).prepare(x)
      lose()
      return prepared
    },
  }
  for (const [moment, use] of Object.entries(during)) {
    for (const [way, lose] of ways) {
      await withDevice(async (device) => {
        const x = ones([128, 128])
        await lost(async () => use(x, () => lose(device)), `${way} while ${moment}`)
      })
    }
  }
  step.dispose()
  close(await work(ones([2, 2])).data(), [12], 0)
})

test('the news of the loss may come after what it broke', async () => {
  await withDevice(async (lower) => {
    const injected = inject(lower.gpu)
    const device = await init({ device: injected.gpu })
    const x = ones([4])
    await x.data()
    injected.lateNews = 100
    const read = lost(() => x.add(1).data(), 'a read')
    lower.gpu.destroy()
    await read
    assert.ok(device.isLost)
  })
})

test('old tensors among new ones: which is where', async () => {
  await withDevice(async (old) => {
    const before = new Trainee()
    const weights = await saveSafetensors(before.model.stateDict())
    await before.step(before.x).data()
    old.gpu.destroy()
    await old.lost
    const next = await init({ adapter })
    const x = ones([4, 4])
    const names = [`lost device ${old.id} (${old.adapter.name})`, `device ${next.id} (${next.adapter.name})`] as const
    for (const mix of [
      () => x.add(before.x),
      () => before.x.matmul(x),
      () => x.copy_(before.x),
      () => x.where(x.gt(0), before.x),
      () => compile((a: Tensor, b: Tensor) => a.add(b))(x, before.x),
    ]) {
      const error = await thrown(mix)
      assert.is(error.code, 'ARGUMENT', error.message)
      for (const name of names) assert.ok(error.message.includes(name), `${error.message} lacks ${name}`)
    }
    // What a model of the old device is asked on the new one names the old one, in a step as well as outside.
    for (const use of [() => before.step(x), () => compile(() => before.x.add(1))(), () => compile(() => x.add(before.x.mul(2)))()]) {
      const error = await thrown(use)
      assert.ok(error.message.includes(names[0]), error.message)
      assert.is(next.stream.recorder, null)
    }
    const sgd = new optim.SGD([ones([4, 4])], { lr: 1 })
    assert.ok((await thrown(() => sgd.step([before.x]))).message.includes(names[0]))
    // And a model made anew goes on from what was saved.
    const fresh = new Trainee()
    fresh.model.loadStateDict(loadSafetensors(weights))
    assert.equal(await saveSafetensors(fresh.model.stateDict()), weights)
    assert.ok(Number.isFinite(await fresh.step(x).item()))
    next.destroy()
  })
})

test('a step of no tensors is recorded anew for each device', async () => {
  const shared = await ready()
  const step = compile(() => ones([2]).add(1).cumsum(0))
  close(await step().data(), [2, 4], 0)
  await withDevice(async (device) => {
    close(await step().data(), [2, 4], 0)
    assert.ok(step().device === device)
    device.destroy()
    await lost(() => step())
    useDevice(shared)
    close(await step().data(), [2, 4], 0)
  })
  step.dispose()
})

test('a step of another device is no part of the one being recorded', async () => {
  const elsewhere = ones([2])
  await withDevice(async (device) => {
    // Before this was an error the op ran once, while recording, and its result was frozen into the step.
    const error = await thrown(() => compile(() => elsewhere.add(1))())
    assert.is(error.code, 'ARGUMENT')
    assert.match(error.message, /^add: runs on device \d+ \(.+\) inside compile\(\), which records for device \d+/)
    assert.is(device.stream.recorder, null)
    close(await elsewhere.add(1).data(), [2, 2], 0)
    close(await noGrad(() => compile((x: Tensor) => x.add(1))(elsewhere)).data(), [2, 2], 0)
  })
})

test('bms train: the checkpoint stays whole, and the message tells how to go on', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'bms-lost-'))
  try {
    const checkpoint = join(dir, 'run', 'checkpoint.safetensors')
    // In the process of the command: as soon as there is a checkpoint, the device goes.
    const tensorPackage = pathToFileURL(join(options.root, 'packages/tensor/dist/index.js')).href
    writeFileSync(
      join(dir, 'lose.mjs'),
      `import { existsSync } from 'node:fs'
import { currentDevice } from ${JSON.stringify(tensorPackage)}
const timer = setInterval(() => {
  if (!existsSync(${JSON.stringify(checkpoint)})) return
  clearInterval(timer)
  currentDevice().gpu.destroy()
}, 1)
timer.unref()`,
    )
    const args = `ring --model sn-gan --steps 400 --batch 8 --eval-every 20 --out run ${small.join(' ')} ${adapterFlags.join(' ')}`
    const ended = await shell(dir, `NODE_OPTIONS='--import ./lose.mjs' bms train ${args}`)
    assert.is(ended.code, 1, `${ended.out}${ended.err}`)
    const said =
      /^bms: the GPU device was lost around step \d+ \(destroyed: .+\); the checkpoint of step (\d+) is safe; continue with: bms train ring --resume --out run\n/m
    const [, step] = said.exec(ended.err) ?? []
    assert.ok(Number(step) >= 20, ended.err)
    assert.not.match(ended.err, /\n\s+at |node:internal/)
    assert.not.ok(existsSync(join(dir, 'run', 'result.json')))
    loadSafetensors(readFileSync(checkpoint))
    const resumed = await shell(dir, `bms train ring --resume --steps ${Number(step) + 20} --out run`)
    assert.is(resumed.code, 0, `${resumed.out}${resumed.err}`)
    assert.match(resumed.out, new RegExp(`continues from step ${step} `))
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})

test('the tests that follow have their device', async () => {
  assert.ok(currentDevice() === (await ready()))
})

test.run()
