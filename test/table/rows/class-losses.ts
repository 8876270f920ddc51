// Losses of predictions against classes and labels, and what critics are trained with.
import { losses, zeros } from '@bms/nn'
import { badOptions, type Loss, matrix, type Options, pairs, reductions, refused, row, share } from '../loss.js'
import type { ErrorCase, Sample } from '../op.js'
import { fixed, given, type Maker, real, whole } from '../values.js'

/** Samples of a loss of classes: [N, C], [C], [N, C, …], ignored ones. `input` makes what stands for the classes. */
function classes(name: 'nll' | 'crossEntropy', torch: string, others: [Options, string][] = []): Sample[] {
  const loss = losses[name] as Loss
  const input = (shape: readonly number[]): Maker => (name === 'nll' ? real(shape, -4, -0.1) : real(shape, -2, 2))
  const of = (title: string, shape: readonly number[], target: Maker, options?: Options, text = ''): Sample => ({
    name: title,
    inputs: [input(shape), target],
    run: (a, b) => loss(a!, b!, options),
    torch: `${torch}(a, b${text})`,
  })
  return [
    ...reductions.map((reduction) => {
      const [n, c] = matrix(reduction)
      return of(reduction, [n, c], whole([n], 0, c), { reduction }, `, reduction='${reduction}'`)
    }),
    of('one of seven classes', [7], whole([], 0, 7)),
    of('pixels', [2, 3, 1, 5], whole([2, 1, 5], 0, 3)),
    of('unsigned', [2, 3], whole([2], 0, 3, 'u32')),
    of('of nothing', [0, 3], whole([0], 0, 3), { reduction: 'sum' }, ", reduction='sum'"),
    of('some ignored', [4, 3], given([2, -100, 1, -100], [4], 'i32'), { ignoreIndex: -100 }),
    of('some ignored, none', [4, 3], given([2, 0, 1, 0], [4], 'i32'), { ignoreIndex: 0, reduction: 'none' }, ", ignore_index=0, reduction='none'"),
    of('some ignored, sum', [4, 3], given([2, 0, 1, 0], [4], 'i32'), { ignoreIndex: 0, reduction: 'sum' }, ", ignore_index=0, reduction='sum'"),
    ...others.map(([options, text]) => of(text, [3, 4], whole([3], 0, 4), options, `, ${text}`)),
  ]
}

const badClasses = (name: 'nll' | 'crossEntropy'): ErrorCase[] => [
  [() => losses[name](zeros([4, 3]), zeros([4, 1], { dtype: 'i32' })), 'SHAPE', `${name}: for an input of [4, 3] the class indices must be [4], got [4, 1]`],
  [() => losses[name](zeros([]), zeros([], { dtype: 'i32' })), 'SHAPE', `${name}: the input must be [classes], [N, classes] or [N, classes, ...]`],
  [() => losses[name](zeros([4, 3]), zeros([4], { dtype: 'bool' })), 'DTYPE', `${name}: class indices are i32 or u32, got bool; use target.int()`],
  ...badOptions(name),
]

const logits = [
  [0, 30, -30, 1, -2, 3],
  [3, 2],
] as const

export const classLossRows = [
  row('bceWithLogits', {
    samples: [
      ...pairs(losses.bceWithLogits, (r) => `F.binary_cross_entropy_with_logits(a, b, ${r})`, [real, share]),
      {
        name: 'large logits, and 0',
        inputs: [given(...logits), fixed(given([1, 1, 1, 0, 0.3, 0], logits[1]))],
        run: (a, b) => losses.bceWithLogits(a!, b!, { reduction: 'none' }),
        torch: "F.binary_cross_entropy_with_logits(a, b, reduction='none')",
        skip: { gradcheck: 'differences of 1/100 are lost beside 30', gradgradcheck: 'as gradcheck' },
      },
      {
        name: 'small losses',
        inputs: [given([20, 25, 30])],
        run: (a) => losses.bceWithLogits(a!, a!.detach().mul(0).add(1), { reduction: 'none' }).mul(1e9),
        torch: '1e9 * F.softplus(-a)',
        skip: { gradcheck: 'smaller than what differences can show', gradgradcheck: 'as gradcheck', f16: 'smaller than what half precision can hold' },
      },
    ],
    errors: refused('bceWithLogits'),
  }),
  row('bce', {
    samples: [
      ...pairs(losses.bce, (r) => `F.binary_cross_entropy(a, b, ${r})`, [share, share]),
      {
        name: 'saturated',
        inputs: [given([0, 1, 1, 0, 0.5]), fixed(given([0, 1, 0, 1, 1]))],
        run: (a, b) => losses.bce(a!, b!, { reduction: 'none' }),
        torch: "F.binary_cross_entropy(a, b, reduction='none')",
        skip: { gradcheck: 'there are no differences beside 0 and 1', gradgradcheck: 'as gradcheck' },
      },
      {
        name: 'saturated and right',
        inputs: [given([0, 1]), fixed(given([0, 1]))],
        run: (a, b) => losses.bce(a!, b!),
        torch: 'F.binary_cross_entropy(a, b)',
        skip: { gradcheck: 'there are no differences beside 0 and 1', gradgradcheck: 'as gradcheck' },
      },
    ],
    errors: refused('bce'),
  }),
  row('nll', { samples: classes('nll', 'F.nll_loss'), errors: badClasses('nll') }),
  row('crossEntropy', {
    samples: [
      ...classes('crossEntropy', 'F.cross_entropy', [
        [{ labelSmoothing: 0.2 }, 'label_smoothing=0.2'],
        [{ labelSmoothing: 1 }, 'label_smoothing=1.0'],
      ]),
      {
        name: 'probabilities',
        inputs: [real([3, 4]), share([3, 4])],
        run: (a, b) => losses.crossEntropy(a!, b!),
        torch: 'F.cross_entropy(a, b)',
      },
      {
        name: 'probabilities, smoothed, of pixels',
        inputs: [real([2, 3, 2]), share([2, 3, 2])],
        run: (a, b) => losses.crossEntropy(a!, b!, { labelSmoothing: 0.1, reduction: 'sum' }),
        torch: "F.cross_entropy(a, b, label_smoothing=0.1, reduction='sum')",
      },
    ],
    errors: [
      ...badClasses('crossEntropy'),
      [
        () => losses.crossEntropy(zeros([4, 3]), zeros([4])),
        'SHAPE',
        'crossEntropy: input [4, 3] and target [4] must have one shape; reshape or expand one of them',
      ],
      [
        () => losses.crossEntropy(zeros([4, 3]), zeros([4], { dtype: 'i32' }), { label_smoothing: 0.1 } as never),
        'ARGUMENT',
        'crossEntropy: unknown option "label_smoothing"; it is called labelSmoothing here',
      ],
      [
        () => losses.crossEntropy(zeros([4, 3]), zeros([4], { dtype: 'i32' }), { labelSmoothing: 1.5 }),
        'ARGUMENT',
        'crossEntropy: labelSmoothing must be a finite number ≥ 0 and ≤ 1, got 1.5',
      ],
      [
        () => losses.crossEntropy(zeros([4, 3]), zeros([4, 3]), { ignoreIndex: 0 }),
        'ARGUMENT',
        'crossEntropy: ignoreIndex goes with class indices, the target holds probabilities',
      ],
    ],
  }),
  row('hinge', {
    samples: pairs(losses.hinge, (r) => `reduced(F.relu(1 - b * a), ${r})`, [real, (s) => fixed(real(s, -3, 3))]),
    errors: refused('hinge'),
  }),
  row('hingeCritic', {
    samples: [
      ...(['mean', 'sum'] as const).map(
        (reduction): Sample => ({
          name: reduction,
          inputs: [real([2, 3], -3, 3), real([5], -3, 3)],
          run: (a, b) => losses.hingeCritic(a!, b!, { reduction }),
          torch: `F.relu(1 - a).${reduction}() + F.relu(1 + b).${reduction}()`,
        }),
      ),
      {
        name: 'columns',
        inputs: [real([4, 1], -3, 3), real([4, 1, 1], -3, 3)],
        run: (a, b) => losses.hingeCritic(a!, b!),
        torch: 'F.relu(1 - a).mean() + F.relu(1 + b).mean()',
      },
      {
        name: 'of nothing',
        inputs: [real([0]), real([2], -3, 3)],
        run: (a, b) => losses.hingeCritic(a!, b!, { reduction: 'sum' }),
        torch: 'F.relu(1 - a).sum() + F.relu(1 + b).sum()',
      },
    ],
    errors: [
      ...badOptions('hingeCritic'),
      [
        () => losses.hingeCritic(zeros([2]), zeros([2]), { reduction: 'none' as never }),
        'ARGUMENT',
        "hingeCritic: reduction 'none' has no meaning for two batches",
      ],
    ],
  }),
  row('hingeGenerator', {
    samples: [
      ...reductions.map(
        (reduction): Sample => ({
          name: reduction,
          inputs: [real([5, 1])],
          run: (a) => losses.hingeGenerator(a!, { reduction }),
          torch: reduction === 'none' ? '-a' : `-a.${reduction}()`,
        }),
      ),
      { name: 'a row', inputs: [real([3])], run: (a) => losses.hingeGenerator(a!), torch: '-a.mean()' },
      { name: 'of nothing', inputs: [real([0, 2, 1])], run: (a) => losses.hingeGenerator(a!, { reduction: 'sum' }), torch: '-a.sum()' },
    ],
    errors: [
      [() => losses.hingeGenerator(zeros([2]), { reduction: 'avg' as never }), 'ARGUMENT', 'hingeGenerator: unknown reduction "avg"; known: mean, sum, none'],
    ],
  }),
]
