// Pipelines by what they contain: kernel, specialised source, entry point. Made once; a compiled step makes all of its
// pipelines at once with the asynchronous API, an eager op makes its own when it is first called.
import { DeviceError } from '../errors.js'
import type { ShaderInfo } from '../generated/shaders.js'
import type { Device } from './device.js'
import type { Told } from './explain.js'
import type { Words } from './faults.js'

/** Which pipeline: the kernel, and what of its text is specialised. `key` names all of it. */
export interface PipelineSpec {
  key: string
  kernel: ShaderInfo
  source: () => string
  /** The op that asked for it first. */
  op?: string
}

export class Pipelines {
  private readonly ready = new Map<string, GPUComputePipeline>()
  private readonly modules = new Map<string, GPUShaderModule>()

  constructor(private readonly device: Device) {}

  /** Pipelines made so far. */
  get size(): number {
    return this.ready.size
  }

  /** The pipeline, made now if it is new; `op` is who asks. */
  get(spec: PipelineSpec, op?: string): GPUComputePipeline {
    const found = this.ready.get(spec.key)
    if (found) return found
    const { gpu, faults } = this.device
    const pipeline = faults.scope(
      'validation',
      () => gpu.createComputePipeline(this.descriptor(spec)),
      (words, message) => {
        this.ready.delete(spec.key)
        return this.tell({ ...spec, op }, words, message)
      },
    )
    this.ready.set(spec.key, pipeline)
    return pipeline
  }

  /** Makes those that are new, in parallel where the driver can. */
  async prepare(specs: Iterable<PipelineSpec>): Promise<void> {
    const { gpu, faults } = this.device
    const fresh = new Map<string, PipelineSpec>()
    for (const spec of specs) if (!this.ready.has(spec.key)) fresh.set(spec.key, spec)
    await Promise.all(
      Array.from(fresh.values(), async (spec) => {
        // A module that does not parse is told by the pipeline's rejection, and only once.
        gpu.pushErrorScope('validation')
        const descriptor = this.descriptor(spec)
        gpu.popErrorScope().catch(() => {})
        try {
          this.ready.set(spec.key, await gpu.createComputePipelineAsync(descriptor))
        } catch (cause) {
          await faults.settled('compile')
          throw await faults.explain((cause as Error).message, (words, message) => this.tell(spec, words, message))
        }
      }),
    )
    await faults.settled('compile')
  }

  private tell(spec: PipelineSpec, words: Words, message: string): Promise<Told> {
    return words.brokenShader(spec, this.modules.get(spec.source())!, message)
  }

  /** Forgets all pipelines, so that the driver can free them. */
  clear(): void {
    this.ready.clear()
    this.modules.clear()
  }

  private descriptor(spec: PipelineSpec): GPUComputePipelineDescriptor {
    const code = spec.source()
    let module = this.modules.get(code)
    if (!module) {
      module = this.device.gpu.createShaderModule({ code, label: `shaders/${spec.kernel.file}` })
      this.modules.set(code, module)
      this.device.debug(4, () => `--- ${spec.key}\n${code}`)
    }
    return { layout: 'auto', label: spec.key, compute: { module, entryPoint: spec.kernel.entry } }
  }
}

/** The kernel's text with the named constants and element types rewritten. Unknown names are a programming error. */
export function specialise(source: string, constants: Record<string, number | boolean>, aliases: Record<string, string>): string {
  let text = source
  let enable = ''
  for (const [name, value] of Object.entries(constants)) {
    const line = new RegExp(`^(const ${name}\\s*:\\s*(\\w+)\\s*=\\s*)[^;]+;`, 'm')
    if (!line.test(text)) throw new DeviceError('SHADER', `no constant ${name} to specialise`, { name })
    text = text.replace(line, (_, head: string, type: string) => `${head}${literal(value, type)};`)
  }
  for (const [name, type] of Object.entries(aliases)) {
    const line = new RegExp(`^alias ${name}\\s*=\\s*\\w+;`, 'm')
    if (!line.test(text)) throw new DeviceError('SHADER', `no alias ${name} to specialise`, { name })
    text = text.replace(line, `alias ${name} = ${type};`)
    if (type === 'f16') enable = 'enable f16;'
  }
  return enable + text
}

function literal(value: number | boolean, type: string): string {
  if (type === 'bool') return String(Boolean(value))
  if (type === 'f32') return Number.isInteger(value) ? `${value}.0` : String(value)
  return `${value}${type === 'u32' ? 'u' : 'i'}`
}
