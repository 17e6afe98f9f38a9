// Who a subscription is for, and where it lives: what it needs of its connection and of the app. Nothing runs here.
import type { Dialect, Tag } from '@fastify-channels/protocol'
import type { FastifyRequest } from 'fastify'
import type { Eventually } from './backend.ts'
import type { Cable } from './cable.ts'
import type { User } from './current.ts'
import type { Follower } from './follower.ts'
import type { Limits } from './limits.ts'
import type { Listening } from './listening.ts'

/** What a subscription needs of its connection: declared here, implemented there. */
export interface Visitor {
  /** Its way out. */
  readonly outlet: Follower
  /** Its name across processes. */
  readonly id: string
  readonly dialect: Dialect
  readonly request: FastifyRequest
  /** As last loaded. */
  readonly user: User | null
  /** Whoever was sent away is not served any more. */
  readonly isSentAway: boolean
  /** Answers a command that is not carried out. */
  refuse: (refusal: { readonly reason: string, readonly id: Tag | null }) => void
  /** Loads the user again. Throws `Unauthorized` when there is none any more, and closes the connection. */
  identify: () => Eventually<User | null>
}

/** What all subscriptions of an app share. */
export interface House {
  readonly cable: Cable
  readonly listening: Listening
  readonly limits: Limits
}

/** Thrown by `identify` when the connection's user does not exist any more: there is nobody left to answer. */
export class Unauthorized extends Error {
  override readonly name = 'Unauthorized'
}
