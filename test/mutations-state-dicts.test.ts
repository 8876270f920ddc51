// State dicts from anywhere, for modules, optimisers, averages, schedules and random streams: what fits is taken bit for bit, what does not is refused
// with everything that is wrong, and then not one bit has changed.
import { type Device, manualSeed, nn, optim, randn, type Tensor, tensor, zeros } from '@bms/nn'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ready } from './helpers/device.js'
import { attempt, everyOne } from './helpers/mutate.js'
import { keys, parsed, poisons } from './helpers/mutate-json.js'

const test = suite('state dicts from strangers')

let device: Device
test.before(async () => {
  device = await ready()
})

type Dict = Record<string, Tensor>

/** How often each tensor's memory was written: as long as none of these changes, no bit does. */
const writes = (dict: Dict): number[] => Object.values(dict).map((t) => t.storage.version)
const bits = async (dict: Dict): Promise<Map<string, string>> => {
  const entries = Object.entries(dict).map(async ([name, t]) => [name, Buffer.from((await t.data()).slice().buffer).toString('hex')] as const)
  return new Map(await Promise.all(entries))
}

/** Something with a state: how it is loaded, and what its state is. */
interface Holder {
  name: string
  own(): Dict
  load(dict: Dict): unknown
}
const holders: Holder[] = []
/** Two more states of each holder, to load from. */
const given: Dict[][] = []
test.before(async () => {
  manualSeed(9)
  const make = (): nn.Sequential => new nn.Sequential(nn.spectralNorm(new nn.Linear(2, 3)), new nn.BatchNorm1d(3), new nn.Linear(3, 3))
  const model = make()
  const loaded = (name: string, x: { stateDict(): Dict; loadStateDict(dict: Dict): unknown }): Holder => ({
    name,
    own: () => x.stateDict(),
    load: (dict) => x.loadStateDict(dict),
  })
  holders.push(
    loaded('a module', model),
    loaded('SGD', new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9 })),
    loaded('Adam', new optim.Adam(model.parameters(), { lr: 0.01 })),
    loaded('RMSprop', new optim.RMSprop(model.parameters(), { lr: 0.01, centered: true })),
    loaded('EMA', new optim.EMA(model)),
  )
  for (const { own } of holders) {
    const fresh = (): Dict =>
      Object.fromEntries(Object.entries(own()).map(([name, t]) => [name, /hyper/.test(name) || t.dtype !== 'f32' ? t.clone() : randn(t.shape)]))
    given.push([fresh(), fresh()])
  }
})

type Spoil = (dict: Dict, name: string, pick: number) => void
const put = (dict: Dict, name: string, value: unknown): void =>
  void Object.defineProperty(dict, name, { value, enumerable: true, configurable: true, writable: true })
const things: unknown[] = [null, undefined, 0, Number.NaN, 'f32', {}, [], [1, 2, 3], { shape: [3], dtype: 'f32' }, { disposed: false, shape: [3] }, () => {}]
const gone = (): Tensor => {
  const t = zeros([3])
  t.dispose()
  return t
}
/** Ways to spoil a dict; those named `same` must not matter. */
const spoils: Record<string, Spoil> = {
  'same: as it is': () => {},
  'same: in another order': (dict, name) => {
    const t = dict[name]!
    delete dict[name]
    dict[name] = t
  },
  'same: a strided view': (dict, name) => {
    const t = dict[name]!
    if (t.ndim === 2) dict[name] = t.t().clone().t()
  },
  missing: (dict, name) => void delete dict[name],
  renamed: (dict, name, pick) => {
    const t = dict[name]
    delete dict[name]
    put(dict, JSON.parse(keys[pick % keys.length]!), t)
  },
  'one more': (dict, _, pick) => put(dict, JSON.parse(keys[pick % keys.length]!), pick % 2 ? zeros([1]) : things[pick % things.length]),
  'another shape': (dict, name) => put(dict, name, zeros([...dict[name]!.shape, 1])),
  'another dtype': (dict, name) => put(dict, name, zeros(dict[name]!.shape, { dtype: dict[name]!.dtype === 'i32' ? 'f32' : 'i32' })),
  'no tensor': (dict, name, pick) => put(dict, name, things[pick % things.length]),
  'a disposed tensor': (dict, name) => put(dict, name, gone()),
  'a name without end': (dict) => put(dict, 'x'.repeat(1_000_000), zeros([1])),
  'a name of a terminal': (dict) => put(dict, '\u001b]0;owned\u0007\u202e', zeros([1])),
}

for (const [kind, spoil] of Object.entries(spoils)) {
  test(`a state dict, ${kind}`, () =>
    everyOne(40, fc.tuple(fc.nat(4), fc.nat(1), fc.nat(500), fc.nat(500)), async ([which, set, at, pick]) => {
      const { own, load, name: what } = holders[which]!
      const dict = { ...given[which]![set]! }
      const names = Object.keys(dict)
      spoil(dict, names[at % names.length]!, pick)
      const versions = writes(own())
      const { error } = await attempt(() => load(dict))
      if (kind.startsWith('same')) {
        if (error) throw new Error(`${what} refused a good dict: ${error.message}`)
        assert.equal(await bits(own()), await bits({ ...own(), ...dict }), what)
        return
      }
      assert.is(error?.code, 'STATE_DICT', what)
      assert.equal(writes(own()), versions, `${what} was written to`)
    }))
}

test('what is no state dict at all is refused by what it is', async () => {
  for (const { name, load } of holders) {
    for (const thing of [null, undefined, 3, 'model.safetensors', () => {}]) {
      const { error } = await attempt(() => load(thing as never))
      assert.is(error?.code, 'ARGUMENT', name)
      assert.match(error!.message, /loadStateDict: an object of tensors is needed, got /)
    }
  }
})

test('an optimiser refuses hyper-parameters that it could not have, and has its own and all its state as before', async () => {
  const optimisers = holders.filter(({ own }) => 'group.0.hyper' in own())
  const numbers = fc.constantFrom(Number.NaN, Infinity, -1, 1, 3, 0.3)
  await everyOne(60, fc.tuple(fc.nat(optimisers.length - 1), fc.nat(8), numbers), async ([which, at, value]) => {
    const { own, load } = optimisers[which]!
    const before = await bits(own())
    const head = Float32Array.from(await own()['group.0.hyper']!.data())
    const old = head[at]!
    head[at] = value
    const others = given[holders.indexOf(optimisers[which]!)]![1]!
    const { error } = await attempt(() => load({ ...others, 'group.0.hyper': tensor(head) }))
    if (!error) {
      assert.equal(Float32Array.from(await own()['group.0.hyper']!.data()), head)
      assert.ok(value >= 0 && Number.isFinite(value), `number ${at} is ${value}, it was ${old}`)
      await load({ ...others, 'group.0.hyper': tensor(Float32Array.from(head, (x, i) => (i === at ? old : x))) })
      return
    }
    assert.is(error.code, 'STATE_DICT')
    assert.match(error.message, /nothing was changed/)
    assert.equal(await bits(own()), before)
  })
})

test('schedules and random streams refuse a state that is none, and stay where they are', () => {
  const words = fc.constantFrom(...poisons.filter((p) => parsed(p) !== undefined), '-5', '1e400')
  return everyOne(250, fc.tuple(words, words, fc.nat(5)), async ([a, b, kind]) => {
    const opt = { groups: [{ lr: 0.5 }] }
    const scheduler = kind % 2 ? new optim.StepLR(opt, 2) : new optim.OneCycleLR(opt, 1, { totalSteps: 10 })
    scheduler.step()
    const [before, rate] = [scheduler.stateDict(), opt.groups[0]!.lr]
    const [x, y] = [JSON.parse(a), JSON.parse(b)]
    const state = kind === 5 ? x : { lastEpoch: x, baseLrs: kind === 4 ? y : [y] }
    const loaded = await attempt(() => scheduler.loadStateDict(state))
    if (loaded.error) {
      assert.equal(scheduler.stateDict(), before)
      assert.is(opt.groups[0]!.lr, rate)
    } else assert.ok(Number.isFinite(opt.groups[0]!.lr) && opt.groups[0]!.lr >= 0)
    const { random } = device
    const stood = random.snapshot()
    const { error } = await attempt(() => random.restore({ seed: x, counter: y }))
    if (error) assert.equal(random.snapshot(), stood)
    else for (const n of Object.values(random.snapshot())) assert.ok(Number.isSafeInteger(n) && n >= 0)
    random.restore(stood)
  })
})

test.run()
