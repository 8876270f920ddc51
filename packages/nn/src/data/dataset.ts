// Data sets: samples by their number. A sample is made of leaves: a number, numbers in an array, or numbers with a shape;
// alone, in a list, or under names. A batch has the same form, with a tensor for each leaf.
import { ArgumentError, formatShape, isTensor, ShapeError, sizeOf, tensor, type Tensor, type TypedArray } from '@bms/autograd'

/** A value of a sample. Plain numbers become f32; integer typed arrays i32 or u32. */
export type Leaf = number | readonly number[] | TypedArray | { readonly data: TypedArray; readonly shape: readonly number[] }
export type Sample = Leaf | readonly Leaf[] | { readonly [name: string]: Leaf }
/** Tensors in the form of the samples, each with a batch dim in front. */
export type Batch = any

export interface Dataset {
  /** Number of samples. */
  readonly length: number
  /** The sample with a number from 0 to length - 1. May read files. */
  get(index: number): Sample | Promise<Sample>
  /** A whole batch at once, where that is faster than one sample after another. */
  batch?(indices: Int32Array): Batch | Promise<Batch>
}

/** Samples that lie in tensors on the device, along their first dim. Batches are picked there. */
export class TensorDataset implements Dataset {
  readonly length: number
  private readonly tensors: readonly Tensor[]

  constructor(...tensors: Tensor[]) {
    if (tensors.length === 0 || !tensors.every((t) => isTensor(t) && t.ndim > 0))
      throw new ArgumentError('TensorDataset', 'tensors with at least one dim are needed')
    this.length = tensors[0]!.shape[0]!
    for (const t of tensors) {
      if (t.shape[0] !== this.length) throw new ShapeError('TensorDataset', `first dims differ: ${tensors.map((x) => formatShape(x.shape)).join(', ')}`)
    }
    this.tensors = tensors
  }

  get(): never {
    throw new ArgumentError('TensorDataset', 'its samples are on the device: use batch(), as a DataLoader does')
  }

  /** One tensor for one, else a list. */
  batch(indices: Int32Array): Batch {
    const index = tensor(indices, { device: this.tensors[0]!.device })
    const out = this.tensors.map((t) => t.indexSelect(0, index))
    index.dispose()
    return out.length === 1 ? out[0] : out
  }
}

/** A batch still on the host: leaves as arrays with shapes. */
interface HostLeaf {
  data: TypedArray
  shape: readonly number[]
}

type HostBatch = { kind: 'leaf'; leaf: HostLeaf } | { kind: 'list'; items: HostBatch[] } | { kind: 'names'; items: [string, HostBatch][] }

function describe(leaf: Leaf): HostLeaf {
  if (typeof leaf === 'number') return { data: Float32Array.of(leaf), shape: [] }
  if (Array.isArray(leaf)) return { data: Float32Array.from(leaf as readonly number[]), shape: [leaf.length] }
  if (ArrayBuffer.isView(leaf)) return { data: leaf as TypedArray, shape: [(leaf as TypedArray).length] }
  const { data, shape } = leaf as HostLeaf
  if (!ArrayBuffer.isView(data) || !Array.isArray(shape) || sizeOf(shape) !== data.length)
    throw new ShapeError('DataLoader', `${data?.length} values do not fill shape ${JSON.stringify(shape)}`)
  return { data, shape }
}

const isLeaf = (x: Sample): x is Leaf =>
  typeof x === 'number' ||
  ArrayBuffer.isView(x) ||
  (Array.isArray(x) ? x.every((v) => typeof v === 'number') : typeof x === 'object' && x !== null && 'data' in x && 'shape' in x)

function stackLeaves(leaves: readonly Leaf[]): HostLeaf {
  const parts = leaves.map(describe)
  const [first] = parts
  const size = first!.data.length
  const data = new (first!.data.constructor as new (n: number) => TypedArray)(size * parts.length)
  parts.forEach((p, i) => {
    if (p.shape.length !== first!.shape.length || p.shape.some((s, d) => s !== first!.shape[d])) {
      throw new ShapeError(
        'DataLoader',
        `samples of one batch have shapes ${formatShape(first!.shape)} and ${formatShape(p.shape)}; make them equal in the data set`,
        { shapes: [first!.shape, p.shape] },
      )
    }
    data.set(p.data, i * size)
  })
  return { data, shape: [parts.length, ...first!.shape] }
}

/** Samples side by side, in arrays ready to upload. */
export function collate(samples: readonly Sample[]): HostBatch {
  const [first] = samples
  if (isLeaf(first!)) return { kind: 'leaf', leaf: stackLeaves(samples as readonly Leaf[]) }
  if (Array.isArray(first)) return { kind: 'list', items: first.map((_, i) => collate(samples.map((s) => (s as readonly Leaf[])[i]!))) }
  if (typeof first === 'object' && first !== null)
    return { kind: 'names', items: Object.keys(first).map((name) => [name, collate(samples.map((s) => (s as Record<string, Leaf>)[name]!))]) }
  throw new ArgumentError('DataLoader', `a sample is ${first === null ? 'null' : typeof first}; numbers, arrays, lists or objects of them are needed`)
}

/** The batch as tensors. */
export function upload(batch: HostBatch): Batch {
  if (batch.kind === 'leaf') return tensor(batch.leaf.data, { shape: batch.leaf.shape })
  if (batch.kind === 'list') return batch.items.map(upload)
  return Object.fromEntries(batch.items.map(([name, item]) => [name, upload(item)]))
}
