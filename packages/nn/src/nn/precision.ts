// Mixed precision by the type of the input: a layer that is given f16 computes in f16 with weights that stay f32, since
// optimisers move weights by less than f16 can tell.
import type { Tensor } from '@bms/autograd'

/** A weight as a layer uses it on `x`: cast to f16 where x is f16, else as it is. Its gradient comes out in its own type. */
export const castFor = <T extends Tensor | null>(x: Tensor, weight: T): T =>
  weight && x.dtype === 'f16' && weight.dtype === 'f32' ? (weight.to('f16') as T) : weight
