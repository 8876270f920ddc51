// The feature nets by name, with a user's weights.
import { BmsError, show } from '@bms/tensor'
import { inceptionV3, type InceptionOptions } from './inception.js'
import { mobileNet } from './mobilenet.js'
import type { FeatureNet } from './net.js'
import { squeezeNet } from './squeezenet.js'
import { fitWeights, type Weights } from './weights.js'

export const featureNetNames = ['inception', 'squeezenet', 'mobilenet'] as const
export type FeatureNetName = (typeof featureNetNames)[number]

/**
 * A feature net with the weights of a file (or tensors by name):
 * 'inception', the file of pytorch-fid (pt_inception-2015-12-05-6726825d.pth) or the same as .safetensors;
 * 'squeezenet', torchvision's squeezenet1_1, with or without its classifier;
 * 'mobilenet', Keras's MobileNet v1 0.25 224 under Keras's names (`conv1/kernel`, height x width x in x out).
 * @throws BmsError `WEIGHTS` where they are of another net, `BAD_FILE` where the file cannot be read, `BAD_ARGUMENT` for another name
 */
export function loadFeatureNet(name: FeatureNetName, weights: Weights, options: Pick<InceptionOptions, 'resize'> = {}): FeatureNet {
  if (!featureNetNames.includes(name))
    throw new BmsError('BAD_ARGUMENT', `unknown feature net ${show(name)}; known: ${featureNetNames.join(', ')}`, {
      option: 'net',
      got: name,
      allowed: featureNetNames,
    })
  const net = name === 'inception' ? inceptionV3(options) : name === 'squeezenet' ? squeezeNet() : mobileNet()
  try {
    // Older files do not count batches; classifiers of backbones are not asked.
    fitWeights(net, weights, { what: net.description, optional: /\.num_batches_tracked$/, ...(name === 'squeezenet' && { ignore: /^classifier\./ }) })
  } catch (error) {
    net.dispose()
    throw error
  }
  return net
}
