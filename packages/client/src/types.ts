// How a map of channel classes becomes the types of a client. Nothing here exists at run time.
import type { Params, Positions } from '@fastify-channels/protocol'

/** Channels by the name clients use; the classes, or their instances: `type Channels = { ChatChannel: ChatChannel }`. */
export type AnyChannels = Record<string, any>

/** What a subscription tells its owner. All optional. */
export interface Callbacks {
  /** The server confirmed the subscription: the first time, after every reconnect, and when a gap opened meanwhile. */
  connected? (event: ConnectedEvent): unknown
  /** The connection is gone, or was not even made and will not be tried again. */
  disconnected? (event: DisconnectedEvent): unknown
  /** A `send()` or a broadcast of the server. */
  received? (data: any): unknown
  /** The server turned the subscription away; it is over. */
  rejected? (event: RejectedEvent): unknown
}

export interface ConnectedEvent {
  /** It was connected before. */
  readonly reconnected: boolean
  /** Everything missed was sent again (true), or could not be (false); null when nothing was asked for. */
  readonly recovered: boolean | null
  /** Something was missed for good: load the page's state again. */
  readonly gap: boolean
}

export interface DisconnectedEvent {
  /** False: nothing happens until `cable.connect()`. */
  readonly willReconnect: boolean
  /** The server's reason, or `lost`, `stale`, `pagehide`, `disconnect` (by the page), `protocol`. */
  readonly reason: string
}

export interface RejectedEvent {
  /** Null when the channel's own `reject()` did it. */
  readonly reason: string | null
}

export interface SubscribeOptions {
  /** Where the page stood when it was rendered, from `app.cable.snapshot()`; or the `positions` of an earlier subscription. What came after it is sent again. */
  readonly since?: Positions | string | null | undefined
}

export interface PerformOptions {
  /** Milliseconds from the call on; default: the cable's `timeout`. */
  readonly timeout?: number | undefined
  /** Gives up waiting: the promise rejects with the signal's reason. The server may have run the action all the same. */
  readonly signal?: AbortSignal | undefined
}

/** `waiting` for a confirmation, the first one or the next; the last two are final. */
export type SubscriptionState = 'waiting' | 'connected' | 'rejected' | 'unsubscribed'

/** What every channel has, and no client may call. */
type BaseName = 'subscribed' | 'unsubscribed' | 'send' | 'broadcast' | 'reject' | 'streamFrom' | 'stopStreamFrom' | 'stopAllStreams' |
  'params' | 'app' | 'channelName' | 'authenticated' | 'tab' | 'connectionId' | 'user' | 'request' | 'log' | 'signal' | 'constructor'

type IsAny<T> = 0 extends 1 & T ? true : false
type Instance<T> = T extends abstract new (...args: any) => infer I ? I : T
type Method<T, A> = A extends keyof Instance<T> ? Extract<Instance<T>[A], (...args: any) => any> : never

/** What a client passes to subscribe to channel `T`. */
export type ParamsOf<T> = IsAny<T> extends true ? any : Instance<T> extends { params: infer P } ? P : Params

/** The actions of channel `T`: its methods, without those every channel has. */
export type ActionOf<T> = IsAny<T> extends true
  ? string
  : { [K in keyof Instance<T>]: K extends BaseName | `_${string}` ? never : Instance<T>[K] extends (...args: any) => any ? K : never }[keyof Instance<T>] & string

/** What comes after the action's name in a `perform()`. */
export type PerformArgs<T, A extends string> = IsAny<T> extends true
  ? [data?: any, options?: PerformOptions]
  : Parameters<Method<T, A>> extends [infer D, ...unknown[]]
    ? [data: D, options?: PerformOptions]
    : [data?: Parameters<Method<T, A>>[0], options?: PerformOptions]

/** What a `perform()` resolves to. */
export type ReplyOf<T, A extends string> = IsAny<T> extends true ? any : Awaited<ReturnType<Method<T, A>>>

/** What `send()` takes: what `perform('receive', …)` takes, where the channel has that action. */
export type SendArgs<T> = 'receive' extends ActionOf<T> ? PerformArgs<T, 'receive'> : string extends ActionOf<T> ? PerformArgs<T, 'receive'> : never

/** The channels of a map that need no params. */
export type Paramless<Channels> = { [K in keyof Channels]: {} extends ParamsOf<Channels[K]> ? K : never }[keyof Channels] & string
