// Losses of values against values, with their gradients in both.
import { losses, zeros } from '@bms/nn'
import { badOptions, type Loss, matrix, pairs, reductions, refused, row, share } from '../loss.js'
import type { Sample } from '../op.js'
import { fixed, given, positive, real } from '../values.js'

export const lossRows = [
  row('mse', { samples: pairs(losses.mse, (r) => `F.mse_loss(a, b, ${r})`, [real, real]), errors: refused('mse') }),
  row('l1', { samples: pairs(losses.l1, (r) => `F.l1_loss(a, b, ${r})`, [(s) => real(s, 0, 2), (s) => real(s, -2, -0.2)]), errors: refused('l1') }),
  row('smoothL1', {
    samples: pairs(
      losses.smoothL1,
      (r) => `F.smooth_l1_loss(a, b, ${r})`,
      [(s) => real(s, 0.1, 2), (s) => real(s, -0.3, -0.1)],
      [
        [{ beta: 0.7 }, 'beta=0.7'],
        [{ beta: 0 }, 'beta=0.0'],
      ],
    ),
    errors: [
      ...refused('smoothL1'),
      [() => losses.smoothL1(zeros([2]), zeros([2]), { beta: -1 }), 'ARGUMENT', 'smoothL1: beta must be a finite number ≥ 0, got -1'],
    ],
  }),
  row('gaussianNll', {
    samples: [
      ...reductions.map(
        (reduction): Sample => ({
          name: reduction,
          inputs: [real(matrix(reduction)), real(matrix(reduction)), positive([matrix(reduction)[0], 1])],
          run: (a, b, c) => losses.gaussianNll(a!, b!, c!, { reduction }),
          torch: `F.gaussian_nll_loss(a, b, c, reduction='${reduction}')`,
        }),
      ),
      {
        name: 'one variance each, full',
        inputs: [real([2, 1, 3]), real([2, 1, 3]), positive([2, 1, 3])],
        run: (a, b, c) => losses.gaussianNll(a!, b!, c!, { full: true, reduction: 'sum' }),
        torch: "F.gaussian_nll_loss(a, b, c, full=True, reduction='sum')",
      },
      {
        name: 'variances below eps',
        inputs: [real([3]), real([3]), given([0.01, 0.3, 2])],
        run: (a, b, c) => losses.gaussianNll(a!, b!, c!, { eps: 0.5 }),
        torch: 'F.gaussian_nll_loss(a, b, c, eps=0.5)',
        skip: { gradcheck: 'the bound changes the value and lets the gradient through, as in PyTorch', gradgradcheck: 'as gradcheck' },
      },
      {
        name: 'a number',
        inputs: [real([5]), real([5])],
        run: (a, b) => losses.gaussianNll(a!, b!, 4),
        torch: 'F.gaussian_nll_loss(a, b, torch.full_like(a, 4))',
      },
      {
        name: 'of nothing',
        inputs: [real([0, 3]), real([0, 3]), positive([0, 1])],
        run: (a, b, c) => losses.gaussianNll(a!, b!, c!, { reduction: 'sum' }),
        torch: "F.gaussian_nll_loss(a, b, c, reduction='sum')",
      },
    ],
    errors: [
      ...refused('gaussianNll').slice(0, 2),
      [
        () => losses.gaussianNll(zeros([2]), zeros([2]), 1, { reduction: 'avg' as never }),
        'ARGUMENT',
        'gaussianNll: unknown reduction "avg"; known: mean, sum, none',
      ],
      [
        () => losses.gaussianNll(zeros([4, 3]), zeros([4, 3]), zeros([3])),
        'SHAPE',
        "gaussianNll: variance [3] must have the input's shape [4, 3], or 1 as the last dim",
      ],
      [() => losses.gaussianNll(zeros([2]), zeros([2]), -1), 'ARGUMENT', 'gaussianNll: variance must be a finite number ≥ 0, got -1'],
      [() => losses.gaussianNll(zeros([2]), zeros([2]), 1, { eps: 0 }), 'ARGUMENT', 'gaussianNll: eps must be a finite number > 0, got 0'],
    ],
  }),
  row('klNormal', {
    samples: [
      ...reductions.map(
        (reduction): Sample => ({
          name: reduction,
          inputs: [real(matrix(reduction)), real(matrix(reduction))],
          run: (a, b) => losses.klNormal(a!, b!, { reduction }),
          torch: `reduced(torch.distributions.kl_divergence(torch.distributions.Normal(a, (0.5 * b).exp()), torch.distributions.Normal(0.0, 1.0)).sum(-1), '${reduction}')`,
        }),
      ),
      ...[[5], [2, 1, 3], [0, 2]].map(
        (shape): Sample => ({
          name: `[${shape}]`,
          inputs: [real(shape), real(shape)],
          run: (a, b) => losses.klNormal(a!, b!, { reduction: 'sum' }),
          torch: '0.5 * (b.exp() + a ** 2 - 1 - b).sum()',
        }),
      ),
    ],
    errors: [
      ...refused('klNormal', ['mu', 'logvar']),
      [() => losses.klNormal(zeros([]), zeros([])), 'SHAPE', 'klNormal: at least one dim, the latent one, is needed'],
    ],
  }),
  row('klDiv', {
    samples: [
      ...pairs(losses.klDiv as Loss, (r) => `F.kl_div(a, b, ${r})`, [(s) => real(s, -3, -0.1), share]),
      {
        name: 'batchmean',
        inputs: [real([3, 2], -3, -0.1), share([3, 2])],
        run: (a, b) => losses.klDiv(a!, b!, { reduction: 'batchmean' }),
        torch: "F.kl_div(a, b, reduction='batchmean')",
      },
      ...(['none', 'batchmean'] as const).map(
        (reduction): Sample => ({
          name: `a target in logarithms, ${reduction}`,
          inputs: [real([3, 2], -3, -0.1), real([3, 2], -3, -0.1)],
          run: (a, b) => losses.klDiv(a!, b!, { reduction, logTarget: true }),
          torch: `F.kl_div(a, b, reduction='${reduction}', log_target=True)`,
        }),
      ),
      {
        name: 'a target with zeros',
        inputs: [given([-0.5, -1, Number.NEGATIVE_INFINITY]), fixed(given([0.5, 0, 0]))],
        run: (a, b) => losses.klDiv(a!, b!, { reduction: 'none' }),
        reference: () => ({ shape: [3], data: [0.5 * (Math.log(0.5) + 0.5), 0, 0] }),
        skip: { gradcheck: 'there are no differences beside infinity', gradgradcheck: 'as gradcheck' },
      },
    ],
    errors: [
      ...refused('klDiv').slice(0, 2),
      ...badOptions('klDiv', 'mean, sum, none, batchmean'),
      [() => losses.klDiv(zeros([]), zeros([]), { reduction: 'batchmean' }), 'ARGUMENT', "klDiv: 'batchmean' needs a batch dim"],
    ],
  }),
]
