// What a page holds of a subscription: it performs, and it leaves. Everything else comes to its callbacks.
/// <reference lib="esnext.disposable" preserve="true" />
import type { Positions } from '@fastify-channels/protocol'
import type { Calls } from './calls.ts'
import type { Listener } from './listener.ts'
import type { Membership } from './membership.ts'
import type { ActionOf, ParamsOf, PerformArgs, PerformOptions, ReplyOf, SendArgs, SubscriptionState } from './types.ts'

/**
 * One subscription to (channel, params), made by `cable.subscribe()`.
 * Identical ones share one subscription on the server; each has its own callbacks and its own end.
 */
export interface Subscription<T = any> {
  readonly channel: string
  readonly params: Readonly<ParamsOf<T>>
  readonly state: SubscriptionState
  /** Where it stands in each stream: as `since`, it lets a later subscribe go on from here. */
  readonly positions: Positions

  /**
   * Runs an action of the channel. Before the confirmation, and while the connection is away, it waits (at most 100 do).
   *
   * @returns what the action returned. Always settles: rejects with a `CableError` whose `reason` is the server's, or `timeout`,
   * `disconnected` (it may have run or not), `unsubscribed`, `rejected`, `overflow`. A rejection nobody looks at is silent.
   */
  perform<A extends ActionOf<T>> (action: A, ...args: PerformArgs<T, A>): Promise<ReplyOf<T, A>>

  /** Short for `perform('receive', data)`. */
  send (...args: SendArgs<T>): Promise<ReplyOf<T, 'receive'>>

  /** Leaves: from now on no callback is called any more. */
  unsubscribe (): void

  /** `using` a subscription, where the runtime knows how. */
  [Symbol.dispose] (): void
}

/** Brings together what a subscription is made of. */
export function createSubscription (home: Membership, listener: Listener, calls: Calls, unsubscribe: () => void): Subscription {
  const perform = (action: string, data?: unknown, options?: PerformOptions): Promise<any> => calls.perform(listener, home, action, data, options)
  return {
    channel: home.channel,
    params: home.params,
    get state () { return listener.state },
    get positions () { return Object.fromEntries(listener.cursor.places) },
    perform,
    send: (data?: unknown, options?: PerformOptions) => perform('receive', data, options),
    unsubscribe,
    // Older runtimes have no such symbol.
    ...(Symbol.dispose && { [Symbol.dispose]: unsubscribe })
  }
}
