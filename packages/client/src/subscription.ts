// What a page holds of a subscription: it performs, and it leaves. Everything else comes to its callbacks.
/// <reference lib="esnext.disposable" preserve="true" />
import type { ActionOf, ParamsOf, PerformArgs, PerformOptions, ReplyOf, SendArgs, SubscriptionState } from './types.ts'

/** What a subscription needs of its cable: declared here, implemented there. */
export interface Seat {
  readonly channel: string
  readonly params: any
  readonly state: SubscriptionState
  perform: (action: string, data?: unknown, options?: PerformOptions) => Promise<any>
  leave: () => void
}

/**
 * One subscription to (channel, params), made by `cable.subscribe()`.
 * Identical ones share one subscription on the server; each has its own callbacks and its own end.
 */
export class Subscription<T = any> {
  readonly #seat: Seat

  /** @internal */
  constructor (seat: Seat) {
    this.#seat = seat
  }

  get channel (): string {
    return this.#seat.channel
  }

  get params (): Readonly<ParamsOf<T>> {
    return this.#seat.params
  }

  get state (): SubscriptionState {
    return this.#seat.state
  }

  /**
   * Runs an action of the channel. Before the confirmation, and while the connection is away, it waits (at most 100 do).
   *
   * @returns what the action returned. Always settles: rejects with a `CableError` whose `reason` is the server's, or `timeout`,
   * `disconnected` (it may have run or not), `unsubscribed`, `rejected`, `overflow`. A rejection nobody looks at is silent.
   */
  perform<A extends ActionOf<T>> (action: A, ...[data, options]: PerformArgs<T, A>): Promise<ReplyOf<T, A>> {
    return this.#seat.perform(action, data, options)
  }

  /** Short for `perform('receive', data)`. */
  send (...[data, options]: SendArgs<T>): Promise<ReplyOf<T, 'receive'>> {
    return this.#seat.perform('receive', data, options)
  }

  /** Leaves: from now on no callback is called any more. */
  unsubscribe (): void {
    this.#seat.leave()
  }

  /** `using` a subscription, where the runtime knows how. */
  declare readonly [Symbol.dispose]: () => void

  static {
    if (Symbol.dispose) Object.assign(this.prototype, { [Symbol.dispose]: this.prototype.unsubscribe })
  }
}
