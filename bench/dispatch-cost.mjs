// Small models are bound by what the CPU does for each dispatch. On Dawn's null backend nothing else is left to measure.
import { child, compare, options, report } from './support.mjs'

const { said } = await child('null-loop.mjs', { args: options.quick ? ['--quick'] : [] })
const rows = said.flatMap(({ name, dispatches, ours, same, simplest, ratio }) => [
  compare(`CPU a dispatch, ${name} (${dispatches} dispatches)`, ours.cpu, {
    unit: 'µs',
    atMost: 4,
    peer: `bare loop over the same commands ${same.cpu.toFixed(2)} (ratio ${ratio.toFixed(2)}), over a 3-buffer kernel ${simplest.cpu.toFixed(2)}`,
  }),
  compare(`  … wall`, ours.wall, { unit: 'µs', peer: `${same.wall.toFixed(2)}, ${simplest.wall.toFixed(2)}` }),
])
report(rows, 'null backend')
