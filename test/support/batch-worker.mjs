// The worker of imageLoader for pages of the tests: the package's own file, bundled as a page's own bundler would.
import '@bms/bms/batch-worker'
