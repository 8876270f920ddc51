// The `bms` command: reads the command line, leaves the work to commands/, and turns typed errors into one clear line.
import { BmsError } from '@bms/tensor'
import { Command, InvalidArgumentError, Option } from 'commander'
import type { TrainOptions } from './commands/train.js'
import { adapterNames, architectures, checkOption, datasetNames } from './config.js'
import { modelNames } from './models.js'
import { integer } from './schema.js'

const adapter = (): Option => new Option('--adapter <which>', 'where to compute: a GPU, the software driver, or whichever there is').choices([...adapterNames])

/** --set lr=0.005 */
function assignment(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('write name=value, for instance --set lr=0.005')
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}

const program = new Command('bms')
  .description('"Best-of-Many-Samples" distribution matching: hybrid VAE-GANs on WebGPU')
  .showHelpAfterError('(bms --help lists the commands and options)')

program
  .command('train')
  .description('train a model; its folder holds config.json, metrics.jsonl, samples.png, result.json, checkpoint.safetensors, of images also report.html')
  .argument('<dataset>', datasetNames.join(', '))
  .option('--model <name>', `${modelNames.join(', ')} (default bms-vae-gan)`)
  .option('--T <n>', 'draws from q(z|x) for each data point')
  .option('--steps <n>', 'iterations')
  .option('--batch <n>', 'data points an iteration')
  .option('--seed <n>', 'the same seed on the same adapter gives the same run (default 0)')
  .option('--out <dir>', "the run's folder (default runs/<dataset>-<model>, numbered)")
  .option('--eval-every <n>', 'steps between evaluations and checkpoints; of images, between lines of metrics.jsonl')
  .option('--data <path>', 'cifar10: folder or .tar.gz with the binary version, or a folder of pictures (default: 1,000 images in the package)')
  .option('--download', 'cifar10: fetch the official archive into the folder of --data (default data), once; resumable')
  .option('--skip-corrupt', 'cifar10: leave out pictures that cannot be read')
  .option('--arch <name>', `cifar10: ${architectures.join(', ')} (default dcgan)`)
  .option('--width <n>', "cifar10: filters of the critic's first layer (default 128, standard 64)")
  .option('--dtype <type>', 'cifar10: f32, or f16 for the arithmetic of the networks')
  .option('--sample-every <n>', 'cifar10: steps between sheets of samples')
  .option('--save-every <minutes>', 'cifar10: minutes between checkpoints; the last three are kept')
  .option('--resume', 'continue the run in --out from its last checkpoint')
  .option('--anomaly', 'look for the first NaN: stops at the op that makes one, and names it (slow)')
  .option('--set <name=value>', 'another value for a hyper-parameter, for instance --set lr=0.005 (repeatable)', assignment)
  .addOption(adapter())
  .action(async (dataset: string, o: Record<string, unknown>) => {
    const { set, ...rest } = o
    const { train } = await import('./commands/train.js')
    const result = await train({ dataset, ...rest, hyper: set } as TrainOptions)
    if (!result) process.exitCode = 130
  })

program
  .command('eval')
  .description('modes and HQ% of a trained run')
  .argument('<dir>', "the run's folder")
  .option('--n <n>', 'samples', '25000')
  .option('--json', 'print JSON')
  .addOption(adapter())
  .action(async (dir: string, o: { n: string; json?: boolean; adapter?: 'auto' | 'gpu' | 'software' }) => {
    const { evaluate } = await import('./commands/finished.js')
    const report = await evaluate(dir, { ...o, n: checkOption('--n', o.n, integer(1, 1e6)) })
    if (o.json) console.log(JSON.stringify(report, null, 2))
    else {
      console.log(
        `step ${report.step}, ${report.n} samples: ${report.modes} of ${report.perMode.length} modes, HQ ${report.hq.toFixed(2)} %, within 10σ ${report.near.toFixed(2)} %`,
      )
      const { mean, max } = report.displacement
      const displaced = Number.isNaN(mean) ? 'no sample is near a mode' : `displacement ${mean.toFixed(2)}σ mean, ${max.toFixed(2)}σ worst`
      console.log(`mode mass ${report.mass.min.toFixed(2)} to ${report.mass.max.toFixed(2)} (1 is even), ${displaced}`)
    }
  })

program
  .command('sample')
  .description('samples of a trained run into a file: .csv, .json, .png or .safetensors')
  .argument('<dir>', "the run's folder")
  .option('--n <n>', 'samples', '2500')
  .requiredOption('--out <file>', 'the file')
  .option('--seed <n>', 'another stream of random numbers')
  .addOption(adapter())
  .action(async (dir: string, o: { n: string; out: string; seed?: string; adapter?: 'auto' | 'gpu' | 'software' }) => {
    const { sample } = await import('./commands/finished.js')
    await sample(dir, { ...o, n: checkOption('--n', o.n, integer(1, 1e6)), seed: o.seed === undefined ? undefined : checkOption('--seed', o.seed, integer(0)) })
    console.log(`wrote ${o.out}`)
  })

program
  .command('doctor')
  .description('what computes here: adapter, features, limits, driver, versions, and a one-second self-test')
  .addOption(adapter())
  .action(async (o: { adapter?: 'auto' | 'gpu' | 'software' }) => {
    const { doctor } = await import('./commands/doctor.js')
    if (!(await doctor(o.adapter ?? 'auto'))) process.exitCode = 1
  })

// A reader that closes early (bms … | head) is no error of ours; training goes on without it.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE' && process.argv[2] !== 'train') process.exit(0)
})

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof BmsError)) throw error
  console.error(`bms: ${error.message}`)
  process.exitCode = 1
}
process.exit()
