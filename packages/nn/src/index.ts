// @bms/nn: everything that a model needs. Tensors and gradients come along from the floors below.
export * from '@bms/autograd'
export * as data from './data/index.js'
export * as losses from './losses/index.js'
export * as nn from './nn/index.js'
export * as optim from './optim/index.js'
export * from './pth/index.js'
export * from './safetensors/index.js'
