// Views: the same elements under another shape.
import * as bms from '@bms/nn'
import * as nd from '../../helpers/nd.js'
import { oneLiners, op } from '../op.js'
import { noDim, noTensor, scalar } from '../refusals.js'
import { truths, whole } from '../values.js'

export const viewRows = [
  op('reshape', {
    samples: oneLiners([
      [[], 'a.reshape(1, 1)', (x) => x.reshape(1, 1), (x) => nd.reshape(x, [1, 1])],
      [[2, 3], 'a.reshape(3, 2)', (x) => bms.reshape(x, [3, 2]), (x) => nd.reshape(x, [3, 2])],
      [[12], 'a.reshape(2, -1, 3)', (x) => x.reshape([2, -1, 3]), (x) => nd.reshape(x, [2, 2, 3])],
      [[2, 3, 5], 'a.reshape(-1)', (x) => x.reshape(-1), (x) => nd.reshape(x, [30])],
      [[2, 3, 1, 2, 2], 'a.reshape(6, 4)', (x) => x.reshape(6, 4), (x) => nd.reshape(x, [6, 4])],
      [[0, 3], 'a.reshape(3, 0)', (x) => x.reshape(3, -1), (x) => nd.reshape(x, [3, 0])],
      [[2, 3], 'a.t().reshape(6)', (x) => x.t().reshape(6), (x) => nd.reshape(nd.transpose(x), [6])],
      [[4, 3], 'a.reshape(3, 4)', (x) => x.reshape(3, 4), (x) => nd.reshape(x, [3, 4]), { name: 'integers', inputs: [whole([4, 3], -9, 9)], dtype: 'i32' }],
    ]),
    errors: [
      [() => bms.zeros([4, 6]).reshape(5, 5), 'SHAPE', 'reshape: [4, 6] has 24 elements, [5, 5] has 25'],
      [() => bms.zeros([4, 6]).reshape(5, -1), 'SHAPE', 'reshape: [4, 6] has 24 elements, [5, -1] needs a multiple of 5'],
      [() => bms.zeros([4]).reshape(-1, -1), 'SHAPE', 'reshape: bad shape [-1, -1]: whole numbers, at most one of them -1'],
      [() => bms.zeros([4]).reshape(2.5), 'SHAPE', 'reshape: bad shape [2.5]: whole numbers, at most one of them -1'],
      noTensor('reshape', (x) => bms.reshape(x, [1])),
    ],
  }),
  op('permute', {
    samples: oneLiners([
      [[], 'a.permute(())', (x) => x.permute([]), (x) => x],
      [[3], 'a.permute(0)', (x) => x.permute(0), (x) => x],
      [[2, 3, 2], 'a.permute(2, 0, 1)', (x) => bms.permute(x, [2, 0, 1]), (x) => nd.permute(x, [2, 0, 1])],
      [[1, 4], 'a.permute(-1, 0)', (x) => x.permute([-1, 0]), (x) => nd.permute(x, [1, 0])],
      [[2, 3, 1, 5, 2], 'a.permute(3, 0, 4, -4, 2)', (x) => x.permute(3, 0, 4, -4, 2), (x) => nd.permute(x, [3, 0, 4, 1, 2])],
      [[2, 0, 3], 'a.permute(1, 2, 0)', (x) => x.permute(1, 2, 0), (x) => nd.permute(x, [1, 2, 0])],
    ]),
    errors: [
      [() => bms.zeros([2, 3]).permute(0), 'SHAPE', 'permute: [0] is not an order of the 2 dims of [2, 3]'],
      [() => bms.zeros([2, 3]).permute(1, -1), 'SHAPE', 'permute: [1, -1] is not an order of the 2 dims of [2, 3]'],
      ...noDim('permute', (x, dim) => x.permute(0, dim)),
      noTensor('permute', (x) => bms.permute(x, [0])),
    ],
  }),
  op('transpose', {
    covers: ['transpose', 'Tensor.transpose', 'Tensor.t'],
    samples: oneLiners([
      [[2, 3], 'a.t()', (x) => x.t(), (x) => nd.transpose(x)],
      [[2, 3, 2], 'a.transpose(-2, -1)', (x) => bms.transpose(x), (x) => nd.transpose(x)],
      [[2, 2, 3], 'a.transpose(0, -1)', (x) => x.transpose(0, -1), (x) => nd.permute(x, [2, 1, 0])],
      [[5], 'a.transpose(0, -1)', (x) => x.transpose(0, -1), (x) => x],
      [[2, 1, 3, 1, 5], 'a.transpose(1, 4)', (x) => x.transpose(1, 4), (x) => nd.permute(x, [0, 4, 2, 3, 1])],
      [[0, 3], 'a.transpose(0, 1)', (x) => x.transpose(0, 1), (x) => nd.transpose(x)],
    ]),
    errors: [
      ...noDim('transpose', (x, dim) => x.transpose(0, dim)),
      [() => bms.zeros([3]).t(), 'SHAPE', 'transpose: dim -2 is out of range for a tensor of 1 dims (allowed: -1 to 0)'],
      noTensor('transpose', (x) => bms.transpose(x)),
    ],
  }),
  op('expand', {
    samples: oneLiners([
      [[], 'a.expand(2, 3)', (x) => x.expand(2, 3), (x) => nd.expand(x, [2, 3])],
      [[3], 'a.expand(2, -1)', (x) => x.expand([2, -1]), (x) => nd.expand(x, [2, 3])],
      [[2, 1], 'a.expand(3, 2, 4)', (x) => bms.expand(x, [3, 2, 4]), (x) => nd.expand(x, [3, 2, 4])],
      [[3, 1, 2, 1, 1], 'a.expand(3, 2, 2, 1, 3)', (x) => x.expand(3, 2, 2, 1, 3), (x) => nd.expand(x, [3, 2, 2, 1, 3])],
      [[1, 3], 'a.expand(0, 3)', (x) => x.expand(0, 3), (x) => nd.expand(x, [0, 3])],
      [[0, 1], 'a.expand(2, 0, 3)', (x) => x.expand(2, 0, 3), (x) => nd.expand(x, [2, 0, 3])],
    ]),
    errors: [
      [() => bms.zeros([2, 1]).expand(3, 3), 'SHAPE', 'expand: cannot expand [2, 1] to [3, 3]: dim 0 is 2, not 1 or 3'],
      [() => bms.zeros([2, 3]).expand(3), 'SHAPE', 'expand: cannot expand [2, 3] to fewer dims [3]'],
      [() => bms.zeros([2]).expand(-1, 2), 'SHAPE', 'expand: a shape is a list of whole numbers ≥ 0, got [-1,2]'],
      noTensor('expand', (x) => bms.expand(x, [1])),
    ],
  }),
  op('squeeze', {
    samples: oneLiners([
      [[], 'a.squeeze()', (x) => x.squeeze(), (x) => x],
      [[1], 'a.squeeze()', (x) => bms.squeeze(x), (x) => nd.reshape(x, [])],
      [[2, 1, 3, 1], 'a.squeeze()', (x) => x.squeeze(), (x) => nd.reshape(x, [2, 3])],
      [[1, 3, 1], 'a.squeeze(-1)', (x) => x.squeeze(-1), (x) => nd.reshape(x, [1, 3])],
      [[1, 3, 1], 'a.squeeze(1)', (x) => x.squeeze(1), (x) => x],
      [[1, 2, 1, 3, 1], 'a.squeeze(4).squeeze(0)', (x) => bms.squeeze(x, [0, -1]), (x) => nd.reshape(x, [2, 1, 3])],
      [[1, 0], 'a.squeeze(0)', (x) => x.squeeze(0), (x) => nd.reshape(x, [0])],
    ]),
    errors: [...noDim('squeeze', (x, dim) => x.squeeze(dim)), noTensor('squeeze', (x) => bms.squeeze(x))],
  }),
  op('unsqueeze', {
    samples: oneLiners([
      [[], 'a.unsqueeze(0)', (x) => x.unsqueeze(0), (x) => nd.reshape(x, [1])],
      [[3], 'a.unsqueeze(-1)', (x) => x.unsqueeze(-1), (x) => nd.reshape(x, [3, 1])],
      [[2, 3], 'a.unsqueeze(1)', (x) => bms.unsqueeze(x, 1), (x) => nd.reshape(x, [2, 1, 3])],
      [[2, 1, 3, 2], 'a.unsqueeze(-5)', (x) => x.unsqueeze(-5), (x) => nd.reshape(x, [1, 2, 1, 3, 2])],
      [[0, 3], 'a.unsqueeze(2)', (x) => x.unsqueeze(2), (x) => nd.reshape(x, [0, 3, 1])],
    ]),
    errors: [
      [() => bms.zeros([2, 3]).unsqueeze(3), 'SHAPE', 'unsqueeze: dim 3 is out of range for a tensor of 3 dims (allowed: -3 to 2)'],
      noTensor('unsqueeze', (x) => bms.unsqueeze(x, 0)),
    ],
  }),
  op('narrow', {
    samples: oneLiners([
      [[5], 'a.narrow(0, 1, 3)', (x) => x.narrow(0, 1, 3), (x) => nd.narrow(x, 0, 1, 3)],
      [[3, 4], 'a.narrow(1, -2, 2)', (x) => bms.narrow(x, 1, -2, 2), (x) => nd.narrow(x, 1, -2, 2)],
      [[2, 1, 3], 'a.narrow(-3, 0, 2)', (x) => x.narrow(-3, 0, 2), (x) => x],
      [[2, 3, 1, 5, 2], 'a.narrow(3, 4, 1)', (x) => x.narrow(3, 4, 1), (x) => nd.narrow(x, 3, 4, 1)],
      [[2, 3], 'a.narrow(1, 3, 0)', (x) => x.narrow(1, 3, 0), (x) => nd.narrow(x, 1, 3, 0)],
      [[0, 3], 'a.narrow(1, 1, 2)', (x) => x.narrow(1, 1, 2), (x) => nd.narrow(x, 1, 1, 2)],
    ]),
    errors: [
      [() => bms.zeros([2, 3]).narrow(1, 2, 2), 'SHAPE', 'narrow: elements 2 to 4 of dim 1 are out of range: [2, 3] has 3 there'],
      [() => bms.zeros([2, 3]).narrow(1, -4, 1), 'SHAPE', 'narrow: elements -4 to -3 of dim 1 are out of range: [2, 3] has 3 there'],
      [() => bms.zeros([2, 3]).narrow(0, 0.5, 1), 'SHAPE', 'narrow: elements 0.5 to 1.5 of dim 0 are out of range: [2, 3] has 2 there'],
      ...noDim('narrow', (x, dim) => x.narrow(dim, 0, 1)),
      scalar('narrow', (x) => x.narrow(0, 0, 1)),
      noTensor('narrow', (x) => bms.narrow(x, 0, 0, 1)),
    ],
  }),
  op('select', {
    samples: oneLiners([
      [[3], 'a.select(0, 1)', (x) => x.select(0, 1), (x) => nd.select(x, 0, 1)],
      [[2, 3, 2], 'a.select(1, -1)', (x) => bms.select(x, 1, -1), (x) => nd.select(x, 1, -1)],
      [[2, 1, 3, 5, 2], 'a.select(-2, 4)', (x) => x.select(-2, 4), (x) => nd.select(x, 3, 4)],
      [[2, 0], 'a.select(0, 1)', (x) => x.select(0, 1), (x) => nd.select(x, 0, 1)],
    ]),
    errors: [
      [() => bms.zeros([2, 3]).select(0, 2), 'SHAPE', 'select: index 2 of dim 0 is out of range: [2, 3] has 2 there'],
      [() => bms.zeros([2, 3]).select(1, -4), 'SHAPE', 'select: index -4 of dim 1 is out of range: [2, 3] has 3 there'],
      ...noDim('select', (x, dim) => x.select(dim, 0)),
      scalar('select', (x) => x.select(0, 0)),
      noTensor('select', (x) => bms.select(x, 0, 0)),
    ],
  }),
  op('split', {
    samples: oneLiners([
      [[5], 'a.split(2)', (x) => x.split(2), (x) => nd.split(x, [2, 2, 1])],
      [[2, 3], 'a.split([1, 2], 1)', (x) => bms.split(x, [1, 2], 1), (x) => nd.split(x, [1, 2], 1)],
      [[2, 5, 1], 'a.split([2, 0, 3], -2)', (x) => x.split([2, 0, 3], -2), (x) => nd.split(x, [2, 0, 3], 1)],
      [[2, 3, 2, 1, 2], 'a.split(4, 1)', (x) => x.split(4, 1), (x) => [x]],
      [[0, 3], 'a.split(2)', (x) => x.split(2), (x) => [x]],
      // One part of three: no gradient comes from the others.
      [[3, 4], 'a.split(1)[1]', (x) => x.split(1)[1]!, (x) => nd.narrow(x, 0, 1, 1)],
    ]),
    errors: [
      [() => bms.zeros([4]).split([-1, 5]), 'SHAPE', 'split: sizes [-1, 5] are not whole numbers ≥ 0 that add up to 4, dim 0 of [4]'],
      [() => bms.zeros([2, 4]).split([1, 2], 1), 'SHAPE', 'split: sizes [1, 2] are not whole numbers ≥ 0 that add up to 4, dim 1 of [2, 4]'],
      [() => bms.zeros([4]).split(0), 'ARGUMENT', 'split: a size ≥ 1 is needed, got 0'],
      ...noDim('split', (x, dim) => x.split(1, dim)),
      scalar('split', (x) => x.split(1)),
      noTensor('split', (x) => bms.split(x, 1)),
    ],
  }),
  op('chunk', {
    samples: oneLiners([
      [[7], 'a.chunk(3)', (x) => x.chunk(3), (x) => nd.split(x, [3, 3, 1])],
      [[2, 4], 'a.chunk(2, -1)', (x) => bms.chunk(x, 2, -1), (x) => nd.split(x, [2, 2], 1)],
      [[1, 5, 2], 'a.chunk(4, 1)', (x) => x.chunk(4, 1), (x) => nd.split(x, [2, 2, 1], 1)],
      [[3, 2], 'a.chunk(8)', (x) => x.chunk(8), (x) => nd.split(x, [1, 1, 1])],
      // PyTorch gives two empty parts.
      [[0, 3], 'a.chunk(1)', (x) => x.chunk(2), (x) => [x]],
    ]),
    errors: [
      [() => bms.zeros([4]).chunk(0), 'ARGUMENT', 'chunk: a count ≥ 1 is needed, got 0'],
      [() => bms.zeros([4]).chunk(1.5), 'ARGUMENT', 'chunk: a count ≥ 1 is needed, got 1.5'],
      ...noDim('chunk', (x, dim) => x.chunk(2, dim)),
      scalar('chunk', (x) => x.chunk(1)),
      noTensor('chunk', (x) => bms.chunk(x, 1)),
    ],
  }),
  op('flip', {
    samples: oneLiners([
      [[], 'a.flip(())', (x) => x.flip([]), (x) => x],
      [[3], 'a.flip(0)', (x) => x.flip(0), (x) => nd.flip(x, 0)],
      [[2, 3], 'a.flip(0, -1)', (x) => bms.flip(x, [0, -1]), (x) => nd.flip(x, [0, 1])],
      [[2, 1, 3, 2, 5], 'a.flip(4, 1, 2)', (x) => x.flip([4, 1, 2]), (x) => nd.flip(x, [1, 2, 4])],
      [[0, 3], 'a.flip(0)', (x) => x.flip(0), (x) => x],
      [[3, 2], 'a.flip(0)', (x) => x.flip(0), (x) => nd.flip(x, 0), { name: 'booleans', inputs: [truths([3, 2])], dtype: 'bool' }],
    ]),
    errors: [
      ...noDim('flip', (x, dim) => x.flip(dim)),
      [() => bms.zeros([2, 3]).flip([0, -2]), 'SHAPE', 'flip: dims [0, -2] name a dim twice'],
      noTensor('flip', (x) => bms.flip(x, 0)),
    ],
  }),
  op('flatten', {
    samples: oneLiners([
      [[], 'a.flatten()', (x) => x.flatten(), (x) => nd.reshape(x, [1])],
      [[2, 3, 2], 'a.flatten()', (x) => bms.flatten(x), (x) => nd.reshape(x, [12])],
      [[2, 1, 3, 2, 5], 'a.flatten(1, -2)', (x) => x.flatten(1, -2), (x) => nd.reshape(x, [2, 6, 5])],
      [[3, 4], 'a.flatten(1)', (x) => x.flatten(1), (x) => x],
      [[2, 0, 3], 'a.flatten(1)', (x) => x.flatten(1), (x) => nd.reshape(x, [2, 0])],
      [[2, 3], 'a.t().flatten()', (x) => x.t().flatten(), (x) => nd.reshape(nd.transpose(x), [6])],
    ]),
    errors: [
      ...noDim('flatten', (x, dim) => x.flatten(dim)),
      [() => bms.zeros([2, 3, 4]).flatten(2, 1), 'SHAPE', 'flatten: start dim 2 comes after end dim 1 of [2, 3, 4]'],
      noTensor('flatten', (x) => bms.flatten(x)),
    ],
  }),
]
