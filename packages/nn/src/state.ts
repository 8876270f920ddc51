// Memory that outlives steps: parameters, statistics, moments. It is made outside of recordings and tidy scopes, whoever
// asks for it, and compared by names when a checkpoint comes back.
import {
  ArgumentError,
  BmsError,
  currentDevice,
  type Device,
  formatShape,
  isFloat,
  isTensor,
  keep,
  noGrad,
  sameShape,
  show,
  showName,
  type Tensor,
  tidy,
} from '@bms/autograd'

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

const MOST = 8
const list = (parts: readonly string[], separator = ', '): string =>
  parts.slice(0, MOST).join(separator) + (parts.length > MOST ? ` and ${parts.length - MOST} more` : '')

/** Why `target` cannot take the values of `source`; null where it can. */
function mismatch(source: Tensor, target: Tensor): string | null {
  if (!isTensor(source)) return `is ${show(source)}, a Tensor is needed`
  if (source.disposed) return 'was disposed'
  if (!sameShape(source.shape, target.shape)) return `has shape ${formatShape(source.shape)}, ${formatShape(target.shape)} is needed`
  if (source.dtype !== target.dtype && !(isFloat(source.dtype) && isFloat(target.dtype))) return `has dtype ${source.dtype}, ${target.dtype} is needed`
  if (source.device !== target.device) return 'is on another device'
  if (!source.storage.buffer && !source.device.stream.recorder) return 'exists only inside a compiled step'
  return null
}

/** Compares names, shapes and dtypes; throws one error with everything that is wrong. */
export function compareState(op: string, own: Record<string, Tensor>, given: Record<string, Tensor>, strict: boolean): LoadReport {
  if (typeof given !== 'object' || given === null) throw new ArgumentError(op, `an object of tensors is needed, got ${show(given)}`)
  const missingKeys = Object.keys(own).filter((name) => !Object.hasOwn(given, name))
  const unexpectedKeys = Object.keys(given).filter((name) => !Object.hasOwn(own, name))
  const mismatched: string[] = []
  for (const [name, target] of Object.entries(own)) {
    const why = Object.hasOwn(given, name) ? mismatch(given[name]!, target) : null
    if (why) mismatched.push(`${showName(name)} ${why}`)
  }
  const problems: string[] = []
  if (strict && missingKeys.length > 0) problems.push(`missing: ${list(missingKeys)}`)
  if (strict && unexpectedKeys.length > 0) problems.push(`unexpected: ${list(unexpectedKeys.map(showName))}`)
  if (mismatched.length > 0) problems.push(list(mismatched, '; '))
  if (problems.length > 0) {
    const text = `${op}: the state dict does not fit, nothing was changed: ${problems.join('; ')}`
    throw new BmsError('STATE_DICT', text, { op, missingKeys, unexpectedKeys, mismatched })
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

/** Copies of all tensors, to be put back by `loadState` when something goes wrong later. */
export const copyOfState = (own: Record<string, Tensor>): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(own).map(([name, t]) => [name, lasting(() => t.clone(), t.device)]))
