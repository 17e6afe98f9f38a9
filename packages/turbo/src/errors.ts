// The one error of this package: what cannot become safe HTML is refused, in words that name it. Never echoes what a visitor wrote.

/** Something that cannot be sent as HTML. The message says what it was, and where. */
export class InvalidTurboStream extends TypeError {
  override readonly name = 'InvalidTurboStream'
  readonly code = 'FST_CHANNELS_INVALID_TURBO_STREAM'
}

/** What a value is, in a word or two. */
export function describe (value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (isPromise(value)) return 'a promise'
  if (Array.isArray(value)) return 'an array'
  if (value === '') return 'an empty string'
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value)
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

/** True for anything that has to be awaited. */
export function isPromise (value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}
