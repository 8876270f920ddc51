// The planner of matrix products is pure arithmetic: which kernel for which shape and adapter, checked without a GPU.
import { planMatmul } from '@bms/tensor'
import type { MatmulProblem, MatmulTarget } from '@bms/tensor'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const limits = {
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupStorageSize: 16384,
  maxComputeWorkgroupsPerDimension: 65535,
}
const gpu: MatmulTarget = { kind: 'gpu', limits }
const software: MatmulTarget = { kind: 'software', limits }
const subgroups: MatmulTarget = { kind: 'software', subgroupSize: 8, limits }

/** A dense problem, C[m, n] summed over k. */
function problem(m: number, n: number, k: number, more: Partial<MatmulProblem> = {}): MatmulProblem {
  const { transA = false, transB = false } = more
  return { m, n, k, batch: 1, transA, transB, lda: transA ? m : k, ldb: transB ? k : n, aOffset: 0, bOffset: 0, ...more }
}

const plan = suite('planMatmul')

plan('chooses by adapter and by number of columns', () => {
  assert.is(planMatmul(problem(128, 128, 128), subgroups).algorithm, 'lanes')
  assert.is(planMatmul(problem(128, 128, 128), software).algorithm, 'rows')
  assert.is(planMatmul(problem(128, 128, 128), { ...software, subgroupSize: 32 }).algorithm, 'rows')
  assert.is(planMatmul(problem(128, 128, 128), gpu).algorithm, 'tiles')
  assert.is(planMatmul(problem(512, 1, 128), gpu).algorithm, 'dots')
  assert.is(planMatmul(problem(512, 4, 128), subgroups).algorithm, 'dots')
  assert.is(planMatmul(problem(1, 512, 128), subgroups).algorithm, 'dots')
  assert.is(planMatmul(problem(128, 128, 128), { ...software, subgroupSize: 4 }).algorithm, 'rows')
})

plan('takes the plain kernel on adapters with subgroups of 8 adapters where a better one would cost more to compile than it saves', () => {
  assert.is(planMatmul(problem(64, 64, 64), subgroups).algorithm, 'dots')
  assert.is(planMatmul(problem(64, 64, 64), gpu).algorithm, 'tiles')
  assert.is(planMatmul(problem(640, 128, 2), subgroups).algorithm, 'dots')
  assert.is(planMatmul(problem(64, 64, 64, { batch: 2 }), subgroups).algorithm, 'lanes')
})

plan('changes its mind exactly at its thresholds', () => {
  const algorithm = (p: MatmulProblem, target: MatmulTarget) => planMatmul(p, target).algorithm
  const fixed = (p: MatmulProblem, target: MatmulTarget, name: string) => planMatmul(p, target).constants[name]
  // Few columns, one row, short sums.
  assert.equal(
    [4, 5].map((n) => algorithm(problem(128, n, 1000), subgroups)),
    ['dots', 'lanes'],
  )
  assert.equal(
    [4, 5].map((n) => algorithm(problem(128, n, 128), software)),
    ['dots', 'rows'],
  )
  assert.equal(
    [4, 5].map((n) => algorithm(problem(128, n, 128), gpu)),
    ['dots', 'tiles'],
  )
  assert.equal(
    [1, 2].map((m) => algorithm(problem(m, 1000, 200), subgroups)),
    ['dots', 'lanes'],
  )
  assert.equal(
    [4, 5].map((k) => algorithm(problem(1000, 1000, k), subgroups)),
    ['dots', 'lanes'],
  )
  assert.equal(
    [4, 5].map((k) => algorithm(problem(1000, 1000, k), gpu)),
    ['dots', 'tiles'],
  )
  // A small product: 300,000 multiply-adds, of all batches.
  assert.equal([algorithm(problem(100, 100, 30), subgroups), algorithm(problem(13, 47, 491), subgroups)], ['dots', 'lanes'])
  assert.equal([algorithm(problem(100, 100, 10, { batch: 3 }), subgroups), algorithm(problem(100, 100, 10, { batch: 4 }), subgroups)], ['dots', 'lanes'])
  // Tiles of 'rows', of 'tiles', and sums shared by the invocations of 'dots'.
  assert.equal(
    [4, 5, 8, 9].map((m) => fixed(problem(m, 64, 64), software, 'ROWS')),
    [4, 8, 8, 16],
  )
  assert.equal(
    [32, 33].map((n) => fixed(problem(64, n, 64), software, 'COLS')),
    [1, 2],
  )
  assert.equal(
    [64, 65].map((n) => fixed(problem(64, n, 64), software, 'WIDTH')),
    [8, 16],
  )
  assert.equal(
    [63, 64].map((batch) => fixed(problem(64, 64, 64, { batch }), gpu, 'TILE_M')),
    [32, 64],
  )
  assert.equal(
    [255, 256].map((k) => fixed(problem(128, 1, k), gpu, 'SPLIT')),
    [1, 64],
  )
  assert.equal(
    [16383, 16384].map((m) => fixed(problem(m, 2, 256), gpu, 'SPLIT')),
    [64, 1],
  )
})

plan('takes the forced algorithm', () => {
  for (const algorithm of ['lanes', 'rows', 'tiles', 'dots'] as const) {
    const result = planMatmul(problem(65, 17, 3), subgroups, algorithm)
    assert.is(result.algorithm, algorithm)
    assert.is(result.kernel, `matmul_${algorithm}`)
  }
  assert.throws(() => planMatmul(problem(65, 17, 3), software, 'lanes'), /subgroup size of 4 or 8/)
})

plan('hands the transposition on', () => {
  const { constants } = planMatmul(problem(64, 64, 64, { transA: true, transB: true }), gpu)
  assert.is(constants.TRANS_A, true)
  assert.is(constants.TRANS_B, true)
})

plan('reads vec4 only where every row starts at a multiple of four', () => {
  const vec = (p: MatmulProblem, target = subgroups) => {
    const { VEC_A, VEC_B } = planMatmul(p, target, target === subgroups ? 'lanes' : 'rows').constants
    return [VEC_A, VEC_B]
  }
  assert.equal(vec(problem(64, 64, 64)), [true, true])
  assert.equal(vec(problem(65, 64, 64)), [true, true])
  assert.equal(vec(problem(64, 65, 64)), [true, false])
  assert.equal(vec(problem(64, 64, 65)), [false, true])
  assert.equal(vec(problem(64, 64, 64, { lda: 66 })), [false, true])
  assert.equal(vec(problem(64, 64, 64, { ldb: 65 })), [true, false])
  assert.equal(vec(problem(64, 64, 64, { aOffset: 2 })), [false, true])
  assert.equal(vec(problem(64, 64, 64, { bOffset: 1 })), [true, false])
  assert.equal(vec(problem(64, 64, 64, { batch: 2, aBatch: 4098, bBatch: 0 })), [false, true])
  assert.equal(vec(problem(64, 64, 64, { transA: true, transB: true })), [false, false])
  // 'rows' reads A the other way round: four rows at once.
  assert.equal(vec(problem(64, 64, 65, { transA: true }), software), [true, true])
  assert.equal(vec(problem(66, 64, 64, { transA: true }), software), [false, true])
  assert.equal(vec(problem(64, 64, 64), software), [false, true])
})

plan('covers all of C', () => {
  for (const m of [1, 3, 4, 5, 16, 17, 130]) {
    for (const n of [1, 2, 5, 32, 33, 64, 65, 257]) {
      for (const batch of [1, 3]) {
        for (const algorithm of ['lanes', 'rows', 'tiles', 'dots'] as const) {
          const { constants: c, workgroups } = planMatmul(problem(m, n, 7, { batch }), subgroups, algorithm)
          const size = (name: string) => Number(c[name])
          const least =
            algorithm === 'tiles'
              ? Math.ceil(m / size('TILE_M')) * Math.ceil(n / size('TILE_N')) * batch
              : algorithm === 'dots'
                ? Math.ceil((m * Math.ceil(n / size('COLS')) * batch) / (size('WIDTH') / size('SPLIT')))
                : Math.ceil(m / size('ROWS')) * Math.ceil(n / (size('WIDTH') * size('COLS') * 4)) * batch
          assert.equal(workgroups, [least, 1, 1], `${algorithm} ${m} x ${n} x ${batch}`)
        }
      }
    }
  }
})

plan('takes short tiles for few rows and narrow ones for few columns, where no subgroups help', () => {
  assert.is(planMatmul(problem(3, 64, 64), software, 'rows').constants.ROWS, 4)
  assert.is(planMatmul(problem(8, 64, 64), software, 'rows').constants.ROWS, 8)
  assert.is(planMatmul(problem(128, 32, 128), software).constants.COLS, 1)
  assert.is(planMatmul(problem(128, 128, 64), software).constants.COLS, 2)
  // One tile for all shapes: each more is a kernel more to compile.
  assert.equal(planMatmul(problem(8, 64, 1024), subgroups).constants.ROWS, planMatmul(problem(640, 128, 128), subgroups).constants.ROWS)
})

plan('takes large tiles on a GPU only if there are many', () => {
  assert.is(planMatmul(problem(128, 128, 128), gpu).constants.TILE_M, 32)
  assert.is(planMatmul(problem(1024, 1024, 128), gpu).constants.TILE_M, 64)
  assert.is(planMatmul(problem(64, 64, 64, { batch: 64 }), gpu).constants.TILE_M, 64)
})

plan('respects invocations and workgroup memory', () => {
  const small = { ...gpu, limits: { ...limits, maxComputeInvocationsPerWorkgroup: 128 } }
  assert.is(planMatmul(problem(4096, 4096, 64), small).constants.TILE_M, 32)
  const none = { ...gpu, limits: { ...limits, maxComputeWorkgroupStorageSize: 1024 } }
  assert.is(planMatmul(problem(4096, 4096, 64), none).algorithm, 'dots')
  assert.throws(() => planMatmul(problem(64, 64, 64), none, 'tiles'), /does not fit/)
})

plan('folds many workgroups into three dimensions', () => {
  for (const [m, n, batch, limit] of [
    [2 ** 21, 128, 1, 65535],
    [2, 5, 100_000, 65535],
    [4096, 4096, 7, 16],
    [64, 64, 9, 8],
  ] as const) {
    const target = { ...subgroups, limits: { ...limits, maxComputeWorkgroupsPerDimension: limit } }
    if (m * n * batch > limit ** 3 * 2048) {
      assert.throws(() => planMatmul(problem(m, n, 8, { batch }), target, 'lanes'), /split the batch/)
      continue
    }
    const {
      constants: c,
      workgroups: [x, y, z],
    } = planMatmul(problem(m, n, 8, { batch }), target, 'lanes')
    const needed = Math.ceil(m / Number(c.ROWS)) * Math.ceil(n / (Number(c.WIDTH) * Number(c.COLS) * 4)) * batch
    assert.ok(x <= limit && y <= limit && z <= limit, `${x} ${y} ${z}`)
    assert.ok(x * y * z >= needed && x * y * z < needed * 1.5, `${x * y * z} for ${needed}`)
  }
})

plan('splits long sums on a GPU when there are few of them', () => {
  assert.is(planMatmul(problem(128, 1, 4096), gpu).constants.SPLIT, 64)
  assert.is(planMatmul(problem(128, 1, 64), gpu).constants.SPLIT, 1)
  assert.is(planMatmul(problem(128, 1, 4096), software).constants.SPLIT, 1)
})

plan.run()
