// Every stream this process listens to: subscribed once, in batches, again after every loss, and what was missed is read. Publishes nothing.
import type { Position } from '@fastify-channels/protocol'
import { inBatches } from './batches.ts'
import { PATIENCE } from './client.ts'
import { Heard } from './heard.ts'
import type { HeardEvents } from './heard.ts'
import type { History } from './history.ts'
import type { Keys } from './keys.ts'
import type { Subscriber } from './subscriber.ts'
import type { Subscribers } from './subscribers.ts'

export class Hearing {
  readonly #keys: Keys
  readonly #history: History
  readonly #subscribers: Subscribers
  readonly #events: HeardEvents
  readonly #byChannel = new Map<string, Heard>()
  /** Not subscribed: on the next turn, or when there is a connection. */
  readonly #unsubscribed = new Set<Heard>()
  /** Subscribed, but where they stand could not be read. */
  readonly #unread = new Set<Heard>()
  /** Not heard, or not known where they stand: a gap or a refill is still to come. */
  readonly #recovering = new Set<Heard>()
  /** Nobody listens any more: unsubscribed on the next turn. */
  readonly #left = new Map<string, Heard>()
  #isScheduled = false
  #isClosed = false

  constructor (keys: Keys, history: History, subscribers: Subscribers, events: Omit<HeardEvents, 'hole'>) {
    this.#keys = keys
    this.#history = history
    this.#subscribers = subscribers
    this.#events = { ...events, hole: heard => { this.#read([heard]).catch(() => {}) } }
  }

  get size (): number {
    return this.#byChannel.size
  }

  /** True when no stream waits to be heard again. */
  get isSettled (): boolean {
    return this.#recovering.size === 0
  }

  /** Settles with the position from which a stream is heard; with null where Redis is away, and then a gap tells it. */
  listen (stream: string): Promise<Position | null> | null {
    const heard = new Heard(stream, this.#keys.stream(stream), this.#events)
    this.#byChannel.set(heard.channel, heard)
    this.#unsubscribed.add(heard)
    if (this.#ready(heard) === null) {
      this.#recovering.add(heard)
      return null
    }
    this.#schedule()
    return heard.ready()
  }

  unlisten (stream: string): void {
    const heard = this.#byChannel.get(this.#keys.stream(stream).channel)
    if (heard === undefined) return
    this.#byChannel.delete(heard.channel)
    this.#forget(heard)
    this.#left.set(heard.channel, heard)
    this.#schedule()
  }

  /** The stream of a channel. */
  find (channel: string): Heard | undefined {
    return this.#byChannel.get(channel)
  }

  /** Does what can be done now: subscribes what is not subscribed, reads what is not known. */
  resume (): void {
    if (this.#isClosed) return
    this.#unsubscribe()
    const ready = [...this.#unsubscribed].filter(heard => this.#ready(heard) !== null)
    for (const [subscriber, batch] of inBatches(ready, this.#subscribers, heard => this.#ready(heard)!)) this.#subscribe(subscriber, batch).catch(() => {})
    const unread = [...this.#unread]
    this.#unread.clear()
    this.#read(unread).catch(() => {})
  }

  /** A connection ended, or its subscriptions did. */
  lose (subscriber: Subscriber): void {
    for (const heard of this.#byChannel.values()) {
      if (heard.on === subscriber) this.#drop(heard)
    }
  }

  /** What is subscribed where it does not belong any more is not subscribed. */
  reroute (): void {
    for (const heard of this.#byChannel.values()) {
      if (heard.on !== null && heard.on !== this.#subscribers.of(heard.part)) this.#drop(heard)
    }
  }

  close (): void {
    this.#isClosed = true
    for (const heard of this.#byChannel.values()) this.#forget(heard)
    this.#byChannel.clear()
  }

  #ready ({ part }: Heard): Subscriber | null {
    const subscriber = this.#subscribers.of(part)
    return subscriber !== null && subscriber.link.isUp ? subscriber : null
  }

  #schedule (): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.resume()
    })
  }

  #unsubscribe (): void {
    // Whoever was listened to again meanwhile is about to be subscribed on the same connection.
    const left = [...this.#left.values()].filter(({ channel, on, part }) => on !== null && !(this.#byChannel.has(channel) && this.#subscribers.of(part) === on))
    this.#left.clear()
    for (const [subscriber, batch] of inBatches(left, this.#subscribers, ({ on }) => on!)) subscriber.unsubscribe(batch.map(({ channel }) => channel))
  }

  async #subscribe (subscriber: Subscriber, batch: readonly Heard[]): Promise<void> {
    for (const heard of batch) {
      this.#unsubscribed.delete(heard)
      heard.begin(subscriber)
    }
    const turns = batch.map(({ turn }) => turn)
    const current = () => batch.filter((heard, index) => heard.turn === turns[index])
    const patience = setTimeout(() => {
      for (const heard of current()) {
        heard.giveUp()
        this.#recovering.add(heard)
      }
    }, PATIENCE)
    try {
      await subscriber.subscribe(batch.map(({ channel }) => channel))
      await this.#read(current())
    } catch {
      for (const heard of current()) this.#drop(heard)
    } finally {
      clearTimeout(patience)
    }
  }

  async #read (batch: readonly Heard[]): Promise<void> {
    await Promise.all(batch.map(async heard => {
      const { turn, at, id, keys } = heard
      try {
        const reading = at === null ? { at: await this.#history.place(keys), missed: null } : await this.#history.after(keys, at, id)
        if (heard.turn !== turn) return
        this.#recovering.delete(heard)
        heard.resume(reading)
      } catch {
        if (heard.turn !== turn) return
        heard.giveUp()
        this.#unread.add(heard)
        this.#recovering.add(heard)
      }
    }))
  }

  #drop (heard: Heard): void {
    heard.end()
    this.#unread.delete(heard)
    this.#unsubscribed.add(heard)
    this.#recovering.add(heard)
  }

  #forget (heard: Heard): void {
    heard.close()
    this.#recovering.delete(heard)
    this.#unread.delete(heard)
    this.#unsubscribed.delete(heard)
  }
}
