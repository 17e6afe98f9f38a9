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
  /** Bytes of the same; over it the subscribe is rejected with `overflow`. */
  readonly maxHeldBytes: number
  /** Commands a second that one connection may send for long; over it they are answered with `rate_limited`, once a second. */
  readonly commandRate: number
  /** Commands it may send at once. */
  readonly commandBurst: number
  /** Messages in ten seconds that are no commands, or too many; over it the connection is closed with 1008. */
  readonly violations: number
  /** Connections of this process; over it a handshake is answered with 503. */
  readonly maxConnections: number
  /** Connections of one user to this process; over it the oldest one is closed with 4502. */
  readonly connectionsPerUser: number
  /** Connections from one address; over it a handshake is answered with 429. Off by default: many people share one. */
  readonly connectionsPerIp: number
  /** Bytes waiting for a slow peer, from which broadcasts wait in history instead. */
  readonly sendQueueSoft: number
  /** Bytes waiting for a slow peer; over it the connection is ended. */
  readonly sendQueueHard: number
  /** How long a slow peer may take nothing at all. */
  readonly stallTimeout: number
  /** Frames of one message of a client. */
  readonly maxFragments: number
  /** Pieces of messages that may wait unread. */
  readonly maxBufferedChunks: number
  /** Pings of a peer that may wait for their pong. */
  readonly maxPendingPongs: number
  /** How long one message may take to arrive; over it the connection is closed with 1008. */
  readonly messageTimeout: number
  /** Bytes of history for all streams together (in-process cable). */
  readonly historyBytes: number
  /** Over how long the clients of a stopping server are told to come back, at most. */
  readonly drainTimeout: number
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
  maxHeldBytes: 1024 * 1024,
  commandRate: 100,
  commandBurst: 200,
  violations: 20,
  maxConnections: Infinity,
  connectionsPerUser: 50,
  connectionsPerIp: Infinity,
  sendQueueSoft: 256 * 1024,
  sendQueueHard: 1024 * 1024,
  stallTimeout: 10_000,
  maxFragments: 256,
  maxBufferedChunks: 4096,
  maxPendingPongs: 60,
  messageTimeout: 30_000,
  historyBytes: 64 * 1024 * 1024,
  drainTimeout: 10_000,
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
    // Longer than a timer of Node's can be, and then it would fire at once.
    if (name.endsWith('Timeout') && value !== false && value >= 2 ** 31) throw new InvalidOption(`limits.${name} is at most 2147483647 milliseconds (24 days), or false for none`)
    limits[name as keyof Limits] = value === false ? Infinity : value
  }
  return limits
}
