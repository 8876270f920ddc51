// What the pickle of a state dict is made of, and the few Python names that may occur in it. Everything else is refused by name.
import { BmsError, show } from '@bms/autograd'
import { badPth } from './zip.js'

/** A tuple of Python. */
export class Tuple {
  constructor(readonly items: readonly Pickled[]) {}
}

/** A name of the list below, as a value. */
export class Global {
  constructor(readonly name: string) {}
}

/** The elements of one or more tensors: entry `data/key` of the archive. */
export class StorageRef {
  constructor(
    readonly key: string,
    readonly dtype: string,
    readonly count: number,
  ) {}
}

/** A tensor as it lies in its storage; strides and offset count elements. */
export class TensorRef {
  constructor(
    readonly storage: StorageRef,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

export type Pickled = null | boolean | number | bigint | string | Tuple | Global | StorageRef | TensorRef | Pickled[] | Map<Pickled, Pickled>

/** Storages by their class, in the spelling of safetensors. */
const storages: Readonly<Record<string, string>> = {
  'torch.FloatStorage': 'F32',
  'torch.DoubleStorage': 'F64',
  'torch.HalfStorage': 'F16',
  'torch.BFloat16Storage': 'BF16',
  'torch.LongStorage': 'I64',
  'torch.IntStorage': 'I32',
  'torch.ShortStorage': 'I16',
  'torch.CharStorage': 'I8',
  'torch.ByteStorage': 'U8',
  'torch.BoolStorage': 'BOOL',
}

const isSize = (x: unknown): x is number => typeof x === 'number' && Number.isSafeInteger(x) && x >= 0
/** As many as PyTorch's: a tuple can be recalled for every tensor, so its length must not count. */
const MAX_DIMS = 64
const sizes = (x: Pickled | undefined): readonly number[] | null =>
  x instanceof Tuple && x.items.length <= MAX_DIMS && x.items.every(isSize) ? (x.items as number[]) : null

/** A tensor of its storage, which it must not leave. */
function rebuild([storage, offset, shape, strides]: readonly Pickled[]): TensorRef {
  const [dims, steps] = [sizes(shape), sizes(strides)]
  if (!(storage instanceof StorageRef) || !isSize(offset) || !dims || !steps || dims.length !== steps.length)
    throw badPth('a tensor is not made of storage, offset, sizes and strides')
  const empty = dims.includes(0)
  const last = dims.reduce((sum, size, d) => sum + (size - 1) * steps[d]!, offset)
  if (!empty && !(last < storage.count))
    throw badPth(`a tensor reaches element ${last} of storage ${show(storage.key)}, which has ${storage.count}`, { storage: storage.key })
  return new TensorRef(storage, empty ? 0 : offset, dims, steps)
}

/** An empty one, whose items follow, as Python 3 writes it; or of a list of pairs, as Python 2 did. */
function orderedDict(args: readonly Pickled[], spend: (work: number) => void): Map<Pickled, Pickled> {
  const [pairs = []] = args
  if (args.length > 1 || !Array.isArray(pairs)) throw badPth('an OrderedDict is made of something else than a list of pairs')
  spend(pairs.length)
  const out = new Map<Pickled, Pickled>()
  for (const pair of pairs) {
    const items = pair instanceof Tuple ? pair.items : pair
    if (!Array.isArray(items) || items.length !== 2) throw badPth('an OrderedDict is made of something else than a list of pairs')
    out.set(items[0]!, items[1]!)
  }
  return out
}

/** All that may be called, with what it makes here. `spend` is told how many items a call looks at. */
export const functions: Readonly<Record<string, (args: readonly Pickled[], spend: (work: number) => void) => Pickled>> = {
  'collections.OrderedDict': orderedDict,
  'torch._utils._rebuild_tensor': rebuild,
  'torch._utils._rebuild_tensor_v2': rebuild,
  'torch._utils._rebuild_parameter': ([data]) => {
    if (!(data instanceof TensorRef)) throw badPth('a parameter is made of something else than a tensor')
    return data
  },
  'torch.Size': ([items]) => {
    const dims = sizes(items)
    if (!dims) throw badPth('a torch.Size is made of something else than sizes')
    return new Tuple(dims)
  },
}

/** The value of a name; throws for all that are not needed for tensors. */
export function find(module: Pickled, attribute: Pickled): Global {
  const name = `${String(module)}.${String(attribute)}`
  if (typeof module === 'string' && typeof attribute === 'string' && (Object.hasOwn(storages, name) || Object.hasOwn(functions, name))) return new Global(name)
  throw new BmsError(
    'BAD_FILE',
    `pth: the file asks Python for ${show(name)}, which is not among the few names that tensors need; nothing of it was run. ` +
      'If the file is yours, save the state dict alone: torch.save(model.state_dict(), path)',
    { global: name },
  )
}

/** What a persistent id stands for: ('storage', class, key, location, count), and before PyTorch 1.6 which part of it, if not all. */
export function storageOf(id: Pickled): StorageRef {
  const [kind, type, key, , count, part = null] = id instanceof Tuple ? id.items : []
  const dtype = type instanceof Global ? storages[type.name] : undefined
  if (kind !== 'storage' || dtype === undefined || typeof key !== 'string' || !isSize(count)) throw badPth('it refers to something else than a storage')
  if (part !== null) throw badPth(`it refers to a part of storage ${show(key)}, as only the first versions of PyTorch did`)
  return new StorageRef(key, dtype, count)
}
