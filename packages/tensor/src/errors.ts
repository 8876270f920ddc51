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
  constructor(op: string, device: string, reason: string, message: string) {
    const why = message || 'no message from the driver'
    super(
      'DEVICE_LOST',
      `${op}: the GPU device was lost (${reason}): ${why}; call init() again and resume from the last checkpoint, nothing made on ${device} can be used any more`,
      { op, device, reason, why },
    )
  }
}

/** `[2, 3]` as users write it. */
export const formatShape = (shape: readonly number[]): string => `[${shape.join(', ')}]`
