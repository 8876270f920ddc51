// The paper's model on images, from code: a small BMS-VAE-GAN on the CIFAR-10 images that come with the package. What `bms train cifar10` does, without its
// files. Run it with `npm run example cifar10`, with a number behind it for more steps; in a page the same code runs with '@bms/bms' in place of '@bms/bms/node' and
// fetchCifar10Sample() (or fetchCifar10 with your own files) in place of openCifar10Sample().
import { writeFileSync } from 'node:fs'
import { ImageTraining, imageLoader, imagesOf, init, openCifar10Sample, pairsPng, resolveConfig, sheetPng } from '@bms/bms/node'

export async function run(steps = Number(process.argv[3] ?? 200)): Promise<void> {
  const device = await init()
  const config = resolveConfig({
    dataset: 'cifar10',
    model: 'bms-vae-gan',
    T: 4,
    width: 16,
    batch: 16,
    steps,
    seed: 0,
    hyper: { lr: 1e-3, lrD: 4e-4, lrL: 1e-3 },
  })

  // Batch k is a function of the seed and k: a worker makes the next ones while the GPU is at work.
  const loader = imageLoader(await openCifar10Sample('train'), { batch: config.batch, seed: config.seed, flips: true })
  const training = new ImageTraining(config, loader)
  await training.prepare()
  console.log(
    `${steps} steps of ${training.stats().dispatches} dispatches on ${device.adapter.name}, ${(training.plan().arena / 1e6).toFixed(1)} MB of intermediates`,
  )

  while (training.step < steps) {
    await training.advanceBy(20)
    const { rec, critic, grad_rec, grad_syn } = await training.lossValues()
    console.log(
      `step ${training.step}: rec ${rec!.toFixed(3)}, critic ${critic!.toFixed(3)}, gradients at the image ${grad_rec!.toFixed(3)} and ${grad_syn!.toFixed(3)}`,
    )
  }

  const test = imagesOf(await openCifar10Sample('test'), 0, 32)
  const size = { width: 32, height: 32 }
  writeFileSync('cifar10.png', sheetPng(await training.sample(64, 1), size))
  writeFileSync('cifar10-reconstructions.png', pairsPng(test, (await training.reconstruct(test))!, size))
  console.log('wrote cifar10.png and cifar10-reconstructions.png')
  loader.close()
}
