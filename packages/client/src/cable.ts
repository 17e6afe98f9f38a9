// The cable of a page: one socket, any number of subscriptions. Brings each frame to the subscription it is for; keeps no positions itself.
import { identify, readFrame, readSince } from '@fastify-channels/protocol'
import type { Address, Params } from '@fastify-channels/protocol'
import { Calls } from './calls.ts'
import { Link } from './link.ts'
import { Listener } from './listener.ts'
import { Membership } from './membership.ts'
import type { CableOptions } from './options.ts'
import { createSubscription } from './subscription.ts'
import type { Subscription } from './subscription.ts'
import type { AnyChannels, Callbacks, Paramless, ParamsOf, SubscribeOptions } from './types.ts'

const callbackNames = ['connected', 'disconnected', 'received', 'rejected']

/** One connection to a server and the subscriptions over it. Opens nothing before the first `subscribe()` or `connect()`. */
export class Cable<Channels = AnyChannels> {
  readonly #link: Link
  readonly #calls: Calls
  readonly #memberships = new Map<string, Membership>()

  constructor (options: CableOptions = {}) {
    this.#link = new Link({
      opened: () => { for (const membership of this.#memberships.values()) membership.ask() },
      heard: data => this.#hear(data),
      lost: (willReconnect, reason) => {
        this.#calls.disconnect()
        for (const membership of [...this.#memberships.values()]) membership.disconnect(willReconnect, reason)
      }
    }, options)
    this.#calls = new Calls(this.#link, options.timeout)
  }

  /** A random name for this page, the same across reconnects: sent as `x-cable-id` with a request, it spares the page the request's own broadcasts. */
  get tab (): string {
    return this.#link.tab
  }

  /** Connects now, and keeps connected. Needed after a `disconnect()`; before one, `subscribe()` does it. */
  connect (url?: string): void {
    this.#link.start(url)
  }

  /** Closes the socket and stops reconnecting. What is subscribed is subscribed again by `connect()`. */
  disconnect (): void {
    this.#link.stop('disconnect')
  }

  /** Subscribes to (channel, params); params may be left out. Identical subscriptions share one on the server. */
  subscribe<Name extends Paramless<Channels>> (channel: Name, callbacks?: Callbacks): Subscription<Channels[Name]>
  subscribe<Name extends keyof Channels & string> (channel: Name, params: ParamsOf<Channels[Name]>, callbacks?: Callbacks, options?: SubscribeOptions): Subscription<Channels[Name]>
  subscribe (channel: string, given: any, callbacks?: Callbacks, { since }: SubscribeOptions = {}): Subscription<any> {
    given ??= {}
    if (!callbacks && Object.entries(given).every(([name, value]) => callbackNames.includes(name) && typeof value === 'function')) {
      callbacks = given
      given = {}
    }
    // Params as the server will see them, whatever the page does with its object later.
    const params: Params = JSON.parse(JSON.stringify(given))
    const key = identify(channel, params)
    const membership = this.#memberships.get(key) ?? new Membership(this.#link, channel, params)
    const listener = new Listener(callbacks ?? {}, (typeof since === 'string' ? readSince(since) : since) ?? {})
    if (this.#link.isIdle) this.#link.start()
    this.#memberships.set(key, membership)
    membership.add(listener)
    return createSubscription(membership, listener, this.#calls, () => {
      if (listener.refusal !== null) return
      listener.state = 'unsubscribed'
      membership.remove(listener)
      this.#calls.flush()
      // Not at once: an element that is moved, or a component mounted twice, takes its place again in this turn.
      setTimeout(() => this.#sweep(membership), 0)
    })
  }

  /** Forgets, and leaves, what nobody listens to. */
  #sweep (address: Address): void {
    const membership = this.#at(address)
    if (!membership?.isEmpty) return
    this.#memberships.delete(identify(address.channel, address.params))
    membership.leave()
  }

  #at ({ channel, params }: Address): Membership | undefined {
    return this.#memberships.get(identify(channel, params))
  }

  #hear (data: unknown): void {
    try {
      const frame = readFrame(typeof data === 'string' ? data : '')
      switch (frame?.type) {
        case 'ping':
          this.#link.spread = frame.spread
          this.#link.send('{"command":"pong"}')
          break
        case 'disconnect':
          this.#link.expect(frame)
          break
        case 'reply':
          this.#calls.settle(frame)
          break
        case 'broadcast':
          for (const membership of this.#memberships.values()) membership.hear(frame)
          break
        case 'gap':
          for (const membership of this.#memberships.values()) membership.skip(frame)
          break
        case 'message':
          this.#at(frame)?.receive(frame.data)
          break
        case 'streams':
          this.#at(frame)?.follow(frame.streams)
          break
        case 'confirm_subscription':
        case 'reject_subscription':
          this.#at(frame)?.answer(frame)
          this.#calls.flush()
          this.#sweep(frame)
          break
        default:
          // Something was dropped, and nobody says what.
          if (frame?.reason === 'rate_limited') setTimeout(() => { for (const membership of this.#memberships.values()) membership.repeat() }, 1000)
          throw frame
      }
    } catch (error) {
      console.debug('cable:', error, data)
    }
  }
}
