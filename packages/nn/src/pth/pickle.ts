// The part of Python's pickle that a state dict needs, as a machine that can build dicts, lists, tuples, texts, numbers and
// tensors and nothing else. A pickle is a program; this one is read, never run: a name outside of the list is an error.
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

/** Python passes the items of an OrderedDict on after making an empty one. */
function orderedDict(args: readonly Pickled[]): Map<Pickled, Pickled> {
  if (args.length > 0) throw badPth('an OrderedDict is made with arguments, which tensors do not need')
  return new Map()
}

/** All that may be called, with what it makes here. */
const functions: Readonly<Record<string, (args: readonly Pickled[]) => Pickled>> = {
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
function find(module: Pickled, attribute: Pickled): Global {
  const name = `${String(module)}.${String(attribute)}`
  if (typeof module === 'string' && typeof attribute === 'string' && (Object.hasOwn(storages, name) || Object.hasOwn(functions, name))) return new Global(name)
  throw new BmsError(
    'BAD_FILE',
    `pth: the file asks Python for ${show(name)}, which is not among the few names that tensors need; nothing of it was run. ` +
      'If the file is yours, save the state dict alone: torch.save(model.state_dict(), path)',
    { global: name },
  )
}

/** What a persistent id stands for: ('storage', class, key, location, count). */
function storageOf(id: Pickled): StorageRef {
  const [kind, type, key, , count] = id instanceof Tuple ? id.items : []
  const dtype = type instanceof Global ? storages[type.name] : undefined
  if (kind !== 'storage' || dtype === undefined || typeof key !== 'string' || !isSize(count)) throw badPth('it refers to something else than a storage')
  return new StorageRef(key, dtype, count)
}

/** Reads bytes in order and never past the end. */
class Reader {
  private at = 0
  private readonly view: DataView

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get place(): number {
    return this.at
  }

  private skip(n: number): number {
    const from = this.at
    if (!(n <= this.bytes.length - from)) throw badPth(`data.pkl ends in the middle of a value at byte ${from}`)
    this.at = from + n
    return from
  }

  u8 = (): number => this.view.getUint8(this.skip(1))
  u16 = (): number => this.view.getUint16(this.skip(2), true)
  u32 = (): number => this.view.getUint32(this.skip(4), true)
  i32 = (): number => this.view.getInt32(this.skip(4), true)
  u64 = (): number => Number(this.view.getBigUint64(this.skip(8), true))
  f64 = (): number => this.view.getFloat64(this.skip(8), false)

  take(n: number): Uint8Array {
    const from = this.skip(n)
    return this.bytes.subarray(from, from + n)
  }

  text(n: number): string {
    const from = this.at
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.take(n))
    } catch (cause) {
      if (cause instanceof TypeError) throw badPth(`the text at byte ${from} of data.pkl is no UTF-8`)
      throw cause
    }
  }

  /** Up to the end of the line. */
  line(): string {
    const end = this.bytes.indexOf(0x0a, this.at)
    if (end < 0) throw badPth('data.pkl ends in the middle of a name')
    const text = this.text(end - this.at)
    this.skip(1)
    return text
  }

  /** A whole number of `n` bytes, little-endian with a sign. */
  whole(n: number): number | bigint {
    if (n > 64) throw badPth(`a whole number of ${n} bytes stands at byte ${this.at} of data.pkl`)
    let value = 0n
    this.take(n).forEach((byte, i) => {
      value |= BigInt(byte) << BigInt(8 * i)
    })
    value = BigInt.asIntN(8 * n, value)
    return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value
  }
}

/** The machine: a stack, marks in it, and a memo. */
class Machine {
  private stack: Pickled[] = []
  private readonly marks: Pickled[][] = []
  private readonly memo = new Map<number, Pickled>()

  push(value: Pickled): void {
    this.stack.push(value)
  }

  pop(): Pickled {
    const value = this.stack.pop()
    if (value === undefined) throw badPth('data.pkl takes a value from an empty stack')
    return value
  }

  top(): Pickled {
    const value = this.stack.at(-1)
    if (value === undefined) throw badPth('data.pkl looks at an empty stack')
    return value
  }

  mark(): void {
    this.marks.push(this.stack)
    this.stack = []
  }

  /** All above the last mark. */
  above(): Pickled[] {
    const below = this.marks.pop()
    if (!below) throw badPth('data.pkl looks for a mark that was not made')
    const values = this.stack
    this.stack = below
    return values
  }

  tuple(n: number): void {
    const items = Array.from({ length: n }, () => this.pop()).reverse()
    this.push(new Tuple(items))
  }

  put(index: number): void {
    this.memo.set(index, this.top())
  }

  memoize(): void {
    this.put(this.memo.size)
  }

  get(index: number): void {
    const value = this.memo.get(index)
    if (value === undefined) throw badPth(`data.pkl recalls value ${index}, which it did not keep`)
    this.push(value)
  }

  append(values: readonly Pickled[]): void {
    const list = this.top()
    if (!Array.isArray(list)) throw badPth('data.pkl appends to what is no list')
    for (const v of values) list.push(v)
  }

  set(pairs: readonly Pickled[]): void {
    const dict = this.top()
    if (!(dict instanceof Map) || pairs.length % 2 !== 0) throw badPth('data.pkl sets an item of what is no dict')
    for (let i = 0; i < pairs.length; i += 2) dict.set(pairs[i]!, pairs[i + 1]!)
  }

  call(): void {
    const args = this.pop()
    const callee = this.pop()
    const fn = callee instanceof Global && Object.hasOwn(functions, callee.name) ? functions[callee.name] : undefined
    if (!fn || !(args instanceof Tuple)) throw badPth('data.pkl calls what is no function')
    this.push(fn(args.items))
  }

  /** Attributes of a dict (a state dict's `_metadata`): nothing that tensors need. */
  build(): void {
    this.pop()
    if (!(this.top() instanceof Map)) throw badPth('data.pkl gives attributes to what is no dict')
  }
}

/** Opcodes by their byte. What is missing here is refused by its number. */
const opcodes: Readonly<Record<number, (m: Machine, r: Reader) => void>> = {
  40: (m) => m.mark(),
  41: (m) => m.push(new Tuple([])),
  48: (m) => void m.pop(),
  50: (m) => m.push(m.top()),
  71: (m, r) => m.push(r.f64()),
  74: (m, r) => m.push(r.i32()),
  75: (m, r) => m.push(r.u8()),
  77: (m, r) => m.push(r.u16()),
  78: (m) => m.push(null),
  81: (m) => m.push(storageOf(m.pop())),
  82: (m) => m.call(),
  88: (m, r) => m.push(r.text(r.u32())),
  93: (m) => m.push([]),
  97: (m) => {
    const value = m.pop()
    m.append([value])
  },
  98: (m) => m.build(),
  99: (m, r) => m.push(find(r.line(), r.line())),
  101: (m) => m.append(m.above()),
  104: (m, r) => m.get(r.u8()),
  106: (m, r) => m.get(r.u32()),
  113: (m, r) => m.put(r.u8()),
  114: (m, r) => m.put(r.u32()),
  115: (m) => {
    const value = m.pop()
    const key = m.pop()
    m.set([key, value])
  },
  116: (m) => m.push(new Tuple(m.above())),
  117: (m) => m.set(m.above()),
  125: (m) => m.push(new Map()),
  128: (_, r) => {
    const version = r.u8()
    if (version > 5) throw badPth(`data.pkl has pickle's protocol ${version}; 2 to 5 are known`)
  },
  133: (m) => m.tuple(1),
  134: (m) => m.tuple(2),
  135: (m) => m.tuple(3),
  136: (m) => m.push(true),
  137: (m) => m.push(false),
  138: (m, r) => m.push(r.whole(r.u8())),
  140: (m, r) => m.push(r.text(r.u8())),
  141: (m, r) => m.push(r.text(r.u64())),
  147: (m) => {
    const attribute = m.pop()
    m.push(find(m.pop(), attribute))
  },
  148: (m) => m.memoize(),
  149: (_, r) => void r.u64(),
}

const STOP = 0x2e

/** The value of a pickle. Throws a BmsError 'BAD_FILE' that names what is wrong, or the name that is not allowed. */
export function unpickle(bytes: Uint8Array): Pickled {
  const reader = new Reader(bytes)
  const machine = new Machine()
  for (;;) {
    const { place } = reader
    const code = reader.u8()
    if (code === STOP) return machine.pop()
    const run = opcodes[code]
    if (!run) throw badPth(`data.pkl has the opcode 0x${code.toString(16).padStart(2, '0')} at byte ${place}, which tensors do not need`, { opcode: code })
    run(machine, reader)
  }
}
