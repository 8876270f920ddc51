// The objective that a model's switches name. What each computes stands in its own file.
import type { ObjectiveName } from '../models.js'
import { gdppGan } from './gdpp-gan.js'
import { manySample } from './many-sample.js'
import { mdGan } from './md-gan.js'
import type { Objective, StepContext } from './objective.js'
import { veegan } from './veegan.js'

export const objectives: Readonly<Record<ObjectiveName, (context: StepContext) => Objective>> = {
  'many-sample': manySample,
  veegan,
  'gdpp-gan': gdppGan,
  'md-gan': mdGan,
}
