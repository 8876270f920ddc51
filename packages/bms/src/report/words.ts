// How a report writes numbers, sizes and times, and how it flattens settings.

/** About four significant digits, thousands apart, and a real minus sign. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  const size = Math.abs(value)
  const text =
    Number.isSafeInteger(value) && size < 1e9
      ? value.toLocaleString('en-US')
      : size >= 1e6 || size < 1e-3
        ? value
            .toExponential(2)
            .replace(/\.?0+e/, 'e')
            .replace('e+', 'e')
        : value.toLocaleString('en-US', { maximumSignificantDigits: 4 })
  return text.replaceAll('-', '−')
}

/** Steps a second: whole, or with one digit where they are few. */
export const speed = (rate: number): string => rate.toFixed(rate < 10 ? 1 : 0)

export function bytes(count: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  const unit = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, count)) / 10)))
  return `${(count / 1024 ** unit).toLocaleString('en-US', { maximumSignificantDigits: 3 })} ${units[unit]}`
}

export function duration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)]
  return hours < 48 ? `${hours} h ${minutes} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`
}

/** A setting: where it lies, its name, its value as text. */
export interface Entry {
  /** Names of the objects around it, joined by dots; '' at the top. */
  readonly group: string
  readonly name: string
  readonly text: string
}

const deepest = 4

/** The leaves of nested plain objects, in order. Lists are one leaf. */
export function entries(value: object, group = ''): Entry[] {
  return Object.entries(value).flatMap(([name, inner]) => {
    const path = group === '' ? name : `${group}.${name}`
    const nested = inner !== null && typeof inner === 'object' && !Array.isArray(inner) && path.split('.').length < deepest
    return nested ? entries(inner as object, path) : [{ group, name, text: shown(inner) }]
  })
}

function shown(value: unknown): string {
  if (typeof value === 'number') return plain(value)
  if (typeof value === 'string') return value
  if (Array.isArray(value)) return value.map(shown).join(', ')
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (value === null || value === undefined) return '–'
  return JSON.stringify(value) ?? String(value)
}

// A setting is shown in full: it is there to be used again.
const plain = (value: number): string => String(value).replace('e+', 'e')
