// The namespace `data`: data sets and loaders.
export { type Batch, type Dataset, type Leaf, type Sample, TensorDataset } from './dataset.js'
export { DataLoader, type DataLoaderOptions } from './loader.js'
