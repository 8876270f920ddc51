// The `bms` command: reads the command line, leaves the work to commands/, and turns typed errors into one clear line.
import { BmsError } from '@bms/tensor'
import { Command, InvalidArgumentError, Option } from 'commander'
import type { StudyOptions } from './commands/study.js'
import type { TrainOptions } from './commands/train.js'
import { adapterNames, architectures, checkOption, datasetNames } from './config.js'
import { modelNames } from './models.js'
import { integer, oneOf } from './schema.js'
import { variants } from './study/variants.js'

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

/** --weights inception=FILE */
function pairOf(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('write name=file, for instance --weights squeezenet=squeezenet1_1.safetensors')
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}

program
  .command('eval')
  .description('judge trained runs: modes and HQ% of points; of images FID and its kin, diversity, closest matches')
  .argument('<dir...>', "the runs' folders")
  .option('--n <n>', 'samples (default 25000; of images 5000, the paper’s)')
  .option('--metrics <list>', 'images: of fid, fd-squeezenet, fd-mobilenet, inception-score, is-mobilenet, lpips, iovm (default: what the weights allow)')
  .option(
    '--weights <name=file>',
    'images: weights of a feature net, .safetensors or .pth: inception, squeezenet, mobilenet, lpips, alex, vgg (repeatable)',
    pairOf,
  )
  .option('--lpips-net <name>', 'images: squeeze, alex or vgg')
  .option('--real <n>', "images: real ones to compare with (default 10000, the paper's, or all there are)")
  .option('--iovm-images <n>', 'images: test images to search for (default 100)')
  .option('--iovm-steps <n>', 'images: steps of the search (default 500)')
  .option('--data <path>', 'images: the data, where they are not in the place that the run had them in')
  .option('--json', 'print JSON')
  .addOption(adapter())
  .action(async (dirs: string[], o: EvalFlags) => {
    const { isImageConfig } = await import('./config.js')
    const { RunFolder } = await import('./run/folder.js')
    const images = dirs.map((dir) => isImageConfig(RunFolder.open(dir).config))
    if (images.every(Boolean)) return evalImages(dirs, o)
    if (images.some(Boolean))
      throw new BmsError('BAD_ARGUMENT', 'eval: runs on points and on images are not judged by the same numbers; name them apart', { dirs })
    const { evaluate } = await import('./commands/finished.js')
    for (const dir of dirs) {
      const report = await evaluate(dir, { adapter: o.adapter, n: checkOption('--n', o.n ?? '25000', integer(1, 1e6)) })
      if (o.json) console.log(JSON.stringify(report, null, 2))
      else {
        console.log(
          `${dirs.length > 1 ? `${dir}: ` : ''}step ${report.step}, ${report.n} samples: ${report.modes} of ${report.perMode.length} modes, HQ ${report.hq.toFixed(2)} %, within 10σ ${report.near.toFixed(2)} %`,
        )
        const { mean, max } = report.displacement
        const displaced = Number.isNaN(mean) ? 'no sample is near a mode' : `displacement ${mean.toFixed(2)}σ mean, ${max.toFixed(2)}σ worst`
        console.log(`mode mass ${report.mass.min.toFixed(2)} to ${report.mass.max.toFixed(2)} (1 is even), ${displaced}`)
      }
    }
  })

interface EvalFlags {
  n?: string
  metrics?: string
  weights?: Record<string, string>
  lpipsNet?: string
  real?: string
  iovmImages?: string
  iovmSteps?: string
  data?: string
  json?: boolean
  adapter?: 'auto' | 'gpu' | 'software'
}

async function evalImages(dirs: string[], o: EvalFlags): Promise<void> {
  const { evaluateRuns, weightNames } = await import('./commands/eval-images.js')
  const count = (option: string, text: string | undefined): number | undefined => (text === undefined ? undefined : checkOption(option, text, integer(1, 1e6)))
  for (const name of Object.keys(o.weights ?? {})) checkOption('--weights', name, oneOf(...weightNames))
  const options = {
    metrics: o.metrics?.split(',').map((name) => name.trim()),
    weights: o.weights,
    n: count('--n', o.n),
    real: count('--real', o.real),
    lpipsNet: o.lpipsNet === undefined ? undefined : checkOption('--lpips-net', o.lpipsNet, oneOf('squeeze', 'alex', 'vgg')),
    iovm: { images: count('--iovm-images', o.iovmImages), steps: count('--iovm-steps', o.iovmSteps) },
    data: o.data,
    adapter: o.adapter,
  }
  const all = await evaluateRuns(dirs, options, ({ dir, step, scores }) => {
    if (!o.json) console.log(`${dir}, step ${step}:\n${scores.map(({ text }) => `  ${text}`).join('\n')}`)
  })
  if (o.json)
    console.log(
      JSON.stringify(
        all.map(({ dir, step, scores }) => ({ dir, step, scores })),
        null,
        2,
      ),
    )
}

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
  .command('study')
  .description("the paper's study: a run for each data set, model and seed, in a folder that also gets table.md and report.html; started again, it goes on")
  .argument('<name>', '2d: the paper’s table of grid and ring')
  .option('--seeds <n>', 'seeds 0 to n - 1 (default 3); more of them later only add runs')
  .option('--models <list>', `of paper, ablations, all, ${variants.map(({ name }) => name).join(', ')} (default paper)`)
  .option('--sets <list>', 'grid, ring (default both)')
  .option('--jobs <n>', 'runs at once (default 1)')
  .option('--steps <n>', "iterations of every run, instead of each set's own")
  .option('--out <dir>', "the study's folder (default runs/study-2d)")
  .addOption(adapter())
  .action(async (name: string, o: StudyOptions) => {
    const { study } = await import('./commands/study.js')
    const { stopped, failed } = await study(name, o)
    if (stopped) process.exitCode = 130
    else if (failed > 0) process.exitCode = 1
  })

program
  .command('table')
  .description(
    'modes and HQ% of runs on points as mean±deviation over seeds, beside the published values; given one study, its table.md and report.html are brought up to date',
  )
  .argument('<dir...>', 'folders of runs, or folders that hold such folders, as a study does')
  .option('--markdown', 'print Markdown, and write no file')
  .option('--json', 'print JSON with the numbers of every run, and write no file')
  .action(async (dirs: string[], o: { markdown?: boolean; json?: boolean }) => {
    const { table } = await import('./commands/table.js')
    console.log(table(dirs, o))
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
  if (error.code === 'EPIPE' && process.argv[2] !== 'train' && process.argv[2] !== 'study') process.exit(0)
})

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof BmsError)) throw error
  console.error(`bms: ${error.message}`)
  process.exitCode = 1
}
process.exit()
