// Words for what a GPU reports, and the search for its cause. Loaded when something has gone wrong: a page on which all
// goes well never downloads this, which is why it imports nothing.
import type { MemoryReport } from './allocator.js'
import type { PipelineSpec } from './pipelines.js'

/** What a DeviceError is made of. */
export interface Told {
  code: 'SHADER' | 'VALIDATION' | 'OUT_OF_MEMORY'
  message: string
  fields: Record<string, unknown>
}

/** A pipeline that could not be made: each error of its shader by file and line. */
export async function brokenShader({ op, kernel, key, source }: PipelineSpec, module: GPUShaderModule, cause: string): Promise<Told> {
  const { name, file, source: template } = kernel
  const info = await module.getCompilationInfo()
  const errors = info.messages.filter((m) => m.type === 'error').map((m) => ({ ...placeOf(source(), template, m.lineNum), message: m.message }))
  const lines = errors.map((e) => `shaders/${file}:${e.line}${e.generated ? `, generated line ${e.generated}` : ''}: ${e.message}, in \`${e.text}\``)
  const [first] = errors
  return {
    code: 'SHADER',
    message: `${lines.join('\n') || `shaders/${file}: ${cause}`}\n(compiled${op ? ` for ${op}` : ''} as ${key.split('|', 1)[0]})`,
    fields: { kernel: name, file, ...(op && { op }), ...(first && { line: first.line, text: first.text, generated: first.generated }) },
  }
}

/**
 * Where a line of the compiled text stands in its file: specialisation changes no lines but those between the body markers. Of a generated line, the
 * line of the first marker, and how far below that it is.
 */
function placeOf(code: string, template: string, line: number): { line: number; generated: number; text: string } {
  const lines = code.split('\n')
  const text = (lines[line - 1] ?? '').trim()
  const [from, to] = [lines.indexOf('// <body>') + 1, lines.indexOf('// </body>') + 1]
  if (from < line && line < to) return { line: from, generated: line - from, text }
  const longer = to > 0 && line >= to ? to - (template.split('\n').indexOf('// </body>') + 1) : 0
  return { line: line - longer, generated: 0, text }
}

/** Commands that the GPU refused: `encode` encodes one of them once more, alone, so that the GPU says whether it was that one. Nothing is submitted. */
export async function refusedCommand<C extends { op: string }>(
  gpu: GPUDevice,
  commands: readonly C[],
  encode: (command: C) => void,
  message: string,
  step?: string,
): Promise<Told> {
  // A lone command needs no search.
  const command = commands.length === 1 ? 0 : await search(gpu, commands, encode)
  const ops = [...new Set(commands.map((c) => c.op))]
  const op = commands[command]?.op
  const who = op ?? (ops.join(', ').replace(/, ([^,]*)$/, ' or $1') || 'an op of some time ago')
  const place = op !== undefined && commands.length > 1 ? `, command ${command + 1} of ${commands.length}` : ''
  const rest = commands.length === 1 ? 'its result holds' : 'none of those submitted with it ran, their results hold'
  return {
    code: 'VALIDATION',
    message: `${who}: the GPU refused it${place}${step ? ` of ${step}` : ''}; ${rest} nothing: ${message}`,
    fields: { ops, ...(op !== undefined && { op, command }), ...(step && { step }) },
  }
}

/** The first that is refused; -1 for what only the submit finds, such as a destroyed buffer. */
async function search<C>(gpu: GPUDevice, commands: readonly C[], encode: (command: C) => void): Promise<number> {
  const answers = commands.map((command) => {
    gpu.pushErrorScope('validation')
    encode(command)
    return gpu.popErrorScope()
  })
  return (await Promise.all(answers)).findIndex((error) => error !== null)
}

/** A buffer that got no memory; `pooled` are freed bytes that were kept for reuse. */
export const outOfMemory = (op: string, need: number, memory: MemoryReport, pooled: number): Told => ({
  code: 'OUT_OF_MEMORY',
  message: `${op}: the device has no memory for ${need} bytes beside the ${memory.reserved} that it holds: ${memory.bytes} in ${memory.storages} storages, ${pooled} freed and kept for reuse (given back now); use a smaller batch, or free tensors with tidy() or dispose(), and try again`,
  fields: { op, need, memory },
})
