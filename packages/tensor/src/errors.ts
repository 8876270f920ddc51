// Every error a user can meet, as one family: a code and fields for programs, and for people a text that says
// what was asked, what was got and what to do.

/** Base of all errors thrown by the @bms packages. `code` is stable; `fields` holds what the text names (op, shapes, dtypes, limits, …). */
export class BmsError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly fields: Record<string, unknown> = {},
    options?: ErrorOptions,
  ) {
    super(message, options)
    this.name = new.target.name
  }
}

/** Shapes, dims or sizes that do not fit the op. */
export class ShapeError extends BmsError {
  constructor(op: string, message: string, fields: Record<string, unknown> = {}) {
    super('SHAPE', `${op}: ${message}`, { op, ...fields })
  }
}

/** A dtype that the op does not take, or that the adapter lacks. */
export class DTypeError extends BmsError {
  constructor(op: string, message: string, fields: Record<string, unknown> = {}) {
    super('DTYPE', `${op}: ${message}`, { op, ...fields })
  }
}

/** An argument out of its range: a non-finite learning rate, an unknown option, … */
export class ArgumentError extends BmsError {
  constructor(op: string, message: string, fields: Record<string, unknown> = {}) {
    super('ARGUMENT', `${op}: ${message}`, { op, ...fields })
  }
}

/** A tensor used after `dispose`, after the `tidy` that made it, or outside the compiled step that made it. */
export class DisposedError extends BmsError {
  constructor(op: string, message: string, fields: Record<string, unknown> = {}) {
    super('DISPOSED', `${op}: ${message}`, { op, ...fields })
  }
}

/** Something is over a limit of the adapter: names the limit, the need and the remedy. */
export class LimitError extends BmsError {
  constructor(op: string, message: string, fields: Record<string, unknown> = {}) {
    super('LIMIT', `${op}: ${message}`, { op, ...fields })
  }
}

/** No adapter, a GPU validation error, out of memory. */
export class DeviceError extends BmsError {
  constructor(code: string, message: string, fields: Record<string, unknown> = {}, options?: ErrorOptions) {
    super(code, message, fields, options)
  }
}

/** The device was lost (driver reset, sleep, `destroy`). Make a new one with `init()` and resume from a checkpoint. */
export class DeviceLostError extends DeviceError {
  constructor(reason: string, message: string) {
    super(
      'DEVICE_LOST',
      `the GPU device was lost (${reason}): ${message || 'no message from the driver'}; call init() again and resume from the last checkpoint`,
      { reason },
    )
  }
}

/** `[2, 3]` as users write it; of more than 16 dims only the first ones. */
export const formatShape = (shape: readonly number[]): string => `[${shape.slice(0, 16).join(', ')}${shape.length > 16 ? `, … (${shape.length} dims)` : ''}]`

/** Text from anywhere, fit for an error's: on one line, cut at `most` characters, with nothing in it that a terminal would obey. */
export function oneLine(text: string, most = 200): string {
  const cut = text.length > most ? `${text.slice(0, most - 1)}…` : text
  return cut.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`)
}

/** A value as an error text shows it: like JSON, on one line, cut at 60 characters however large or deep it is. */
export const show = (value: unknown): string => oneLine(render(value, 60, 4), 60)

/** A name as an error text shows it: bare where it is a plain one, else quoted and cut as by `show`. */
export const showName = (name: string): string => (/^[\w.-]{1,60}$/.test(name) ? name : show(name))

// About `room` characters of the value, so that ten megabytes or a hundred thousand brackets cost no more than sixty.
function render(value: unknown, room: number, depth: number): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, room))
  if (typeof value !== 'object' || value === null) return String(value)
  if (ArrayBuffer.isView(value)) return `a ${value.constructor.name}`
  const list = Array.isArray(value)
  const [open, close] = list ? '[]' : '{}'
  let text = open!
  if (depth === 0) return `${open}…${close}`
  for (const key of list ? value.keys() : Object.keys(value)) {
    if (text.length > room) break
    if (text !== open) text += ','
    if (!list) text += `${render(key, room, depth)}:`
    text += render((value as Record<string | number, unknown>)[key], room, depth - 1)
  }
  return text + close
}
