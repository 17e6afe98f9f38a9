// What a stranger may hold, each limit with its name and default. Nothing here acts; whoever holds the thing asks.
import { commandLimits } from '@fastify-channels/protocol'
import type { CommandLimits } from '@fastify-channels/protocol'
import { InvalidOption } from './errors.ts'

/** The limits of a cable. Sizes are bytes, times milliseconds. */
export interface Limits extends CommandLimits {
  /** Bytes of one message of a client; over it the connection is closed with 1009. */
  readonly maxPayload: number
  /** Subscriptions of one connection; over it a subscribe is rejected with `too_many_subscriptions`. */
  readonly maxSubscriptions: number
  /** Streams of one subscription; over it `streamFrom()` throws. */
  readonly maxStreams: number
  /** Commands of one connection that run or wait; over it the socket is not read until some are done. */
  readonly maxPendingCommands: number
  /** Broadcasts held for a subscription that is not confirmed yet; over it the subscribe is rejected with `overflow`. */
  readonly maxHeldBroadcasts: number
  /** Bytes waiting for a slow peer; over it the connection is ended. */
  readonly sendQueueHard: number
  /** How long a handshake may take, hooks included. */
  readonly upgradeTimeout: number
  /** How long `subscribed()` may take; over it the subscribe is rejected with `timeout`. */
  readonly subscribeTimeout: number
  /** How long `findUser` or the session may take. */
  readonly identifyTimeout: number
  /** How long a running action may hold back the end of its subscription, and how long `unsubscribed()` may take. */
  readonly endTimeout: number
}

export const defaultLimits: Limits = {
  ...commandLimits,
  maxPayload: 64 * 1024,
  maxSubscriptions: 100,
  maxStreams: 100,
  maxPendingCommands: 64,
  maxHeldBroadcasts: 1000,
  sendQueueHard: 1024 * 1024,
  upgradeTimeout: 10_000,
  subscribeTimeout: 10_000,
  identifyTimeout: 10_000,
  endTimeout: 5000
}

/** Limits as an app writes them: any of them, as a number, or `false` for none. */
export type LimitOptions = { readonly [Name in keyof Limits]?: number | false }

/** The limits in force. Throws on a name or a value that means nothing. */
export function resolveLimits (options: LimitOptions = {}): Limits {
  const limits: { -readonly [Name in keyof Limits]: number } = { ...defaultLimits }
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(defaultLimits, name)) throw new InvalidOption(`limits.${name} is no limit; there are ${Object.keys(defaultLimits).join(', ')}`)
    if (value !== false && !(typeof value === 'number' && value >= 1)) throw new InvalidOption(`limits.${name} is a number from 1, or false for none`)
    limits[name as keyof Limits] = value === false ? Infinity : value
  }
  return limits
}
