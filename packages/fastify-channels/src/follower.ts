// What the streams of a subscription need of their surroundings: the connection that follows them, and the subscription they belong to. Nothing runs here.
import type { Address, Dialect, Position, Tag } from '@fastify-channels/protocol'
import type { FastifyBaseLogger } from 'fastify'
import type { Limits } from './limits.ts'
import type { Listening } from './listening.ts'
import type { Sink } from './streams.ts'

/** What a set of streams needs of its connection: declared here, implemented there. */
export interface Follower extends Sink {
  readonly isOpen: boolean
  /** Set by the first subscribe that tells it. */
  tab: string | null
  /** Bytes it takes at once. */
  readonly room: number
  /** The position up to which it was sent a stream it hears. */
  sentUpTo: (stream: string) => Position | null
  /** It goes on after `at`, as fast as its peer can follow. */
  leaveAt: (stream: string, at: Position) => void
  /** It hears a stream anew in that lane: what it missed there before is nobody's any more. */
  begin: (stream: string, lane: string) => void
  /** True when it was not sent the latest broadcast of a stream without history yet, and will be. */
  owesLatest: (stream: string) => boolean
}

/** What a set of streams needs of its subscription: declared here, implemented there. */
export interface Subscriber {
  readonly sink: Follower
  readonly dialect: Dialect
  readonly address: Address
  readonly ref: Tag | null
  readonly isConfirmed: boolean
  readonly log: FastifyBaseLogger
  readonly limits: Limits
  readonly listening: Listening
  /** More broadcasts came before the confirmation than may be held. */
  overflow: () => void
}
