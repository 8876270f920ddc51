// The part of Python's pickle that a state dict needs, as a machine that can build dicts, lists, tuples, texts, numbers and
// tensors and nothing else. A pickle is a program; this one is read, never run: a name outside of the list is an error.
import { show } from '@bms/autograd'
import { find, functions, Global, type Pickled, type StorageRef, storageOf, Tuple } from './globals.js'
import { badPth } from './zip.js'

/** Reads bytes in order and never past the end. */
class Reader {
  private readonly view: DataView

  constructor(
    private readonly bytes: Uint8Array,
    private at: number,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get place(): number {
    return this.at
  }

  private skip(n: number): number {
    const from = this.at
    if (!(n <= this.bytes.length - from)) throw badPth(`the pickle ends in the middle of a value at byte ${from}`)
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
      if (cause instanceof TypeError) throw badPth(`the text at byte ${from} of the pickle is no UTF-8`)
      throw cause
    }
  }

  /** Up to the end of the line. */
  line(): string {
    const end = this.bytes.indexOf(0x0a, this.at)
    if (end < 0) throw badPth('the pickle ends in the middle of a name')
    const text = this.text(end - this.at)
    this.skip(1)
    return text
  }

  /** A whole number of `n` bytes, little-endian with a sign. */
  whole(n: number): number | bigint {
    if (n > 64) throw badPth(`a whole number of ${n} bytes stands at byte ${this.at} of the pickle`)
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
  /** Storages by key. */
  readonly storages = new Map<string, StorageRef>()

  /** `budget`: how many items calls may look at; what is kept can be passed to any number of them. */
  constructor(private budget: number) {}

  private readonly spend = (work: number): void => {
    this.budget -= work
    if (this.budget < 0) throw badPth('the pickle makes more of its items than it has')
  }

  push(value: Pickled): void {
    this.stack.push(value)
  }

  pop(): Pickled {
    const value = this.stack.pop()
    if (value === undefined) throw badPth('the pickle takes a value from an empty stack')
    return value
  }

  top(): Pickled {
    const value = this.stack.at(-1)
    if (value === undefined) throw badPth('the pickle looks at an empty stack')
    return value
  }

  mark(): void {
    this.marks.push(this.stack)
    this.stack = []
  }

  /** All above the last mark. */
  above(): Pickled[] {
    const below = this.marks.pop()
    if (!below) throw badPth('the pickle looks for a mark that was not made')
    const values = this.stack
    this.stack = below
    return values
  }

  /** The last `n` values, in the order in which they were pushed. */
  last(n: number): Pickled[] {
    return Array.from({ length: n }, () => this.pop()).reverse()
  }

  put(index: number): void {
    this.memo.set(index, this.top())
  }

  memoize(): void {
    this.put(this.memo.size)
  }

  get(index: number): void {
    const value = this.memo.get(index)
    if (value === undefined) throw badPth(`the pickle recalls value ${index}, which it did not keep`)
    this.push(value)
  }

  append(values: readonly Pickled[]): void {
    const list = this.top()
    if (!Array.isArray(list)) throw badPth('the pickle appends to what is no list')
    for (const v of values) list.push(v)
  }

  set(pairs: readonly Pickled[]): void {
    const dict = this.top()
    if (!(dict instanceof Map) || pairs.length % 2 !== 0) throw badPth('the pickle sets an item of what is no dict')
    for (let i = 0; i < pairs.length; i += 2) dict.set(pairs[i]!, pairs[i + 1]!)
  }

  call(): void {
    const args = this.pop()
    const callee = this.pop()
    const fn = callee instanceof Global && Object.hasOwn(functions, callee.name) ? functions[callee.name] : undefined
    if (!fn || !(args instanceof Tuple)) throw badPth('the pickle calls what is no function')
    this.push(fn(args.items, this.spend))
  }

  storage(): void {
    const ref = storageOf(this.pop())
    const { key, dtype, count } = ref
    const known = this.storages.get(key)
    if (known && (known.dtype !== dtype || known.count !== count)) throw badPth(`storage ${show(key)} has two types or sizes`, { storage: key })
    this.storages.set(key, known ?? ref)
    this.push(known ?? ref)
  }

  /** Attributes of a dict (a state dict's `_metadata`): nothing that tensors need. */
  build(): void {
    this.pop()
    if (!(this.top() instanceof Map)) throw badPth('the pickle gives attributes to what is no dict')
  }
}

type Operation = (m: Machine, r: Reader) => void

/** The opcodes that are known, by their byte and under Python's names. What is missing here is refused by its number. */
// biome-ignore format: one line an opcode
const opcodes: ReadonlyMap<number, Operation> = /* @__PURE__ */ new Map<number, Operation>([
  [0x28, function MARK(m) { m.mark() }],
  [0x29, function EMPTY_TUPLE(m) { m.push(new Tuple([])) }],
  [0x30, function POP(m) { m.pop() }],
  [0x32, function DUP(m) { m.push(m.top()) }],
  [0x47, function BINFLOAT(m, r) { m.push(r.f64()) }],
  [0x4a, function BININT(m, r) { m.push(r.i32()) }],
  [0x4b, function BININT1(m, r) { m.push(r.u8()) }],
  [0x4d, function BININT2(m, r) { m.push(r.u16()) }],
  [0x4e, function NONE(m) { m.push(null) }],
  [0x51, function BINPERSID(m) { m.storage() }],
  [0x52, function REDUCE(m) { m.call() }],
  [0x54, function BINSTRING(m, r) { m.push(r.text(r.u32())) }],
  [0x55, function SHORT_BINSTRING(m, r) { m.push(r.text(r.u8())) }],
  [0x58, function BINUNICODE(m, r) { m.push(r.text(r.u32())) }],
  [0x5d, function EMPTY_LIST(m) { m.push([]) }],
  [0x61, function APPEND(m) { m.append(m.last(1)) }],
  [0x62, function BUILD(m) { m.build() }],
  [0x63, function GLOBAL(m, r) { m.push(find(r.line(), r.line())) }],
  [0x65, function APPENDS(m) { m.append(m.above()) }],
  [0x68, function BINGET(m, r) { m.get(r.u8()) }],
  [0x6a, function LONG_BINGET(m, r) { m.get(r.u32()) }],
  [0x71, function BINPUT(m, r) { m.put(r.u8()) }],
  [0x72, function LONG_BINPUT(m, r) { m.put(r.u32()) }],
  [0x73, function SETITEM(m) { m.set(m.last(2)) }],
  [0x74, function TUPLE(m) { m.push(new Tuple(m.above())) }],
  [0x75, function SETITEMS(m) { m.set(m.above()) }],
  [0x7d, function EMPTY_DICT(m) { m.push(new Map()) }],
  [0x80, function PROTO(_, r) { checkProtocol(r.u8()) }],
  [0x85, function TUPLE1(m) { m.push(new Tuple(m.last(1))) }],
  [0x86, function TUPLE2(m) { m.push(new Tuple(m.last(2))) }],
  [0x87, function TUPLE3(m) { m.push(new Tuple(m.last(3))) }],
  [0x88, function NEWTRUE(m) { m.push(true) }],
  [0x89, function NEWFALSE(m) { m.push(false) }],
  [0x8a, function LONG1(m, r) { m.push(r.whole(r.u8())) }],
  [0x8c, function SHORT_BINUNICODE(m, r) { m.push(r.text(r.u8())) }],
  [0x8d, function BINUNICODE8(m, r) { m.push(r.text(r.u64())) }],
  [0x93, function STACK_GLOBAL(m) { m.push(find(...(m.last(2) as [Pickled, Pickled]))) }],
  [0x94, function MEMOIZE(m) { m.memoize() }],
  [0x95, function FRAME(_, r) { r.u64() }],
])

function checkProtocol(version: number): void {
  if (version > 5) throw badPth(`the pickle has protocol ${version}; 2 to 5 are known`)
}

const STOP = 0x2e

/** What a pickle holds, the storages it refers to, and where it ends. */
export interface Unpickled {
  value: Pickled
  storages: ReadonlyMap<string, StorageRef>
  end: number
}

/** Reads the pickle at `from`. Throws a BmsError 'BAD_FILE' that names what is wrong, or the name that is not allowed. */
export function unpickle(bytes: Uint8Array, from = 0): Unpickled {
  const reader = new Reader(bytes, from)
  const machine = new Machine(bytes.length - from)
  for (;;) {
    const { place } = reader
    const code = reader.u8()
    if (code === STOP) return { value: machine.pop(), storages: machine.storages, end: reader.place }
    const run = opcodes.get(code)
    if (!run) throw badPth(`the pickle has the opcode 0x${code.toString(16).padStart(2, '0')} at byte ${place}, which tensors do not need`, { opcode: code })
    run(machine, reader)
  }
}
