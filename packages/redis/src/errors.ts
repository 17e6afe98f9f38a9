// Every error this package raises, each with a code and the words that say what to do.
import createError from '@fastify/error'

/** An option that cannot work. Raised at boot. */
export const InvalidOption = createError<[string]>('FST_CHANNELS_INVALID_OPTION', 'redisCable: %s', 500)
/** Redis cannot be reached. Raised at boot; option `startDegraded` boots without it. */
export const RedisUnreachable = createError<[string, string]>('FST_CHANNELS_REDIS_UNREACHABLE', 'redisCable: Redis at %s cannot be used: %s. Start it, correct the address, or boot without it with startDegraded: true', 500)
/** A broadcast was not taken. The same code as the cable's own. */
export const CableUnavailable = createError<[string]>('FST_CHANNELS_CABLE_UNAVAILABLE', 'the cable is not available: %s', 503)
/** A broadcast that no process would read. */
export const PayloadTooLarge = createError<[number]>('FST_CHANNELS_PAYLOAD_TOO_LARGE', 'a broadcast over Redis has at most 1 MiB; this one has %d bytes', 413)
