// Reading what PyTorch users save with torch.save.
export { loadPth, type LoadPthOptions } from './read.js'
