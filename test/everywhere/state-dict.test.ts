// A state dict from PyTorch to @bms and back: the same names, the same bits. The way back is in two halves: here the bytes that @bms writes are those that
// test/golden/exchange.py expects, and there those bytes go into PyTorch's module (`generate.py --check`). Runs in Node and in a browser.
import { loadSafetensors, nn, readSafetensorsHeader, saveSafetensors } from '@bms/nn'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ready } from '../helpers/device.js'
import { goldenBytes } from '../helpers/host.js'

const test = suite('state dict')
await ready()

/** As in test/golden/exchange.py. */
const architecture = (): nn.Module =>
  new nn.Sequential({
    critic: nn.spectralNorm(new nn.Linear(5, 7)),
    norm: new nn.BatchNorm1d(7),
    body: new nn.Sequential(new nn.Tanh(), new nn.Linear(7, 6, { bias: false }), new nn.LayerNorm(6)),
    table: new nn.Embedding(3, 4),
  })

test('from PyTorch and back: names, order, every bit', async () => {
  const bytes = await goldenBytes('state-dict.safetensors')
  const module = architecture()
  const dict = loadSafetensors(bytes)
  assert.equal(Object.keys(module.stateDict()), Object.keys(dict), 'PyTorch’s names in PyTorch’s order')
  module.loadStateDict(dict)
  for (const t of Object.values(dict)) t.dispose()
  const { metadata } = readSafetensorsHeader(bytes)
  const saved = await saveSafetensors(module.stateDict(), metadata)
  const expected = await goldenBytes('state-dict-back.safetensors')
  assert.equal(readSafetensorsHeader(saved), readSafetensorsHeader(expected))
  assert.equal(saved, expected)
})

test('a module that computed with the state still has its bits', async () => {
  const dict = loadSafetensors(await goldenBytes('state-dict.safetensors'))
  const module = architecture().eval()
  module.loadStateDict(dict)
  const step = module as unknown as Record<'critic' | 'norm' | 'body', nn.Module>
  await step.body.forward(step.norm.forward(step.critic.forward(nn.init.ones_(dict['body.1.weight']!.narrow(1, 0, 5).clone())))).data()
  assert.equal(await saveSafetensors(module.stateDict(), { format: 'pt' }), await goldenBytes('state-dict-back.safetensors'))
})

test.run()
