// Copies and casts, what is cut off from gradients, and the writes in place.
import * as bms from '@bms/nn'
import type { DType, Tensor } from '@bms/nn'
import { type Nd, flip, from, permute, pick } from '../../helpers/nd.js'
import { map } from '../elementwise.js'
import { op, type Sample } from '../op.js'
import { noTensor } from '../refusals.js'
import { fixed, given, type Maker, real, truths, whole } from '../values.js'

const same = (x?: Nd): Nd => x!
const inputs: readonly Maker[] = [real([]), real([1]), real([0]), real([7]), real([3, 5]), real([2, 1, 3]), real([2, 1, 3, 1, 2])]

/** Whatever the shape and dtype, the same comes out. */
const unchanged = (run: (x: Tensor, way: number) => Tensor, torch: string): Sample[] => [
  ...inputs.map((maker, i): Sample => ({ name: `[${maker(() => 0).shape}]`, inputs: [maker], run: (x) => run(x!, i), reference: same, torch })),
  ...(['i32', 'u32', 'bool'] as const).map(
    (dtype): Sample => ({ name: dtype, inputs: [whole([3], 0, 2, dtype)], run: (x) => run(x!, 0), reference: same, torch, dtype }),
  ),
]

/** To another dtype. */
const to = (dtype: DType, maker: Maker, of: (v: number) => number, torch: string, run: (x: Tensor) => Tensor = (x) => bms.cast(x, dtype)): Sample => {
  const { shape, dtype: from } = maker(() => 0)
  return { name: `[${shape}] from ${from} to ${dtype}`, inputs: [maker], run: (x) => run(x!), reference: (x) => map(of, dtype, x!), torch, dtype }
}

const self = (v: number): number => v
const fractions = given([-1.7, 0, 0.4, 1.7, -0.4, 3], [2, 3])
const large = given([2 ** 31 - 1, -(2 ** 31), -1, 0], [4], 'i32')

/** Writes into a copy of the first input: the copy comes out. */
function written(name: string, inputs: readonly Maker[], inPlace: (target: Tensor, ...rest: Tensor[]) => void, more: Partial<Sample>): Sample {
  return {
    name,
    inputs,
    inPlace,
    run: (x, ...rest) => {
      const copy = x!.clone()
      inPlace(copy, ...rest)
      return copy
    },
    ...more,
  }
}

/** Columns 1 and 2 of a matrix, and what is written there. */
const columns = (x: Nd, value: (c: number[]) => number): Nd => from(x.shape, (c) => (c[1]! === 1 || c[1]! === 2 ? value([c[0]!, c[1]! - 1]) : pick(x, c)))

const noGradient = 'writes in place: gradients are refused'
const other = real([2, 1, 3, 1, 2], -3, 3)

const filled = (shape: readonly number[], value: number): Sample =>
  written(`[${shape}] with ${value}`, [real(shape)], (x) => x.fill_(value), {
    reference: (x) => map(() => value, 'f32', x!),
    torch: `a.clone().fill_(${String(value).replace('Infinity', 'math.inf')})`,
  })

const zeroed = (shape: readonly number[]): Sample =>
  written(`[${shape}]`, [real(shape)], (x) => x.zero_(), { reference: (x) => map(() => 0, 'f32', x!), torch: 'a.clone().zero_()' })

const ofGraph = (call: (x: Tensor) => unknown) => (): unknown => call(bms.ones([2], { requiresGrad: true }).mul(2))
const madeByMul = (name: string): string =>
  `${name}: the tensor was made by mul, and gradients flow through it; write to detach() of it, under noGrad(), or compute a new tensor`
const expanded = (name: string): string => `${name}: several elements of the target [2, 3] share memory (it was expanded); clone() it first`

export const copyRows = [
  op('contiguous', {
    samples: [
      ...unchanged((x, way) => (way % 2 ? bms.contiguous(x) : x.contiguous()), 'a.contiguous()'),
      {
        name: 'of a transpose',
        inputs: [real([2, 3, 2])],
        run: (x) => x!.transpose(0, 2).contiguous().reshape([4, 3]),
        reference: (x) => ({ ...permute(x!, [2, 1, 0]), shape: [4, 3] }),
        torch: 'a.transpose(0, 2).contiguous().reshape(4, 3)',
      },
    ],
    errors: [noTensor('contiguous', bms.contiguous)],
  }),
  op('clone', {
    samples: [
      ...unchanged((x, way) => (way % 2 ? bms.clone(x) : x.clone()), 'a.clone()'),
      {
        name: 'outlives a write to the original',
        inputs: [fixed(real([5]))],
        run: (x) => {
          const first = x!.clone()
          const second = first.clone()
          first.fill_(9)
          return [second, first]
        },
        reference: (x) => [x!, map(() => 9, 'f32', x!)],
      },
    ],
    errors: [noTensor('clone', bms.clone)],
  }),
  op('cast', {
    covers: ['cast', 'Tensor.to', 'Tensor.float', 'Tensor.half', 'Tensor.int', 'Tensor.bool'],
    samples: [
      to('i32', fixed(fractions), Math.trunc, 'a.int()', (x) => x.int()),
      to('u32', fixed(given([0.9, 1, 7.5, 0], [2, 1, 2])), Math.trunc, 'a.long()'),
      to(
        'bool',
        fixed(given([0, -0, 0.3, -2, Number.POSITIVE_INFINITY, Number.NaN])),
        (v) => Number(v !== 0),
        'a.bool()',
        (x) => x.bool(),
      ),
      to('f32', large, self, 'a.float()', (x) => x.float()),
      to('u32', large, self, 'a.bitwise_and(2**32 - 1).double()'),
      to('bool', large, self, 'a.bool()'),
      to('i32', given([2 ** 31, 2 ** 32 - 1, 0, 5], [4, 1], 'u32'), self, '(a + 2**31) % 2**32 - 2**31'),
      to('f32', given([2 ** 31, 2 ** 32 - 256, 0, 5], [4], 'u32'), self, 'a.float()', (x) => x.to('f32')),
      to('bool', whole([3], 0, 3, 'u32'), self, 'a.bool()'),
      to('f32', truths([3, 1, 2, 1, 2]), self, 'a.float()'),
      to('i32', truths([3]), self, 'a.int()'),
      to('u32', truths([0, 3]), self, 'a.int()'),
      {
        name: 'a gradient passes where no whole numbers are between',
        inputs: [real([7], -3, 3)],
        run: (x) => x!.to('f32').mul(x!.int().float()),
        reference: (x) => map((v) => v * Math.trunc(v), 'f32', x!),
        torch: 'a.double() * a.int().double()',
        skip: { f16: 'f32 comes out whatever comes in' },
      },
      {
        name: 'to half precision and back',
        half: true,
        inputs: [given([0, 1 / 3, -2.5, 2049, 6.1e-4, 1000])],
        run: (x) => [x!.half().float(), x!.half()],
        torch: '(a.half().double(), a.half().double())',
        dtype: ['f32', 'f16'],
        skip: { gradcheck: 'steps of half precision', gradgradcheck: 'as gradcheck', f16: 'f32 comes out whatever comes in' },
      },
    ],
    errors: [
      noTensor('cast', (x) => bms.cast(x, 'i32')),
      [() => bms.ones([2]).to('f64' as DType), 'DTYPE', 'cast: unknown dtype "f64"; known: f32, f16, i32, u32, bool'],
    ],
  }),
  op('detach', {
    noGradient: 'that is what it is for',
    samples: [
      ...unchanged((x, way) => (way % 2 ? bms.detach(x) : x.detach()), 'a.detach()'),
      {
        name: 'counts as a constant',
        inputs: [real([3])],
        run: (x) =>
          bms.enableGrad(() => {
            const w = x!.detach().requiresGrad_()
            return bms.grad(w.mul(w.detach()).sum(), w)
          }),
        reference: same,
      },
    ],
    errors: [noTensor('detach', bms.detach)],
  }),
  op('copy_', {
    noGradient,
    samples: [
      written('[]', [real([]), real([])], (x, y) => x.copy_(y!), { reference: (_, y) => y!, torch: 'a.clone().copy_(b)' }),
      written('[0]', [real([0]), real([1])], (x, y) => bms.copy_(x, y!), { reference: same, torch: 'a.clone().copy_(b)' }),
      written('broadcast', [real([2, 3]), real([3])], (x, y) => x.copy_(y!), {
        reference: (x, y) => map((_, v) => v, 'f32', x!, y!),
        torch: 'a.clone().copy_(b)',
      }),
      written('of five dims', [real([2, 1, 3, 1, 2]), other], (x, y) => x.copy_(y!), { reference: (_, y) => y!, torch: 'a.clone().copy_(b)' }),
      written('into columns', [real([3, 5]), real([3, 2])], (x, y) => x.narrow(1, 1, 2).copy_(y!), {
        reference: (x, y) => columns(x!, (c) => pick(y!, c)),
        torch: '(lambda c, b: (c[:, 1:3].copy_(b), c)[1])(a.clone(), b)',
      }),
      written('into a transpose', [real([2, 3]), real([3, 2])], (x, y) => x.t().copy_(y!), { reference: (_, y) => permute(y!, [1, 0]), torch: 'b.t()' }),
      written('into a flipped view', [real([7]), real([7])], (x, y) => x.flip(0).copy_(y!), { reference: (_, y) => flip(y!, [0]), torch: 'b.flip(0)' }),
      // Longer than a workgroup: those behind read what those in front have written.
      written('of itself, reversed', [real([601])], (x) => x.copy_(x.flip(0)), { reference: (x) => flip(x!, [0]) }),
      written('of itself, shifted', [real([601])], (x) => x.narrow(0, 1, 600).copy_(x.narrow(0, 0, 600)), {
        reference: (x) => from([601], ([i]) => x!.data[Math.max(0, i! - 1)]!),
      }),
      written('of its own first column', [real([2, 3])], (x) => x.copy_(x.narrow(1, 0, 1)), {
        reference: (x) => from([2, 3], (c) => pick(x!, [c[0]!, 0])),
        torch: 'a[:, :1].expand(2, 3)',
      }),
      written('of what was computed from it', [real([5]), real([5])], (x, y) => x.copy_(x.mul(0.5).add(y!)), {
        reference: (x, y) => map((v, w) => v / 2 + w, 'f32', x!, y!),
        torch: 'a * 0.5 + b',
      }),
      written('cast to whole numbers', [whole([2, 3], -9, 9), fixed(fractions)], (x, y) => x.copy_(y!), {
        reference: (_, y) => map(Math.trunc, 'i32', y!),
        torch: 'a.clone().copy_(b)',
        dtype: 'i32',
      }),
      {
        name: 'between two reads',
        inputs: [real([5]), real([5])],
        run: (x, y) => {
          const copy = x!.clone()
          const before = copy.mul(2)
          copy.copy_(y!)
          return [before, copy.mul(2)]
        },
        reference: (x, y) => [map((v) => 2 * v, 'f32', x!), map((v) => 2 * v, 'f32', y!)],
        torch: '(a * 2, b * 2)',
      },
    ],
    errors: [
      noTensor('copy_', (x) => bms.zeros([2]).copy_(x), 'the source'),
      noTensor('copy_', (x) => bms.copy_(x, bms.zeros([2])), 'the target'),
      [
        () =>
          bms
            .zeros([3])
            .expand([2, 3])
            .copy_(bms.zeros([3])),
        'ARGUMENT',
        expanded('copy_'),
      ],
      [() => bms.zeros([2]).copy_(bms.zeros([3])), 'SHAPE', 'copy_: cannot expand [3] to [2]: dim 0 is 3, not 1 or 2'],
      [ofGraph((x) => x.copy_(bms.zeros([2]))), 'IN_PLACE', madeByMul('copy_')],
    ],
  }),
  op('fill_', {
    noGradient,
    samples: [
      ...[[], [1], [0], [3, 5]].map((shape, i) => filled(shape, i - 2.5)),
      filled([2, 1, 3, 1, 2], Number.NEGATIVE_INFINITY),
      written('columns', [real([3, 5])], (x) => bms.fill_(x.narrow(1, 1, 2), 9), {
        reference: (x) => columns(x!, () => 9),
        torch: '(lambda c: (c[:, 1:3].fill_(9), c)[1])(a.clone())',
      }),
      ...(['i32', 'u32', 'bool'] as const).map((dtype) =>
        written(dtype, [whole([3], 0, 2, dtype)], (x) => x.fill_(2.7), {
          reference: (x) => map(() => Math.trunc(2.7), dtype, x!),
          torch: 'a.clone().fill_(2.7)',
          dtype,
        }),
      ),
      written('truths with NaN', [truths([3])], (x) => x.fill_(Number.NaN), { reference: (x) => map(() => 1, 'bool', x!), dtype: 'bool' }),
    ],
    errors: [
      [() => bms.zeros([2]).fill_(bms.ones([1]) as never), 'ARGUMENT', 'fill_: a number is needed, got object'],
      noTensor('fill_', (x) => bms.fill_(x, 2), 'the target'),
      [() => bms.zeros([3]).expand([2, 3]).fill_(2), 'ARGUMENT', expanded('fill_')],
      [ofGraph((x) => x.fill_(2)), 'IN_PLACE', madeByMul('fill_')],
    ],
  }),
  op('zero_', {
    covers: ['Tensor.zero_'],
    noGradient,
    samples: [
      ...[[], [1], [0], [3, 5], [2, 1, 3, 1, 2]].map(zeroed),
      written('a flipped column', [real([3, 5])], (x) => x.select(1, 3).flip(0).zero_(), {
        reference: (x) => from(x!.shape, (c) => (c[1] === 3 ? 0 : pick(x!, c))),
        torch: 'a * torch.tensor([1, 1, 1, 0, 1])',
      }),
    ],
    errors: [
      [() => bms.zeros([3]).expand([2, 3]).zero_(), 'ARGUMENT', expanded('fill_')],
      [ofGraph((x) => x.zero_()), 'IN_PLACE', madeByMul('fill_')],
    ],
  }),
]
