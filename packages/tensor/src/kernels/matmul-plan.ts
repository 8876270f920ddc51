/**
 * Which matrix-multiplication kernel runs, with which constants and how many workgroups: a pure function of the shapes and of a few
 * facts about the adapter, so that it is tested without one. The kernels are shaders/matmul_<algorithm>.wgsl.
 */

export type MatmulAlgorithm = 'lanes' | 'rows' | 'tiles' | 'dots'

export interface MatmulProblem {
  /** C is m x n, the products are summed over k; `batch` of them. */
  m: number
  n: number
  k: number
  batch: number
  /** The stored matrix is the transposed one: a is K x M, b is N x K. */
  transA: boolean
  transB: boolean
  /** Elements between consecutive rows of the stored matrix. */
  lda: number
  ldb: number
  /** Elements before the first matrix. */
  aOffset: number
  bOffset: number
  /** Elements between consecutive matrices, 0 to broadcast. Left out: anything that keeps the alignment of one matrix. */
  aBatch?: number
  bBatch?: number
}

export interface MatmulTarget {
  kind: 'software' | 'gpu'
  /** The subgroup size, where the device has the feature `subgroups` and its smallest and largest size are the same. */
  subgroupSize?: number
  limits: {
    maxComputeInvocationsPerWorkgroup: number
    maxComputeWorkgroupStorageSize: number
    maxComputeWorkgroupsPerDimension: number
  }
}

export interface MatmulPlan {
  algorithm: MatmulAlgorithm
  /** Name of the shader. */
  kernel: string
  /** Specialisation; the element type is the caller's to add. The epilogue is data. */
  constants: Record<string, number | boolean>
  workgroups: [number, number, number]
}

/** Chooses an algorithm, or takes the forced one, and works out its tile. */
export function planMatmul(problem: MatmulProblem, target: MatmulTarget, forced?: MatmulAlgorithm): MatmulPlan {
  const algorithm = forced ?? chooseAlgorithm(problem, target)
  const { constants, groups } = TILINGS[algorithm](problem, target)
  return {
    algorithm,
    kernel: `matmul_${algorithm}`,
    constants: { TRANS_A: problem.transA, TRANS_B: problem.transB, ...constants },
    workgroups: foldWorkgroups(groups, target.limits.maxComputeWorkgroupsPerDimension),
  }
}

/** Multiply-adds below which 'dots' serves software adapters. */
const SMALL = 300_000

// Few kernels serve all shapes: what a kernel costs to compile (a few tenths of a second on a CPU) is more than a tile that fits exactly gains.
function chooseAlgorithm({ m, n, k, batch }: MatmulProblem, target: MatmulTarget): MatmulAlgorithm {
  if (n <= 4 || m === 1) return 'dots'
  // With 4 lanes (SwiftShader) a broadcast saves less than it costs.
  if (target.kind === 'software' && target.subgroupSize !== 8) return 'rows'
  if (k <= 4) return 'dots'
  // A small product is done before the better kernel is compiled.
  if (target.kind === 'software') return m * n * k * batch <= SMALL ? 'dots' : 'lanes'
  return tileFits(SMALL_TILE, target) ? 'tiles' : 'dots'
}

interface Tiling {
  constants: Record<string, number | boolean>
  groups: number
}

const TILINGS: Record<MatmulAlgorithm, (problem: MatmulProblem, target: MatmulTarget) => Tiling> = {
  lanes(problem, target) {
    if (!lanesFit(target)) {
      throw new RangeError(`matmul: 'lanes' needs a fixed subgroup size of 4 or 8, this device has ${target.subgroupSize ?? 'none'}; use 'rows'`)
    }
    const { k, transA, lda, aOffset, aBatch } = problem
    const vecA = !transA && fours(k, lda, aOffset, aBatch ?? 0)
    return registerTile(problem, { ROWS: 16, COLS: 2, WIDTH: 8 }, vecA, { LANES: target.subgroupSize! })
  },

  rows(problem) {
    const { m, transA, lda, aOffset, aBatch } = problem
    const vecA = transA && fours(m, lda, aOffset, aBatch ?? 0)
    const cols = problem.n <= 32 ? 1 : 2
    return registerTile(problem, { ROWS: m <= 4 ? 4 : m <= 8 ? 8 : 16, COLS: cols, WIDTH: problem.n <= 64 ? 8 : 16 }, vecA, {})
  },

  tiles({ m, n, batch }, target) {
    // A large tile reads memory less often, but only if there are enough of them to fill the device.
    const count = (tile: Tile) => up(m, tile.TILE_M) * up(n, tile.TILE_N) * batch
    const tile = tileFits(LARGE_TILE, target) && count(LARGE_TILE) >= 64 ? LARGE_TILE : SMALL_TILE
    if (!tileFits(tile, target)) throw new RangeError("matmul: 'tiles' does not fit the limits of this device; use 'dots'")
    return { constants: { ...tile }, groups: count(tile) }
  },

  dots({ m, n, k, batch }, target) {
    const columns = 2
    const units = m * up(n, columns) * batch
    // Sharing a sum costs a barrier: worth it on GPUs, when the units alone leave most of the device idle.
    const split = target.kind === 'gpu' && k >= 256 && units < 16384 ? 64 : 1
    return { constants: { COLS: columns, SPLIT: split, WIDTH: 64 }, groups: up(units, 64 / split) }
  },
}

/** 'lanes' and 'rows': a block of rows by WIDTH · COLS vec4 columns a workgroup. */
function registerTile(problem: MatmulProblem, tile: { ROWS: number; COLS: number; WIDTH: number }, vecA: boolean, more: Record<string, number>): Tiling {
  const { m, n, batch, transB, ldb, bOffset, bBatch } = problem
  return {
    constants: { ...tile, ...more, VEC_A: vecA, VEC_B: !transB && fours(n, ldb, bOffset, bBatch ?? 0) },
    groups: up(m, tile.ROWS) * up(n, tile.WIDTH * tile.COLS * 4) * batch,
  }
}

interface Tile extends Record<string, number> {
  TILE_M: number
  TILE_N: number
  TILE_K: number
  PER_M: number
  PER_N: number
}

const LARGE_TILE: Tile = { TILE_M: 64, TILE_N: 64, TILE_K: 16, PER_M: 4, PER_N: 4 }
const SMALL_TILE: Tile = { TILE_M: 32, TILE_N: 32, TILE_K: 16, PER_M: 4, PER_N: 4 }

function tileFits(tile: Tile, { limits }: MatmulTarget): boolean {
  const invocations = (tile.TILE_M / tile.PER_M) * (tile.TILE_N / tile.PER_N)
  const bytes = 4 * tile.TILE_K * (tile.TILE_M + 1 + tile.TILE_N + 1)
  return invocations <= limits.maxComputeInvocationsPerWorkgroup && bytes <= limits.maxComputeWorkgroupStorageSize
}

const lanesFit = ({ subgroupSize }: MatmulTarget): boolean => subgroupSize === 4 || subgroupSize === 8

export const up = (size: number, step: number): number => Math.ceil(size / step)

const fours = (...sizes: number[]): boolean => sizes.every((size) => size % 4 === 0)

/** The kernels number their workgroups through all dimensions (x fastest), and those beyond the last do nothing. */
export function foldWorkgroups(count: number, limit: number): [number, number, number] {
  if (count <= limit) return [count, 1, 1]
  const z = up(count, limit * limit)
  if (z > limit) throw new RangeError(`${count} workgroups are more than ${limit} in each dimension allow; split the batch`)
  const y = up(count, z * limit)
  return [up(count, y * z), y, z]
}
