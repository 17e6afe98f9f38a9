// Channel, the class apps extend: words for what a channel can say and hear. Holds no socket; everything it does goes through its link.
import type { Params } from '@fastify-channels/protocol'
import type { FastifyBaseLogger, FastifyInstance, FastifyRequest } from 'fastify'
import type { BroadcastOptions } from './cable.ts'
import type { User } from './current.ts'

/** Why a subscription ended. */
export type EndReason =
  /** The client left it. */
  | 'unsubscribe'
  /** The socket closed, or its peer vanished. */
  | 'close'
  /** `app.cable.disconnect()`, or the user is gone. */
  | 'disconnect'
  /** The server is stopping. */
  | 'shutdown'
  /** `app.cable.revoke()`. */
  | 'revoke'
  /** It could not begin, or we failed: its streams, its time or its connection broke. */
  | 'error'

/** What a channel needs of its subscription: declared here, implemented there. */
export interface Link {
  readonly app: FastifyInstance
  readonly request: FastifyRequest
  readonly params: object
  readonly channelName: string
  readonly user: User | null
  readonly tab: string | null
  readonly connectionId: string
  readonly log: FastifyBaseLogger
  readonly signal: AbortSignal
  send: (data: unknown) => void
  broadcast: (stream: string, data: unknown, options?: BroadcastOptions) => Promise<void>
  reject: () => never
  streamFrom: (stream: string) => void
  stopStreamFrom: (stream: string) => void
  stopAllStreams: () => void
}

/** What `static actions` says of one action; false is the same as leaving it out. */
export type ActionDeclaration = boolean | {
  /** JSON Schema (or whatever the app's validator compiler takes) of the action's `data`. */
  readonly data?: unknown
  /** Schema of what the action returns. */
  readonly reply?: unknown
}

/**
 * The WebSocket equivalent of a controller (guide §3): decides who may subscribe, answers the client, pushes data.
 * One instance lives for one subscription, from `subscribed()` to `unsubscribed()`.
 *
 * @typeParam P what the client passes when it subscribes
 */
export abstract class Channel<P extends object = { readonly [key: string]: any }> {
  /** The name clients use; without it, the key under which it was registered, or the class's own name. */
  declare static channelName?: string
  /** Schema of the params; what does not fit is rejected with `invalid_params`. */
  declare static params?: unknown
  /** The whole list of actions clients may call. Without it: every public method (guide §6). */
  declare static actions?: { readonly [action: string]: ActionDeclaration }

  readonly #link: Link

  constructor (link: Link) {
    this.#link = link
  }

  /** What the client sent when it subscribed; frozen. */
  get params (): P { return this.#link.params as P }
  /** The Fastify instance this channel was registered in. */
  get app (): FastifyInstance { return this.#link.app }
  /** The connection's handshake request: headers, cookies; `request.raw` is Node's. */
  get request (): FastifyRequest { return this.#link.request }
  /** The name this channel is registered under. */
  get channelName (): string { return this.#link.channelName }
  /** The user, as last loaded. */
  get user (): User | null { return this.#link.user }
  /** The page's tab, the same across reconnects, or null: `broadcast(…, { except: this.tab })` spares the speaker the echo. */
  get tab (): string | null { return this.#link.tab }
  /** The connection's name, for `app.cable.disconnect({ connectionId })`. */
  get connectionId (): string { return this.#link.connectionId }
  /** True when the connection has a logged-in user. */
  get authenticated (): boolean { return this.#link.user !== null }
  /** The request's logger, with the channel's name. */
  get log (): FastifyBaseLogger { return this.#link.log }
  /** Aborted when the subscription ends. */
  get signal (): AbortSignal { return this.#link.signal }

  /** Runs once, when the client subscribes: authorise here, then listen to streams (guide §4). */
  subscribed (): unknown { return undefined }
  /** Runs exactly once after every `subscribed()` that completed without a reject; all streams are stopped by then. */
  unsubscribed (_reason: EndReason): unknown { return undefined }

  /** Starts to listen to a stream. Broadcasts from here on are held, and flushed once the subscription is confirmed. */
  protected streamFrom (stream: string): void { this.#link.streamFrom(stream) }
  /** Stops listening to one stream. */
  protected stopStreamFrom (stream: string): void { this.#link.stopStreamFrom(stream) }
  /** Stops listening to all of them. */
  protected stopAllStreams (): void { this.#link.stopAllStreams() }
  /** Sends to this subscription only. In `subscribed()` it is buffered, and goes out just before the confirmation. */
  protected send (data: unknown): void { this.#link.send(data) }
  /** Sends to every listener of a stream. The same as `app.cable.broadcast`. */
  protected broadcast (stream: string, data?: unknown, options?: BroadcastOptions): Promise<void> { return this.#link.broadcast(stream, data, options) }
  /** Denies the subscription: only inside `subscribed()`, and nothing after it runs. */
  protected reject (): never { return this.#link.reject() }
}

/** A class that extends Channel. */
export type ChannelClass = (new (link: Link) => Channel<any>) & {
  readonly channelName?: string
  readonly params?: unknown
  readonly actions?: { readonly [action: string]: ActionDeclaration }
}

export type { Params }
