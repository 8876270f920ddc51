// Attaches the ops to Tensor as methods, under PyTorch's names in camelCase. Each is one line: the op's own room has
// the documentation and the work.
import type { DType } from './dtype.js'
import { cat as catOp, pad as padOp, type PadOptions } from './ops/cat.js'
import * as copy from './ops/copy.js'
import * as e from './ops/elementwise.js'
import type { Arg } from './ops/elementwise.js'
import * as index from './ops/indexing.js'
import type { PickOptions } from './ops/indexing.js'
import { matmul, type MatmulOptions } from './ops/matmul.js'
import * as order from './ops/order.js'
import * as r from './ops/reduce.js'
import type { Dims } from './ops/reduce.js'
import * as soft from './ops/softmax.js'
import * as v from './ops/views.js'
import { Tensor } from './tensor.js'

/** `f(2, 3)` or `f([2, 3])`. */
type Sizes = number[] | [readonly number[]]
const sizes = (args: Sizes): readonly number[] => (Array.isArray(args[0]) ? (args[0] as readonly number[]) : (args as number[]))

// biome-ignore format: one line a method
const methods = {
  neg(this: Tensor) { return e.neg(this) },
  abs(this: Tensor) { return e.abs(this) },
  sign(this: Tensor) { return e.sign(this) },
  floor(this: Tensor) { return e.floor(this) },
  ceil(this: Tensor) { return e.ceil(this) },
  round(this: Tensor) { return e.round(this) },
  trunc(this: Tensor) { return e.trunc(this) },
  square(this: Tensor) { return e.square(this) },
  exp(this: Tensor) { return e.exp(this) },
  expm1(this: Tensor) { return e.expm1(this) },
  log(this: Tensor) { return e.log(this) },
  log1p(this: Tensor) { return e.log1p(this) },
  sqrt(this: Tensor) { return e.sqrt(this) },
  rsqrt(this: Tensor) { return e.rsqrt(this) },
  reciprocal(this: Tensor) { return e.reciprocal(this) },
  sin(this: Tensor) { return e.sin(this) },
  cos(this: Tensor) { return e.cos(this) },
  tanh(this: Tensor) { return e.tanh(this) },
  sigmoid(this: Tensor) { return e.sigmoid(this) },
  softplus(this: Tensor) { return e.softplus(this) },
  silu(this: Tensor) { return e.silu(this) },
  gelu(this: Tensor, approximate?: 'none' | 'tanh') { return e.gelu(this, approximate) },
  erf(this: Tensor) { return e.erf(this) },
  relu(this: Tensor) { return e.relu(this) },
  leakyRelu(this: Tensor, negativeSlope?: number) { return e.leakyRelu(this, negativeSlope) },
  elu(this: Tensor, alpha?: number) { return e.elu(this, alpha) },
  isnan(this: Tensor) { return e.isnan(this) },
  isinf(this: Tensor) { return e.isinf(this) },
  logicalNot(this: Tensor) { return e.logicalNot(this) },
  logicalAnd(this: Tensor, other: Arg) { return e.logicalAnd(this, other) },
  logicalOr(this: Tensor, other: Arg) { return e.logicalOr(this, other) },
  add(this: Tensor, other: Arg) { return e.add(this, other) },
  sub(this: Tensor, other: Arg) { return e.sub(this, other) },
  mul(this: Tensor, other: Arg) { return e.mul(this, other) },
  div(this: Tensor, other: Arg) { return e.div(this, other) },
  floorDivide(this: Tensor, other: Arg) { return e.floorDivide(this, other) },
  remainder(this: Tensor, other: Arg) { return e.remainder(this, other) },
  pow(this: Tensor, exponent: Arg) { return e.pow(this, exponent) },
  maximum(this: Tensor, other: Arg) { return e.maximum(this, other) },
  minimum(this: Tensor, other: Arg) { return e.minimum(this, other) },
  eq(this: Tensor, other: Arg) { return e.eq(this, other) },
  ne(this: Tensor, other: Arg) { return e.ne(this, other) },
  lt(this: Tensor, other: Arg) { return e.lt(this, other) },
  le(this: Tensor, other: Arg) { return e.le(this, other) },
  gt(this: Tensor, other: Arg) { return e.gt(this, other) },
  ge(this: Tensor, other: Arg) { return e.ge(this, other) },
  clamp(this: Tensor, min?: number | null, max?: number | null) { return e.clamp(this, min, max) },
  /** `a` where this is true, else `b`. */
  where(this: Tensor, a: Arg, b: Arg) { return e.where(this, a, b) },

  sum(this: Tensor, dims?: Dims, keepdim?: boolean) { return r.sum(this, dims, keepdim) },
  mean(this: Tensor, dims?: Dims, keepdim?: boolean) { return r.mean(this, dims, keepdim) },
  max(this: Tensor, dims?: Dims, keepdim?: boolean) { return r.max(this, dims, keepdim) },
  min(this: Tensor, dims?: Dims, keepdim?: boolean) { return r.min(this, dims, keepdim) },
  prod(this: Tensor, dims?: Dims, keepdim?: boolean) { return r.prod(this, dims, keepdim) },
  all(this: Tensor, dims?: Dims, keepdim?: boolean) { return r.all(this, dims, keepdim) },
  any(this: Tensor, dims?: Dims, keepdim?: boolean) { return r.any(this, dims, keepdim) },
  var(this: Tensor, dims?: Dims, keepdim?: boolean, correction?: number) { return r.variance(this, dims, keepdim, correction) },
  std(this: Tensor, dims?: Dims, keepdim?: boolean, correction?: number) { return r.std(this, dims, keepdim, correction) },
  norm(this: Tensor, dims?: Dims, keepdim?: boolean) { return r.norm(this, dims, keepdim) },
  argmax(this: Tensor, dim?: number, keepdim?: boolean) { return order.argmax(this, dim, keepdim) },
  argmin(this: Tensor, dim?: number, keepdim?: boolean) { return order.argmin(this, dim, keepdim) },
  logsumexp(this: Tensor, dim?: number, keepdim?: boolean) { return soft.logsumexp(this, dim, keepdim) },
  softmax(this: Tensor, dim?: number) { return soft.softmax(this, dim) },
  logSoftmax(this: Tensor, dim?: number) { return soft.logSoftmax(this, dim) },
  cumsum(this: Tensor, dim?: number) { return order.cumsum(this, dim) },
  sort(this: Tensor, dim?: number, descending?: boolean) { return order.sort(this, dim, descending) },
  argsort(this: Tensor, dim?: number, descending?: boolean) { return order.argsort(this, dim, descending) },
  topk(this: Tensor, k: number, dim?: number, largest?: boolean) { return order.topk(this, k, dim, largest) },

  reshape(this: Tensor, ...shape: Sizes) { return v.reshape(this, sizes(shape)) },
  permute(this: Tensor, ...order_: Sizes) { return v.permute(this, sizes(order_)) },
  expand(this: Tensor, ...shape: Sizes) { return v.expand(this, sizes(shape)) },
  transpose(this: Tensor, dim0?: number, dim1?: number) { return v.transpose(this, dim0, dim1) },
  /** The transpose of a matrix. */
  t(this: Tensor) { return v.transpose(this) },
  squeeze(this: Tensor, dims?: Dims) { return v.squeeze(this, dims) },
  unsqueeze(this: Tensor, dim: number) { return v.unsqueeze(this, dim) },
  narrow(this: Tensor, dim: number, start: number, length: number) { return v.narrow(this, dim, start, length) },
  select(this: Tensor, dim: number, index_: number) { return v.select(this, dim, index_) },
  split(this: Tensor, sizes_: number | readonly number[], dim?: number) { return v.split(this, sizes_, dim) },
  chunk(this: Tensor, n: number, dim?: number) { return v.chunk(this, n, dim) },
  flip(this: Tensor, dims: Dims) { return v.flip(this, dims) },
  flatten(this: Tensor, start?: number, end?: number) { return v.flatten(this, start, end) },
  pad(this: Tensor, padding: readonly number[], options?: number | PadOptions) { return padOp(this, padding, options) },
  cat(this: Tensor, others: readonly Tensor[], dim?: number) { return catOp([this, ...others], dim) },

  gather(this: Tensor, dim: number, index_: Tensor, options?: PickOptions) { return index.gather(this, dim, index_, options) },
  indexSelect(this: Tensor, dim: number, index_: Tensor, options?: PickOptions) { return index.indexSelect(this, dim, index_, options) },
  scatterAdd(this: Tensor, dim: number, index_: Tensor, source: Tensor) { return index.scatterAdd(this, dim, index_, source) },

  matmul(this: Tensor, other: Tensor, options?: MatmulOptions) { return matmul(this, other, options) },

  contiguous(this: Tensor) { return copy.contiguous(this) },
  clone(this: Tensor) { return copy.clone(this) },
  detach(this: Tensor) { return copy.detach(this) },
  /** In another dtype. */
  to(this: Tensor, dtype: DType) { return copy.cast(this, dtype) },
  float(this: Tensor) { return copy.cast(this, 'f32') },
  half(this: Tensor) { return copy.cast(this, 'f16') },
  int(this: Tensor) { return copy.cast(this, 'i32') },
  bool(this: Tensor) { return copy.cast(this, 'bool') },
  copy_(this: Tensor, source: Tensor) { return copy.copy_(this, source) },
  fill_(this: Tensor, value: number) { return copy.fill_(this, value) },
  zero_(this: Tensor) { return copy.fill_(this, 0) },
}

type Methods = typeof methods

declare module './tensor.js' {
  interface Tensor extends Methods {}
}

for (const [name, value] of Object.entries(methods)) Object.defineProperty(Tensor.prototype, name, { value, writable: true, configurable: true })
