// The namespace `linalg`: a folder of its own, since the build keeps those as real namespaces, of which bundlers drop what is unused.
export * from '../ops/linalg.js'
