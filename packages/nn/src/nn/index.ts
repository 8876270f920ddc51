// The namespace `nn`: modules, initialisers, spectral normalisation.
export * from './activations.js'
export { ModuleList, Sequential } from './containers.js'
export * as init from './init.js'
export * from './linear.js'
export { Module } from './module.js'
export * from './norm.js'
export { Parameter, parameter } from './parameter.js'
export { SpectralNorm, spectralNorm, type SpectralNormOptions, spectralNormPlain } from './spectral-norm.js'
