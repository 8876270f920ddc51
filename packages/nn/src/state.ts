// Memory that outlives steps: parameters, statistics, moments. It is made outside of recordings and tidy scopes, whoever
// asks for it, and compared by names when a checkpoint comes back.
import { BmsError, currentDevice, type Device, formatShape, isFloat, keep, noGrad, sameShape, type Tensor, tidy } from '@bms/autograd'

/** Runs `fn` for real even while a step is being recorded, without gradients; its result belongs to no tidy scope. */
export function lasting(fn: () => Tensor, device: Device = currentDevice()): Tensor {
  return device.stream.outsideRecording(() => keep(noGrad(() => tidy(fn))))
}

/** Throws when a step is being recorded: what the host does there would happen once, not in every step. */
export function refuseRecording(op: string, device: Device): void {
  if (device.stream.recorder) {
    throw new BmsError('RECORDING', `${op}: inside compile() this would happen once, when the step is recorded, and never again; do it between the steps`, {
      op,
    })
  }
}

/** What `loadStateDict` found: names that were not in the dict, and names in it that nobody has. */
export interface LoadReport {
  missingKeys: string[]
  unexpectedKeys: string[]
}

const list = (names: readonly string[]): string => (names.length > 8 ? `${names.slice(0, 8).join(', ')} and ${names.length - 8} more` : names.join(', '))

/** Compares names, shapes and dtypes; throws one error with everything that is wrong. */
export function compareState(op: string, own: Record<string, Tensor>, given: Record<string, Tensor>, strict: boolean): LoadReport {
  const missingKeys = Object.keys(own).filter((name) => !Object.hasOwn(given, name))
  const unexpectedKeys = Object.keys(given).filter((name) => !Object.hasOwn(own, name))
  const problems: string[] = []
  if (strict && missingKeys.length > 0) problems.push(`missing: ${list(missingKeys)}`)
  if (strict && unexpectedKeys.length > 0) problems.push(`unexpected: ${list(unexpectedKeys)}`)
  const mismatched: string[] = []
  for (const [name, target] of Object.entries(own)) {
    if (!Object.hasOwn(given, name)) continue
    const source = given[name]!
    if (source.disposed) problems.push(`${name} was disposed`)
    else if (!sameShape(source.shape, target.shape)) mismatched.push(`${name} has shape ${formatShape(source.shape)}, ${formatShape(target.shape)} is needed`)
    else if (source.dtype !== target.dtype && !(isFloat(source.dtype) && isFloat(target.dtype)))
      mismatched.push(`${name} has dtype ${source.dtype}, ${target.dtype} is needed`)
  }
  if (mismatched.length > 0)
    problems.push(mismatched.length > 8 ? `${mismatched.slice(0, 8).join('; ')} and ${mismatched.length - 8} more` : mismatched.join('; '))
  if (problems.length > 0) {
    throw new BmsError('STATE_DICT', `${op}: the state dict does not fit, nothing was changed: ${problems.join('; ')}`, {
      op,
      missingKeys,
      unexpectedKeys,
      mismatched,
    })
  }
  return { missingKeys, unexpectedKeys }
}

/** Copies values in place, by name, after comparing everything. */
export function loadState(op: string, own: Record<string, Tensor>, given: Record<string, Tensor>, strict = true): LoadReport {
  const report = compareState(op, own, given, strict)
  noGrad(() => {
    for (const [name, target] of Object.entries(own)) if (Object.hasOwn(given, name)) target.copy_(given[name]!)
  })
  return report
}
