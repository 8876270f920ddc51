// What the rows of losses share: samples of every reduction and of shapes of any rank, and what all losses refuse.
import { losses, type Tensor, zeros } from '@bms/nn'
import { type ErrorCase, op, type OpSpec, type Sample } from './op.js'
import { type Maker, real } from './values.js'

/** What a loss is told. */
export type Options = Record<string, unknown>
/** Of two tensors, or of one and something else. */
export type Loss = (a: Tensor, b: Tensor, options?: any) => Tensor

export const reductions = ['mean', 'sum', 'none'] as const
const shapes = [[2, 1, 3, 2, 1], []]
/** Finite differences, which small samples get, see most where nothing is summed. */
export const matrix = (reduction: string): [number, number] => (reduction === 'none' ? [3, 2] : [5, 4])
/** Probabilities. */
export const share = (shape: readonly number[]): Maker => real(shape, 0.2, 0.8)

/** A loss of prediction and target of one shape: every reduction on a matrix, the mean on other shapes, `others` on a matrix. */
export function pairs(
  loss: Loss,
  torch: (reduction: string) => string,
  makers: [a: (s: readonly number[]) => Maker, b: (s: readonly number[]) => Maker],
  others: [Options, string][] = [],
): Sample[] {
  const inputs = (shape: readonly number[]): Maker[] => makers.map((make) => make(shape))
  return [
    ...reductions.map(
      (reduction): Sample => ({
        name: reduction,
        inputs: inputs(matrix(reduction)),
        run: (a, b) => loss(a!, b!, { reduction }),
        torch: torch(`reduction='${reduction}'`),
      }),
    ),
    ...shapes.map((shape): Sample => ({ name: `[${shape}]`, inputs: inputs(shape), run: (a, b) => loss(a!, b!), torch: torch("reduction='mean'") })),
    { name: 'of nothing', inputs: inputs([0, 3]), run: (a, b) => loss(a!, b!, { reduction: 'sum' }), torch: torch("reduction='sum'") },
    ...others.map(([options, text]): Sample => ({ name: text, inputs: inputs([2, 3]), run: (a, b) => loss(a!, b!, options), torch: torch(text) })),
  ]
}

/** What all losses of two tensors refuse. */
export const refused = (name: keyof typeof losses, names = ['input', 'target']): ErrorCase[] => {
  const loss = losses[name] as Loss
  return [
    [() => loss(zeros([4, 1]), zeros([4])), 'SHAPE', `${name}: ${names[0]} [4, 1] and ${names[1]} [4] must have one shape; reshape or expand one of them`],
    [() => loss(zeros([2]), 3 as never), 'ARGUMENT', `${name}: ${names.join(' and ')} must be tensors`],
    ...badOptions(name),
  ]
}

/** What all losses refuse of their options. */
export const badOptions = (name: keyof typeof losses, known = 'mean, sum, none'): ErrorCase[] => [
  [() => (losses[name] as Loss)(zeros([2, 2]), zeros([2, 2]), { reduction: 'avg' }), 'ARGUMENT', `${name}: unknown reduction "avg"; known: ${known}`],
]

/** A row of the table. */
export const row = (name: keyof typeof losses, spec: Omit<OpSpec, 'covers'>) => op(name, { covers: [`losses.${name}`], ...spec })
