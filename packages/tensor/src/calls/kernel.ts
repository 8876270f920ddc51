// A call of one hand-written kernel: buffers and parameters by the names that its WGSL gives them, checked by the types
// that the build step read from it.
import type { Device } from '../device/device.js'
import { specialise } from '../device/pipelines.js'
import { storageType } from '../dtype.js'
import type { Kernel, KernelName, Kernels, ShaderInfo } from '../generated/shaders.js'
import { isContiguous } from '../layout.js'
import { type Call, type Dispatch, layoutKey, linearGrid, type Operand, operandBytes, snapshot } from './call.js'

type ParamsOf<K extends KernelName> = Kernels[K]['params']
/** `<binding>_offset` parameters are filled from the operand's layout. */
type OwnParams<K extends KernelName> = { [P in keyof ParamsOf<K> as P extends `${string}_offset` ? never : P]: ParamsOf<K>[P] }

export interface KernelArgs<K extends KernelName> {
  op: string
  kernel: Kernel<K>
  /** Operands by binding name. All are contiguous; an offset is passed on as the parameter `<name>_offset`. */
  buffers: Record<Kernels[K]['buffers'], Operand>
  params: OwnParams<K>
  /** Invocations wanted, one dimension: the grid is worked out and split. Or `grid`, the workgroups themselves. */
  invocations?: number
  grid?: readonly [number, number, number]
  constants?: Partial<Record<Kernels[K]['constants'], number | boolean>>
  /** Element types for the kernel's aliases. */
  aliases?: Partial<Record<Kernels[K]['aliases'], string>>
  /** The binding names that are written; default: every read_write binding. */
  writes?: readonly Kernels[K]['buffers'][]
  /** Written bindings whose old content matters (updated in place). */
  updates?: readonly Kernels[K]['buffers'][]
  flops?: number
}

/** Pads the params of a kernel into the bytes of its uniform struct. */
export function packParams(info: ShaderInfo, values: Record<string, number | readonly number[]>): Uint32Array {
  const bytes = new ArrayBuffer(Math.ceil(info.paramBytes / 16) * 16)
  const view = new DataView(bytes)
  for (const [name, field] of Object.entries(info.params)) {
    const value = values[name]
    const list = typeof value === 'number' ? [value] : (value ?? [])
    for (let i = 0; i < Math.min(list.length, field.count); i++) {
      if (field.type === 'f32') view.setFloat32(field.offset + 4 * i, list[i]!, true)
      else view.setUint32(field.offset + 4 * i, list[i]! >>> 0, true)
    }
  }
  return new Uint32Array(bytes)
}

export class KernelCall<K extends KernelName = KernelName> implements Call {
  readonly kind = 'kernel'
  readonly op: string
  readonly inputs: Operand[] = []
  readonly outputs: Operand[] = []
  readonly exclusive: Operand[] = []
  readonly inPlace: boolean

  private readonly args: KernelArgs<K>

  constructor(given: KernelArgs<K>) {
    const buffers = Object.fromEntries(Object.entries<Operand>(given.buffers).map(([name, o]) => [name, snapshot(o)])) as KernelArgs<K>['buffers']
    const args = { ...given, buffers }
    this.args = args
    this.op = args.op
    const info: ShaderInfo = args.kernel
    const updates = new Set<string>(args.updates ?? [])
    const writes = new Set<string>(args.writes ?? info.bindings.filter((b) => b.access === 'read_write').map((b) => b.name))
    for (const b of info.bindings) {
      if (b.access === 'uniform') continue
      const operand = args.buffers[b.name as Kernels[K]['buffers']]
      if (!operand) throw new Error(`${args.op}: kernel ${info.name} needs the buffer "${b.name}"`)
      if (!isContiguous(operand.layout)) throw new Error(`${args.op}: kernel ${info.name} takes contiguous operands, "${b.name}" is not`)
      if (writes.has(b.name)) this.outputs.push(operand)
      else if (b.access === 'read_write') this.exclusive.push(operand)
      if (!writes.has(b.name) || updates.has(b.name)) this.inputs.push(operand)
    }
    this.inPlace = updates.size > 0
  }

  get name(): string {
    return this.args.kernel.name
  }

  replace(of: (o: Operand) => Operand): Call {
    const buffers = Object.fromEntries(Object.entries<Operand>(this.args.buffers).map(([name, o]) => [name, of(o)])) as KernelArgs<K>['buffers']
    return new KernelCall({ ...this.args, buffers })
  }

  private get key(): string {
    const { kernel, constants, aliases } = this.args
    return `${kernel.name}${constants ? JSON.stringify(constants) : ''}${aliases ? JSON.stringify(aliases) : ''}`
  }

  lower(device: Device): Dispatch[] {
    const { args } = this
    const info: ShaderInfo = args.kernel
    const values: Record<string, number | readonly number[]> = { ...(args.params as Record<string, number | readonly number[]>) }
    const buffers: Dispatch['buffers'] = []
    let paramsBinding = 0
    let bytes = 0
    for (const b of info.bindings) {
      if (b.access === 'uniform') {
        paramsBinding = b.index
        continue
      }
      const operand = args.buffers[b.name as Kernels[K]['buffers']]
      const { offset } = operand.layout
      if (`${b.name}_offset` in info.params) values[`${b.name}_offset`] = offset
      else if (offset !== 0) throw new Error(`${args.op}: kernel ${info.name} takes no offset for "${b.name}"`)
      buffers.push({ binding: b.index, storage: operand.storage })
      bytes += operandBytes(operand)
    }
    const constants = (args.constants ?? {}) as Record<string, number | boolean>
    const grid = args.grid ?? linearGrid(device, args.op, args.invocations ?? 1, groupSize(info, constants))
    return [
      {
        op: args.op,
        pipeline: { key: this.key, kernel: args.kernel, source: () => specialise(info.source, constants, (args.aliases ?? {}) as Record<string, string>) },
        buffers,
        params: info.paramBytes > 0 ? packParams(info, values) : null,
        paramsBinding,
        grid,
        flops: args.flops ?? 0,
        bytes,
      },
    ]
  }

  identity(operand: (o: Operand) => string): string {
    const list = this.inputs.map((o) => `${operand(o)}:${layoutKey(o)}`)
    return `${this.key}|${JSON.stringify(this.args.params)}|${this.args.grid ?? this.args.invocations}|${list.join(';')}|${this.outputs.map(layoutKey).join(';')}`
  }
}

/** Invocations of a workgroup, its sizes given as numbers or names of constants. */
function groupSize(info: ShaderInfo, constants: Record<string, number | boolean>): number {
  return info.workgroupSize.reduce((n, size) => n * Number(constants[size] ?? info.constants[size] ?? Number.parseInt(size, 10)), 1)
}

/** `alias T = …` for an operand's element type. */
export const elementAlias = (o: { dtype: Operand['dtype'] }): string => storageType(o.dtype)
