// One connection that hears channels. Hands every message to one listener, and never reads one.
import type { Redis } from 'ioredis'
import { Link } from './link.ts'

/** Channels of one subscribe command. */
export const BATCH = 512

/** What a subscriber tells. */
export interface SubscriberEvents {
  readonly message: (channel: string, bytes: Buffer) => void
  readonly up: (subscriber: Subscriber) => void
  readonly down: (subscriber: Subscriber, reason: string) => void
  /** Redis ended subscriptions by itself: their slots live elsewhere now. */
  readonly moved: (subscriber: Subscriber) => void
}

export class Subscriber {
  readonly #client: Redis
  readonly #link: Link
  readonly #isSharded: boolean

  constructor (client: Redis, isSharded: boolean, events: SubscriberEvents) {
    this.#client = client
    this.#isSharded = isSharded
    this.#link = new Link(client, { up: () => events.up(this), down: reason => events.down(this, reason) })
    client.on(isSharded ? 'smessageBuffer' : 'messageBuffer', (channel: Buffer, bytes: Buffer) => events.message(channel.toString(), bytes))
    client.on('moved', () => events.moved(this))
  }

  get link (): Link {
    return this.#link
  }

  /** Settles when nothing published from then on passes unheard. In a cluster all of them are of one part. */
  async subscribe (channels: readonly string[]): Promise<void> {
    await (this.#isSharded ? this.#client.ssubscribe(...channels) : this.#client.subscribe(...channels))
  }

  /** Whatever of them still arrives, nobody listens to; a connection that ended took them along. */
  unsubscribe (channels: readonly string[]): void {
    const done = this.#isSharded ? this.#client.sunsubscribe(...channels) : this.#client.unsubscribe(...channels)
    done.catch(() => {})
  }

  /** Settles with the answer, however late; rejects when the connection ends before. */
  async ping (): Promise<void> {
    await this.#client.ping()
  }

  close (): Promise<void> {
    return this.#link.close()
  }
}
