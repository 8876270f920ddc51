// The memory plan of a compiled step, without a device: what lives at one time never overlaps, no call reads the buffer it writes, and memory is shared.
import { type Call, type Operand, planMemory, Storage } from '@bms/tensor'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const test = suite('plan-memory')

const operand = (storage: Storage): Operand => ({ storage, dtype: 'f32', layout: { shape: [storage.bytes / 4], strides: [1], offset: 0 } })
const call = (reads: Storage[], writes: Storage[], exclusive: Storage[] = []): Call =>
  ({ inputs: reads.map(operand), outputs: writes.map(operand), exclusive: exclusive.map(operand) }) as unknown as Call
const storage = (bytes: number): Storage => new Storage(null as never, bytes, null)

function check(calls: Call[], temporary: (s: Storage) => boolean, align: number, most = Infinity): ReturnType<typeof planMemory> {
  const plan = planMemory(calls, temporary, align, most)
  const lives = new Map<Storage, [number, number]>()
  calls.forEach((c, i) => {
    for (const { storage: s } of [...c.inputs, ...c.outputs]) if (temporary(s)) lives.set(s, [lives.get(s)?.[0] ?? i, i])
  })
  assert.is(plan.place.size, lives.size)
  const placed = [...lives].map(([s, [from, to]]) => ({ s, from, to, ...plan.place.get(s)! }))
  for (const p of placed) {
    assert.is(p.offset % align, 0)
    assert.ok(p.offset + p.s.bytes <= plan.arenas[p.arena]!)
    for (const q of placed) {
      if (p === q || p.arena !== q.arena || p.to < q.from || q.to < p.from) continue
      assert.ok(p.offset + p.s.bytes <= q.offset || q.offset + q.s.bytes <= p.offset, 'two that live at one time overlap')
    }
  }
  for (const c of calls) {
    const written = new Set([...c.outputs, ...(c.exclusive ?? [])].map((o) => o.storage))
    for (const w of written) {
      for (const { storage: r } of c.inputs) {
        if (temporary(w) && temporary(r) && !written.has(r))
          assert.is.not(plan.place.get(w)!.arena, plan.place.get(r)!.arena, 'a call reads the buffer that it writes')
      }
    }
  }
  return plan
}

/** No buffer is larger than it may be, unless one storage alone is; such a one has its buffer to itself. */
function checkMost({ arenas, place }: ReturnType<typeof planMemory>, most: number): void {
  for (const [arena, bytes] of arenas.entries()) {
    if (bytes <= most) continue
    const inside = [...place].filter(([, p]) => p.arena === arena)
    assert.ok(
      inside.every(([s, p]) => p.offset === 0 && s.bytes > most),
      `an arena of ${bytes} bytes, at most ${most} are allowed`,
    )
  }
}

test('any calls', () => {
  const line = fc.record({
    reads: fc.array(fc.nat(30), { maxLength: 4 }),
    bytes: fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 3 }),
    update: fc.boolean(),
    outside: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 30 }), fc.constantFrom(16, 256), fc.constantFrom(Infinity, 1024, 4096), (list, align, most) => {
      const made: Storage[] = [storage(64)]
      const outside = new Set([made[0]!])
      const calls = list.map(({ reads, bytes, update, outside: out }) => {
        const inputs = [...new Set(reads.map((r) => made[r % made.length]!))]
        const outputs = bytes.map((b) => storage(b * 16))
        if (out) outside.add(outputs[0]!)
        made.push(...outputs)
        return call(inputs, update && inputs.length ? [...outputs, inputs[0]!] : outputs, inputs.slice(1, 2))
      })
      const plan = check(calls, (s) => !outside.has(s), align, most)
      checkMost(plan, most)
      // Of one buffer a colour, what need not be shared out.
      if (plan.arenas.every((bytes) => bytes <= most)) assert.ok(plan.arenas.reduce((a, b) => a + b, 0) <= plan.unshared)
    }),
    { seed: 3, numRuns: 300 },
  )
})

test('a chain needs two buffers, however long', () => {
  const list = Array.from({ length: 50 }, () => storage(1024))
  const plan = check(
    list.slice(1).map((s, i) => call([list[i]!], [s])),
    () => true,
    16,
  )
  assert.equal(plan.arenas, [1024, 1024])
  assert.is(plan.unshared, 50 * 1024)
})

test('a colour that is more than a buffer may hold gets several, and no more memory than it needs', () => {
  // One call writes three, another reads them: all live at once, in one colour.
  const [a, b, c, out] = [storage(1024), storage(1024), storage(512), storage(16)]
  const calls = [call([], [a, b, c]), call([a, b, c], [out])]
  const all = (): boolean => true
  assert.equal(check(calls, all, 16).arenas, [2560, 16])
  assert.equal(check(calls, all, 16, 2048).arenas, [2048, 512, 16])
  assert.equal(check(calls, all, 16, 1536).arenas, [1536, 1024, 16])
  assert.equal(check(calls, all, 16, 1024).arenas, [1024, 1024, 512, 16])
  // What is larger than any buffer gets one that the allocator will refuse.
  assert.equal(check(calls, all, 16, 600).arenas, [1024, 1024, 512, 16])
  // Bytes that are free again are used before another buffer is begun.
  const chain = Array.from({ length: 20 }, () => storage(1024))
  const links = chain.slice(1).map((s, i) => call([chain[i]!], [s]))
  assert.equal(check(links, all, 16, 1024).arenas, [1024, 1024])
})

test('nothing temporary, nothing planned', () => {
  const plan = check([call([storage(16)], [storage(16)])], () => false, 16)
  assert.equal(plan.arenas, [])
  assert.is(plan.unshared, 0)
})

test.run()
