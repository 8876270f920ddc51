// A shader that does not compile: the error names the .wgsl file and the line in it, although what is compiled has no comments and other constants, and
// parts of it are generated. Shaders are broken in the table that the framework compiles from, and mended again.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { compile, type Device, gather, mapOps, ones, Pipelines, type ShaderInfo, shaders, specialise, type Tensor, tensor } from '@bms/tensor'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { close, thrown } from './helpers/device.js'
import { withDevice } from './helpers/own-device.js'
import { options } from './support/options.js'

const test = suite('faults: shaders that do not compile')
const folder = join(options.root, 'shaders')
const linesOf = (file: string): string[] => readFileSync(join(folder, file), 'utf8').split('\n')

/** The line, from 1, of the file's first line of code with `text` from line `from` on. */
function lineOf(file: string, text: string, from = 1): number {
  const at = linesOf(file).findIndex((line, i) => i + 1 >= from && line.includes(text) && (text.startsWith('//') || !line.startsWith('//')))
  assert.ok(at >= 0, `${text} is not in ${file}`)
  return at + 1
}

/** Runs `fn` with one line of a kernel's text replaced. */
async function broken(kernel: keyof typeof shaders, line: number, text: string, fn: () => Promise<void>): Promise<void> {
  const info = shaders[kernel] as { -readonly [K in keyof ShaderInfo]: ShaderInfo[K] }
  const { source } = info
  const lines = source.split('\n')
  assert.is.not(lines[line - 1], '')
  lines[line - 1] = text
  info.source = lines.join('\n')
  try {
    await fn()
  } finally {
    info.source = source
  }
}

const onNull = (fn: (device: Device) => Promise<void>): Promise<void> => withDevice(fn, { adapter: 'null' })

test('every line of every table entry is the line of the file', () => {
  const files = new Set(Object.values(shaders).map((s) => s.file))
  assert.equal([...files].sort(), readdirSync(folder).sort())
  for (const { file, source } of Object.values(shaders)) {
    // Without comments and white space, numbers and vectors in their short forms.
    const bare = (line: string): string =>
      (/^\s*\/\/ <\/?body>/.test(line) ? line : line.replace(/\/\/.*/, ''))
        .replace(/(\d\.)0\b/g, '$1')
        .replace(/\bvec(\d)<([fiu])32>/g, 'vec$1$2')
        .replace(/\s/g, '')
    assert.equal(source.split('\n').map(bare).join('\n').trimEnd(), linesOf(file).map(bare).join('\n').trimEnd(), file)
  }
})

test('an eager op: file, line and what is wrong, told by the read; mended, the same op works', async () => {
  await onNull(async (device) => {
    const line = lineOf('gather.wgsl', 'out[')
    const x = ones([4])
    const index = tensor([0, 1], { dtype: 'i32' })
    await device.sync()
    await broken('gather', line, 'let wrong: u32=1.5f;', async () => {
      for (let run = 0; run < 2; run++) {
        const error = await thrown(() => gather(x.add(1), 0, index).mul(2).data())
        assert.is(error.code, 'SHADER', error.message)
        assert.is(error.message.split('\n')[0]!.split(': ')[0], `shaders/gather.wgsl:${line}`)
        assert.match(error.message, /'u32' with value of type 'f32', in `let wrong: u32=1\.5f;`\n\(compiled for gather as gather\{.*\}\)$/s)
        const { op, kernel, file, text } = error.fields
        assert.equal([op, kernel, file, error.fields['line'], text], ['gather', 'gather', 'gather.wgsl', line, 'let wrong: u32=1.5f;'])
        // Ops beside it go on.
        await x.add(3).data()
        await device.sync()
      }
    })
    await gather(x, 0, index).data()
    await device.sync()
  })
})

test('the adapter of this run says the same, and computes afterwards', async () => {
  const line = lineOf('cumsum.wgsl', 'out[')
  const numbers = [1, 2, 3]
  await withDevice(async () => {
    const x = tensor(numbers)
    await broken('cumsum.row', line, 'oops();', async () => {
      const error = await thrown(() => x.cumsum(0).data())
      assert.is(error.code, 'SHADER', error.message)
      assert.equal([error.fields['op'], error.fields['line']], ['cumsum', line])
    })
    close(await x.cumsum(0).data(), [1, 3, 6], 0)
  })
})

test('with element types and constants set, enable f16 included', async () => {
  await onNull(async () => {
    const line = lineOf('argreduce.wgsl', 'indices[')
    await broken('argreduce.thread', line, 'indices[0]=nothing;', async () => {
      for (const dtype of ['f32', 'f16', 'i32'] as const) {
        const error = await thrown(() => ones([2, 4]).to(dtype).argmax(1).data())
        assert.is(error.fields['line'], line, `${dtype}: ${error.message}`)
        assert.match(error.message, /unresolved value 'nothing'/)
      }
    })
  })
})

test('a generated expression: its line below the marker', async () => {
  await onNull(async () => {
    const exp = mapOps.exp as { wgsl: (a: readonly string[], dtype: never) => string }
    const { wgsl } = exp
    exp.wgsl = (a) => `expo(${a[0]})`
    try {
      const body = lineOf('map.wgsl', '// <body>')
      const error = await thrown(() => ones([3]).exp().data())
      assert.is(error.code, 'SHADER', error.message)
      assert.match(error.message, new RegExp(`^shaders/map\\.wgsl:${body}, generated line 6: unresolved call target 'expo', in \`let v1 = expo\\(v0\\);\``))
      assert.match(error.message, /\(compiled for exp as map\)$/)
      assert.equal([error.fields['line'], error.fields['generated'], error.fields['text']], [body, 6, 'let v1 = expo(v0);'])
      // Among others of a fused expression, in a reduction.
      const fused = compile((x: Tensor) => x.mul(2).exp().add(1).sum(0))
      const inside = await thrown(() => fused.prepare(ones([3, 5])))
      assert.is(inside.code, 'SHADER', inside.message)
      assert.is(inside.fields['op'], 'sum')
      assert.match(
        inside.message,
        new RegExp(
          `^shaders/reduce\\.wgsl:${lineOf('reduce.wgsl', '// <body>')}, generated line \\d+: unresolved call target 'expo', in \`let v\\d+ = expo\\(v\\d+\\);\``,
        ),
      )
    } finally {
      exp.wgsl = wgsl
    }
    await ones([3]).exp().data()
  })
})

test('before and below a generated part: the lines of the file', async () => {
  await onNull(async () => {
    const [above, end] = [lineOf('map.wgsl', 'return select(exp(x)'), lineOf('map.wgsl', '// </body>')]
    const below = lineOf('map.wgsl', 'element(i);', end)
    for (const line of [above, below]) {
      await broken('map', line, 'undone();', async () => {
        const error = await thrown(() => ones([3]).add(line).data())
        assert.is(error.fields['line'], line, error.message)
        assert.match(error.message, new RegExp(`^shaders/map\\.wgsl:${line}: .*, in \`undone\\(\\);\``, 's'))
      })
    }
    const last = lineOf('reduce.wgsl', 'finish(', lineOf('reduce.wgsl', '// </body>'))
    await broken('reduce.thread', last, 'undone();', async () => {
      for (const dtype of ['f32', 'f16'] as const) {
        const error = await thrown(() => ones([2, 3], { dtype }).sum(1, false).data())
        assert.is(error.fields['line'], last, error.message)
      }
    })
  })
})

test('a compiled step: prepare() and the first run tell it, with the op', async () => {
  await onNull(async (device) => {
    const line = lineOf('cumsum.wgsl', '@workgroup_size')
    const step = compile((x: Tensor) => x.add(1).cumsum(0).mul(2))
    await broken('cumsum.row', line, '@compute @workgroup_size(nothing)', async () => {
      for (const use of [() => step.prepare(ones([3])), () => step(ones([3])).data()]) {
        const error = await thrown(use)
        assert.is(error.code, 'SHADER', error.message)
        assert.is(error.message.split(': ')[0], `shaders/cumsum.wgsl:${line}`)
        assert.is(error.fields['op'], 'cumsum')
      }
    })
    step.dispose()
    await step.prepare(ones([3]))
    await step(ones([3])).data()
    await device.sync()
  })
})

test('several errors are all listed; what is wrong with no line names the file', async () => {
  await onNull(async (device) => {
    const { source } = shaders.gather
    const lines = source.split('\n')
    const at = [lineOf('gather.wgsl', 'const WG'), lineOf('gather.wgsl', '@compute') - 1]
    const bad = lines.map((text, i) => (i + 1 === at[0] ? `${text}const A: u32 = b;` : i + 1 === at[1] ? 'const B: u32 = c;' : text)).join('\n')
    const pipelines = new Pipelines(device)
    const prepare = (code: string): Promise<void> => pipelines.prepare([{ key: 'broken|body', kernel: shaders.gather, source: () => code }])
    const error = await thrown(() => prepare(bad))
    assert.match(error.message, new RegExp(`^shaders/gather\\.wgsl:${at[0]}: [^\\n]+\\n`))
    assert.match(error.message, /\(compiled as broken\)$/)
    // Too many invocations: a fault of the pipeline, not of the text.
    const large = await thrown(() => prepare(specialise(source, { WG: 65_536 }, {})))
    assert.is(large.code, 'SHADER')
    assert.match(large.message, /^shaders\/gather\.wgsl: .*(65536|workgroup)/is)
    assert.is(large.fields['line'], undefined)
    await device.sync()
  })
})

test.run()
