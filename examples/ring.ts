// The paper's method from code: a BMS-VAE-GAN on the ring, trained, judged and drawn with the public API. What `bms train ring`
// does, without its files and progress line. Run it with `npm run example ring`, or `npm run example ring 3000` for more steps.
import { writeFileSync } from 'node:fs'
import { init, modesAndQuality, resolveConfig, sampleMixture, scatterFigure, MixtureTraining } from '@bms/bms/node'

export async function run(steps = Number(process.argv[3] ?? 1000)): Promise<void> {
  const device = await init()
  const training = new MixtureTraining(resolveConfig({ dataset: 'ring', model: 'bms-vae-gan', T: 5, steps, seed: 0 }))
  await training.prepare()
  console.log(`${steps} steps of ${training.stats().dispatches} dispatches on ${device.adapter.name}`)

  while (training.step < steps) {
    await training.advanceBy(100)
    const { report } = await training.evaluate()
    console.log(`step ${training.step}: ${report.modes} of 8 modes, HQ ${report.hq.toFixed(1)} %`, await training.lossValues())
  }

  const { mixture } = training
  const generated = await training.sample(2500, 1)
  const { modes, hq } = modesAndQuality(generated, mixture)
  const target = sampleMixture(mixture, 2500, 0)
  writeFileSync(
    'ring.png',
    await scatterFigure({ target, generated, mixture, title: 'BMS-VAE-GAN on the ring', subtitle: `${modes} of 8 modes, HQ ${hq.toFixed(1)} %` }),
  )
  console.log('wrote ring.png')
}
