// The channels that are no streams: messages to every process, and a process's words to itself. Keeps nothing and fills nothing.
import type { Subscriber } from './subscriber.ts'
import type { Subscribers } from './subscribers.ts'

interface Attached {
  readonly part: number
  readonly take: (payload: string) => void
  on: Subscriber | null
  /** Settles when it is heard there. */
  heard: Promise<void>
}

export class Aside {
  readonly #subscribers: Subscribers
  readonly #byChannel = new Map<string, Attached>()

  constructor (subscribers: Subscribers) {
    this.#subscribers = subscribers
  }

  /** Who reads the payloads of a channel. */
  reader (channel: string): ((payload: string) => void) | undefined {
    return this.#byChannel.get(channel)?.take
  }

  /** True when all of them are heard. */
  get isHeard (): boolean {
    return [...this.#byChannel.values()].every(({ on }) => on !== null)
  }

  attach (part: number, channel: string, take: (payload: string) => void): void {
    this.#byChannel.set(channel, { part, take, on: null, heard: Promise.resolve() })
  }

  /** Its part is not heard there any more: Redis has ended the subscription, or the connection has. */
  detach (channel: string): void {
    this.#byChannel.delete(channel)
  }

  /** Subscribes what is not, where it belongs now. Settles when all of it is heard, rejects when some of it is not. */
  async resume (): Promise<void> {
    await Promise.all([...this.#byChannel].map(([channel, attached]) => {
      const subscriber = this.#subscribers.of(attached.part)
      if (subscriber !== null && subscriber !== attached.on && subscriber.link.isUp) {
        attached.on = subscriber
        attached.heard = this.#subscribe(subscriber, channel, attached)
      }
      return attached.heard
    }))
  }

  /** A connection ended, or its subscriptions did. */
  lose (subscriber: Subscriber): void {
    for (const attached of this.#byChannel.values()) {
      if (attached.on === subscriber) attached.on = null
    }
  }

  /** Nobody reads them any more. */
  close (): void {
    this.#byChannel.clear()
  }

  async #subscribe (subscriber: Subscriber, channel: string, attached: Attached): Promise<void> {
    try {
      await subscriber.subscribe([channel])
    } catch (error) {
      if (attached.on === subscriber) attached.on = null
      throw error
    }
  }
}
