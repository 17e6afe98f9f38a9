// Every error this package raises, each with a code and the words that say what to do.
import createError from '@fastify/error'

/** An option that cannot work. Raised at boot. */
export const InvalidOption = createError<[string]>('FST_CHANNELS_INVALID_OPTION', 'fastify-channels: %s', 500)
/** @fastify/websocket was registered with settings that are not safe for a cable. Raised at boot. */
export const ForeignWebsocket = createError('FST_CHANNELS_FOREIGN_WEBSOCKET', "@fastify/websocket was registered before fastify-channels with other options. Register channels first, or write: await app.register(websocket, websocketOptions()) with `import { websocketOptions } from 'fastify-channels'`", 500)
/** Two channels under one name. Raised at boot. */
export const DuplicateChannel = createError<[string]>('FST_CHANNELS_DUPLICATE_CHANNEL', 'a channel called "%s" is registered already; give one of them another name', 500)
/** A class that cannot be a channel. Raised at boot. */
export const InvalidChannel = createError<[string, string]>('FST_CHANNELS_INVALID_CHANNEL', 'channel "%s" %s', 500)
/** A name that cannot be a stream's. */
export const InvalidStream = createError<[string]>('FST_CHANNELS_INVALID_STREAM', 'a stream is named by a well-formed string of 1 to 512 bytes, not by %s', 500, TypeError)
/** A payload that JSON cannot carry. */
export const InvalidPayload = createError<[string]>('FST_CHANNELS_INVALID_PAYLOAD', 'this data cannot be sent as JSON: %s', 500, TypeError)
/** `reject()` outside of `subscribed()`. */
export const LateReject = createError<[string]>('FST_CHANNELS_LATE_REJECT', '%s: reject() decides about a subscription, so it works only while subscribed() runs', 500)
/** More streams than one subscription may listen to. */
export const TooManyStreams = createError<[string, number]>('FST_CHANNELS_TOO_MANY_STREAMS', '%s: a subscription listens to at most %d streams (option limits.maxStreams)', 500)
/** The cable is closed, or cannot reach the others. */
export const CableUnavailable = createError<[string]>('FST_CHANNELS_CABLE_UNAVAILABLE', 'the cable is not available: %s', 503)
/** A callback of the app's took longer than it may. */
export const Timeout = createError<[string, number]>('FST_CHANNELS_TIMEOUT', '%s took longer than %d ms', 504)

/**
 * Thrown by an action to answer its caller with a reason of the app's own. It is an answer, not a failure: it is not logged.
 *
 * @example
 * if (data.message.length > 500) throw new ActionError('too_long', { max: 500 })
 */
export class ActionError extends Error {
  override readonly name = 'ActionError'
  /** What the caller gets as `reason`. */
  readonly reason: string
  /** What the caller gets as `data`: anything JSON can carry. */
  readonly data: unknown

  constructor (reason: string, data?: unknown) {
    super(reason)
    this.reason = reason
    this.data = data
  }
}
